//! The tables that analysts see, as DataFusion tables.
//!
//! Tables are built once and hold no data. What a scan reads is the snapshot that its session is pinned to, so that every
//! table of one query, and every time the query names it, shows the same moment.

use std::sync::Arc;

use aggregate::Snapshot;
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, Result};

mod arguments;
pub(crate) mod call;
pub(crate) mod comments;
mod feedback_table;
pub(crate) mod information_schema;
mod segment_scan;
pub(crate) mod snapshot_table;

pub(crate) use feedback_table::FeedbackTable;
pub(crate) use snapshot_table::SnapshotTable;

/// The snapshot of one query; travels in its session's configuration.
pub(crate) struct Pinned(pub(crate) Arc<Snapshot>);

/// The snapshot that `session` is pinned to.
pub(crate) fn pinned(session: &dyn Session) -> Result<Arc<Snapshot>> {
    match session.config().get_extension::<Pinned>() {
        Some(pinned) => Ok(Arc::clone(&pinned.0)),
        None => Err(DataFusionError::Internal("a table was scanned outside a query".to_owned())),
    }
}
