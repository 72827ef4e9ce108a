//! What the model says about texts whose tone is known and that it was not trained on: the knowledge that corrections need.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::linear::{Square, cholesky, scaled_sum};
use super::methods::{Matrix, Shares};
use super::sketch::TONES;
use crate::compact::{CompactModel, LANGUAGE_GROUPS, WeightsError};
use crate::train::{Options, TrainError};

static SHIPPED_BYTES: &[u8] = include_bytes!("../../weights/quantify.json");

/// Largest file in bytes that is read; written ones have a few thousand.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Texts of a topic below which it says nothing about how topics differ.
const MIN_TOPIC_TEXTS: usize = 20;

/// Most precision of the prior: collections that somebody balanced say nothing about topics.
const MAX_PRECISION: f64 = 6.0;
/// Least parameter of the prior: no tone is ruled out.
const LEAST_PARAMETER: f64 = 0.5;

/// What is measured of a sample: the shares counted as negative and as positive, the mean probabilities of negative and of
/// positive. Neutral is what is left.
pub(super) const READINGS: usize = 4;

const IDENTITY: Square<READINGS> = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];

/// Why a reference was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// The file cannot be read.
    #[error("cannot read the reference {path}: {source}; check the path and its permissions")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The weights to measure are none.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// There is nothing to measure by.
    #[error(transparent)]
    Training(#[from] TrainError),
    /// The content cannot be what was written.
    #[error("this is no reference for shares: {problem}; write it again with `civicpulse model train`")]
    Content {
        /// What is wrong.
        problem: String,
    },
}

/// A text whose tone is known, and what a model says that has not been trained on it.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// What the text is about, or where it comes from: texts of one topic are read alike.
    pub topic: String,
    /// ISO 639-1.
    pub language: &'static str,
    /// The true tone: a code of `feedback::Tone`.
    pub truth: usize,
    /// What is said: probabilities of negative, neutral, positive.
    pub tone: [f32; TONES],
}

/// How a model reads texts of each tone, by group of languages (English; every other). Immutable once made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    model_version: String,
    groups: [Rates; LANGUAGE_GROUPS],
}

/// How texts of each tone are read in one group of languages, or in the mixture of groups that a sample has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rates {
    /// Held-out texts of each tone.
    pub(super) texts: [f64; TONES],
    /// Mean readings of the texts of each tone.
    pub(super) means: [[f64; READINGS]; TONES],
    /// Covariance of the readings of one text of each tone.
    pub(super) spreads: [Square<READINGS>; TONES],
    /// Covariance, between topics, of what is read of a topic less what its composition leads to expect.
    pub(super) shift: Square<READINGS>,
    /// How topics are composed: parameters of a Dirichlet distribution.
    pub(super) compositions: [f64; TONES],
    /// From what the model says to probabilities under the shares of the held-out texts.
    pub(super) calibration: Calibration,
}

impl Reference {
    /// The name of the file, beside the weights that it belongs to.
    pub const FILE_NAME: &str = "quantify.json";

    /// The reference of the model that comes with the program, decoded at the first call.
    pub fn shipped() -> &'static Self {
        static SHIPPED: LazyLock<Reference> = LazyLock::new(|| {
            Reference::from_json(SHIPPED_BYTES).expect("the embedded reference is read in a test of every build")
        });
        &SHIPPED
    }

    /// Measures how `model` reads. `held_out` must hold texts of every tone in English and in another language.
    ///
    /// # Errors
    /// When a tone is missing.
    pub fn measure(model: &CompactModel, held_out: &[HeldOut]) -> Result<Self, ReferenceError> {
        let mut groups: [Vec<&HeldOut>; LANGUAGE_GROUPS] = Default::default();
        held_out.iter().for_each(|text| groups[crate::compact::language_group(text.language)].push(text));
        let [english, others] = groups.map(|texts| Rates::measure(&texts));
        let missing = || ReferenceError::Content { problem: "a tone has no text that was kept aside".to_owned() };
        let groups = [english.ok_or_else(missing)?, others.ok_or_else(missing)?];
        Ok(Self { model_version: model.version().to_owned(), groups })
    }

    /// Measures weights that were trained with `options`, by cross-fitting: trains [`super::FOLDS`] more models.
    ///
    /// # Errors
    /// When the data cannot be read, a tone is missing, or the weights are none.
    pub fn of_training(weights: &[u8], options: &Options, progress: &mut dyn FnMut(&str)) -> Result<Self, ReferenceError> {
        let model = CompactModel::from_bytes(weights)?;
        let examples = crate::train::examples(options)?;
        let topical = super::cross_fitted(options, &examples, progress)?;
        Self::measure(&model, &super::kept_aside(&model, &examples, &topical))
    }

    /// The version of the model that was measured: corrections are true for that model alone.
    pub fn model_version(&self) -> &str {
        &self.model_version
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else.
    pub fn load(path: &Path) -> Result<Self, ReferenceError> {
        let failed = |source| ReferenceError::Read { path: path.display().to_string(), source };
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > MAX_FILE_BYTES {
            return Err(ReferenceError::Content { problem: format!("{} has {size} bytes", path.display()) });
        }
        Self::from_json(&std::fs::read(path).map_err(failed)?)
    }

    /// Decodes what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// When it is something else, or its numbers are impossible.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReferenceError> {
        let content = |problem: String| ReferenceError::Content { problem };
        let reference: Self = serde_json::from_slice(bytes).map_err(|error| content(error.to_string()))?;
        if reference.groups.iter().all(Rates::is_possible) {
            Ok(reference)
        } else {
            Err(content("numbers are out of range".to_owned()))
        }
    }

    /// The bytes of the file.
    ///
    /// # Panics
    /// Never: the numbers of a reference can be written.
    pub fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("numbers and one word");
        bytes.push(b'\n');
        bytes
    }

    /// The rates for a sample with so many texts of each group of languages; those of English for no text.
    pub(super) fn rates(&self, languages: [u64; LANGUAGE_GROUPS]) -> Rates {
        let total: u64 = languages.iter().sum();
        let [english, others] = &self.groups;
        let of_others = if total == 0 { 0.0 } else { languages[1] as f64 / total as f64 };
        english.mixed(others, of_others)
    }
}

impl Rates {
    /// The rates of some texts; `None` when a tone is missing. Numbers are rounded to what they are worth.
    fn measure(held_out: &[&HeldOut]) -> Option<Self> {
        let of_tone = |tone: usize| held_out.iter().filter(move |text| text.truth == tone).map(|text| readings(&text.tone));
        let texts: [f64; TONES] = std::array::from_fn(|tone| of_tone(tone).count() as f64);
        if texts.contains(&0.0) {
            return None;
        }
        let means: [[f64; READINGS]; TONES] = std::array::from_fn(|tone| mean(of_tone(tone), texts[tone]));
        let spreads = std::array::from_fn(|tone| {
            let deviations = of_tone(tone).map(|reading| std::array::from_fn(|k| reading[k] - means[tone][k]));
            covariance(deviations, texts[tone])
        });
        let topics = topics(held_out);
        let shift = between_topics(&topics, &means, &spreads);
        let calibration = Calibration::fit(held_out.iter().map(|text| (&text.tone, text.truth)));
        let round = |value: f64| (value * 1e6).round() / 1e6;
        Some(Self {
            texts,
            means: means.map(|row| row.map(round)),
            spreads: spreads.map(|matrix: Square<READINGS>| matrix.map(|row| row.map(round))),
            shift: shift.map(|row| row.map(round)),
            compositions: compositions(&topics).map(round),
            calibration,
        })
    }

    /// These rates and those of `others`, which have the share `of_others`.
    fn mixed(&self, others: &Self, of_others: f64) -> Self {
        let mix = |a: f64, b: f64| a * (1.0 - of_others) + b * of_others;
        let square = |a: &Square<READINGS>, b: &Square<READINGS>| scaled_sum(a, 1.0 - of_others, b, of_others);
        Self {
            texts: std::array::from_fn(|tone| {
                let share = |rates: &Self| rates.texts[tone] / rates.texts.iter().sum::<f64>();
                mix(share(self), share(others))
            }),
            means: std::array::from_fn(|tone| std::array::from_fn(|k| mix(self.means[tone][k], others.means[tone][k]))),
            spreads: std::array::from_fn(|tone| square(&self.spreads[tone], &others.spreads[tone])),
            shift: square(&self.shift, &others.shift),
            compositions: std::array::from_fn(|tone| mix(self.compositions[tone], others.compositions[tone])),
            calibration: self.calibration.mixed(&others.calibration, of_others),
        }
    }

    /// The shares of the held-out texts, under which the calibrated probabilities hold.
    pub(super) fn prior(&self) -> Shares {
        let total: f64 = self.texts.iter().sum();
        self.texts.map(|texts| texts / total)
    }

    /// The shares of the most probable tone, by true tone.
    pub(super) fn counted(&self) -> Matrix {
        self.matrix(0, 1)
    }

    /// The mean probabilities, by true tone.
    pub(super) fn mean(&self) -> Matrix {
        self.matrix(2, 3)
    }

    fn matrix(&self, negative: usize, positive: usize) -> Matrix {
        let columns = self.means.map(|mean| [mean[negative], 1.0 - mean[negative] - mean[positive], mean[positive]]);
        std::array::from_fn(|read| std::array::from_fn(|known| columns[known][read]))
    }

    fn is_possible(&self) -> bool {
        let rates = self.means.iter().flatten().all(|rate| (0.0..=1.0).contains(rate));
        // The covariance of a sample can be: that of topics as it is, that of texts but for rounding.
        let near = |matrix: &Square<READINGS>| scaled_sum(matrix, 1.0, &IDENTITY, 1e-4);
        let covariances =
            cholesky(&self.shift).is_some() && self.spreads.iter().all(|spread| cholesky(&near(spread)).is_some());
        let compositions = self.compositions.iter().all(|parameter| *parameter > 0.0 && parameter.is_finite());
        rates && covariances && compositions && self.texts.iter().all(|texts| *texts >= 1.0) && self.calibration.is_possible()
    }
}

/// The readings of one text.
pub(super) fn readings(tone: &[f32; TONES]) -> [f64; READINGS] {
    let counted = super::sketch::most_probable(tone);
    let is = |class: usize| f64::from(u8::from(counted == class));
    [is(0), is(2), f64::from(tone[0]), f64::from(tone[2])]
}

/// How topics differ beyond their composition and beyond chance: the covariance of what is read less what is expected, less
/// the part that drawing the texts explains. At least a thousandth on the diagonal, so that no topic is trusted without end.
fn between_topics(
    topics: &[Vec<&HeldOut>],
    means: &[[f64; READINGS]; TONES],
    spreads: &[Square<READINGS>; TONES],
) -> Square<READINGS> {
    let mut shift = [[0.0; READINGS]; READINGS];
    for texts in topics {
        let count = texts.len() as f64;
        let read = mean(texts.iter().map(|text| readings(&text.tone)), count);
        let shares = composition(texts);
        let expected: [f64; READINGS] = std::array::from_fn(|k| (0..TONES).map(|tone| shares[tone] * means[tone][k]).sum());
        for (row, line) in shift.iter_mut().enumerate() {
            for (column, value) in line.iter_mut().enumerate() {
                let drawn: f64 = (0..TONES).map(|tone| shares[tone] * spreads[tone][row][column]).sum::<f64>() / count;
                let found = (read[row] - expected[row]) * (read[column] - expected[column]);
                *value += (found - drawn) / topics.len() as f64;
            }
        }
    }
    super::linear::positive(&shift, 1e-3)
}

/// The Dirichlet distribution of the compositions of topics, by moments: the mean shares, and the least precision that any
/// tone's variance tells, not less than what every composition equally likely has and not more than [`MAX_PRECISION`].
fn compositions(topics: &[Vec<&HeldOut>]) -> [f64; TONES] {
    let count = topics.len().max(1) as f64;
    let shares: Vec<Shares> = topics.iter().map(|texts| composition(texts)).collect();
    let means: Shares = std::array::from_fn(|tone| shares.iter().map(|shares| shares[tone]).sum::<f64>() / count);
    let precision = |tone: usize| {
        let found = shares.iter().map(|shares| (shares[tone] - means[tone]).powi(2)).sum::<f64>() / count;
        let within = means[tone] * (1.0 - means[tone]);
        // The part of the variance that drawing the texts explains.
        let drawn = topics.iter().map(|texts| within / texts.len() as f64).sum::<f64>() / count;
        within / (found - drawn).max(1e-6) - 1.0
    };
    let least = (0..TONES).map(precision).fold(MAX_PRECISION, f64::min).max(TONES as f64);
    if topics.is_empty() { [1.0; TONES] } else { means.map(|mean| (mean * least).max(LEAST_PARAMETER)) }
}

/// The shares of the true tones.
fn composition(texts: &[&HeldOut]) -> Shares {
    std::array::from_fn(|tone| texts.iter().filter(|text| text.truth == tone).count() as f64 / texts.len() as f64)
}

/// The topics of enough texts.
fn topics<'a>(held_out: &[&'a HeldOut]) -> Vec<Vec<&'a HeldOut>> {
    let mut topics: BTreeMap<&str, Vec<&HeldOut>> = BTreeMap::new();
    held_out.iter().for_each(|text| topics.entry(&text.topic).or_default().push(text));
    topics.into_values().filter(|texts| texts.len() >= MIN_TOPIC_TEXTS).collect()
}

fn mean(values: impl Iterator<Item = [f64; READINGS]>, count: f64) -> [f64; READINGS] {
    let mut sum = [0.0; READINGS];
    values.for_each(|value| sum.iter_mut().zip(value).for_each(|(sum, value)| *sum += value));
    sum.map(|sum| sum / count)
}

fn covariance(deviations: impl Iterator<Item = [f64; READINGS]>, count: f64) -> Square<READINGS> {
    let mut sum = [[0.0; READINGS]; READINGS];
    for deviation in deviations {
        for (line, left) in sum.iter_mut().zip(deviation) {
            line.iter_mut().zip(deviation).for_each(|(value, right)| *value += left * right / count);
        }
    }
    sum
}
