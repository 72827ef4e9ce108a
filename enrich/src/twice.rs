//! Two readers of one batch: the compact one first, then the second one for the texts that [`Tier`] gives it.
//!
//! Which reader a row ends with can differ from run to run where the second one was busy: a replayed stretch may be written
//! with other readings. That counts nothing twice: `aggregate` applies each raw offset once, the first time it meets it.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use feedback::Timestamp;
use models::cascade::{Message, Missed, Reason, Refused, SecondReading};
use models::compact::Reading;
use models::language::Language;
use stream::Fetched;
use tracing::warn;

use crate::decode::{Decoded, payload};
use crate::enricher::{Enricher, content_key, texts};
use crate::error::EnrichError;
use crate::metrics::{Outcome, Step};
use crate::tier::{Cascade, Tier};
use crate::validate::{RawColumns, Row};

/// How long a batch waits for a tier that reads everything: below the time in which a worker must poll again (5 minutes).
const SECOND_PATIENCE: Duration = Duration::from_secs(240);

/// The reading of a report, and who made it.
#[derive(Clone, Copy)]
pub(crate) struct Given {
    pub(crate) reading: Reading,
    pub(crate) is_second: bool,
}

/// A report that the second reader could read.
struct Candidate {
    /// Its number among the reports of the stretch.
    report: usize,
    reason: Option<Reason>,
    message: Message,
    language: Language,
}

impl Enricher {
    /// The readings of all reports of a stretch in their order, where there is a second reader; nothing where compact is alone
    /// and reads each report when its row is made.
    pub(crate) fn read_twice(
        &mut self,
        decoded: &[Decoded],
        fetched: &Fetched,
        now: Timestamp,
    ) -> Result<Vec<Given>, EnrichError> {
        if matches!(self.config.tier, Tier::Compact) {
            return Ok(Vec::new());
        }
        let begun = Instant::now();
        let (mut given, candidates) = self.first_readings(decoded, fetched);
        match self.config.tier.clone() {
            Tier::Compact => {}
            Tier::Second(reader) => {
                for part in candidates.chunks(reader.most_texts().max(1)) {
                    let pending = reader.hand(part.iter().map(|candidate| candidate.message.clone()).collect());
                    let readings = pending.map_err(|error| EnrichError::Second(error.to_string()))?;
                    let readings = readings.wait(SECOND_PATIENCE).map_err(|error| EnrichError::Second(error.to_string()))?;
                    self.keep(&mut given, part, &readings);
                }
            }
            Tier::Cascade(cascade) => {
                let chosen = self.within_budget(&cascade, candidates, now);
                if let Some(readings) = self.ask(&cascade, &chosen) {
                    self.keep(&mut given, &chosen, &readings);
                }
            }
        }
        self.metrics.step_took(Step::Second, begun.elapsed());
        Ok(given)
    }

    /// Compact's readings of all reports, and the reports that the second reader could read.
    fn first_readings(&mut self, decoded: &[Decoded], fetched: &Fetched) -> (Vec<Given>, Vec<Candidate>) {
        let mut given = Vec::new();
        let mut candidates = Vec::new();
        let tier = self.config.tier.clone();
        for piece in decoded {
            let columns = RawColumns::of(&piece.columns);
            for (row, record) in piece.records.clone().enumerate() {
                let Ok(Row::Report(report)) = columns.row(row) else { continue };
                let texts = texts(&self.masker, &mut self.masked, &report);
                let input = texts.input(&report);
                let reading = self.model.read(&input, &mut self.scratch);
                let reason = match &tier {
                    Tier::Cascade(cascade) => {
                        let key = content_key(payload(fetched, record));
                        cascade.policy.reason(&reading, cascade.reader.heads(), report.id, key)
                    }
                    _ => None,
                };
                // Without the sender's words there is nothing that a larger model would read better.
                let is_asked = matches!(tier, Tier::Second(_)) || reason.is_some();
                if is_asked && texts.text.is_some() {
                    let message = Message::from(&input);
                    candidates.push(Candidate { report: given.len(), reason, message, language: texts.language });
                }
                given.push(Given { reading, is_second: false });
            }
        }
        (given, candidates)
    }

    /// The candidates that the budget has room for: the sample first, because leaving texts out of it would make it tell of
    /// quiet hours only.
    fn within_budget(&self, cascade: &Cascade, mut candidates: Vec<Candidate>, now: Timestamp) -> Vec<Candidate> {
        candidates.sort_by_key(|candidate| candidate.reason != Some(Reason::Audit));
        let wanted = candidates.len().min(cascade.reader.most_texts());
        let granted = match wanted {
            0 => 0,
            wanted => cascade.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(wanted, now),
        };
        self.metrics.second_texts(Outcome::OverBudget, candidates.len() - granted);
        candidates.truncate(granted);
        candidates
    }

    /// The second reader's answer; nothing where it is busy, late or broken, which is counted and leaves compact's readings.
    fn ask(&mut self, cascade: &Cascade, chosen: &[Candidate]) -> Option<Vec<SecondReading>> {
        if chosen.is_empty() {
            return None;
        }
        let messages = chosen.iter().map(|candidate| candidate.message.clone()).collect();
        let outcome = match cascade.reader.offer(messages) {
            Ok(pending) => match pending.wait(cascade.patience) {
                Ok(readings) => return Some(readings),
                Err(Missed::Late { .. }) => Outcome::Late,
                Err(error) => self.second_failed(&error.to_string()),
            },
            Err(Refused::Busy) => Outcome::Busy,
            Err(error) => self.second_failed(&error.to_string()),
        };
        self.metrics.second_texts(outcome, chosen.len());
        None
    }

    /// Said once; the metric goes on counting.
    fn second_failed(&mut self, error: &str) -> Outcome {
        if !std::mem::replace(&mut self.second_has_failed, true) {
            warn!(error, "the transformer does not read; texts keep the compact tier's reading");
        }
        Outcome::Failed
    }

    /// Takes the second readings over, and counts where the sample's two readings agree.
    fn keep(&self, given: &mut [Given], asked: &[Candidate], readings: &[SecondReading]) {
        for (candidate, second) in asked.iter().zip(readings) {
            let slot = &mut given[candidate.report];
            if candidate.reason == Some(Reason::Audit) {
                self.metrics.audited(candidate.language.as_str(), &slot.reading, second);
            }
            *slot = Given { reading: second.over(&slot.reading), is_second: true };
        }
        self.metrics.second_texts(Outcome::Read, asked.len());
    }
}
