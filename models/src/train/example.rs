//! A labelled text, and where all of them come from.

use super::{Options, TrainError, seeds, sources};
use crate::compact::HEADS;
use crate::features::Input;

/// Labels of one text: a code and a weight per head, in the order tone, signal, topic, urgency; `None` where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Labels([Option<(u8, f32)>; HEADS.len()]);

impl Labels {
    /// Nothing is known.
    pub const fn none() -> Self {
        Self([None; HEADS.len()])
    }

    /// With the tone of this code.
    pub const fn tone(mut self, code: u8, weight: f32) -> Self {
        self.0[0] = Some((code, weight));
        self
    }

    /// With the signal of this code.
    pub const fn signal(mut self, code: u8, weight: f32) -> Self {
        self.0[1] = Some((code, weight));
        self
    }

    /// With the topic of this code.
    pub const fn topic(mut self, code: u8, weight: f32) -> Self {
        self.0[2] = Some((code, weight));
        self
    }

    /// With the urgency of this code.
    pub const fn urgency(mut self, code: u8, weight: f32) -> Self {
        self.0[3] = Some((code, weight));
        self
    }

    /// Code and weight of a head.
    pub fn get(&self, head: usize) -> Option<(u8, f32)> {
        self.0[head]
    }
}

/// A labelled text.
#[derive(Clone, Debug)]
pub struct Example {
    /// Where it comes from: the name that figures are reported under.
    pub source: &'static str,
    /// Kept aside for choosing and calibrating.
    pub dev: bool,
    /// Of a source that neither training nor calibration sees: what happens to the messages of a city that is new.
    pub unseen: bool,
    /// The text.
    pub text: String,
    /// Its title, where there is one.
    pub title: Option<String>,
    /// The portal's category, where there is one.
    pub category: Option<String>,
    /// The question that it answers, where there is one.
    pub prompt: Option<String>,
    /// ISO 639-1.
    pub language: &'static str,
    /// What is known about it.
    pub labels: Labels,
    /// What somebody else wrote down who read it independently.
    pub read_again: Option<Labels>,
}

impl Example {
    /// A text alone.
    pub fn new(source: &'static str, language: &'static str, text: impl Into<String>, labels: Labels) -> Self {
        Self {
            source,
            dev: false,
            unseen: false,
            text: text.into(),
            title: None,
            category: None,
            prompt: None,
            language,
            labels,
            read_again: None,
        }
    }

    /// As the model sees it.
    pub fn input(&self) -> Input<'_> {
        Input {
            text: &self.text,
            title: self.title.as_deref(),
            category: self.category.as_deref(),
            prompt: self.prompt.as_deref(),
            language: self.language,
        }
    }
}

/// Every example of a run, in a fixed order.
pub(super) fn all(options: &Options) -> Result<Vec<Example>, TrainError> {
    let mut examples = sources::read(&options.data, &options.seeds)?;
    examples.extend(seeds::read(&options.seeds, options.hyper.seed)?);
    Ok(examples)
}
