//! What a tick of the table costs: 200 districts, 33 topics, 4 windows, two years of history.

use aggregate::History;
use aggregate::tables::trends::{self, TrendCell, TrendConfig, TrendWindow};
use anyhow::Result;
use arrow::array::RecordBatch;
use feedback::time::{DAY_US, HOUR_US, MINUTE_US};
use feedback::{Timestamp, Topic};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const DISTRICTS: usize = 200;
const DAYS: i64 = 731;
/// Reports a day in the whole city.
const REPORTS_PER_DAY: usize = 10_000;
const WINDOWS: [(&str, i64); 4] = [("1 hour", HOUR_US), ("24 hours", DAY_US), ("7 days", 7 * DAY_US), ("28 days", 28 * DAY_US)];

/// A city's counts.
pub struct City {
    districts: Vec<String>,
    topics: usize,
    /// By district, then topic; the whole city last.
    histories: Vec<History>,
    end: Timestamp,
}

impl City {
    /// `districts` of unequal size times so many topics of unequal frequency, with a day's and a year's rhythm.
    pub fn new(districts: usize, topics: usize, reports_per_day: usize, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let topics = topics.min(Topic::WORDS.len());
        let cells = (districts + 1) * topics;
        let mut minutes: Vec<Vec<i64>> = vec![Vec::new(); cells];
        for day in 0..DAYS {
            let season = 1.0 + 0.3 * (std::f64::consts::TAU * day as f64 / 365.25).cos();
            for _ in 0..(reports_per_day as f64 * season) as usize {
                // Squares of uniform numbers: some districts and topics have many times the reports of others.
                let district = (districts as f64 * random.random::<f64>().powi(2)) as usize;
                let topic = (topics as f64 * random.random::<f64>().powi(2)) as usize;
                let hour = 24.0 * (0.55 + 0.2 * (random.random::<f64>() + random.random::<f64>() - 1.0));
                let minute = day * 24 * 60 + (60.0 * hour) as i64;
                minutes[district * topics + topic].push(minute);
                minutes[districts * topics + topic].push(minute);
            }
        }
        let histories = minutes
            .into_iter()
            .map(|mut minutes| {
                minutes.sort_unstable();
                minutes.into_iter().map(|minute| Timestamp::from_micros(minute * MINUTE_US)).collect()
            })
            .collect();
        let names = (0..districts).map(|district| format!("district {district:03}")).chain(["*".to_owned()]).collect();
        Self { districts: names, topics, histories, end: Timestamp::from_micros((DAYS - 1) * DAY_US + 14 * HOUR_US) }
    }

    /// The table with all windows ending so many minutes on.
    pub fn tick(&self, minute: i64) -> Result<RecordBatch> {
        let end = self.end.plus_micros(minute * MINUTE_US);
        let windows = WINDOWS.map(|(name, length_us)| TrendWindow { name, length_us, end });
        let places = self.histories.iter().enumerate();
        let cells: Vec<TrendCell<'_, &History>> = places
            .map(|(place, series)| TrendCell {
                district: Some(self.districts[place / self.topics].as_str()),
                topic: Some(Topic::WORDS[place % self.topics]),
                series,
            })
            .collect();
        let first = Some(Timestamp::from_micros(0));
        Ok(trends::rows(&windows, &cells, first, &TrendConfig::default())?)
    }

    /// Bytes of all histories, by the formula of [`History::bytes`].
    fn bytes(&self) -> usize {
        self.histories.iter().map(History::bytes).sum()
    }
}

/// Times so many ticks, a minute apart.
pub fn measure(ticks: usize, seed: u64) -> Result<Value> {
    let city = City::new(DISTRICTS, Topic::WORDS.len(), REPORTS_PER_DAY, seed);
    let mut times_ms = Vec::with_capacity(ticks);
    let mut rows = 0;
    for minute in 0..ticks as i64 {
        let start = std::time::Instant::now();
        rows = city.tick(minute)?.num_rows();
        times_ms.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times_ms.sort_unstable_by(f64::total_cmp);
    Ok(json!({
        "districts": DISTRICTS,
        "topics": Topic::WORDS.len(),
        "windows": WINDOWS.len(),
        "days": DAYS,
        "reports": DAYS as usize * REPORTS_PER_DAY,
        "rows": rows,
        "ms_median": crate::machine::percentile(&times_ms, 0.5),
        "ms_worst": times_ms.last(),
        "history_mib": city.bytes() as f64 / f64::from(1 << 20),
    }))
}
