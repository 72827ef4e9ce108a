//! What a query sees from start to end: one immutable state, and tables computed from it when first asked for.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use arrow::array::RecordBatch;
use feedback::Timestamp;

use crate::asked::Asked;
use crate::config::{Config, Reference};
use crate::decisions;
use crate::derived::{self, TrendKeeper};
use crate::error::AggregateError;
use crate::incidents::{IncidentsOf, Keeper};
use crate::reporting;
use crate::segment::Segment;
use crate::service;
use crate::state::{State, StateBytes};
use crate::tables::priorities::{PriorityConfig, PriorityWeights};
use crate::tables::under_reporting::{Adjustment, Exposure};
use crate::tables::{self, TableName};
use crate::tone;
use crate::view::{SegmentView, WordArrays};
use crate::windows::{Group, Window};

/// Tables computed for other windows than those kept that are remembered, the newest.
const MAX_ASKED: usize = 16;

type Computed = OnceLock<Result<Arc<RecordBatch>, String>>;

/// What is kept between snapshots, so that a table costs what changed since somebody asked for it last.
#[derive(Clone)]
pub(crate) struct Keepers {
    pub(crate) incidents: Arc<Keeper>,
    pub(crate) trends: Arc<TrendKeeper>,
}

/// A consistent view of every table. Cheap to hold for as long as a query runs.
pub struct Snapshot {
    sequence: u64,
    state: Arc<State>,
    incidents: Arc<IncidentsOf>,
    trends: Arc<TrendKeeper>,
    views: Vec<Arc<SegmentView>>,
    idle: BTreeSet<u32>,
    config: Arc<Config>,
    reference: Arc<Reference>,
    computed: [Computed; tables::ALL.len()],
    /// Asked for by several tables, hence kept beside them.
    exposures: OnceLock<Vec<(Group, Exposure)>>,
    asked: Mutex<Vec<(TableName, Asked, Arc<RecordBatch>)>>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("sequence", &self.sequence)
            .field("watermark", &self.watermark())
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(crate) fn new(
        sequence: u64,
        state: State,
        words: Arc<WordArrays>,
        idle: BTreeSet<u32>,
        (config, reference): (Arc<Config>, Arc<Reference>),
        keepers: Keepers,
    ) -> Self {
        let state = Arc::new(state);
        let incidents = Arc::new(IncidentsOf::new(keepers.incidents, state.clone()));
        let view = |segment: &Arc<Segment>| Arc::new(SegmentView::new(segment.clone(), words.clone(), incidents.clone()));
        let views = state.segments().map(view).collect();
        let computed = std::array::from_fn(|_| OnceLock::new());
        let (exposures, asked) = (OnceLock::new(), Mutex::default());
        let trends = keepers.trends;
        Self { sequence, state, incidents, trends, views, idle, config, reference, computed, exposures, asked }
    }

    /// Grows by one with every snapshot of a process.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Before it, no more events are expected; `None` before the first.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.state.watermark.map(Timestamp::from_micros)
    }

    /// The table `feedback`, in parts.
    pub fn segments(&self) -> &[Arc<SegmentView>] {
        &self.views
    }

    /// Rows of the table `feedback`.
    pub fn rows(&self) -> usize {
        self.views.iter().map(|view| view.rows()).sum()
    }

    /// Bytes that the state holds by formula. Walks over all cells.
    pub fn state_bytes(&self) -> StateBytes {
        self.state.bytes()
    }

    /// The raw offset before which everything of a partition is in here; `None` if nothing has come of it.
    pub fn applied_next(&self, partition: u32) -> Option<u64> {
        self.state.partitions.get(&partition)?.applied_next
    }

    /// The offset of `feedback.dead` up to which dead letters are in the tables.
    pub fn dead_next(&self, partition: u32) -> u64 {
        self.state().dead.positions.get(&partition).copied().unwrap_or(0)
    }

    /// The incidents, for whoever reads their list.
    pub(crate) fn incidents(&self) -> &IncidentsOf {
        &self.incidents
    }

    pub(crate) fn trends(&self) -> &TrendKeeper {
        &self.trends
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Any table but `feedback` (see [`Snapshot::segments`]), computed once a snapshot, by the first who asks; others wait.
    pub fn table(&self, table: TableName) -> Result<Arc<RecordBatch>, AggregateError> {
        let computed = self.computed[table as usize].get_or_init(|| {
            let batch = self.compute(table).map_err(|error| error.to_string())?;
            Ok(Arc::new(batch))
        });
        computed.clone().map_err(|problem| AggregateError::Table { table: table.as_str(), problem })
    }

    /// `windows`, `trends`, `tone_shifts`, `emerging_terms`, `priorities`, `representation` or `allocation` for another window, by other choices, or
    /// with windows ending elsewhere, from what is known now: from the cells, where those no longer reach back from the rows, else from
    /// coarser cells. A window before all of them is left out. An error for other tables.
    pub fn table_asked(&self, table: TableName, asked: &Asked) -> Result<Arc<RecordBatch>, AggregateError> {
        if *asked == Asked::default() {
            return self.table(table);
        }
        let remembered = || self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, _, batch)) = remembered().iter().find(|entry| entry.0 == table && entry.1 == *asked) {
            return Ok(batch.clone());
        }
        let windows = self.windows_asked(asked);
        let batch = Arc::new(match table {
            TableName::Windows => tables::windows::table(&windows, &self.state.words.district, &self.reference)?,
            TableName::Trends => derived::trends(self, &windows)?,
            TableName::EmergingTerms => tables::emerging_terms::table(&self.state, &windows)?,
            TableName::ToneShifts => tone::tone_shifts(self, &windows)?,
            TableName::Priorities => decisions::priorities(self, &windows, &self.choices(table, asked)?)?,
            TableName::Representation => reporting::representation(self, &windows)?,
            TableName::Allocation => self.allocation(asked)?,
            other => {
                let problem = "it does not depend on windows; leave out window and as_of".into();
                return Err(AggregateError::Table { table: other.as_str(), problem });
            }
        });
        let mut remembered = remembered();
        remembered.truncate(MAX_ASKED - 1);
        remembered.insert(0, (table, asked.clone(), batch.clone()));
        Ok(batch)
    }

    /// How priorities are ranked for this question.
    fn choices(&self, table: TableName, asked: &Asked) -> Result<PriorityConfig, AggregateError> {
        let configured = self.config.priorities;
        let weights = asked.weights.as_ref().map(|text| PriorityWeights::parse(text, &configured.weights)).transpose();
        let weights = weights.map_err(|error| AggregateError::Table { table: table.as_str(), problem: error.to_string() })?;
        Ok(PriorityConfig {
            weights: weights.unwrap_or(configured.weights),
            top_k: asked.top_k.unwrap_or(configured.top_k),
            ..configured
        })
    }

    /// What to fund in one window, by default the configured one.
    fn allocation(&self, asked: &Asked) -> Result<RecordBatch, AggregateError> {
        let window = match &asked.window {
            Some(window) => window.clone(),
            None => self.config.allocation.window.parse()?,
        };
        let windows = self.windows_asked(&Asked { window: Some(window), ..asked.clone() });
        decisions::allocation(self, windows.first(), asked.total, &self.choices(TableName::Allocation, asked)?)
    }

    /// The windows asked for. One of a configured length is that window, whatever it was called; without a moment they end
    /// where the configured ones do: at the watermark, and there are none before the first.
    fn windows_asked(&self, asked: &Asked) -> Vec<Window> {
        let configured: Vec<&Window> = self.state.windows.iter().collect();
        let (now, ad_hoc): (Vec<&Window>, Option<Window>) = match &asked.window {
            None => (configured, None),
            Some(spec) => match configured.into_iter().find(|window| window.spec.length_us == spec.length_us) {
                Some(window) => (vec![window], None),
                None => (Vec::new(), Some(Window::new(spec.clone()))),
            },
        };
        match (asked.as_of, self.state.watermark) {
            (Some(moment), _) => now.into_iter().chain(&ad_hoc).filter_map(|w| self.window_as_of(w, moment.micros())).collect(),
            (None, Some(watermark)) => {
                let ad_hoc = ad_hoc.and_then(|window| self.window_as_of(&window, watermark));
                now.into_iter().cloned().chain(ad_hoc).collect()
            }
            (None, None) => Vec::new(),
        }
    }

    fn window_as_of(&self, window: &Window, moment: i64) -> Option<Window> {
        let cells = &self.state.cells;
        let exact = window.as_of(cells, moment).filter(|found| found.width == window.width);
        exact.or_else(|| self.window_from_rows(window, moment)).or_else(|| window.as_of(cells, moment))
    }

    /// A window that ends where its own cells no longer reach, counted from the rows while they do.
    fn window_from_rows(&self, window: &Window, moment: i64) -> Option<Window> {
        let end = window.width.floor(moment);
        let range = end.saturating_sub(window.spec.length_us)..end;
        if range.start < self.state.horizon {
            return None;
        }
        let mut counted = Window { range: range.clone(), ..Window::new(window.spec.clone()) };
        let inside = |segment: &&Arc<Segment>| segment.created.1 >= range.start && segment.created.0 < range.end;
        for segment in self.state.segments().filter(inside) {
            for (row, (_, life)) in segment.lives.iter().enumerate().filter(|(_, (live, _))| *live) {
                counted.count(&segment.rows.facts(row), &life, 1);
            }
        }
        Some(counted)
    }

    fn compute(&self, table: TableName) -> Result<RecordBatch, AggregateError> {
        let state = &self.state;
        match table {
            TableName::Feedback => {
                let problem = "it is held in segments; read those".into();
                Err(AggregateError::Table { table: table.as_str(), problem })
            }
            TableName::StatusEvents => tables::status_events::table(state),
            TableName::Cells => tables::cells::table(state),
            TableName::Windows => tables::windows::table(self.ended(), &state.words.district, &self.reference),
            TableName::Trends => derived::trends(self, self.ended()),
            TableName::ToneShifts => tone::tone_shifts(self, self.ended()),
            TableName::Priorities => decisions::priorities(self, self.ended(), &self.config.priorities),
            TableName::ServiceLevels => service::service_levels(self),
            TableName::ServiceLevelsByBand => service::service_levels_by_band(self),
            TableName::UnderReporting => reporting::under_reporting(self),
            TableName::UnderReportingModel => reporting::under_reporting_model(self),
            TableName::Representation => reporting::representation(self, self.ended()),
            TableName::Sources => tables::sources::table(state),
            TableName::DeadLetters => tables::dead_letters::table(&state.dead),
            TableName::Pipeline => tables::pipeline::table(state, &self.idle),
            TableName::Districts => tables::districts::table(&self.reference),
            TableName::Topics => tables::topics::table(),
            TableName::Incidents => self.incidents.read(tables::incidents::table),
            TableName::EmergingTerms => tables::emerging_terms::table(state, self.ended()),
            TableName::Budgets => tables::budgets::table(&self.reference),
            TableName::Allocation => self.allocation(&Asked::default()),
            TableName::Provenance => tables::provenance::table(self),
        }
    }

    /// By district and topic (`None` is unknown): how many incidents, reported or not, stand behind one that was reported, under the
    /// assumption of `under_reporting`. A topic that nobody reported twice is not there.
    pub fn adjustments(&self) -> HashMap<(Option<&str>, Option<&str>), Adjustment> {
        let all = reporting::estimates(self).into_iter();
        all.filter_map(|estimate| Some(((estimate.district, estimate.topic), estimate.adjustment?))).collect()
    }

    /// The incidents of each district and topic, added up, by the first who asks.
    pub(crate) fn exposures(&self) -> &[(Group, Exposure)] {
        self.exposures.get_or_init(|| reporting::exposures(self))
    }

    /// The windows, once there is a watermark for them to end at.
    pub(crate) fn ended(&self) -> &[Window] {
        if self.state.watermark.is_some() { &self.state.windows } else { &[] }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn reference(&self) -> &Reference {
        &self.reference
    }
}
