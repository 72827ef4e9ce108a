//! Who reads the texts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use models::cascade::{Bucket, Policy, SecondReader};

/// Who reads the texts. Clones share the second reader and its budget.
#[derive(Clone, Default)]
pub enum Tier {
    /// The shipped model alone.
    #[default]
    Compact,
    /// The second reader reads every text, and everything waits for it.
    Second(Arc<dyn SecondReader>),
    /// The shipped model reads every text, the second reader what is worth it.
    Cascade(Cascade),
}

/// When the second reader is asked, and what that may cost.
#[derive(Clone)]
pub struct Cascade {
    /// Who is asked.
    pub reader: Arc<dyn SecondReader>,
    /// What is worth it.
    pub policy: Policy,
    /// Texts that may be asked about, of all workers together.
    pub bucket: Arc<Mutex<Bucket>>,
    /// How long a batch waits for the answer.
    pub patience: Duration,
}

impl Tier {
    /// The second reader, where there is one.
    pub(crate) fn second(&self) -> Option<&dyn SecondReader> {
        match self {
            Self::Compact => None,
            Self::Second(reader) => Some(reader.as_ref()),
            Self::Cascade(cascade) => Some(cascade.reader.as_ref()),
        }
    }
}
