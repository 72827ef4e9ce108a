//! Detection by the table's method and by the Farrington-flexible one, at equal false alarms.

use aggregate::statistics::baseline::{Baseline, Guess, Level, Means, Peers, SEASONAL_HALF_LIFE, SEASONAL_PERIODS, Weights};
use aggregate::statistics::farrington::Farrington;
use aggregate::statistics::same_phase::{Counts, PERIODS};
use aggregate::statistics::season::{MAX_WEEKS, Season};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::series::{LAST_YEAR, Scenario, WEEKS};

/// False alarms a week that both methods are set to.
const FALSE_ALARMS: f64 = 0.01;
/// Every so many weeks of the last year false alarms are counted: all seasons count.
const QUIET_STEP: usize = 4;
/// Weeks in which an outbreak begins, each in as many series: one a season.
const OUTBREAK_WEEKS: [usize; 4] = [577, 590, 603, 616];
/// Sizes of outbreaks, in standard deviations of the baseline.
const FACTORS: [f64; 3] = [3.0, 5.0, 10.0];

/// How one method did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    /// False alarms a week at its own nominal 1%.
    pub false_alarms: f64,
    /// False alarms a week at the level that was set: 1%, or all that the method ever gives.
    pub false_alarms_set: f64,
    /// Share of outbreaks found, by size.
    pub detected: [f64; FACTORS.len()],
    /// Weeks from the beginning to the first alarm, of the outbreaks found by both methods, by size.
    pub weeks: [f64; FACTORS.len()],
}

/// What one scenario gave.
#[derive(Clone, Debug, Serialize)]
pub struct Detection {
    /// Position in [`super::series::SCENARIOS`], from 1.
    pub scenario: usize,
    /// Series of each kind.
    pub series: usize,
    /// The table's method.
    pub same_phase: Found,
    /// The reference.
    pub farrington: Found,
    /// The reference without its rule that only five cases in four weeks are an alarm, which finds rare outbreaks by itself.
    pub farrington_without_five: Found,
}

/// One-sided p-values of a week by the table's method: the series are the districts of one topic, their sum the city.
fn same_phase(counts: &[Vec<u64>], week: usize) -> Vec<f64> {
    let city = |back: usize| Some(counts.iter().map(|series| series[week - back]).sum());
    let season = Season::fit(&(1..=MAX_WEEKS.min(week)).map(city).collect::<Vec<_>>());
    let weights = match &season {
        Some(season) => Weights::halving(SEASONAL_PERIODS, SEASONAL_HALF_LIFE, |_| false).in_season(season, 1.0),
        None => Weights::new(PERIODS, |_| false),
    };
    let periods = if season.is_some() { SEASONAL_PERIODS } else { PERIODS };
    let seen: Vec<Counts> = counts
        .iter()
        .map(|series| Counts::new(series[week], &(1..=periods).map(|back| series[week - back]).collect::<Vec<_>>()))
        .collect();
    let pooled = |levels: &[Level]| {
        let mut peers = Peers::default();
        levels.iter().for_each(|level| peers.add(level));
        peers
    };
    let first: Vec<Level> = seen.iter().map(|counts| Level::alone(counts, &weights)).collect();
    let peers = pooled(&first);
    let damp = |(counts, level): (&Counts, &Level)| level.damped(counts, &weights, peers.dispersion(level).value);
    let levels: Vec<Level> = seen.iter().zip(&first).map(damp).collect();
    let peers = pooled(&levels);
    let mut means = Means::default();
    levels.iter().for_each(|level| means.add(level, peers.dispersion(level).value));
    let guess = means.guess();
    let p_value = |(counts, level): (&Counts, &Level)| {
        let baseline = Baseline::new(level, peers.dispersion(level), guess.unwrap_or_else(Guess::vague));
        baseline.map_or(1.0, |baseline| baseline.compare(counts.observed).at_least)
    };
    seen.iter().zip(&levels).map(p_value).collect()
}

fn farrington(least_count: u64, counts: &[Vec<u64>], week: usize) -> Vec<f64> {
    let method = Farrington { alpha: FALSE_ALARMS, least_count, ..Farrington::default() };
    let p_value = |series: &Vec<u64>| method.at(series, week).ok().filter(|v| v.enough)?.p_value;
    counts.iter().map(|series| p_value(series).unwrap_or(1.0)).collect()
}

/// Series with an outbreak of one size that begins in one week, and the last week of each.
struct Outbreaks {
    size: usize,
    start: usize,
    counts: Vec<Vec<u64>>,
    last: Vec<usize>,
}

/// Simulates one scenario.
pub fn measure(position: usize, scenario: &Scenario, series: usize, seed: u64) -> Detection {
    let mut random = ChaCha8Rng::seed_from_u64(seed + position as u64);
    let quiet: Vec<Vec<u64>> = (0..series).map(|_| scenario.series(&mut random)).collect();
    // Every size and week on histories of their own season's share, methods on the very same series.
    let mut outbreaks = Vec::new();
    for (size, factor) in FACTORS.iter().enumerate() {
        for (share, start) in OUTBREAK_WEEKS.into_iter().enumerate() {
            let mut with = Outbreaks { size, start, counts: Vec::new(), last: Vec::new() };
            for counts in quiet.iter().skip(share).step_by(OUTBREAK_WEEKS.len()) {
                let mut counts = counts.clone();
                let last = scenario.outbreak(&mut counts, start, *factor, &mut random);
                with.counts.push(counts);
                with.last.push(last.min(WEEKS - 1));
            }
            outbreaks.push(with);
        }
    }
    let (mut ours, first_ours) = run(&quiet, &outbreaks, same_phase);
    let with_rule = |counts: &[Vec<u64>], week| farrington(Farrington::default().least_count, counts, week);
    let (mut reference, first_reference) = run(&quiet, &outbreaks, with_rule);
    let (mut without, _) = run(&quiet, &outbreaks, |counts, week| farrington(0, counts, week));
    // Of outbreaks found by both of the others only.
    without.weeks = [f64::NAN; FACTORS.len()];
    for size in 0..FACTORS.len() {
        let both = first_ours[size].iter().zip(&first_reference[size]);
        let both = both.filter_map(|(a, b)| Some((f64::from((*a)?), f64::from((*b)?))));
        let (n, a, b) = both.fold((0.0, 0.0, 0.0), |(n, a, b), (x, y)| (n + 1.0, a + x, b + y));
        (ours.weeks[size], reference.weeks[size]) = (a / n, b / n);
    }
    Detection { scenario: position + 1, series, same_phase: ours, farrington: reference, farrington_without_five: without }
}

/// Weeks to the first alarm of every outbreak of a size; `None` where it was missed.
type FirstAlarms = [Vec<Option<u32>>; FACTORS.len()];

fn run(quiet: &[Vec<u64>], outbreaks: &[Outbreaks], method: impl Fn(&[Vec<u64>], usize) -> Vec<f64>) -> (Found, FirstAlarms) {
    let mut p_values: Vec<f64> = LAST_YEAR.step_by(QUIET_STEP).flat_map(|week| method(quiet, week)).collect();
    p_values.sort_unstable_by(f64::total_cmp);
    let alarms = p_values.iter().filter(|p| **p <= FALSE_ALARMS).count() as f64 / p_values.len() as f64;
    // The level below which no more than the wanted share of quiet weeks lies.
    let level = p_values[(FALSE_ALARMS * p_values.len() as f64) as usize];
    let mut first = FirstAlarms::default();
    for with in outbreaks {
        let end = with.last.iter().max().map_or(with.start, |last| last + 1);
        let by_week: Vec<Vec<f64>> = (with.start..end).map(|week| method(&with.counts, week)).collect();
        first[with.size].extend(with.last.iter().enumerate().map(|(series, last)| {
            (with.start..=*last).position(|week| by_week[week - with.start][series] < level).map(|weeks| weeks as u32)
        }));
    }
    let detected = std::array::from_fn(|size| first[size].iter().flatten().count() as f64 / first[size].len() as f64);
    let false_alarms_set = p_values.iter().filter(|p| **p < level).count() as f64 / p_values.len() as f64;
    (Found { false_alarms: alarms, false_alarms_set, detected, ..Found::default() }, first)
}
