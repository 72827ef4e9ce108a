//! The synthetic city as a door: what has arrived by now at once, the rest as its time comes.

use std::sync::Arc;
use std::time::Duration;

use feedback::{Clock, Timestamp};
use serde::{Deserialize, Serialize};

use super::SyntheticCity;
use super::config::SyntheticConfig;
use crate::source::{Source, SourceBatch, SourceError};

/// Records in one batch, at most.
pub const BATCH_RECORDS: usize = 4_000;

/// Longest sleep between two looks at the clock, so that a clock that is moved is noticed.
const NAP: Duration = Duration::from_millis(200);

/// How simulated time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Real time at which simulated time is `simulated`.
    pub real: Timestamp,
    /// See `real`: everything before arrives as fast as the log takes it.
    pub simulated: Timestamp,
    /// Simulated seconds per real second from then on; 1 is real time.
    pub speed: f64,
}

impl Pace {
    /// Simulated time is real time.
    pub const REAL_TIME: Self = Self { real: Timestamp::from_micros(0), simulated: Timestamp::from_micros(0), speed: 1.0 };

    fn simulated_at(&self, real: Timestamp) -> Timestamp {
        let passed_us = real.micros().saturating_sub(self.real.micros());
        self.simulated.plus_micros((passed_us as f64 * self.speed) as i64)
    }

    fn real_until(&self, simulated: Timestamp, now: Timestamp) -> Duration {
        let left_us = simulated.micros().saturating_sub(self.simulated_at(now).micros()).max(0);
        Duration::from_micros((left_us as f64 / self.speed) as u64)
    }
}

/// Where a synthetic city stands: as many records have been taken.
#[derive(Serialize, Deserialize)]
struct Position {
    /// Of which city; see [`SyntheticConfig::fingerprint`].
    city: u64,
    seed: u64,
    sequence: u64,
}

/// The door.
pub struct SyntheticSource {
    name: String,
    city: SyntheticCity,
    pace: Pace,
    clock: Arc<dyn Clock>,
}

impl SyntheticSource {
    /// A door to the city of `config`, at the pace given.
    pub fn new(config: SyntheticConfig, pace: Pace, clock: Arc<dyn Clock>) -> Result<Self, SourceError> {
        if !(pace.speed > 0.0 && pace.speed <= 1e6) {
            return Err(SourceError::unusable("the synthetic city has no pace", "speed: above 0 and at most 1,000,000"));
        }
        Ok(Self { name: config.name.clone(), city: SyntheticCity::new(config)?, pace, clock })
    }

    /// The city behind the door, for its truth.
    pub fn city(&self) -> &SyntheticCity {
        &self.city
    }

    fn position(&self) -> Result<String, SourceError> {
        let config = self.city.config();
        let position = Position { city: config.fingerprint(), seed: config.seed, sequence: self.city.sequence() };
        serde_json::to_string(&position).map_err(|error| SourceError::upstream("the synthetic city", error))
    }
}

#[async_trait::async_trait]
impl Source for SyntheticSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn resume(&mut self, cursor: Option<&str>) -> Result<(), SourceError> {
        let Some(cursor) = cursor else { return Ok(()) };
        let remedy = "start it with the parameters it had, or delete its cursor and the data directory to begin another city";
        let position: Position = serde_json::from_str(cursor)
            .map_err(|error| SourceError::unusable(format!("the synthetic city's cursor does not parse: {error}"), remedy))?;
        if position.city != self.city.config().fingerprint() {
            let problem = format!("the cursor belongs to another synthetic city (seed {})", position.seed);
            return Err(SourceError::unusable(problem, remedy));
        }
        self.city.skip_to(position.sequence);
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<SourceBatch>, SourceError> {
        loop {
            let (due, now) = (self.city.peek_received_at(), self.clock.now());
            if due <= self.pace.simulated_at(now) {
                break;
            }
            tokio::time::sleep(self.pace.real_until(due, now).clamp(Duration::from_millis(1), NAP)).await;
        }
        // From here to the end nothing is awaited: a dropped future has taken nothing.
        let until = self.pace.simulated_at(self.clock.now());
        let mut batch = SourceBatch::default();
        while batch.records.len() < BATCH_RECORDS && self.city.peek_received_at() <= until {
            batch.records.extend(self.city.next());
        }
        batch.cursor = Some(self.position()?);
        Ok(Some(batch))
    }
}
