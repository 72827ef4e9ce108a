//! A synthetic city with known truth: districts, seasons, bursts, incidents told by several people, late and out-of-order arrivals,
//! edits, closings, erasures, six languages. Seeded: the same parameters give the same records byte for byte.
//!
//! [`SyntheticCity`] is an endless iterator over records in order of arrival, with [`SyntheticCity::fill`] beside it for benches
//! (JSON without allocation). [`SyntheticSource`] is the same city as a door, in simulated time. [`Truth`] knows what an estimate
//! should find.
//!
//! Every report is a pure function of its key ([`life`]); the [`schedule`] holds only keys, in order of arrival.

pub mod city;
pub mod config;
pub mod dice;
pub mod grammar;
pub mod life;
pub mod model;
mod render;
pub mod schedule;
pub mod source;
pub mod topics;
pub mod truth;

use std::ops::Range;
use std::sync::Arc;

use feedback::{Feedback, Kind, Timestamp};

pub use config::SyntheticConfig;
pub use model::Burst;
pub use source::{Pace, SyntheticSource};
pub use truth::{Label, Truth};

use crate::source::SourceError;
use model::Model;
use schedule::Schedule;

/// An endless stream of records, in order of arrival.
#[derive(Debug)]
pub struct SyntheticCity {
    model: Arc<Model>,
    schedule: Schedule,
    sequence: u64,
}

/// What [`SyntheticCity::fill`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Where in the buffer the JSON object stands.
    pub record: Range<usize>,
    /// Where in the buffer the record's id stands: the key in the log. Empty for an erasure by author, which goes to every partition.
    pub key: Range<usize>,
    /// Which kind of record.
    pub kind: Kind,
    /// When it arrives.
    pub received_at: Timestamp,
}

impl SyntheticCity {
    /// Lays the city out; nothing has happened yet. An error names the parameter that is out of range.
    pub fn new(config: SyntheticConfig) -> Result<Self, SourceError> {
        Ok(Self { model: Arc::new(Model::new(config)?), schedule: Schedule::default(), sequence: 0 })
    }

    /// The parameters.
    pub fn config(&self) -> &SyntheticConfig {
        &self.model.config
    }

    /// What is true about the city.
    pub fn truth(&self) -> Truth {
        Truth(self.model.clone())
    }

    /// How many records have been taken.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many reports got no later life because too many records were waiting; see [`schedule::MAX_PENDING`].
    pub fn cut(&self) -> u64 {
        self.schedule.cut()
    }

    /// When the next record arrives.
    pub fn peek_received_at(&mut self) -> Timestamp {
        Timestamp::from_micros(self.schedule.peek(&self.model).received_us)
    }

    /// Lets records pass unseen until `sequence` have been taken: millions per second, because nothing is written.
    pub fn skip_to(&mut self, sequence: u64) {
        while self.sequence < sequence {
            self.schedule.take(&self.model);
            self.sequence += 1;
        }
    }

    /// Appends the next record to `buffer` as one JSON object, the same bytes that `Feedback::write_json` gives for it.
    pub fn fill(&mut self, buffer: &mut Vec<u8>) -> Filled {
        let start = buffer.len();
        loop {
            let (life, pending) = self.advance();
            let Some(moment) = life.moment(pending.action) else { continue };
            let key = render::write_json(&self.model, &life, pending.action, moment, buffer);
            let received_at = Timestamp::from_micros(moment.received_us);
            return Filled { record: start..buffer.len(), key, kind: render::kind(pending.action), received_at };
        }
    }

    fn advance(&mut self) -> (life::Life, schedule::Pending) {
        let pending = self.schedule.take(&self.model);
        self.sequence += 1;
        (self.schedule.life(&self.model, pending.key), pending)
    }
}

impl Iterator for SyntheticCity {
    type Item = Feedback;

    fn next(&mut self) -> Option<Feedback> {
        loop {
            let (life, pending) = self.advance();
            let record = life.moment(pending.action).map(|moment| render::feedback(&self.model, &life, pending.action, moment));
            // A name that passed the configuration's check makes valid ids; a record that could not be made would be skipped.
            if let Some(Ok(record)) = record {
                return Some(record);
            }
        }
    }
}
