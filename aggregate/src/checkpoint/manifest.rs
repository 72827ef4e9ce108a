//! The manifest of a checkpoint: which part files make it up, and everything that is small enough to be written every time.

use std::collections::BTreeMap;
use std::sync::Arc;

use feedback::IdKey;
use xxhash_rust::xxh3::xxh3_128;

use super::codec::{Decoder, Encoder, Malformed};
use super::parts::{Kind, PartId, Version};
use crate::config::Config;
use crate::dead::DeadLetters;
use crate::progress::Partition;
use crate::sources::SourceState;
use crate::state::State;

/// What a manifest begins with; the last digits are the version of the format.
const MAGIC: &[u8; 16] = b"civicpulse agg 1";

/// Length of the checksum at the end.
const CHECKSUM_BYTES: usize = 16;

/// A part's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartFile {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) checksum: u128,
}

/// Which files a checkpoint is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Manifest {
    pub(crate) sequence: u64,
    pub(crate) parts: BTreeMap<PartId, PartFile>,
}

/// The bytes of a manifest over a state.
pub(crate) fn encode(manifest: &Manifest, state: &State) -> Vec<u8> {
    let mut e = Encoder(MAGIC.to_vec());
    e.u64(manifest.sequence);
    e.list(manifest.parts.iter(), |e, ((kind, number), file)| {
        e.u8(*kind as u8);
        e.u64(*number);
        e.u64(file.version.0);
        e.u64(file.version.1);
        e.text(&file.name);
        e.u64(file.bytes);
        e.u128(file.checksum);
    });
    e.list(state.segments.iter(), |e, slot| {
        e.option(slot.as_ref(), |e, segment| {
            e.u64(segment.id);
            e.i64(segment.created.0);
            e.i64(segment.created.1);
        })
    });
    e.u64(state.next_segment_id);
    e.u32(state.events.free);
    let pending: Vec<_> = state.pending.iter().collect();
    e.list(pending.into_iter(), |e, (key, events)| {
        e.u128(key.0);
        e.u32(*events);
    });
    let tombstones: Vec<_> = state.tombstones.iter().collect();
    e.list(tombstones.into_iter(), |e, (key, at)| {
        e.u128(key.0);
        e.i64(*at);
    });
    let authors: Vec<_> = state.author_tombstones.iter().collect();
    e.list(authors.into_iter(), |e, ((source, author), at)| {
        e.u32(*source);
        e.u64(*author);
        e.i64(*at);
    });
    for words in state.words.each() {
        e.list(words.all().iter(), |e, word| e.text(word));
    }
    state.cells.tiers.iter().for_each(|tier| e.i64(tier.horizon));
    e.u64(state.cells.changes);
    e.u32(state.series.fine as u32);
    e.u32(state.series.kept as u32);
    e.u64(state.series.version);
    e.list(state.partitions.iter(), encode_partition);
    e.list(state.sources.iter(), encode_source);
    e.text(&serde_json::to_string(&*state.dead).unwrap_or_default());
    e.option(state.watermark, Encoder::i64);
    e.i64(state.horizon);
    e.u64(state.events_refused);
    let checksum = xxh3_128(&e.0);
    e.u128(checksum);
    e.0
}

/// A segment as the manifest names it: its id and the bounds of `created_at`.
pub(crate) type SegmentEntry = (u64, (i64, i64));

/// Reads a manifest: its parts, the slots of the segments, and a state that lacks the parts.
pub(crate) fn decode(bytes: &[u8], config: &Config) -> Result<(Manifest, Vec<Option<SegmentEntry>>, State), Malformed> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Malformed("it is too short"))?;
    let body_after = body.strip_prefix(MAGIC).ok_or(Malformed("it is not a checkpoint of this version"))?;
    if xxh3_128(body) != u128::from_le_bytes(*checksum) {
        return Err(Malformed("its checksum is wrong"));
    }
    let mut d = Decoder(body_after);
    let mut manifest = Manifest { sequence: d.u64()?, parts: BTreeMap::new() };
    manifest.parts.extend(d.list(|d| {
        let kind = *Kind::ALL.get(usize::from(d.u8()?)).ok_or(Malformed("it has a part of unknown kind"))?;
        let (number, version) = (d.u64()?, (d.u64()?, d.u64()?));
        let name = d.text()?.to_owned();
        Ok(((kind, number), PartFile { version, name, bytes: d.u64()?, checksum: d.u128()? }))
    })?);
    let mut state = State::new(config);
    let slots = d.list(|d| d.option(|d| Ok((d.u64()?, (d.i64()?, d.i64()?)))))?;
    state.next_segment_id = d.u64()?;
    state.events.free = d.u32()?;
    for (key, events) in d.list(|d| Ok((d.u128()?, d.u32()?)))? {
        state.pending.insert(IdKey(key), events);
    }
    for (key, at) in d.list(|d| Ok((d.u128()?, d.i64()?)))? {
        state.tombstones.insert(IdKey(key), at);
    }
    for (source, author, at) in d.list(|d| Ok((d.u32()?, d.u64()?, d.i64()?)))? {
        state.author_tombstones.insert((source, author), at);
    }
    for words in state.words.each_mut() {
        for word in d.list(Decoder::text)? {
            words.intern(word);
        }
    }
    for tier in &mut state.cells.tiers {
        tier.horizon = d.i64()?;
    }
    state.cells.changes = d.u64()?;
    (state.series.fine, state.series.kept, state.series.version) = (d.u32()? as i32, d.u32()? as i32, d.u64()?);
    state.partitions = Arc::new(d.list(decode_partition)?.into_iter().collect());
    state.sources = Arc::new(d.list(decode_source)?.into_iter().collect());
    let dead: DeadLetters = serde_json::from_str(d.text()?).map_err(|_| Malformed("its dead letters cannot be read"))?;
    state.dead = Arc::new(dead);
    state.watermark = d.option(Decoder::i64)?;
    state.horizon = d.i64()?;
    state.events_refused = d.u64()?;
    d.end()?;
    Ok((manifest, slots, state))
}

fn encode_partition(e: &mut Encoder, (number, p): (&u32, &Partition)) {
    e.u32(*number);
    e.option(p.applied_next, Encoder::u64);
    e.option(p.highest_event, Encoder::i64);
    e.u8(u8::from(p.records_lost));
    for count in [p.enriched_next, p.batches, p.rows, p.replayed_batches, p.gaps, p.gaps_accepted] {
        e.u64(count);
    }
    for count in [p.undecodable_batches, p.late_rows, p.expired_rows] {
        e.u64(count);
    }
}

fn decode_partition(d: &mut Decoder<'_>) -> Result<(u32, Partition), Malformed> {
    let number = d.u32()?;
    let mut p = Partition {
        applied_next: d.option(Decoder::u64)?,
        highest_event: d.option(Decoder::i64)?,
        records_lost: d.u8()? != 0,
        ..Partition::default()
    };
    for count in [&mut p.enriched_next, &mut p.batches, &mut p.rows, &mut p.replayed_batches, &mut p.gaps, &mut p.gaps_accepted]
    {
        *count = d.u64()?;
    }
    for count in [&mut p.undecodable_batches, &mut p.late_rows, &mut p.expired_rows] {
        *count = d.u64()?;
    }
    Ok((number, p))
}

fn encode_source(e: &mut Encoder, (code, s): (&u32, &SourceState)) {
    e.u32(*code);
    e.i64(s.live_reports);
    s.records.iter().chain(&[s.superseded, s.late, s.expired, s.clock_ahead]).for_each(|count| e.u64(*count));
    e.option(s.last_event, Encoder::i64);
    e.option(s.last_received, Encoder::i64);
}

fn decode_source(d: &mut Decoder<'_>) -> Result<(u32, SourceState), Malformed> {
    let (code, live_reports) = (d.u32()?, d.i64()?);
    Ok((
        code,
        SourceState {
            live_reports,
            records: [d.u64()?, d.u64()?, d.u64()?],
            superseded: d.u64()?,
            late: d.u64()?,
            expired: d.u64()?,
            clock_ahead: d.u64()?,
            last_event: d.option(Decoder::i64)?,
            last_received: d.option(Decoder::i64)?,
        },
    ))
}
