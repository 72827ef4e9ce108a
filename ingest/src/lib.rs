//! The doors: how feedback comes into the log. One file per source, each a [`source::Source`]; bulk files and the webhook beside them.
//!
//! Every door goes through one [`sink::Sink`], which checks, serialises and appends, and acknowledges only when the log has it.

pub mod bluesky;
pub mod bulk;
pub mod cursor;
pub mod error;
pub mod metrics;
pub mod open311;
pub mod runner;
pub mod runner_metrics;
pub mod sink;
pub mod source;
pub mod synthetic;
pub mod webhook;

pub use error::IngestError;
pub use metrics::IngestMetrics;
pub use sink::{Door, Receipt, Sink, SinkConfig};
