//! Since when a change goes on, and when it was announced: a burst is announced once and followed, not announced anew each tick.
//!
//! Everything here is a function of one series alone, at moments of a fixed grid that do not move with the tick: neither earlier
//! ticks, nor a restart changes it. The expectation is the series' own; of other cells only their number enters, in steps so coarse
//! that it seldom moves.

use feedback::Timestamp;
use feedback::time::{DAY_US, HOUR_US, MINUTE_US};

use super::CountSeries;
use super::baseline::{Baseline, Comparison, Dispersion, Guess, Level, PRIOR_DISPERSION, Weights};
use super::same_phase::{Counts, Phase};

/// Moments looked at in a window's length ...
const STEPS_PER_WINDOW: i64 = 24;
/// ... but no closer together than this.
const MIN_STEP_US: i64 = 10 * MINUTE_US;
/// How far is looked back at most: a week, or ...
const MIN_BACK_US: i64 = 7 * DAY_US;
/// ... so many lengths of the window, if that is longer.
const MAX_LENGTHS_BACK: i64 = 4;
/// A burst that pauses for less than this (overnight) is still the same one.
pub const MAX_PAUSE_US: i64 = 12 * HOUR_US;
/// How far a cell's own week may differ from one that is even, as in [`Guess::share`].
const EVEN_WEEK_EVENTS: f64 = 1.0;

/// What is thought of the dispersion before the series is looked at. Fixed: that of a cell's kind moves with the hour of the week, and
/// announcements would move with it.
const USUAL_DISPERSION: Dispersion = Dispersion { value: PRIOR_DISPERSION, degrees: 24.0 };

/// When a change is evident, and when it goes on: the two thresholds of the hysteresis, as two-sided p-values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// At or below this it is announced.
    pub announce: f64,
    /// At or below this it goes on.
    pub follow: f64,
    /// Smallest ratio of a rise that is announced; its inverse is the largest of a fall.
    pub min_ratio: f64,
    /// Smallest difference between observed and expected that is announced, in reports.
    pub min_change: f64,
}

/// A change that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// The last moment of the grid at which it did not yet go on; where it always did, the beginning of the look-back.
    pub since: Timestamp,
    /// The first moment of the grid at which it was evident; `None` where it never was, or longer ago than is looked back.
    pub announced_at: Option<Timestamp>,
}

/// The time between two moments at which a window is looked at; whole minutes.
pub fn step_us(length_us: i64) -> i64 {
    (length_us / STEPS_PER_WINDOW).max(MIN_STEP_US) / MINUTE_US * MINUTE_US
}

/// The last moment of the grid at which the window of `phase` was looked at: of it, [`episode`] asks nothing else but its length.
pub fn latest(phase: &Phase) -> Timestamp {
    phase.end.floor(step_us(phase.length_us()))
}

/// The episode that goes on at the end of `phase`. Where it does not go on at the last moment of the grid, it has only just
/// begun: nothing is announced yet.
pub fn episode(series: &impl CountSeries, phase: &Phase, first: Option<Timestamp>, rising: bool, rule: &Rule) -> Episode {
    let length_us = phase.length_us();
    let step_us = step_us(length_us);
    let latest = latest(phase);
    let mut episode = Episode { since: latest, announced_at: None };
    let (mut moment, mut quiet_us) = (latest, 0);
    let max_steps = MIN_BACK_US.max(length_us.saturating_mul(MAX_LENGTHS_BACK)) / step_us;
    for step in 0..=max_steps {
        if step == max_steps {
            // It began before anything that is looked at: when it was announced is not known any more.
            return Episode { announced_at: None, ..episode };
        }
        let phase = Phase::new(moment, length_us, first);
        let counts = phase.count(series);
        let compared = compare_alone(&phase, &counts);
        let goes_on = compared.is_some_and(|(c, _)| c.p_value() <= rule.follow && c.is_rise() == rising);
        moment = moment.plus_micros(-step_us);
        if goes_on {
            episode.since = moment;
            quiet_us = 0;
            if compared.is_some_and(|(c, expected)| is_evident(c, expected, counts.observed, rule)) {
                episode.announced_at = Some(moment.plus_micros(step_us));
            }
        } else {
            quiet_us += step_us;
            if step == 0 || quiet_us >= MAX_PAUSE_US {
                break;
            }
        }
    }
    episode
}

fn is_evident(comparison: Comparison, expected: f64, observed: u64, rule: &Rule) -> bool {
    let large =
        if comparison.is_rise() { comparison.ratio >= rule.min_ratio } else { comparison.ratio <= 1.0 / rule.min_ratio };
    comparison.p_value() <= rule.announce && large && (observed as f64 - expected).abs() >= rule.min_change
}

/// The comparison of a window with its own history, and what was expected. `None` without history.
fn compare_alone(phase: &Phase, counts: &Counts) -> Option<(Comparison, f64)> {
    let level = Level::alone(counts, &Weights::new(counts.periods, |_| false));
    let dispersion = USUAL_DISPERSION.moderated(&level);
    let guess = if phase.is_gapless() {
        Guess::vague()
    } else {
        // The rest of the same weeks, as if every phase were alike.
        let others = (phase.shift_us - phase.length_us()) as f64 / phase.length_us() as f64 * counts.periods as f64;
        Guess::share((counts.between, counts.between), counts.between as f64 / others, EVEN_WEEK_EVENTS, dispersion.value)
    };
    let guess = if guess.mean > 0.0 { guess } else { Guess::vague() };
    let baseline = Baseline::new(&level, dispersion, guess)?;
    Some((baseline.compare(counts.observed), baseline.mean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::series::Moments;

    const RULE: Rule = Rule { announce: 1e-4, follow: 0.05, min_ratio: 1.2, min_change: 3.0 };

    fn at_minute(minute: i64) -> Timestamp {
        Timestamp::from_micros(minute * MINUTE_US)
    }

    /// One report an hour for ten weeks, and `extra` in each of the minutes.
    fn series(extra: impl IntoIterator<Item = i64>) -> Moments {
        (0..1800).map(|hour| at_minute(hour * 60)).chain(extra.into_iter().map(at_minute)).collect()
    }

    fn seen(series: &Moments, minute: i64) -> Episode {
        let first = Some(at_minute(0));
        episode(series, &Phase::new(at_minute(minute), HOUR_US, first), first, true, &RULE)
    }

    #[test]
    fn a_burst_is_announced_once_whenever_one_looks() {
        // Fifteen an hour for five hours, a pause of six hours, and five hours again.
        let start = 1680 * 60;
        let burst = (0..300).chain(660..960).filter(|minute| minute % 4 == 0).map(|minute| start + minute);
        let series = series(burst);
        let announced = seen(&series, start + 60).announced_at.unwrap();
        assert!(announced > at_minute(start) && announced <= at_minute(start + 60), "{announced}");
        for minute in (start + 60..start + 300).chain(start + 740..start + 960) {
            assert_eq!(seen(&series, minute).announced_at, Some(announced), "{minute}");
            assert!(seen(&series, minute).since < announced);
        }
        assert_eq!(seen(&series, start - 5).announced_at, None);
        assert_eq!(seen(&series, start + 1100).announced_at, None, "over");
    }

    #[test]
    fn what_goes_on_for_longer_than_is_looked_back_is_not_announced_anew() {
        let start = 1300 * 60;
        let series = series((0..500 * 60).filter(|minute| minute % 4 == 0).map(|minute| start + minute));
        let late = seen(&series, start + 499 * 60);
        assert_eq!(late.announced_at, None);
        assert!(seen(&series, start + 120).announced_at.is_some());
    }

    #[test]
    fn steps_are_whole_minutes() {
        let (hour, day) = (HOUR_US, 24 * HOUR_US);
        assert_eq!([hour, day, 7 * day, 90 * MINUTE_US].map(|length| step_us(length) / MINUTE_US), [10, 60, 420, 10]);
    }
}
