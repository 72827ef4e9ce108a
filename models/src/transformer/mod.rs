//! The transformer tier: BERT, DistilBERT, RoBERTa and XLM-RoBERTa by rust-bert, on a thread of their own.
//!
//! A directory with the usual files is loaded: a published sentiment model, which reads tone alone, or a checkpoint that
//! [`train`] made, which has every head. Only with the cargo feature `transformer`, because it links libtorch; what asks it
//! ([`crate::cascade`]) does not need the feature. `docs/transformer.md` is the guide.

mod config;
mod error;
pub mod evaluate;
pub mod fetch;
mod labels;
mod mailbox;
mod model;
mod network;
mod tokens;
pub mod train;
mod weights;

pub use error::TransformerError;
pub use mailbox::{MAILBOX_JOBS, MAX_JOB_TEXTS, Transformer};
