//! What is thought of a cell's mean before its own phase is looked at.

use super::level::Level;

/// Reports that a guess without any knowledge of the cell is worth.
pub(super) const VAGUE_EVENTS: f64 = 0.5;
/// Fewest cells of one kind from whose means another's is guessed.
const MIN_CELLS: f64 = 8.0;

/// What is thought of a cell's mean before its own phase is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// Reports a period.
    pub mean: f64,
    /// Reports that the guess is worth.
    pub events: f64,
}

impl Guess {
    /// Nothing: half a report at no mean in particular, Jeffreys' prior. Of rare reports, a test against the mean that was seen
    /// is refused too often above and too seldom below; half a report more is the middle between what is exact on either side.
    pub fn vague() -> Self {
        Self { mean: f64::INFINITY, events: VAGUE_EVENTS }
    }

    /// A share of a mean: `elsewhere` of `of` reports at other phases came from the cell, `mean` is that of all of them at this
    /// phase. `profile_events` says how far one cell's week may differ from that of all: by a standard deviation of 1 over
    /// its root.
    pub fn share((elsewhere, of): (u64, u64), mean: f64, profile_events: f64, dispersion: f64) -> Self {
        let share = (elsewhere as f64 + 0.5) / (of as f64 + 1.0);
        let events = 1.0 / (1.0 / profile_events + dispersion / (elsewhere as f64 + 0.5));
        Self { mean: share * mean, events }
    }
}

/// The means of cells of one kind, and how far they differ: what a cell is guessed to have of which nothing else is known (empirical
/// Bayes by moments, Marshall 1991). Where rare reports are spread over many districts alike, the year of one holds a handful,
/// and that of all of them tells its mean better; where districts differ much, the guess is worth next to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Means {
    cells: f64,
    /// Periods, reports in them, and the latter's squares over the former.
    periods: f64,
    events: f64,
    squares: f64,
    /// What chance adds to the squares.
    noise: f64,
}

impl Means {
    /// Adds a cell and its variance over mean. A sum of floating-point numbers: add cells in a stable order.
    pub fn add(&mut self, level: &Level, dispersion: f64) {
        self.cells += 1.0;
        self.periods += level.periods;
        self.events += level.periods * level.mean;
        self.squares += level.periods * level.mean * level.mean;
        self.noise += level.mean * dispersion;
    }

    /// Adds so many cells that had nothing in so many periods.
    pub fn add_silent(&mut self, cells: usize, periods: f64) {
        self.cells += cells as f64;
        self.periods += cells as f64 * periods;
    }

    /// The guess for a cell of this kind; `None` where it says no more than [`Guess::vague`].
    pub fn guess(&self) -> Option<Guess> {
        if self.cells < MIN_CELLS || self.events <= 0.0 {
            return None;
        }
        let mean = self.events / self.periods;
        let chance = self.noise / self.periods;
        let between = (self.squares / self.periods - mean * mean - chance).max(0.0);
        // That cells are alike is known no better than so many of them can show: by a standard error of their variance.
        let alike = mean * mean / (between + (2.0 / self.cells).sqrt() * (between + chance));
        // The mean of all is itself known no better than their reports allow, which tell as much as so many independent ones.
        let known = self.events * mean * self.cells / self.noise;
        let events = 1.0 / (1.0 / alike + 1.0 / known);
        (events > VAGUE_EVENTS).then_some(Guess { mean, events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(of: impl Fn(usize) -> f64) -> Means {
        let mut means = Means::default();
        (0..200).for_each(|cell| means.add(&Level { mean: of(cell), periods: 40.0, ..Level::default() }, 1.0));
        means
    }

    #[test]
    fn cells_that_are_alike_tell_of_one_another() {
        // Poisson means of 40 periods around 0.25: ten reports each, give or take three.
        let alike = means(|cell| 0.25 + 0.08 * [-1.0, 1.0][cell % 2]).guess().unwrap();
        assert!((alike.mean - 0.25).abs() < 1e-12 && alike.events > 30.0, "{alike:?}");
        // As many cells that differ by nothing but chance say more, fewer of them less.
        let same = means(|cell| 0.25 + 0.079 * [-1.0, 1.0][cell % 2]).guess().unwrap();
        let mut few = Means::default();
        (0..10).for_each(|_| few.add(&Level { mean: 0.25, periods: 40.0, ..Level::default() }, 1.0));
        assert!(same.events > alike.events && few.guess().unwrap().events < 30.0, "{same:?} {few:?}");
        // A few large districts, many small ones.
        assert_eq!(means(|cell| if cell % 20 == 0 { 10.0 } else { 0.1 }).guess(), None);
        // Half as large again here and there: a guess worth a few reports.
        let different = means(|cell| 5.0 + 2.5 * [-1.0, 1.0][cell % 2]).guess().unwrap();
        assert!((different.events - 4.0).abs() < 0.5, "{different:?}");
    }

    #[test]
    fn those_that_are_silent_count_and_few_say_nothing() {
        let mut half = means(|_| 0.25);
        half.add_silent(200, 40.0);
        assert!((half.guess().unwrap().mean - 0.125).abs() < 1e-12);
        assert_eq!(Means::default().guess(), None);
        let mut silent = Means::default();
        silent.add_silent(50, 40.0);
        assert_eq!(silent.guess(), None);
    }
}
