//! Promises about chance, kept on simulated data with known truth. Seeds are fixed: a failure is a change, not bad luck.

use aggregate::statistics::baseline::{Baseline, Guess, Level, Peers, Weights};
use aggregate::statistics::farrington::Farrington;
use aggregate::statistics::ranks::{self, Coverage, Critical, Errors};
use aggregate::statistics::same_phase::Counts;
use aggregate::statistics::{negative_binomial, poisson, special};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn uniform(random: &mut ChaCha8Rng) -> f64 {
    random.random::<f64>().clamp(1e-12, 1.0 - 1e-12)
}

/// A count with a mean and a variance over mean.
fn count(random: &mut ChaCha8Rng, mean: f64, dispersion: f64) -> u64 {
    negative_binomial::quantile(uniform(random), mean, dispersion).unwrap()
}

/// What the cells of one kind let expect, as the table `trends` computes it.
fn baselines(histories: &[Counts], weights: &Weights) -> Vec<Baseline> {
    let pooled = |levels: &[Level]| {
        let mut peers = Peers::default();
        levels.iter().for_each(|level| peers.add(level));
        peers
    };
    let alone: Vec<Level> = histories.iter().map(|counts| Level::alone(counts, weights)).collect();
    let peers = pooled(&alone);
    let damped = |(counts, level): (&Counts, &Level)| level.damped(counts, weights, peers.dispersion(level).value);
    let levels: Vec<Level> = histories.iter().zip(&alone).map(damped).collect();
    let peers = pooled(&levels);
    levels.iter().map(|level| Baseline::new(level, peers.dispersion(level), Guess::vague()).unwrap()).collect()
}

/// The smallest count that is flagged as too high at this level.
fn first_flagged(baseline: &Baseline, level: f64) -> u64 {
    let (mut low, mut high) = (0, (20.0 * baseline.mean) as u64 + 200);
    while low < high {
        let middle = (low + high) / 2;
        if baseline.compare(middle).at_least <= level { high = middle } else { low = middle + 1 }
    }
    low
}

/// Ten thousand series without an outbreak in each setting. Counts are whole numbers, so no rule flags exactly 5% of them: the nominal
/// rate is what the fitted distribution says of the counts that are flagged, the true one what the simulated distribution says.
#[test]
fn unchanged_cells_are_flagged_as_often_as_promised_and_bursts_are_found() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    const CELLS: usize = 10_000;
    let settings =
        [(1.0, 0.5, 12), (1.0, 3.0, 12), (1.0, 20.0, 12), (1.0, 100.0, 12), (1.5, 5.0, 12), (2.0, 20.0, 12), (2.0, 20.0, 4)];
    let wild = [(3.0, 2.0, 12), (3.0, 50.0, 12), (5.0, 50.0, 12), (1.5, 20.0, 2)];
    for (dispersion, mean, periods) in settings.into_iter().chain(wild) {
        let mut draw = || (0..periods).map(|_| count(&mut random, mean, dispersion)).collect::<Vec<_>>();
        let histories: Vec<Counts> = (0..CELLS).map(|_| Counts::new(0, &draw())).collect();
        let baselines = baselines(&histories, &Weights::new(periods, |_| false));
        for level in [0.05, 0.01] {
            let (mut nominal, mut truth, mut burst) = (0.0, 0.0, 0.0);
            for baseline in &baselines {
                let flagged = first_flagged(baseline, level);
                nominal += baseline.compare(flagged).at_least;
                truth += negative_binomial::upper_tail(flagged, mean, dispersion);
                burst += negative_binomial::upper_tail(flagged, 6.0 * mean, dispersion);
            }
            let (ratio, burst) = (truth / nominal, burst / CELLS as f64);
            println!(
                "dispersion {dispersion}, mean {mean}, {periods} periods, level {level}: {:.5} flagged of {:.5} nominal, {burst:.3} of sixfold bursts",
                truth / CELLS as f64,
                nominal / CELLS as f64
            );
            assert!((0.8..=1.2).contains(&ratio), "{ratio} of the nominal rate");
            assert!(mean < 10.0 || burst > 0.99, "only {burst} of bursts found");
        }
    }
}

#[test]
fn rank_sets_hold_the_true_ranks() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    const RUNS: usize = 400;
    const N: usize = 15;
    for spacing in [0.0, 0.4, 2.0] {
        let truth: Vec<f64> = (0..N).map(|i| spacing * i as f64).collect();
        let errors: Vec<f64> = (0..N).map(|i| 0.5 + 0.1 * (i % 7) as f64).collect();
        let above = |i: usize| truth.iter().filter(|t| **t > truth[i]).count();
        let below = |i: usize| truth.iter().filter(|t| **t < truth[i]).count();
        for critical in [Critical::Holm, Critical::Simulated { draws: 1000, seed: 3 }] {
            let (mut all, mut each) = (0, 0);
            for _ in 0..RUNS {
                let noisy = |(t, e): (&f64, &f64)| t + e * special::normal_quantile(uniform(&mut random));
                let estimates: Vec<f64> = truth.iter().zip(&errors).map(noisy).collect();
                let held = |coverage| {
                    let sets = ranks::sets(&estimates, Errors::Independent(&errors), coverage, critical, 0.95).unwrap();
                    (0..N).filter(|&i| sets[i].low <= 1 + above(i) && sets[i].high >= N - below(i)).count()
                };
                all += usize::from(held(Coverage::Simultaneous) == N);
                each += held(Coverage::Marginal);
            }
            let (all, each) = (all as f64 / RUNS as f64, each as f64 / (RUNS * N) as f64);
            println!("spacing {spacing}, {critical:?}: {all} of simultaneous, {each} of marginal sets");
            // Three standard errors of the simulation below 95%.
            assert!(all >= 0.95 - 3.0 * (0.05f64 * 0.95 / RUNS as f64).sqrt(), "{all}");
            assert!(each >= 0.95 - 3.0 * (0.05f64 * 0.95 / RUNS as f64).sqrt(), "{each}");
        }
    }
}

#[test]
fn reporting_rates_are_recovered() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for (rate, exposure) in [(0.01, 100.0), (0.2, 50.0), (1.5, 400.0)] {
        let runs = 3000;
        let held = (0..runs)
            .filter(|_| poisson::rate(count(&mut random, rate * exposure, 1.0), exposure).unwrap().interval.contains(rate))
            .count();
        assert!(held as f64 >= 0.95 * f64::from(runs), "{held} of {runs} intervals hold {rate}");
    }
}

#[test]
fn farrington_alarms_are_rare_without_and_common_with_an_outbreak() {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let method = Farrington::default();
    const SERIES: usize = 3000;
    let weeks = method.years * method.periods_per_year + method.half_window + 1;
    for (mean, dispersion) in [(10.0, 1.5), (40.0, 1.0)] {
        let (mut false_alarms, mut found) = (0, 0);
        for _ in 0..SERIES {
            let season = |week: usize| 1.0 + 0.3 * (std::f64::consts::TAU * week as f64 / 52.0).cos();
            let mut counts: Vec<u64> = (0..weeks).map(|week| count(&mut random, mean * season(week), dispersion)).collect();
            false_alarms += usize::from(method.at(&counts, weeks - 1).unwrap().alarm);
            counts[weeks - 1] += count(&mut random, 2.0 * mean, 1.0);
            found += usize::from(method.at(&counts, weeks - 1).unwrap().alarm);
        }
        let (false_alarms, found) = (false_alarms as f64 / SERIES as f64, found as f64 / SERIES as f64);
        println!("mean {mean}, dispersion {dispersion}: {false_alarms} false alarms, {found} of threefold outbreaks found");
        assert!((0.3 * method.alpha..2.0 * method.alpha).contains(&false_alarms), "{false_alarms}");
        assert!(found > 0.85, "{found}");
    }
}
