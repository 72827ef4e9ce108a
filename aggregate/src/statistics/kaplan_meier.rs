//! The survival curve of Kaplan & Meier (1958) for durations of which some have not ended yet, with Greenwood's variance on
//! the log-log scale, as R's `survival::survfit(conf.type = "log-log")`.

use super::Interval;
use super::special::two_sided_z;

/// One duration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Duration {
    /// How long, in any unit.
    pub time: f64,
    /// Whether it ended then; otherwise it was still running when last looked at.
    pub ended: bool,
}

/// The curve at one distinct time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The time.
    pub time: f64,
    /// Durations that lasted at least this long.
    pub at_risk: u64,
    /// Durations that ended now.
    pub ended: u64,
    /// The share that lasts longer.
    pub survival: f64,
    /// Its pointwise interval; `None` where all or none have ended, for there the log-log scale has no value.
    pub interval: Option<Interval>,
}

/// A survival curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    steps: Vec<Step>,
}

/// A median with its interval; `None` is "not reached".
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Median {
    /// When half have ended.
    pub value: Option<f64>,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

impl Curve {
    /// Fits the curve, pointwise intervals at `level`. Times that are NaN, infinite or negative are left out. The order of
    /// the durations changes no bit.
    pub fn fit(durations: impl IntoIterator<Item = Duration>, level: f64) -> Self {
        let mut durations: Vec<_> = durations.into_iter().filter(|d| d.time.is_finite() && d.time >= 0.0).collect();
        durations.sort_unstable_by(|a, b| a.time.total_cmp(&b.time));
        let z = two_sided_z(level);
        let mut at_risk = durations.len() as u64;
        let (mut survival, mut greenwood) = (1.0f64, 0.0f64);
        let mut steps = Vec::new();
        for together in durations.chunk_by(|a, b| a.time == b.time) {
            let ended = together.iter().filter(|d| d.ended).count() as u64;
            if ended > 0 {
                let (n, d) = (at_risk as f64, ended as f64);
                survival *= (n - d) / n;
                greenwood += d / (n * (n - d));
            }
            let interval = interval(survival, greenwood, z);
            steps.push(Step { time: together[0].time, at_risk, ended, survival, interval });
            at_risk -= together.len() as u64;
        }
        Self { steps }
    }

    /// The curve, one step a distinct time, times ascending.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The median and its interval: where curve and pointwise interval cross one half.
    pub fn median(&self) -> Median {
        let last = self.steps.last().map(|step| step.time);
        let crossing = |height: &dyn Fn(&Step) -> Option<f64>| {
            crossing(|| self.steps.iter().filter_map(|step| Some((step.time, height(step)?))), last)
        };
        Median {
            value: crossing(&|step| Some(step.survival)),
            low: crossing(&|step| step.interval.map(|i| i.low)),
            high: crossing(&|step| step.interval.map(|i| i.high)),
        }
    }
}

/// The pointwise interval on the log-log scale; `None` where all or none have ended.
fn interval(survival: f64, greenwood: f64, z: f64) -> Option<Interval> {
    (survival > 0.0 && survival < 1.0).then(|| {
        let width = z * greenwood.sqrt() / -survival.ln();
        Interval { low: survival.powf(width.exp()), high: survival.powf((-width).exp()) }
    })
}

const TOLERANCE: f64 = 1.5e-8;

/// When a height first falls to one half. Where it lies exactly there for a while, the middle of that while (to the last moment,
/// if it never falls further), as the median of uncensored durations is.
fn crossing<I: Iterator<Item = (f64, f64)>>(heights: impl Fn() -> I, last: Option<f64>) -> Option<f64> {
    let (time, at) = heights().find(|(_, h)| *h <= 0.5 + TOLERANCE)?;
    if at < 0.5 - TOLERANCE {
        return Some(time);
    }
    let until = heights().find(|(_, h)| *h < 0.5 - TOLERANCE).map(|(time, _)| time).or(last)?;
    Some(0.5 * (time + until))
}

/// The median of [`Curve::fit`], to the bit, of durations that are sound and ascend by time: without the curve, and without the
/// logarithms of the steps that cannot matter. Where a table needs thousands of medians, nearly all of the cost is there.
pub fn sorted_median(sorted: &[Duration], level: f64) -> Median {
    let z = two_sided_z(level);
    let (mut survival, mut greenwood) = (1.0f64, 0.0f64);
    let mut at_risk = sorted.len() as u64;
    let mut points: Vec<(f64, f64, f64)> = Vec::new();
    for together in sorted.chunk_by(|a, b| a.time == b.time) {
        let ended = together.iter().filter(|d| d.ended).count() as u64;
        if ended > 0 {
            let (n, d) = (at_risk as f64, ended as f64);
            survival *= (n - d) / n;
            greenwood += d / (n * (n - d));
            points.push((together[0].time, survival, greenwood));
        }
        at_risk -= together.len() as u64;
    }
    let last = sorted.last().map(|d| d.time);
    let above = |survival: f64, of: &dyn Fn(Interval) -> f64, greenwood: f64, known_above: bool| {
        if known_above { Some(1.0) } else { interval(survival, greenwood, z).map(of) }
    };
    // The lower end is survival^exp(w). While w <= 1, which -ln s >= 1 - s shows without a logarithm, it is at least s^e, and
    // 0.78^e is above one half. The upper end lies above the curve.
    let low = |&(time, s, g): &(f64, f64, f64)| {
        let early = s < 1.0 && s > 0.78 && z * z * g <= (1.0 - s) * (1.0 - s);
        Some((time, above(s, &|i| i.low, g, early)?))
    };
    let high = |&(time, s, g): &(f64, f64, f64)| Some((time, above(s, &|i| i.high, g, s < 1.0 && s > 0.5 + 2.0 * TOLERANCE)?));
    Median {
        value: crossing(|| points.iter().map(|&(time, s, _)| (time, s)), last),
        low: crossing(|| points.iter().filter_map(low), last),
        high: crossing(|| points.iter().filter_map(high), last),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn curve(durations: &[(f64, bool)]) -> Curve {
        Curve::fit(durations.iter().map(|&(time, ended)| Duration { time, ended }), 0.95)
    }

    #[test]
    fn degenerate_input() {
        assert_eq!(curve(&[]).median(), Median::default());
        assert_eq!(curve(&[(1.0, false), (2.0, false)]).median(), Median::default());
        assert_eq!(curve(&[(f64::NAN, true), (-1.0, true), (f64::INFINITY, true)]).steps().len(), 0);
        let one = curve(&[(3.0, true)]);
        assert_eq!(one.median(), Median { value: Some(3.0), low: None, high: None });
        assert_eq!(curve(&[(1.0, true), (2.0, true), (3.0, true), (4.0, true)]).median().value, Some(2.5));
    }

    #[test]
    fn by_hand() {
        // 5 at risk: 4/5; one censored; 3 at risk: 2/3.
        let curve = curve(&[(1.0, true), (2.0, false), (3.0, true), (4.0, false), (5.0, false)]);
        let survival: Vec<_> = curve.steps().iter().map(|s| s.survival).collect();
        for (s, expected) in survival.iter().zip([0.8, 0.8, 0.8 * 2.0 / 3.0, 0.8 * 2.0 / 3.0, 0.8 * 2.0 / 3.0]) {
            assert!((s - expected).abs() < 1e-15);
        }
    }

    proptest! {
        #[test]
        fn falls_stays_inside_its_interval_and_ignores_order(
            durations in prop::collection::vec(((0u8..40).prop_map(f64::from), any::<bool>()), 0..120),
            turn in 0usize..120,
        ) {
            let fitted = curve(&durations);
            let mut turned = durations.clone();
            if !turned.is_empty() {
                turned.rotate_left(turn % durations.len());
            }
            prop_assert_eq!(&curve(&turned), &fitted);
            turned.sort_by(|a, b| a.0.total_cmp(&b.0));
            let sorted: Vec<_> = turned.iter().map(|&(time, ended)| Duration { time, ended }).collect();
            prop_assert_eq!(sorted_median(&sorted, 0.95), fitted.median());
            for pair in fitted.steps().windows(2) {
                prop_assert!(pair[1].survival <= pair[0].survival && pair[1].time > pair[0].time);
            }
            for step in fitted.steps() {
                prop_assert!(step.interval.is_none_or(|i| i.contains(step.survival)));
            }
            let median = fitted.median();
            if let (Some(value), Some(low)) = (median.value, median.low) {
                prop_assert!(low <= value);
            }
            if let (Some(value), Some(high)) = (median.value, median.high) {
                prop_assert!(value <= high);
            }
            // All ended: the plain median.
            if !durations.is_empty() {
                let mut times: Vec<_> = durations.iter().map(|d| d.0).collect();
                times.sort_unstable_by(f64::total_cmp);
                let n = times.len();
                let plain = 0.5 * (times[(n - 1) / 2] + times[n / 2]);
                let all_ended = curve(&times.iter().map(|&t| (t, true)).collect::<Vec<_>>());
                prop_assert_eq!(all_ended.median().value, Some(plain));
            }
        }
    }
}
