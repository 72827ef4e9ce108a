//! Statistical methods: pure functions over plain numbers, each with its source. No clock, no randomness that is not
//! seeded, no dependence on the order of the input beyond what a function says.

pub mod baseline;
pub mod benjamini_hochberg;
pub mod episode;
pub mod farrington;
pub mod gamma_poisson;
mod irls;
pub mod kaplan_meier;
pub mod log_odds;
pub mod log_rank;
pub mod negative_binomial;
pub mod percentile;
pub mod poisson;
pub mod poisson_regression;
mod quasi_poisson;
pub mod ranks;
pub mod representativity;
pub mod same_phase;
pub mod season;
pub mod series;
pub mod share_difference;
pub mod special;
pub mod wilson;

pub use series::CountSeries;

/// Coverage of every interval that the tables show.
pub const LEVEL: f64 = 0.95;

/// A closed interval; a side that the data does not bound is infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies inside, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}
