//! Counting in event time: the rows that are live, additive cells, rolling windows, and immutable snapshots of every table.
//!
//! The way of a batch: [`input`] decodes it, [`progress`] decides what of it is new, `apply` settles what each report now is and
//! moves [`cells`], [`windows`] and [`series`] by exactly the difference, `state` freezes into a [`Snapshot`], `checkpoint` writes a
//! snapshot to disk. One thread writes; everybody else reads snapshots.

mod apply;
mod asked;
mod cell;
mod cells;
mod checkpoint;
mod compaction;
mod config;
mod cow;
mod dead;
mod decisions;
mod derived;
mod dictionary;
pub mod disclosure;
mod error;
mod events;
mod incidents;
mod index;
mod input;
mod life;
mod measures;
mod metrics;
mod progress;
mod reference;
mod reporters;
mod reporting;
mod rows;
mod runner;
mod segment;
mod series;
mod service;
mod snapshot;
mod sources;
mod state;
pub mod statistics;
mod suggest;
pub mod tables;
mod terms;
mod tone;
mod view;
mod watermark;
mod windows;

pub use asked::{Asked, MAX_WINDOW_US};
pub use config::{Config, District, Reference, WindowSpec};
pub use error::AggregateError;
pub use incidents::{IncidentClass, IncidentConfig};
pub use metrics::Metrics;
pub use runner::{Aggregator, Applied, Positions};
pub use series::Series as History;
pub use snapshot::Snapshot;
pub use state::StateBytes;
pub use tables::{TableDef, TableName};
pub use view::SegmentView;
