//! The parts of a state that are large or rarely change, each a file of its own that is written again only when it changed.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;

use super::codec::{Decoder, Encoder, Malformed};
use crate::cell::Cell;
use crate::cells::{Bucket, CellKey, Width};
use crate::cow::CowMap;
use crate::error::AggregateError;
use crate::events::{BLOCK_EVENTS, Event, EventStore};
use crate::life::{Life, LifeBlock};
use crate::measures::Measures;
use crate::reporters::Reporters;
use crate::rows::{Column, Rows};
use crate::segment::Segment;
use crate::series::{AllSeries, Series};
use crate::state::State;

/// What a part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A segment's rows; never change.
    Rows,
    /// A segment's lives.
    Lives,
    /// [`crate::events::GROUP_BLOCKS`] blocks of events.
    Events,
    /// [`BUCKETS`] buckets of cells of one width.
    Cells,
    /// All series.
    Series,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Rows, Self::Lives, Self::Events, Self::Cells, Self::Series];

    /// How its files' names begin.
    pub(crate) fn as_str(self) -> &'static str {
        ["rows", "lives", "events", "cells", "series"][self as usize]
    }
}

/// Which part: its kind and number within it.
pub(crate) type PartId = (Kind, u64);

/// Two equal versions of a part have equal bytes.
pub(crate) type Version = (u64, u64);

/// Buckets in one part.
const BUCKETS: i64 = 64;

/// Every part of a state with its version.
pub(crate) fn list(state: &State) -> Vec<(PartId, Version)> {
    let mut parts = Vec::new();
    for segment in state.segments() {
        parts.push(((Kind::Rows, segment.id), (0, 0)));
        parts.push(((Kind::Lives, segment.id), (segment.version, 0)));
    }
    for (group, version) in state.events.versions.iter().enumerate() {
        parts.push(((Kind::Events, group as u64), (*version, 0)));
    }
    for tier in &state.cells.tiers {
        let mut last: Option<(PartId, Version)> = None;
        for (start, bucket) in &tier.buckets {
            let id = (Kind::Cells, chunk_number(tier.width, *start));
            last = Some(match last {
                Some((known, (newest, buckets))) if known == id => (id, (newest.max(bucket.version), buckets + 1)),
                other => {
                    parts.extend(other);
                    (id, (bucket.version, 1))
                }
            });
        }
        parts.extend(last);
    }
    parts.push(((Kind::Series, 0), (state.series.version, 0)));
    parts
}

fn chunk_number(width: Width, start: i64) -> u64 {
    // The sign bit flipped keeps order; two low bits name the width.
    let chunk = start.div_euclid(width.micros()).div_euclid(BUCKETS);
    ((chunk as u64) << 2) | width as u64
}

/// The bytes of a part.
pub(crate) fn encode(state: &State, (kind, number): PartId) -> Result<Vec<u8>, AggregateError> {
    let mut encoder = Encoder::default();
    let segment = || state.segments().find(|segment| segment.id == number);
    match kind {
        Kind::Rows => {
            if let Some(segment) = segment() {
                return encode_rows(&segment.rows);
            }
        }
        Kind::Lives => {
            if let Some(segment) = segment() {
                encode_lives(&mut encoder, segment);
            }
        }
        Kind::Events => state.events.group(number).for_each(|block| encode_events(&mut encoder, block)),
        Kind::Cells => {
            for tier in state.cells.tiers.iter().filter(|tier| tier.width as u64 == number & 3) {
                let first = ((number as i64) >> 2).saturating_mul(BUCKETS).saturating_mul(tier.width.micros());
                let range = first..first.saturating_add(BUCKETS * tier.width.micros());
                for (start, bucket) in tier.buckets.range(range) {
                    encode_bucket(&mut encoder, *start, bucket);
                }
            }
        }
        Kind::Series => encode_series(&mut encoder, &state.series),
    }
    Ok(encoder.0)
}

fn encode_rows(rows: &Rows) -> Result<Vec<u8>, AggregateError> {
    let batch = RecordBatch::try_new(Column::schema(), rows.arrays())?;
    let mut writer = FileWriter::try_new(Vec::with_capacity(rows.bytes()), &Column::schema())?;
    writer.write(&batch)?;
    writer.finish()?;
    Ok(writer.into_inner()?)
}

pub(crate) fn decode_rows(bytes: &[u8]) -> Result<Rows, Malformed> {
    let not_arrow = |_| Malformed("its rows are not Arrow IPC");
    let mut reader = FileReader::try_new(Cursor::new(bytes), None).map_err(not_arrow)?;
    let batch = reader.next().ok_or(Malformed("its rows are missing"))?.map_err(not_arrow)?;
    let types = batch.schema().fields().iter().map(|field| field.data_type().clone()).eq(Column::all().map(|column| column.2));
    if !types {
        return Err(Malformed("its rows are of another version"));
    }
    Ok(Rows::new(batch.columns().to_vec(), batch.num_rows()))
}

fn encode_lives(encoder: &mut Encoder, segment: &Segment) {
    for (live, life) in segment.lives.iter() {
        encoder.u8(u8::from(live));
        encoder.u8(life.status);
        encoder.i64(life.first_answer_us);
        encoder.i64(life.closed_us);
        encoder.u32(life.events);
    }
}

pub(crate) fn decode_lives(bytes: &[u8]) -> Result<Vec<Arc<LifeBlock>>, Malformed> {
    let (mut decoder, mut blocks) = (Decoder(bytes), Vec::new());
    while !decoder.0.is_empty() {
        let mut block = LifeBlock::default();
        while !decoder.0.is_empty() && block.live.len() < crate::life::BLOCK_ROWS {
            let live = decoder.u8()? != 0;
            let (status, first_answer_us, closed_us) = (decoder.u8()?, decoder.i64()?, decoder.i64()?);
            block.push(live, Life { status, first_answer_us, closed_us, events: decoder.u32()? });
        }
        blocks.push(Arc::new(block));
    }
    Ok(blocks)
}

fn encode_events(encoder: &mut Encoder, block: &[Event]) {
    for event in block {
        encoder.i64(event.at);
        encoder.i64(event.received_at);
        encoder.option(event.reason.as_deref(), Encoder::text);
        encoder.u32(event.agency());
        encoder.u8(event.status());
        encoder.u32(event.next());
    }
}

/// Appends the blocks of one group, in order.
pub(crate) fn decode_events(bytes: &[u8], store: &mut EventStore) -> Result<(), Malformed> {
    let (mut decoder, mut reasons) = (Decoder(bytes), crate::events::Reasons::default());
    while !decoder.0.is_empty() {
        let mut block = Vec::with_capacity(BLOCK_EVENTS);
        while !decoder.0.is_empty() && block.len() < BLOCK_EVENTS {
            let (at, received_at) = (decoder.i64()?, decoder.i64()?);
            let reason = decoder.option(Decoder::text)?.map(|reason| reasons.share(reason));
            let (agency, status) = (decoder.u32()?, decoder.u8()?);
            block.push(Event::new(at, received_at, status, reason, agency).with_next(decoder.u32()?));
        }
        store.blocks.push(Arc::new(block));
    }
    Ok(())
}

fn encode_bucket(encoder: &mut Encoder, start: i64, bucket: &Bucket) {
    encoder.i64(start);
    encoder.u64(bucket.version);
    let cells: Vec<(&CellKey, &Cell)> = bucket.cells.iter().collect();
    encoder.list(cells.into_iter(), |encoder, (key, cell)| {
        let m = cell.measures();
        encoder.u32(key.district);
        encoder.u32(key.language);
        encoder.u8(key.topic);
        encoder.u8(key.channel);
        [m.reports, m.tracked, m.closed, m.toned, m.answered, m.closings].into_iter().for_each(|count| encoder.u32(count));
        m.signals.iter().chain(&m.urgencies).for_each(|count| encoder.u32(*count));
        [m.answer_ms, m.close_ms].iter().chain(&m.tones).for_each(|sum| encoder.i64(*sum));
        let used: Vec<(u16, u32)> = m.reporters.used().collect();
        encoder.list(used.into_iter(), |encoder, (position, count)| {
            encoder.u32(u32::from(position));
            encoder.u32(count);
        });
    });
}

/// The buckets of a part with their starts.
pub(crate) fn decode_buckets(bytes: &[u8], shards: usize) -> Result<Vec<(i64, Bucket)>, Malformed> {
    let (mut decoder, mut buckets) = (Decoder(bytes), Vec::new());
    while !decoder.0.is_empty() {
        let (start, version) = (decoder.i64()?, decoder.u64()?);
        let mut bucket = Bucket { cells: CowMap::new(shards), version };
        for (key, measures) in decoder.list(decode_cell)? {
            bucket.cells.insert(key, measures.into());
        }
        buckets.push((start, bucket));
    }
    Ok(buckets)
}

fn decode_cell(decoder: &mut Decoder<'_>) -> Result<(CellKey, Measures), Malformed> {
    let (district, language) = (decoder.u32()?, decoder.u32()?);
    let key = CellKey { district, language, topic: decoder.u8()?, channel: decoder.u8()? };
    let mut m = Measures::default();
    for count in [&mut m.reports, &mut m.tracked, &mut m.closed, &mut m.toned, &mut m.answered, &mut m.closings] {
        *count = decoder.u32()?;
    }
    for count in m.signals.iter_mut().chain(&mut m.urgencies) {
        *count = decoder.u32()?;
    }
    for sum in [&mut m.answer_ms, &mut m.close_ms].into_iter().chain(&mut m.tones) {
        *sum = decoder.i64()?;
    }
    let used = decoder.list(|decoder| {
        let position = u16::try_from(decoder.u32()?).map_err(|_| Malformed("a sketch has a position beyond its size"))?;
        Ok((position, decoder.u32()?))
    })?;
    m.reporters = Reporters::from_used(used).ok_or(Malformed("a sketch is out of order"))?;
    Ok((key, m))
}

fn encode_series(encoder: &mut Encoder, series: &AllSeries) {
    for ((district, topic), one) in series.groups.iter() {
        encoder.u32(*district);
        encoder.u8(*topic);
        let entries: Vec<(i32, u32)> = one.entries().collect();
        encoder.list(entries.into_iter(), |encoder, (minute, count)| {
            encoder.u32(minute as u32);
            encoder.u32(count);
        });
    }
}

pub(crate) fn decode_series(bytes: &[u8], series: &mut AllSeries) -> Result<(), Malformed> {
    let mut decoder = Decoder(bytes);
    while !decoder.0.is_empty() {
        let group = (decoder.u32()?, decoder.u8()?);
        let entries = decoder.list(|decoder| Ok((decoder.u32()? as i32, decoder.u32()?)))?;
        let one =
            Series::from_entries(&entries).filter(|_| !entries.is_empty()).ok_or(Malformed("a series is out of order"))?;
        series.restore(group, one);
    }
    Ok(())
}
