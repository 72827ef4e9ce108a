//! Emerging terms: phrases of one to three words that are said much more in a window than before it.
//!
//! What is counted is an author's day: a phrase counts once however often somebody writes it in a day, so that one person cannot make a
//! word rise (a report without an author counts as an author of its own). The shares of such days that hold a phrase, in the window and in the
//! weeks before, are compared by [`log_odds`](crate::statistics::log_odds); the prior is how often the whole city says it in both. The false-discovery rate
//! is held over everything compared in a window.
//!
//! Only words of the sender are read (reports with a text), masked as they are held; a placeholder ends a phrase. A phrase that fewer
//! than [`MIN_REPORTERS`] people used is not shown, whatever its score: it could tell who they are.
//!
//! Nothing of it is kept between snapshots: it is computed when asked for, from the rows. Memory and time are bounded by taking at most
//! [`MAX_NOW`] and [`MAX_BEFORE`] reports, those whose ids hash lowest: a random sample that is the same in every order of arrival. A heavy-hitters
//! sketch would depend on that order, and could not take back an erased text.

mod count;
mod phrases;
mod sample;
mod score;

pub(crate) use score::{Term, emerging};

/// Fewest people who must have used a phrase in the window for it to be shown.
pub(crate) const MIN_REPORTERS: usize = 5;

/// Fewest authors' days before the window with which one is compared; below, nothing is called new.
pub(crate) const MIN_BEFORE: usize = 50;

/// Highest false-discovery rate of what is shown.
pub(crate) const MAX_Q_VALUE: f64 = 0.05;

/// Most phrases shown of one window, district and language.
pub(crate) const MAX_SHOWN: usize = 50;

/// Most reports read of a window, and of the time before it.
pub(crate) const MAX_NOW: usize = 10_000;
pub(crate) const MAX_BEFORE: usize = 20_000;

/// How many authors' days the prior weighs.
pub(crate) const PRIOR_DAYS: f64 = 100.0;

/// A phrase is left out for a longer one that holds it and is said at least so often, in parts of it.
pub(crate) const SWALLOWED: f64 = 0.8;

/// How long before a window of this length is compared with it: four times as long, at least four weeks.
pub(crate) fn before_us(length_us: i64) -> i64 {
    length_us.saturating_mul(4).max(28 * feedback::time::DAY_US)
}
