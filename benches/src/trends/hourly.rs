//! Windows of an hour on the synthetic city, whose bursts are known: the table's method and the Farrington-flexible one, fitted to the
//! hours of the week, at equal false alarms.

use std::collections::{BTreeMap, HashSet};

use aggregate::History;
use aggregate::statistics::farrington::Farrington;
use aggregate::tables::trends::{self, TrendCell, TrendConfig, TrendWindow};
use anyhow::Result;
use feedback::time::{DAY_US, HOUR_US};
use feedback::{Feedback, Timestamp, Topic};
use ingest::synthetic::{Burst, SyntheticCity, SyntheticConfig};
use serde_json::{Value, json};

/// History, and weeks that are looked at.
const WEEKS: (i64, i64) = (10, 2);
/// False alarms per cell and hour that both methods are set to.
const FALSE_ALARMS: f64 = 1e-3;
/// After a burst, its reports are still in the window for so long.
const AFTER_US: i64 = 2 * HOUR_US;

type Cell = (String, Topic);

/// One-sided p-values by hour and cell.
type Hours = Vec<Vec<f64>>;

/// Replays a city of so many districts.
pub fn measure(districts: u32, rate: f64, seed: u64) -> Result<Value> {
    let config = SyntheticConfig { districts, rate, seed, bursts_per_week: 20.0, ..SyntheticConfig::default() };
    let start = config.start.floor(HOUR_US);
    let from = start.plus_micros(WEEKS.0 * 7 * DAY_US);
    let until = from.plus_micros(WEEKS.1 * 7 * DAY_US);
    let mut city = SyntheticCity::new(config)?;
    let truth = city.truth();
    let cells = replay(&mut city, start, until);
    let hours: Vec<Timestamp> = (1..=WEEKS.1 * 7 * 24).map(|hour| from.plus_micros(hour * HOUR_US)).collect();
    let bursts = truth.bursts(from, until.plus_micros(-DAY_US));
    let bursts: Vec<Burst> = bursts.into_iter().filter(|burst| burst.from >= from).collect();
    let names: Vec<&str> = truth.districts().iter().map(|district| district.name.as_str()).collect();
    // Bursts that began before the weeks looked at are no false alarms either.
    let all = truth.bursts(start, until);
    let in_burst = |(district, topic): &Cell, end: Timestamp| {
        all.iter().any(|burst| {
            let there =
                burst.topic == *topic && burst.districts.iter().any(|at| names.get(*at as usize) == Some(&district.as_str()));
            there && end > burst.from && end < burst.until.plus_micros(AFTER_US)
        })
    };
    let keys: Vec<&Cell> = cells.keys().collect();
    let quiet: Vec<Vec<bool>> = hours.iter().map(|end| keys.iter().map(|cell| !in_burst(cell, *end)).collect()).collect();
    let of_burst = |burst: &Burst| -> Vec<usize> {
        let there = |(district, topic): &Cell| {
            *topic == burst.topic && burst.districts.iter().any(|at| names.get(*at as usize) == Some(&district.as_str()))
        };
        (0..keys.len()).filter(|cell| there(keys[*cell])).collect()
    };
    let (ours, called) = by_table(&cells, &hours, start)?;
    let reference = by_reference(&cells, &hours, start);
    let summary = |p_values: &Hours| {
        let mut flat: Vec<f64> = p_values
            .iter()
            .zip(&quiet)
            .flat_map(|(hour, quiet)| hour.iter().zip(quiet).filter(|(_, q)| **q).map(|(p, _)| *p))
            .collect();
        flat.sort_unstable_by(f64::total_cmp);
        let nominal = flat.iter().filter(|p| **p <= FALSE_ALARMS).count() as f64 / flat.len() as f64;
        let level = flat[(FALSE_ALARMS * flat.len() as f64) as usize];
        let delays: Vec<Option<i64>> = bursts
            .iter()
            .map(|burst| {
                let places = of_burst(burst);
                let found = |(hour, end): (usize, &Timestamp)| {
                    let during = *end > burst.from && *end <= burst.until.plus_micros(HOUR_US);
                    during && places.iter().any(|cell| p_values[hour][*cell] < level)
                };
                let hour = hours.iter().enumerate().position(|(hour, end)| found((hour, end)))?;
                Some(hours[hour].micros() - burst.from.micros())
            })
            .collect();
        let mut found: Vec<f64> = delays.iter().flatten().map(|delay| *delay as f64 / HOUR_US as f64).collect();
        found.sort_unstable_by(f64::total_cmp);
        json!({
            "false_alarms": nominal,
            "found": found.len() as f64 / bursts.len().max(1) as f64,
            "median_hours": found.get(found.len() / 2),
        })
    };
    let false_calls =
        called.iter().zip(&quiet).map(|(hour, quiet)| hour.iter().filter(|cell| quiet[**cell]).count()).sum::<usize>();
    let calls = called.iter().map(Vec::len).sum::<usize>();
    Ok(json!({
        "cells": cells.len(),
        "hours": hours.len(),
        "bursts": bursts.len(),
        "nominal": FALSE_ALARMS,
        "same_phase": summary(&ours),
        "farrington": summary(&reference),
        "called": calls,
        "called_without_a_burst": false_calls,
    }))
}

/// When reports of each cell were said, by the city's own labels; the first version of each.
fn replay(city: &mut SyntheticCity, start: Timestamp, until: Timestamp) -> BTreeMap<Cell, Vec<Timestamp>> {
    let truth = city.truth();
    let mut cells: BTreeMap<Cell, Vec<Timestamp>> = BTreeMap::new();
    let mut seen = HashSet::new();
    let all_in = until.plus_micros(DAY_US);
    while city.peek_received_at() < all_in {
        let Some(Feedback::Report(report)) = city.next() else { continue };
        let id = report.id.to_string();
        let Some(label) = truth.label(&id) else { continue };
        if (start..until).contains(&label.created_at) && seen.insert(id) {
            cells.entry((label.district, label.topic)).or_default().push(label.created_at);
        }
    }
    cells.values_mut().for_each(|moments| moments.sort_unstable());
    cells
}

/// The table's p-values of a rise, and the cells that it calls rising.
fn by_table(cells: &BTreeMap<Cell, Vec<Timestamp>>, hours: &[Timestamp], start: Timestamp) -> Result<(Hours, Vec<Vec<usize>>)> {
    let histories: Vec<History> = cells.values().map(|moments| moments.iter().copied().collect()).collect();
    let mut topics: BTreeMap<Topic, Vec<Timestamp>> = BTreeMap::new();
    for ((_, topic), moments) in cells {
        topics.entry(*topic).or_default().extend(moments);
    }
    topics.values_mut().for_each(|moments| moments.sort_unstable());
    let city: Vec<(Topic, History)> =
        topics.into_iter().map(|(topic, moments)| (topic, moments.into_iter().collect())).collect();
    let districts = cells.keys().zip(&histories);
    let mut input: Vec<TrendCell<'_, &History>> = districts
        .map(|((district, topic), series)| TrendCell { district: Some(district), topic: Some(topic.as_str()), series })
        .collect();
    input.extend(city.iter().map(|(topic, series)| TrendCell { district: Some("*"), topic: Some(topic.as_str()), series }));
    let mut p_values = Vec::with_capacity(hours.len());
    let mut called = Vec::with_capacity(hours.len());
    for end in hours {
        let window = [TrendWindow { name: "1 hour", length_us: HOUR_US, end: *end }];
        let mut hour = vec![1.0; cells.len()];
        let mut rising = Vec::new();
        for trend in trends::trends(&window, &input, Some(start), &TrendConfig::default()) {
            if trend.cell < cells.len() {
                hour[trend.cell] = trend.comparison.map_or(1.0, |comparison| comparison.at_least);
                if trend.direction == trends::Direction::Rising {
                    rising.push(trend.cell);
                }
            }
        }
        p_values.push(hour);
        called.push(rising);
    }
    Ok((p_values, called))
}

/// The reference on counts by hour, a "year" being a week.
fn by_reference(cells: &BTreeMap<Cell, Vec<Timestamp>>, hours: &[Timestamp], start: Timestamp) -> Hours {
    let method = Farrington {
        periods_per_year: 7 * 24,
        years: 8,
        half_window: 1,
        seasons: 1,
        guard: 24,
        least_count: 0,
        ..Farrington::default()
    };
    let length = hours.last().map_or(0, |end| (end.micros() - start.micros()) / HOUR_US) as usize;
    let mut p_values = vec![vec![1.0; cells.len()]; hours.len()];
    for (cell, moments) in cells.values().enumerate() {
        let mut counts = vec![0u64; length];
        for moment in moments {
            counts[((moment.micros() - start.micros()) / HOUR_US) as usize] += 1;
        }
        for (hour, end) in hours.iter().enumerate() {
            let at = ((end.micros() - start.micros()) / HOUR_US - 1) as usize;
            p_values[hour][cell] = method.at(&counts, at).ok().and_then(|verdict| verdict.p_value).unwrap_or(1.0);
        }
    }
    p_values
}
