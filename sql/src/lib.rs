//! SQL over the snapshots of `aggregate`: an engine with bounds, tables, the Postgres wire, exports and a client.
//!
//! The way of a query: [`Engine::parse`] splits the text, [`Engine::plan`] plans a statement and verifies that it only
//! reads, [`Engine::run`] waits for a turn, pins the newest snapshot and streams [`Batches`]. [`postgres`] speaks this to
//! clients, [`export`] writes it to files, [`client`] reads it back from another process.

mod batches;
pub mod client;
mod complexity;
mod engine;
mod error;
pub mod export;
mod growth;
mod guard;
mod limits;
mod metrics;
mod pg_functions;
pub mod postgres;
mod row_size;
mod session;
mod suggest;
mod tables;

pub use batches::Batches;
pub use engine::{Engine, Plan, Run};
pub use error::SqlError;
pub use export::Format;
pub use limits::Limits;
pub use metrics::Metrics;
pub use session::DATABASE;
