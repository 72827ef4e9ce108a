//! Which texts a second, slower and better reader sees, and how it is asked.
//!
//! The compact tier reads everything. [`Policy`] says which of its readings are worth a second look: those of a text that may
//! be urgent where the model is unsure, and a random sample that measures the first reader in production. [`Bucket`] keeps
//! what is asked for within a number of texts per second; [`SecondReader`] is the reader behind its mailbox. Nothing here
//! knows which library reads, so that all of it is built and tested without one.

mod bucket;
mod policy;
mod reader;

pub use bucket::Bucket;
pub use policy::{Policy, Reason};
pub use reader::{Heads, Message, Missed, Pending, Refused, SecondReader, SecondReading};
