//! One batch of raw records to enriched rows: personal data masked first, then language, tone, signal, topic, urgency,
//! district and fingerprint. Everything that a row needs is on this thread; nothing is shared but the models.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use feedback::id::source_of;
use feedback::time::HOUR_US;
use feedback::{DeadLetter, Kind, Stage, Timestamp};
use models::cascade::Heads;
use models::compact::{CompactModel, Scratch};
use models::features::Input;
use models::language::{Language, identify};
use models::mask::{Masker, Span};
use stream::Fetched;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::decode::{decode, payload};
use crate::district::DistrictIndex;
use crate::encode::encode;
use crate::error::EnrichError;
use crate::metrics::{EnrichMetrics, Step, Tally};
use crate::rows::{Body, Head, Rows};
use crate::tier::Tier;
use crate::twice::Given;
use crate::validate::{EraseRow, EraseTarget, RawColumns, ReportRow, Row, StatusRow};

/// Most rows of one enriched batch: about 3 MB of typical reports, and a bound on what a crash makes a worker redo.
pub const MAX_BATCH_ROWS: usize = 8192;

/// How far an arrival may lie ahead of this machine's clock before it is taken for a wrong clock, in microseconds.
const ARRIVAL_TOLERANCE_US: i64 = HOUR_US;

/// Language detection below this confidence yields to what the source declares.
const LANGUAGE_CONFIDENCE: f32 = 0.6;

/// What a city configures.
#[derive(Clone)]
pub struct EnricherConfig {
    /// Makes pseudonyms of authors. The same in every worker of a city, and secret: with it, an author can be looked up.
    pub pseudonym_key: [u8; 32],
    /// Where the districts lie.
    pub districts: Arc<DistrictIndex>,
    /// Who reads the texts.
    pub tier: Tier,
}

/// What became of a fetched batch.
#[derive(Debug, Default)]
pub struct Enriched {
    /// Arrow IPC, in order; together they cover the fetched stretch without a gap.
    pub payloads: Vec<Vec<u8>>,
    /// What could not be understood, in order of offset.
    pub dead: Vec<DeadLetter>,
    /// What it held.
    pub tally: Tally,
}

/// Enriches batches. Made for one thread; holds the buffers that are used again for every row.
pub struct Enricher {
    pub(crate) config: EnricherConfig,
    pub(crate) model: &'static CompactModel,
    pub(crate) masker: Masker,
    pub(crate) metrics: EnrichMetrics,
    pub(crate) scratch: Scratch,
    pub(crate) masked: MaskedTexts,
    /// `model_version` of what the second reader has read, with who read the other heads.
    second_version: String,
    /// Whether it was said that the second reader does not answer.
    pub(crate) second_has_failed: bool,
}

/// Buffers for the texts of one row. Empty unless masking changed the text.
#[derive(Default)]
pub(crate) struct MaskedTexts {
    title: String,
    text: String,
    reason: String,
    spans: Vec<Span>,
}

impl Enricher {
    /// Ready to work.
    pub fn new(config: EnricherConfig, metrics: EnrichMetrics) -> Self {
        let model = CompactModel::shipped();
        let second_version = match config.tier.second() {
            None => String::new(),
            Some(second) if second.heads() == Heads::All => second.version().to_owned(),
            Some(second) => format!("{}+{}", second.version(), model.version()),
        };
        Self {
            config,
            model,
            masker: Masker::new(),
            metrics,
            scratch: Scratch::default(),
            masked: MaskedTexts::default(),
            second_version,
            second_has_failed: false,
        }
    }

    /// Enriches a fetched batch. `now` is the machine's time: it dates dead letters and exposes arrivals from the future.
    pub fn enrich(&mut self, fetched: &Fetched, now: Timestamp) -> Result<Enriched, EnrichError> {
        let mut enriched = Enriched::default();
        let records = fetched.offsets.len();
        let mut start = 0;
        let mut first = fetched.first;
        // At least once: a stretch whose records are all gone is covered too, or the reader behind would wait for it.
        loop {
            let end = (start + MAX_BATCH_ROWS).min(records);
            let next = if end == records { fetched.next } else { fetched.offsets[end] };
            self.enrich_stretch(fetched, start..end, first..next, now, &mut enriched)?;
            if end == records {
                break;
            }
            (start, first) = (end, next);
        }
        self.metrics.batch_enriched(&enriched.tally);
        Ok(enriched)
    }

    fn enrich_stretch(
        &mut self,
        fetched: &Fetched,
        records: Range<usize>,
        covers: Range<u64>,
        now: Timestamp,
        enriched: &mut Enriched,
    ) -> Result<(), EnrichError> {
        let begun = Instant::now();
        let (decoded, undecodable) = decode(fetched, records.clone())?;
        self.metrics.step_took(Step::Decode, begun.elapsed());
        let mut given = self.read_twice(&decoded, fetched, now)?.into_iter();

        let understood = Instant::now();
        let mut dead = Vec::new();
        let mut reject = |record: usize, source: Option<&str>, reason: String| {
            let letter = DeadLetter::new(Stage::Enrich, source, reason, now, payload(fetched, record));
            dead.push(letter.found_at(fetched.partition, fetched.offsets[record]));
        };
        for record in undecodable {
            reject(record.record, None, record.reason);
        }
        let mut rows = Rows::with_capacity(records.len());
        for piece in &decoded {
            let columns = RawColumns::of(&piece.columns);
            for (row, record) in piece.records.clone().enumerate() {
                match columns.row(row) {
                    Ok(valid) => {
                        let place = Place { offset: fetched.offsets[record], key: content_key(payload(fetched, record)), now };
                        self.push(&mut rows, &valid, &place, &mut given, &mut enriched.tally);
                    }
                    Err(reason) => reject(record, columns.source(row), reason),
                }
            }
        }
        dead.sort_by_key(|letter| letter.raw_offset);
        enriched.tally.rejected += dead.len() as u64;
        enriched.dead.append(&mut dead);
        let encoded = Instant::now();
        self.metrics.step_took(Step::Understand, encoded - understood);

        encode(&rows.finish()?, fetched.partition, covers.start, covers.end, &mut enriched.payloads)?;
        self.metrics.step_took(Step::Encode, encoded.elapsed());
        Ok(())
    }

    fn push(
        &mut self,
        rows: &mut Rows,
        row: &Row<'_>,
        place: &Place,
        given: &mut impl Iterator<Item = Given>,
        tally: &mut Tally,
    ) {
        match row {
            Row::Report(report) => self.push_report(rows, report, place, given.next(), tally),
            Row::Status(status) => self.push_status(rows, status, place, tally),
            Row::Erase(erase) => self.push_erase(rows, erase, place, tally),
        }
    }

    fn push_report(&mut self, rows: &mut Rows, report: &ReportRow<'_>, place: &Place, given: Option<Given>, tally: &mut Tally) {
        let received_at = arrival(report.received_at, place.now);
        let clock_ahead = report.created_at > received_at;
        let created_at = report.created_at.min(received_at);

        let texts = texts(&self.masker, &mut self.masked, report);
        let given = given
            .unwrap_or_else(|| Given { reading: self.model.read(&texts.input(report), &mut self.scratch), is_second: false });
        let Texts { title, text, language } = texts;
        let source = source_of(report.id);
        let district = report.position.and_then(|(lat, lon)| self.config.districts.locate(lat, lon)).or(report.district);
        let head = Head {
            kind: Kind::Report,
            raw_offset: place.offset,
            id: report.id,
            source,
            at: created_at,
            received_at,
            clock_ahead,
            content_key: place.key,
        };
        let body = Body {
            created_at: Some(created_at),
            // A version from the future would win against every later edit.
            updated_at: Some(report.updated_at.min(received_at).max(created_at)),
            channel: report.channel,
            category: report.category,
            title,
            text,
            status: report.status,
            due_at: report.due_at,
            first_answer_at: report.first_answer_at.map(|at| at.min(received_at)),
            closed_at: report.closed_at.map(|at| at.min(received_at)),
            reason: None,
            agency: report.agency,
            district,
            position: report.position,
            language: Some(language.as_str()),
            author: report.author.map(|author| pseudonym(&self.config.pseudonym_key, source, author)),
            votes: report.votes,
            url: report.url,
            duplicate_of: report.duplicate_of,
            fingerprint: text.or(title).map(models::fingerprint::fingerprint),
            model_version: Some(if given.is_second { &self.second_version } else { self.model.version() }),
            reading: Some(&given.reading),
            has_words: text.is_some(),
        };
        rows.push(&head, &body);
        tally.rows[usize::from(Kind::Report.code())] += 1;
        tally.clock_ahead += u64::from(clock_ahead);
        tally.masked += self.masked.spans.len() as u64;
    }

    fn push_status(&mut self, rows: &mut Rows, status: &StatusRow<'_>, place: &Place, tally: &mut Tally) {
        let received_at = arrival(status.received_at, place.now);
        let clock_ahead = status.at > received_at;
        self.masked.spans.clear();
        let reason = mask(&self.masker, status.reason, &mut self.masked.reason, &mut self.masked.spans);
        let head = Head {
            kind: Kind::Status,
            raw_offset: place.offset,
            id: status.id,
            source: source_of(status.id),
            at: status.at.min(received_at),
            received_at,
            clock_ahead,
            content_key: place.key,
        };
        rows.push(&head, &Body { status: Some(status.status), reason, agency: status.agency, ..Body::default() });
        tally.rows[usize::from(Kind::Status.code())] += 1;
        tally.clock_ahead += u64::from(clock_ahead);
        tally.masked += self.masked.spans.len() as u64;
    }

    fn push_erase(&self, rows: &mut Rows, erase: &EraseRow<'_>, place: &Place, tally: &mut Tally) {
        let received_at = arrival(erase.received_at, place.now);
        let clock_ahead = erase.at > received_at;
        let (id, source, author) = match erase.target {
            EraseTarget::Report(id) => (id, source_of(id), None),
            EraseTarget::Author { source, author } => ("", source, Some(pseudonym(&self.config.pseudonym_key, source, author))),
        };
        let head = Head {
            kind: Kind::Erase,
            raw_offset: place.offset,
            id,
            source,
            at: erase.at.min(received_at),
            received_at,
            clock_ahead,
            content_key: place.key,
        };
        rows.push(&head, &Body { author, ..Body::default() });
        tally.rows[usize::from(Kind::Erase.code())] += 1;
        tally.clock_ahead += u64::from(clock_ahead);
    }
}

/// Where a record stands, what it is, and when that is asked.
struct Place {
    offset: u64,
    key: u64,
    now: Timestamp,
}

/// What a report says, without personal data.
pub(crate) struct Texts<'a> {
    pub(crate) title: Option<&'a str>,
    pub(crate) text: Option<&'a str>,
    pub(crate) language: Language,
}

impl Texts<'_> {
    /// As a model reads it.
    pub(crate) fn input<'b>(&'b self, report: &'b ReportRow<'_>) -> Input<'b> {
        Input {
            text: self.text.unwrap_or_default(),
            title: self.title,
            category: report.category,
            prompt: report.prompt,
            language: self.language.as_str(),
        }
    }
}

/// Masks a report's texts and finds their language. The spans that were masked are in `masked` until the next call.
pub(crate) fn texts<'a>(masker: &Masker, masked: &'a mut MaskedTexts, report: &'a ReportRow<'_>) -> Texts<'a> {
    masked.spans.clear();
    let title = mask(masker, report.title, &mut masked.title, &mut masked.spans);
    let text = mask(masker, report.text, &mut masked.text, &mut masked.spans);
    // A title alone is mostly the portal's wording, which says nothing about the sender's language.
    Texts { title, text, language: language_of(text, report.language) }
}

/// The masked text; the original where nothing was masked.
fn mask<'a>(masker: &Masker, text: Option<&'a str>, buffer: &'a mut String, spans: &mut Vec<Span>) -> Option<&'a str> {
    let text = text?;
    buffer.clear();
    Some(if masker.mask(text, buffer, spans) { buffer } else { text })
}

/// What detection says where it is sure, else what the source declares, else what detection guesses.
fn language_of(words: Option<&str>, declared: Option<&str>) -> Language {
    let (detected, confidence) = words.map_or((Language::UND, 0.0), identify);
    if confidence >= LANGUAGE_CONFIDENCE {
        return detected;
    }
    declared.and_then(Language::from_code).unwrap_or(detected)
}

/// When it arrived; this machine's time where the record claims a future one.
fn arrival(received_at: Timestamp, now: Timestamp) -> Timestamp {
    if received_at > now.plus_micros(ARRIVAL_TOLERANCE_US) { now } else { received_at }
}

/// A keyed pseudonym: the same for the same author of a source, and meaningless without the key.
fn pseudonym(key: &[u8; 32], source: &str, author: &str) -> u64 {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(source.as_bytes()).update(b"\0").update(author.as_bytes());
    let hash = hasher.finalize();
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a BLAKE3 hash has 32 bytes"))
}

/// A hash of what was sent without its arrival time, so that the same version sent again is the same.
///
/// `"received_at":` with bare quotes cannot stand inside a JSON string, so the first one found is the field.
pub(crate) fn content_key(json: &[u8]) -> u64 {
    const FIELD: &[u8] = b"\"received_at\":";
    let Some(start) = memchr::memmem::find(json, FIELD) else { return xxh3_64(json) };
    let after = &json[start + FIELD.len()..];
    let value = after.iter().position(|byte| matches!(byte, b',' | b'}')).unwrap_or(after.len());
    let mut hasher = Xxh3::new();
    hasher.update(&json[..start]);
    hasher.update(&after[value..]);
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arrival_time_is_not_content() {
        let first = br#"{"id":"a:1","received_at":"2026-01-01T00:00:00Z","text":"x"}"#;
        let again = br#"{"id":"a:1","received_at":"2027-02-02T00:00:00Z","text":"x"}"#;
        let edited = br#"{"id":"a:1","received_at":"2026-01-01T00:00:00Z","text":"y"}"#;
        assert_eq!(content_key(first), content_key(again));
        assert_ne!(content_key(first), content_key(edited));
    }

    #[test]
    fn pseudonyms_depend_on_author_source_and_key() {
        let name = pseudonym(&[1; 32], "bluesky", "did:1");
        assert_eq!(name, pseudonym(&[1; 32], "bluesky", "did:1"));
        assert_ne!(name, pseudonym(&[1; 32], "mastodon", "did:1"));
        assert_ne!(name, pseudonym(&[2; 32], "bluesky", "did:1"));
    }
}
