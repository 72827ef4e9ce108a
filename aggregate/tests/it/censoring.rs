//! What is closed alone flatters, and by how much: simulated cases of which some are still open when they are looked at. Writes the table
//! of `docs/methods/service_levels.md`.

use std::fmt::Write as _;

use aggregate::statistics::kaplan_meier::{Curve, Duration};
use aggregate::statistics::special::normal_quantile;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::page::page_has;

/// Cases of a group, and groups of a setting.
const CASES: usize = 200;
const GROUPS: usize = 400;
/// Days in which half of the cases are closed.
const MEDIAN_DAYS: f64 = 10.0;
/// Means are taken of times cut off here: beyond the time that cases were watched for, no method knows anything.
const CUT_DAYS: f64 = 12.0;
/// Days over which cases come, evenly, before they are looked at: the shorter, the more of them are still open.
const WATCHED_DAYS: [f64; 4] = [240.0, 60.0, 30.0, 15.0];

/// How times to closing are distributed: a name, and the quantile function.
type Shape = (&'static str, fn(f64) -> f64);

/// With a constant hazard, and with a long tail (log-normal, sigma 1.2).
const SHAPES: [Shape; 2] = [("exponential", exponential), ("log-normal", log_normal)];

fn exponential(uniform: f64) -> f64 {
    -MEDIAN_DAYS / 2f64.ln() * uniform.ln()
}

fn log_normal(uniform: f64) -> f64 {
    MEDIAN_DAYS * (1.2 * normal_quantile(uniform)).exp()
}

/// How far an estimate is off.
#[derive(Clone, Copy, Debug, Default)]
struct Errors {
    sum: f64,
    squares: f64,
    groups: f64,
}

impl Errors {
    fn add(&mut self, estimate: Option<f64>, truth: f64) {
        if let Some(error) = estimate.map(|estimate| estimate - truth) {
            self.sum += error;
            self.squares += error * error;
            self.groups += 1.0;
        }
    }

    fn bias(&self) -> f64 {
        self.sum / self.groups
    }

    fn root_mean_square(&self) -> f64 {
        (self.squares / self.groups).sqrt()
    }
}

/// The area under the curve up to [`CUT_DAYS`]: the mean of the times cut off there.
fn restricted_mean(curve: &Curve) -> f64 {
    let (mut area, mut from, mut survival) = (0.0, 0.0, 1.0);
    for step in curve.steps().iter().take_while(|step| step.time < CUT_DAYS) {
        area += survival * (step.time - from);
        (from, survival) = (step.time, step.survival);
    }
    area + survival * (CUT_DAYS - from)
}

struct Setting {
    shape: &'static str,
    watched_days: f64,
    open: f64,
    median: Errors,
    naive_median: Errors,
    mean: Errors,
    naive_mean: Errors,
}

fn simulate((shape, time): (&'static str, fn(f64) -> f64), watched_days: f64, random: &mut ChaCha8Rng) -> Setting {
    let mut uniform = || random.random::<f64>().clamp(1e-12, 1.0 - 1e-12);
    // The truth about the cut mean, by the midpoints of a fine division of all quantiles.
    let quantile = |i: usize| (i as f64 + 0.5) / 1e5;
    let true_mean = (0..100_000).map(|i| time(quantile(i)).min(CUT_DAYS)).sum::<f64>() / 1e5;
    let [mut median, mut naive_median, mut mean, mut naive_mean] = [Errors::default(); 4];
    let mut open = 0;
    for _ in 0..GROUPS {
        let case = |(wait, age): (f64, f64)| Duration { time: wait.min(age), ended: wait <= age };
        let cases: Vec<Duration> = (0..CASES).map(|_| case((time(uniform()), watched_days * uniform()))).collect();
        let mut closed: Vec<f64> = cases.iter().filter(|case| case.ended).map(|case| case.time).collect();
        closed.sort_unstable_by(f64::total_cmp);
        open += CASES - closed.len();
        naive_median.add(Some(0.5 * (closed[(closed.len() - 1) / 2] + closed[closed.len() / 2])), MEDIAN_DAYS);
        naive_mean.add(Some(closed.iter().map(|time| time.min(CUT_DAYS)).sum::<f64>() / closed.len() as f64), true_mean);
        let curve = Curve::fit(cases, 0.95);
        median.add(curve.median().value, MEDIAN_DAYS);
        mean.add(Some(restricted_mean(&curve)), true_mean);
    }
    let open = open as f64 / (GROUPS * CASES) as f64;
    Setting { shape, watched_days, open, median, naive_median, mean, naive_mean }
}

#[test]
fn the_survival_curve_is_nearer_than_what_is_closed_alone() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let settings = SHAPES.into_iter().flat_map(|shape| WATCHED_DAYS.map(|days| (shape, days)));
    let settings: Vec<Setting> = settings.map(|(shape, days)| simulate(shape, days, &mut random)).collect();
    let mut page = String::from(
        "| times to closing | watched for, days | still open | median: Kaplan-Meier | of the closed | not reached | mean, cut at 12 days: Kaplan-Meier | of the closed |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for setting in &settings {
        // Plus zero, so that a bias that rounds to nothing has no sign of its own.
        let error = |errors: &Errors| {
            let bias = (100.0 * errors.bias()).round() / 100.0 + 0.0;
            format!("{bias:+.2} ({:.2})", errors.root_mean_square())
        };
        let Setting { shape, watched_days, open, median, naive_median, mean, naive_mean } = setting;
        let missed = 1.0 - median.groups / GROUPS as f64;
        let [curve, closed, cut_curve, cut_closed] = [median, naive_median, mean, naive_mean].map(error);
        let _ = writeln!(
            page,
            "| {shape} | {watched_days} | {:.0}% | {curve} | {closed} | {:.0}% | {cut_curve} | {cut_closed} |",
            100.0 * open,
            100.0 * missed
        );
    }
    println!("{page}");
    page_has("service_levels.md", "censoring", &page);

    for setting in &settings {
        let Setting { shape, watched_days, open, median, naive_median, mean, naive_mean } = setting;
        let what = format!("{shape}, {:.0}% open", 100.0 * open);
        // Within three standard errors of none; a median that is not reached is missing just where it would be large.
        let noise = |errors: &Errors| 3.0 * errors.root_mean_square() / errors.groups.sqrt();
        assert!(mean.bias().abs() < noise(mean) + 0.02, "{what}: the mean is off by {}", mean.bias());
        if *watched_days >= 30.0 {
            assert!(median.groups == GROUPS as f64 && median.bias().abs() < 0.3, "{what}: {median:?}");
        }
        // What is closed alone is too short, the more so the more is open, and by far more than chance.
        if *open > 0.2 {
            assert!(naive_mean.bias() < -0.1 && naive_median.bias() < -1.0, "{what}: {naive_mean:?} {naive_median:?}");
            assert!(median.root_mean_square() < naive_median.root_mean_square(), "{what}: {median:?} {naive_median:?}");
            assert!(mean.root_mean_square() < naive_mean.root_mean_square(), "{what}: {mean:?} {naive_mean:?}");
        }
    }
    for of_shape in settings.chunks(WATCHED_DAYS.len()) {
        assert!(of_shape.is_sorted_by(|a, b| a.naive_median.bias() > b.naive_median.bias()), "the more is open, the worse");
    }
}
