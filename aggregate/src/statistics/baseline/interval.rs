//! The ratios that the test of [`Baseline`] does not refuse.

use super::Baseline;
use super::student;
use crate::statistics::Interval;
use crate::statistics::negative_binomial::{ln_none, tails};
use crate::statistics::special::normal_cdf;

impl Baseline {
    /// The interval of the ratio at [`LEVEL`](crate::statistics::LEVEL): the ratios that the same test does not refuse, so that it holds 1 exactly where the
    /// p-value is above `1 - LEVEL`.
    pub fn interval(&self, observed: u64) -> Interval {
        let z = student::deviate(self.dispersion.degrees);
        let end = End { baseline: self, observed, z, ln_tail: normal_cdf(-z).ln() };
        Interval { low: if observed == 0 { 0.0 } else { end.ratio(false) }, high: end.ratio(true) }
    }
}

/// An end of the interval: where a tail of the count falls to that of a normal variable at `z`.
struct End<'a> {
    baseline: &'a Baseline,
    observed: u64,
    z: f64,
    ln_tail: f64,
}

impl End<'_> {
    fn ratio(&self, is_upper: bool) -> f64 {
        let (start, slope) = self.guess(is_upper);
        increasing_root(start, slope, |ln_ratio| self.excess(ln_ratio.exp(), is_upper)).exp()
    }

    /// How far the tail is from where it should be, on the log scale: increasing in the ratio, zero at the end.
    fn excess(&self, ratio: f64, is_upper: bool) -> f64 {
        let (mean, dispersion) = (ratio * self.baseline.mean, self.baseline.dispersion_at(ratio));
        if self.observed == 0 {
            return self.ln_tail - ln_none(mean, dispersion);
        }
        let tails = tails(self.observed, mean, dispersion);
        if is_upper {
            self.ln_tail - tails.at_most.max(f64::MIN_POSITIVE).ln()
        } else {
            tails.at_least.max(f64::MIN_POSITIVE).ln() - self.ln_tail
        }
    }

    /// ln of about where the end lies, and the slope of the excess there: the Gamma quantile of Wilson & Hilferty (1931) at as many
    /// independent events, and the hazard of the normal distribution.
    fn guess(&self, is_upper: bool) -> (f64, f64) {
        let (count, side) = if is_upper { (self.observed as f64 + 1.0, 1.0) } else { (self.observed as f64, -1.0) };
        let at = |ratio: f64| {
            let events = count / self.baseline.dispersion_at(ratio);
            let cube = (1.0 - 1.0 / (9.0 * events) + side * self.z / (3.0 * events.sqrt())).max(0.2);
            (count / self.baseline.mean * cube * cube * cube, events.sqrt() * cube)
        };
        // The dispersion is that at the end itself, which a first guess is near enough to.
        let (ratio, per_deviate) = at(at(count / self.baseline.mean).0);
        (ratio.ln(), per_deviate * (self.z + 1.0 / self.z))
    }
}

/// Where an increasing function crosses zero: one step by the slope that it is thought to have, secant steps after it, halving
/// where they leave the bracket.
fn increasing_root(start: f64, slope: f64, function: impl Fn(f64) -> f64) -> f64 {
    const MAX_STEPS: usize = 100;
    const MAX_STRIDE: f64 = 3.0;
    /// A secant step this short leaves an error of about its own length times that of the step before.
    const LAST_STRIDE: f64 = 1e-5;
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let (mut before, mut at) = (start, start);
    let (mut value_before, mut value) = (0.0, function(at));
    for step in 0..MAX_STEPS {
        if value > 0.0 {
            high = at
        } else {
            low = at
        }
        let stride = if step == 0 { -value / slope } else { -value * (at - before) / (value - value_before) };
        let stride = if stride.is_finite() { stride.clamp(-MAX_STRIDE, MAX_STRIDE) } else { -MAX_STRIDE * value.signum() };
        let mut next = at + stride;
        // Before the bracket is asked: at the root itself a step is too small to leave the place, and no step is outside.
        if stride.abs() < LAST_STRIDE {
            return next;
        }
        if !(next > low && next < high) {
            let middle = 0.5 * (low + high);
            next = if middle.is_finite() { middle } else { at - MAX_STRIDE * value.signum() };
        }
        (before, value_before) = (at, value);
        at = next;
        value = function(at);
    }
    at
}
