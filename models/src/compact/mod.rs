//! The compact tier: hashed features, quantised embeddings, a small network, four heads, in a few microseconds a text.
//!
//! The features of [`crate::features`] select rows of an int8 table (an embedding bag, as in fastText, Joulin et al. 2017);
//! the sum goes through one hidden layer shared by all heads (Sparse Distillation, Ye et al. 2022, shows how far such a
//! network goes). Features that training has not seen often enough have no row, so an unknown language adds nothing and
//! the answer falls back to what the heads expect on average. The rows of a word's n-grams are added up once and remembered,
//! since a few thousand words make up most of what is written. Probabilities are calibrated per head and group of messages on
//! development data: softmax with a temperature (Guo et al. 2017), and a line for the log odds of the most probable class (Platt 1999).

mod file;
mod network;
mod pass;
mod reading;
mod table;

use std::path::Path;
use std::sync::LazyLock;

pub(crate) use file::Weights;
pub use file::{FORMAT_VERSION, WeightsError};
pub(crate) use network::{Block, EMBEDDING, HEADS, Network, OUTPUTS, TONE_EMBEDDING, add_scaled};
pub use pass::Scratch;
pub(crate) use reading::{Calibration, against_top, argmax, emergency_from, softmax, urgency_decision};
pub use reading::{EMERGENCY_FROM, MISSED_EMERGENCY_COST, Reading};
pub(crate) use table::{MAX_ROWS, Quantised, Slots, bag_weight};

use crate::features::Input;

/// The weights that come with the program.
static SHIPPED_BYTES: &[u8] = include_bytes!("../../weights/compact.bin");

/// Groups of languages that share what is measured: English, and every other or unknown one.
pub(crate) const LANGUAGE_GROUPS: usize = 2;

/// Groups of messages that share a calibration: each group of languages without and with a title. A title says in other words
/// or in the same what the text says, so that the evidence is counted twice and the heads are surer than they should be.
pub(crate) const CALIBRATION_GROUPS: usize = 2 * LANGUAGE_GROUPS;

/// A calibration for each group of messages and head.
pub(crate) type Calibrations = [[Calibration; HEADS.len()]; CALIBRATION_GROUPS];

/// A trained model. Immutable and shared between threads; each thread brings its [`Scratch`].
#[derive(Debug)]
pub struct CompactModel {
    weights: Weights,
    checksum: u64,
    version: String,
}

impl CompactModel {
    /// The model that comes with the program, decoded at the first call (milliseconds).
    pub fn shipped() -> &'static Self {
        static SHIPPED: LazyLock<CompactModel> = LazyLock::new(|| {
            CompactModel::from_bytes(SHIPPED_BYTES).expect("the embedded weights are read in a test of every build")
        });
        &SHIPPED
    }

    /// Loads a weights file.
    ///
    /// # Errors
    /// When the file cannot be read, is truncated, altered, of another format or not a weights file at all.
    pub fn load(path: &Path) -> Result<Self, WeightsError> {
        Self::from_bytes(&file::read(path)?)
    }

    /// Decodes a weights file that is in memory.
    ///
    /// # Errors
    /// When the bytes are truncated, altered, of another format or not a weights file at all.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        let (weights, checksum) = Weights::decode(bytes)?;
        Ok(Self::with_checksum(weights, checksum))
    }

    /// A model that training has made.
    pub(crate) fn new(weights: Weights) -> Self {
        Self::with_checksum(weights, 0)
    }

    fn with_checksum(weights: Weights, checksum: u64) -> Self {
        let version = format!("compact-{}-{:08x}", FORMAT_VERSION, checksum >> 32);
        Self { weights, checksum, version }
    }

    /// Replaces the calibrations.
    pub(crate) fn set_calibrations(&mut self, calibrations: Calibrations) {
        self.weights.calibrations = calibrations;
    }

    /// The bytes of a weights file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.weights.encode()
    }

    /// Bytes of the weights file.
    pub fn file_bytes(&self) -> usize {
        self.weights.file_bytes()
    }

    /// What stands in `model_version` of every row: tier, format and the beginning of the checksum of the weights.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Reads one message: calibrated probabilities of every head. Any input has an answer, in bounded time.
    pub fn read(&self, input: &Input<'_>, scratch: &mut Scratch) -> Reading {
        let logits = self.logits(input, scratch);
        let reading = Reading::new(&logits, &self.weights.calibrations[calibration_group(input)]);
        if input.text.trim().is_empty() { reading.without_words() } else { reading }
    }

    /// Logits before calibration.
    pub(crate) fn logits(&self, input: &Input<'_>, scratch: &mut Scratch) -> [f32; OUTPUTS] {
        self.weights.network.forward(&scratch.embed(input, &self.weights, self.checksum))
    }
}

/// The group of a message.
pub(crate) fn calibration_group(input: &Input<'_>) -> usize {
    let titled = input.title.is_some_and(|title| !title.trim().is_empty());
    language_group(input.language) + if titled { LANGUAGE_GROUPS } else { 0 }
}

/// The group of an ISO 639-1 code.
pub(crate) fn language_group(language: &str) -> usize {
    usize::from(language != "en")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums_to_one(probabilities: &[f32]) -> bool {
        (probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-4 && probabilities.iter().all(|p| (0.0..=1.0).contains(p))
    }

    fn valid(reading: &Reading) -> bool {
        sums_to_one(&reading.tone)
            && sums_to_one(&reading.signal)
            && sums_to_one(&reading.topic)
            && sums_to_one(&reading.urgency)
            && (0.0..=1.0).contains(&reading.urgency_score())
    }

    #[test]
    fn the_shipped_weights_are_whole_and_small() {
        assert!(SHIPPED_BYTES.len() <= 8_000_000, "{} bytes", SHIPPED_BYTES.len());
        assert!(CompactModel::from_bytes(SHIPPED_BYTES).is_ok());
    }

    #[test]
    fn a_reading_does_not_depend_on_the_texts_before() {
        let inputs = [
            Input::text("Maria said the bus was late"),
            Input { category: Some("Maria bus"), ..Input::text("It was late") },
            Input { title: Some("MARIA"), ..Input::text("the Bus, maria; the bus. Xochitl! xochitl") },
        ];
        let mut scratch = Scratch::default();
        for input in inputs.iter().chain(&inputs) {
            let alone = CompactModel::shipped().read(input, &mut Scratch::default());
            assert_eq!(CompactModel::shipped().read(input, &mut scratch), alone, "{input:?}");
        }
    }

    #[test]
    fn odd_texts_have_an_answer() {
        let mut scratch = Scratch::default();
        let long = "a".repeat(1 << 20);
        for text in ["", " ", "🙂", "\u{200d}\u{fe0f}", "אין מים ברחוב", "\u{fffd}\u{fffd}", "<", "@", "#", long.as_str()]
        {
            assert!(valid(&CompactModel::shipped().read(&Input::text(text), &mut scratch)), "{text:.40}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "\\PC*", prompt in proptest::option::of("\\PC{0,60}"), language in "[a-z]{0,3}") {
            let input = Input { prompt: prompt.as_deref(), language: &language, ..Input::text(&text) };
            let mut scratch = Scratch::default();
            let first = CompactModel::shipped().read(&input, &mut scratch);
            prop_assert!(valid(&first));
            prop_assert_eq!(first, CompactModel::shipped().read(&input, &mut scratch), "reading is repeatable");
        }
    }
}
