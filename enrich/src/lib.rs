//! The worker: a batch of raw records in, an Arrow record batch of enriched rows out.
//!
//! [`worker`] reads, [`decode`] turns JSON into columns, [`enricher`] masks, understands and places each row,
//! [`encode`] writes it as Arrow IPC. What cannot be understood becomes a dead letter with its reason and its bytes.

pub mod decode;
pub mod district;
pub mod encode;
pub mod enricher;
pub mod error;
pub mod metrics;
mod rows;
pub mod tier;
mod twice;
mod validate;
pub mod worker;

pub use district::DistrictIndex;
pub use enricher::{Enricher, EnricherConfig};
pub use error::EnrichError;
pub use metrics::EnrichMetrics;
pub use worker::{GROUP, Worker};
