//! The vocabulary of civicpulse: a report and its life, identity, time, the Arrow schemas and the errors.
//!
//! Depends on nothing local; everything else depends on it.

pub mod dead_letter;
pub mod error;
pub mod fingerprint;
pub mod id;
pub mod record;
pub mod schema;
pub mod time;
pub mod vocabulary;

pub use dead_letter::{DeadLetter, Stage};
pub use error::FeedbackError;
pub use id::{FeedbackId, IdKey};
pub use record::{Erase, Feedback, MAX_RECORD_BYTES, MAX_TEXT_BYTES, Report, SCHEMA_VERSION, StatusEvent};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use vocabulary::{Channel, Kind, Signal, Status, Tone, Topic, Urgency};
