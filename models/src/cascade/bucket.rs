//! A token bucket that runs on the clock that it is handed.

use feedback::Timestamp;

/// Seconds of budget that may be saved up: a burst after a quiet time costs no more than so much at once.
const SAVED_S: f64 = 2.0;

/// So many texts per second, on average and with bursts of two seconds' worth.
#[derive(Clone, Debug)]
pub struct Bucket {
    per_s: f64,
    tokens: f64,
    /// When `tokens` was true. A clock that steps back gives nothing until it has caught up.
    at: Option<Timestamp>,
}

impl Bucket {
    /// A full bucket that fills by `per_s` a second; a rate that is not above zero gives nothing, ever.
    pub fn new(per_s: f64) -> Self {
        let per_s = if per_s.is_finite() { per_s.max(0.0) } else { 0.0 };
        Self { per_s, tokens: Self::room(per_s), at: None }
    }

    /// At least one text, or a small budget would never be spent.
    fn room(per_s: f64) -> f64 {
        if per_s > 0.0 { (per_s * SAVED_S).max(1.0) } else { 0.0 }
    }

    /// Takes up to `wanted` at the time `now`; how many there were.
    pub fn take(&mut self, wanted: usize, now: Timestamp) -> usize {
        let elapsed_us = self.at.map_or(0, |at| now.micros().saturating_sub(at.micros()).max(0));
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
        self.tokens = (self.tokens + elapsed_us as f64 / 1e6 * self.per_s).min(Self::room(self.per_s));
        let taken = wanted.min(self.tokens as usize);
        self.tokens -= taken as f64;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_micros((seconds * 1e6) as i64)
    }

    #[test]
    fn a_burst_is_bounded_and_time_fills_it_again() {
        let mut bucket = Bucket::new(10.0);
        assert_eq!(bucket.take(100, at(0.0)), 20);
        assert_eq!(bucket.take(1, at(0.0)), 0);
        assert_eq!(bucket.take(100, at(0.5)), 5);
        assert_eq!(bucket.take(100, at(100.0)), 20, "no more is saved than two seconds' worth");
        assert_eq!(bucket.take(100, at(50.0)), 0, "a clock that steps back gives nothing");
        assert_eq!(bucket.take(100, at(100.1)), 1);
    }

    #[test]
    fn odd_rates_are_no_budget_and_a_small_one_is_spent() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Bucket::new(rate).take(5, at(1.0)), 0, "{rate}");
        }
        let mut bucket = Bucket::new(0.1);
        assert_eq!(bucket.take(5, at(0.0)), 1);
        assert_eq!(bucket.take(5, at(9.0)), 0);
        assert_eq!(bucket.take(5, at(10.1)), 1);
    }

    proptest! {
        #[test]
        fn never_more_than_the_rate_and_a_burst(rate in 0.1f64..200.0, steps in proptest::collection::vec((0u32..5_000_000, 0usize..50), 1..60)) {
            let mut bucket = Bucket::new(rate);
            let (mut now, mut taken) = (0i64, 0usize);
            for (step, wanted) in steps {
                now += i64::from(step);
                taken += bucket.take(wanted, Timestamp::from_micros(now));
            }
            let most = rate * (now as f64 * 1e-6) + (rate * SAVED_S).max(1.0);
            prop_assert!(taken as f64 <= most + 1e-6, "{taken} of {most}");
        }
    }
}
