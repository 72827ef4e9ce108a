//! The rank intervals of table `priorities` on simulated cities with known truth: from counts to components, places, score and
//! sets, they hold the ranks of the true scores together at least as often as promised. Seeds are fixed.

use aggregate::statistics::{negative_binomial, special};
use aggregate::tables::priorities::{
    Component, PriorityConfig, PriorityInput, PriorityWeights, Reporting, Standing, priorities,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const LEVEL: f64 = 0.95;

/// What is true of a district and topic.
#[derive(Clone, Copy, Debug)]
struct Truth {
    /// Reports expected in the window.
    rate: f64,
    /// Shares of the reports, each a component's.
    emergency: f64,
    negative: f64,
    problem: f64,
    open: f64,
    overdue: f64,
    /// Share of incidents that is reported, and how well that is known.
    reported: f64,
    reporting_error: f64,
    deprivation_place: f64,
}

fn uniform(random: &mut ChaCha8Rng, range: std::ops::Range<f64>) -> f64 {
    range.start + (range.end - range.start) * random.random::<f64>().clamp(1e-12, 1.0 - 1e-12)
}

fn truth(random: &mut ChaCha8Rng, size: f64) -> Truth {
    let mut share = || uniform(random, 0.05..0.95);
    let (emergency, negative, problem, open, overdue) = (share() / 2.0, share(), share(), share(), share());
    Truth {
        rate: size * uniform(random, 0.3..3.0),
        emergency,
        negative,
        problem,
        open,
        overdue,
        reported: uniform(random, 0.3..0.95),
        reporting_error: 0.05,
        deprivation_place: uniform(random, 0.0..1.0),
    }
}

/// A Poisson count by inversion.
fn count(random: &mut ChaCha8Rng, mean: f64) -> u64 {
    negative_binomial::quantile(uniform(random, 0.0..1.0), mean, 1.0).unwrap()
}

fn binomial(random: &mut ChaCha8Rng, n: u64, p: f64) -> u64 {
    (0..n).filter(|_| random.random::<f64>() < p).count() as u64
}

const POPULATION: f64 = 20_000.0;

/// What would be counted of the truth with so much data that nothing is left to chance.
fn known<'a>(district: &'a str, truth: &Truth) -> PriorityInput<'a> {
    const MUCH: f64 = 1e7;
    let n = (truth.rate * MUCH) as u64;
    let of = |share: f64| (share * n as f64) as u64;
    PriorityInput {
        district: Some(district),
        topic: Some("roads"),
        reports: n,
        reporters: Some(n),
        population: Some(POPULATION * MUCH),
        reporting: Some(Reporting { share: truth.reported, error: 0.0 }),
        deprivation_place: Some(truth.deprivation_place),
        urgencies: [n - of(truth.emergency), 0, 0, of(truth.emergency)],
        toned: n,
        negative: truth.negative * n as f64,
        signalled: n,
        problems: of(truth.problem),
        open: Some(of(truth.open)),
        promised_overdue: Some((n, of(truth.overdue))),
        ..PriorityInput::default()
    }
}

/// What one window would count of it.
fn seen<'a>(random: &mut ChaCha8Rng, district: &'a str, truth: &Truth) -> PriorityInput<'a> {
    // A cell without a report is not in the table.
    let n = count(random, truth.rate).max(1);
    let emergencies = binomial(random, n, truth.emergency);
    let noise = truth.reporting_error * special::normal_quantile(uniform(random, 0.0..1.0));
    PriorityInput {
        reports: n,
        reporters: Some(n),
        population: Some(POPULATION),
        reporting: Some(Reporting { share: (truth.reported + noise).clamp(0.05, 1.0), error: truth.reporting_error }),
        urgencies: [n - emergencies, 0, 0, emergencies],
        toned: n,
        negative: binomial(random, n, truth.negative) as f64,
        signalled: n,
        problems: binomial(random, n, truth.problem),
        open: Some(binomial(random, n, truth.open)),
        promised_overdue: Some((n, binomial(random, n, truth.overdue))),
        ..known(district, truth)
    }
}

/// How often all sets together, and how often each, hold the ranks of the true scores.
fn coverage(random: &mut ChaCha8Rng, cells: usize, size: f64, runs: usize, config: &PriorityConfig) -> (f64, f64) {
    let names: Vec<String> = (0..cells).map(|i| format!("d{i:03}")).collect();
    let (mut all, mut each) = (0, 0);
    for _ in 0..runs {
        let truths: Vec<Truth> = names.iter().map(|_| truth(random, size)).collect();
        let known: Vec<PriorityInput<'_>> = names.iter().zip(&truths).map(|(name, truth)| known(name, truth)).collect();
        let seen: Vec<PriorityInput<'_>> = names.iter().zip(&truths).map(|(name, truth)| seen(random, name, truth)).collect();
        let truly = priorities("28 days", &known, config).unwrap();
        let found = priorities("28 days", &seen, config).unwrap();
        let held = |(name, held): (&String, &mut [usize; 2])| {
            let of = |all: &[aggregate::tables::priorities::Priority<'_>]| -> Standing {
                all.iter().find(|p| p.input.district == Some(name)).unwrap().standing.clone().unwrap()
            };
            let (place, standing) = (of(&truly).rank.rank, of(&found));
            held[0] += usize::from((standing.rank.low..=standing.rank.high).contains(&place));
            held[1] += usize::from((standing.marginal.low..=standing.marginal.high).contains(&place));
        };
        let mut counts = [0; 2];
        names.iter().for_each(|name| held((name, &mut counts)));
        all += usize::from(counts[0] == cells);
        each += counts[1];
    }
    (all as f64 / runs as f64, each as f64 / (runs * cells) as f64)
}

#[test]
fn the_tables_rank_sets_hold_the_ranks_of_the_true_scores() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let config = PriorityConfig::default();
    let one = |component| {
        let mut weights = PriorityWeights::ZERO;
        *weights.of_mut(component) = 1.0;
        PriorityConfig { weights, ..config }
    };
    const RUNS: usize = 200;
    let smallest = LEVEL - 3.0 * (LEVEL * (1.0 - LEVEL) / RUNS as f64).sqrt();
    for (cells, size) in [(12, 20.0), (40, 8.0), (40, 60.0), (40, 600.0)] {
        let settings = [
            ("all components", config),
            ("incidence alone", one(Component::AdjustedIncidence)),
            ("backlog alone", one(Component::Backlog)),
        ];
        for (name, config) in settings {
            let (all, each) = coverage(&mut random, cells, size, RUNS, &config);
            println!("{cells} cells of {size} reports, {name}: {all} of simultaneous, {each} of marginal sets");
            assert!(all >= smallest, "{all}");
            assert!(each >= smallest, "{each}");
        }
    }
}
