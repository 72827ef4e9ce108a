//! What each source has brought: the state behind table `sources`.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Counts of one source since its first record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SourceState {
    /// Reports that are live now.
    pub(crate) live_reports: i64,
    /// Records of each kind: reports (every version), statuses, erasures.
    pub(crate) records: [u64; 3],
    /// Versions and events that were known already or older than what is known.
    pub(crate) superseded: u64,
    /// Came after the watermark had passed them; counted where they belong.
    pub(crate) late: u64,
    /// Older than anything kept; not counted.
    pub(crate) expired: u64,
    /// Clocks that ran ahead and were clamped.
    pub(crate) clock_ahead: u64,
    /// Latest event time, in microseconds.
    pub(crate) last_event: Option<i64>,
    /// Latest arrival, in microseconds.
    pub(crate) last_received: Option<i64>,
}

/// All sources by code.
pub(crate) type Sources = Arc<BTreeMap<u32, SourceState>>;
