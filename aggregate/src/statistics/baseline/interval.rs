//! The ratios that the test of [`Baseline`] does not refuse.

use super::Baseline;
use super::student::{Deviate, Deviates};
use crate::statistics::Interval;
use crate::statistics::negative_binomial::{ln_none, tails};

impl Baseline {
    /// The interval of the ratio at [`LEVEL`](crate::statistics::LEVEL): the ratios that the same test does not refuse, so that it holds 1 exactly where the
    /// p-value is above `1 - LEVEL`.
    pub fn interval(&self, observed: u64) -> Interval {
        self.interval_at(observed, Deviate::of(self.dispersion.degrees))
    }

    /// The same, for one of many cells.
    pub fn interval_among(&self, observed: u64, deviates: &mut Deviates) -> Interval {
        self.interval_at(observed, deviates.of(self.dispersion.degrees))
    }

    fn interval_at(&self, observed: u64, deviate: Deviate) -> Interval {
        let end = End { baseline: self, observed, deviate };
        Interval { low: if observed == 0 { 0.0 } else { end.ratio(false) }, high: end.ratio(true) }
    }
}

/// An end of the interval: where a tail of the count falls to that of a normal variable at the deviate.
struct End<'a> {
    baseline: &'a Baseline,
    observed: u64,
    deviate: Deviate,
}

impl End<'_> {
    fn ratio(&self, is_upper: bool) -> f64 {
        let (start, slope) = self.guess(is_upper);
        increasing_root(start, slope, |ln_ratio| self.excess(ln_ratio.exp(), is_upper)).exp()
    }

    /// How far the tail is from where it should be, in normal deviates, of which the logarithm of the ratio is nearly a linear function:
    /// increasing in the ratio, zero at the end.
    fn excess(&self, ratio: f64, is_upper: bool) -> f64 {
        let (mean, dispersion) = (ratio * self.baseline.mean, self.baseline.dispersion_at(ratio));
        if self.observed == 0 {
            return -self.deviate.beyond(ln_none(mean, dispersion));
        }
        let tails = tails(self.observed, mean, dispersion);
        if is_upper {
            -self.deviate.beyond(tails.at_most.max(f64::MIN_POSITIVE).ln())
        } else {
            self.deviate.beyond(tails.at_least.max(f64::MIN_POSITIVE).ln())
        }
    }

    /// ln of about where the end lies, and the slope of the excess there: the Gamma quantile of Wilson & Hilferty (1931) at as many
    /// independent events.
    fn guess(&self, is_upper: bool) -> (f64, f64) {
        let (count, side) = if is_upper { (self.observed as f64 + 1.0, 1.0) } else { (self.observed as f64, -1.0) };
        let at = |ratio: f64| {
            let events = count / self.baseline.dispersion_at(ratio);
            let cube = (1.0 - 1.0 / (9.0 * events) + side * self.deviate.z / (3.0 * events.sqrt())).max(0.2);
            (count / self.baseline.mean * cube * cube * cube, events.sqrt() * cube)
        };
        // The dispersion is that at the end itself, which a first guess is near enough to.
        let (ratio, slope) = at(at(count / self.baseline.mean).0);
        (ratio.ln(), slope)
    }
}

/// Where an increasing function crosses zero: one step by the slope that it is thought to have, secant steps after it, halving
/// where they leave the bracket.
fn increasing_root(start: f64, slope: f64, function: impl Fn(f64) -> f64) -> f64 {
    const MAX_STEPS: usize = 100;
    const MAX_STRIDE: f64 = 3.0;
    /// A secant step leaves an error below its own length times that of the step before, the first one a tenth of its length.
    const ERROR: f64 = 1e-7;
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let (mut before, mut at, mut stride_before) = (start, start, 0.1);
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
        if (stride * stride_before).abs() < ERROR {
            return next;
        }
        if !(next > low && next < high) {
            let middle = 0.5 * (low + high);
            next = if middle.is_finite() { middle } else { at - MAX_STRIDE * value.signum() };
        }
        (before, value_before, stride_before) = (at, value, next - at);
        at = next;
        value = function(at);
    }
    at
}
