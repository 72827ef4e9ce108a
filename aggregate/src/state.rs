//! Everything that is known, in parts that are shared with snapshots until they change.

use std::collections::BTreeMap;
use std::sync::Arc;

use feedback::IdKey;

use crate::cells::Cells;
use crate::config::Config;
use crate::cow::CowMap;
use crate::dead::DeadLetters;
use crate::dictionary::Dictionaries;
use crate::events::EventStore;
use crate::life::Life;
use crate::progress::Partition;
use crate::rows::Facts;
use crate::segment::Segment;
use crate::series::AllSeries;
use crate::sources::Sources;
use crate::windows::Window;

/// What one checkpoint saves and one snapshot shows. Cloning is cheap: everything large is behind `Arc`.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) words: Dictionaries,
    /// By slot; a slot is used again once its segment is gone.
    pub(crate) segments: Vec<Option<Arc<Segment>>>,
    pub(crate) next_segment_id: u64,
    pub(crate) events: EventStore,
    /// The first event of each report that has not come yet.
    pub(crate) pending: CowMap<IdKey, u32>,
    /// Events of all of `pending`.
    pub(crate) pending_events: usize,
    /// Erased ids: versions and events up to the moment are forgotten.
    pub(crate) tombstones: CowMap<IdKey, i64>,
    /// Erased authors, by source and pseudonym.
    pub(crate) author_tombstones: CowMap<(u32, u64), i64>,
    pub(crate) cells: Cells,
    pub(crate) windows: Vec<Window>,
    pub(crate) series: AllSeries,
    pub(crate) partitions: Arc<BTreeMap<u32, Partition>>,
    pub(crate) sources: Sources,
    pub(crate) dead: Arc<DeadLetters>,
    pub(crate) watermark: Option<i64>,
    /// Reports from before this moment have left memory.
    pub(crate) horizon: i64,
    /// Events that were not kept because too many wait, or a report has too many.
    pub(crate) events_refused: u64,
    /// What the writer's index of ids took when the state was last published.
    pub(crate) index_bytes: usize,
}

impl State {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            words: Dictionaries::default(),
            segments: Vec::new(),
            next_segment_id: 0,
            events: EventStore::default(),
            pending: CowMap::new(64),
            pending_events: 0,
            tombstones: CowMap::new(64),
            author_tombstones: CowMap::new(16),
            cells: Cells::default(),
            windows: config.windows.iter().cloned().map(Window::new).collect(),
            series: AllSeries::default(),
            partitions: Arc::default(),
            sources: Sources::default(),
            dead: Arc::default(),
            watermark: None,
            horizon: i64::MIN,
            events_refused: 0,
            index_bytes: 0,
        }
    }

    /// The segments that hold rows.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.segments.iter().flatten()
    }

    /// A slot without a segment; the one behind the last where all have one.
    pub(crate) fn free_slot(&self) -> usize {
        self.segments.iter().position(Option::is_none).unwrap_or(self.segments.len())
    }

    pub(crate) fn live_rows(&self) -> usize {
        self.segments().map(|segment| segment.live()).sum()
    }

    /// Counts a report into everything that counts (`sign` 1), or out of it (-1).
    pub(crate) fn count(&mut self, facts: &Facts, life: &Life, sign: i32) {
        self.cells.count(facts, life, sign);
        self.windows.iter_mut().for_each(|window| window.count(facts, life, sign));
        self.series.count(facts, sign);
        Arc::make_mut(&mut self.sources).entry(facts.source).or_default().live_reports += i64::from(sign);
    }

    /// Moves a report from one life to another.
    pub(crate) fn relive(&mut self, facts: &Facts, before: &Life, after: &Life) {
        let counted = |life: &Life| (life.status, life.first_answer_us, life.closed_us);
        if counted(before) != counted(after) {
            self.cells.relive(facts, before, after);
            self.windows.iter_mut().for_each(|window| window.relive(facts, before, after));
        }
    }

    /// Bytes held by formula, part by part.
    pub(crate) fn bytes(&self) -> StateBytes {
        StateBytes {
            rows: self.segments().map(|segment| segment.bytes()).sum(),
            index: self.index_bytes,
            events: self.events.bytes() + self.pending.bytes(),
            cells: self.cells.bytes(),
            windows: self.windows.iter().map(|window| window.bytes()).sum(),
            series: self.series.bytes(),
            words: self.words.bytes(),
            tombstones: self.tombstones.bytes() + self.author_tombstones.bytes(),
        }
    }
}

/// Bytes that each part of the state holds, by formula.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateBytes {
    /// Rows of `feedback` and where each report stands.
    pub rows: usize,
    /// Where each report's row is, by its id.
    pub index: usize,
    /// What happened to reports; table `status_events`.
    pub events: usize,
    /// Cells of all three widths.
    pub cells: usize,
    /// Totals of the rolling windows.
    pub windows: usize,
    /// Counts over time, for `trends`.
    pub series: usize,
    /// Districts, categories, agencies and the like, each once.
    pub words: usize,
    /// Erasures that are remembered.
    pub tombstones: usize,
}

impl StateBytes {
    /// All of it.
    pub fn total(&self) -> usize {
        let Self { rows, index, events, cells, windows, series, words, tombstones } = *self;
        rows + index + events + cells + windows + series + words + tombstones
    }
}
