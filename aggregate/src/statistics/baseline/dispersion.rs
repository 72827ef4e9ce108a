//! How much counts vary around their means, against Poisson counts.

use super::level::Level;

/// Variance over mean where nothing is known of it.
pub const PRIOR_DISPERSION: f64 = 1.5;
/// Degrees of freedom that [`PRIOR_DISPERSION`] counts for.
pub(super) const PRIOR_DEGREES: f64 = 6.0;
/// Degrees of freedom that cells which do not differ at all lend one another at most.
const MAX_ALIKE_DEGREES: f64 = 200.0;
/// How many times what is seen of the dispersion beyond Poisson's there may be, where reports are so few that next to nothing is seen.
const MAX_UNSEEN: f64 = 2.0;

/// Variance over mean of a cell's counts, and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dispersion {
    /// Variance over mean, at least 1.
    pub value: f64,
    /// Degrees of freedom that it was estimated with.
    pub degrees: f64,
}

impl Dispersion {
    /// Moderated by a cell's own.
    pub fn moderated(self, level: &Level) -> Self {
        let degrees = level.degrees + self.degrees;
        Self { value: ((level.spread + self.degrees * self.value) / degrees).max(1.0), degrees }
    }
}

/// How much the counts of cells of one kind vary around their means, against Poisson counts, and how much cells differ in that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Peers {
    degrees: f64,
    spread: f64,
    /// Sum of degrees times the squared dispersion, ...
    squares: f64,
    /// ... how many cells there are, and the sum of 1 / mean, for the share of it that chance explains.
    cells: f64,
    inverse_means: f64,
    /// Sum of degrees times the reports in the periods.
    reports: f64,
}

impl Peers {
    /// Adds a cell. The sum is one of floating-point numbers: add cells in a stable order.
    pub fn add(&mut self, level: &Level) {
        if level.degrees > 0.0 {
            self.degrees += level.degrees;
            self.spread += level.spread;
            self.squares += level.spread * level.spread / level.degrees;
            self.cells += 1.0;
            self.inverse_means += 1.0 / level.mean;
            self.reports += level.degrees * level.periods * level.mean;
        }
    }

    /// What is thought of the dispersion of a cell of this kind: the kind's own, where there is enough of it, and degrees of
    /// freedom that say how alike cells are (the moderation of variances of Smyth 2004, by moments).
    pub fn prior(&self) -> Dispersion {
        if self.degrees == 0.0 {
            return Dispersion { value: PRIOR_DISPERSION, degrees: PRIOR_DEGREES };
        }
        let all = self.degrees + PRIOR_DEGREES;
        let own = (self.spread / self.degrees).max(1.0);
        let value = (self.degrees * self.unseen(own) + PRIOR_DEGREES * PRIOR_DISPERSION) / all;
        let observed = self.squares / self.degrees / (own * own) - 1.0;
        // Chance: twice over the degrees for normal counts, and more for few reports (the kurtosis of the negative binomial).
        let kurtosis = 6.0 * (own - 1.0) + 1.0 / own;
        let by_chance = (2.0 * self.cells + kurtosis * self.inverse_means) / self.degrees;
        let alike = 4.0 + 2.0 / (observed - by_chance).max(2.0 / MAX_ALIKE_DEGREES);
        Dispersion { value, degrees: 1.0 / (1.0 / alike + 1.0 / all) }
    }

    /// The dispersion of counts that show this one on average. A burst raises the mean that it is measured against, so rare reports seem to
    /// vary less than they do: negative-binomial counts that are alike show 1 + (reports - 1) / (size + 1), where reports and size are
    /// those of all periods together, and the dispersion is 1 + reports / size.
    fn unseen(&self, seen: f64) -> f64 {
        let reports = self.reports / self.degrees;
        1.0 + (seen - 1.0) / (1.0 - seen / reports).max(1.0 / MAX_UNSEEN)
    }

    /// Variance over mean of a cell: its own over the earlier periods, moderated by its peers', which a handful of periods needs.
    pub fn dispersion(&self, level: &Level) -> Dispersion {
        self.prior().moderated(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_are_alike_lend_one_another_more() {
        let peers_of = |spreads: &[f64]| {
            let mut peers = Peers::default();
            let level =
                |spread: &f64| Level { mean: 50.0, periods: 11.0, spread: 10.0 * spread, degrees: 10.0, ..Level::default() };
            spreads.iter().cycle().take(400).for_each(|spread| peers.add(&level(spread)));
            peers.prior()
        };
        let (alike, different) = (peers_of(&[1.8, 2.0, 2.2]), peers_of(&[1.0, 1.0, 1.0, 9.0]));
        assert!(alike.degrees > 100.0 && different.degrees < 10.0, "{alike:?} {different:?}");
        assert!((alike.value - 2.0).abs() < 0.01);
    }
}
