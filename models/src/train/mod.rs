//! Training of the compact tier: from labelled texts to the bytes of a weights file, reproducibly.
//!
//! One row trains only the heads that it has labels for. The rows come from `shared/data` (see [`sources`]) and from the
//! project's own texts in `models/seeds` (see [`seeds`]); a tenth of each source is kept aside to choose and to calibrate.
//! Same data, same options, same machine kind: the same bytes, because each block is trained by one thread in one order
//! (two blocks, so two threads) and every random number comes from one seed.

pub(crate) mod calibrate;
mod example;
mod fit;
mod hyper;
pub(crate) mod random;
pub mod seeds;
pub mod sources;
mod vocabulary;

use std::path::PathBuf;

pub use example::{Example, Labels};
pub use hyper::{BlockHyper, Hyper};

use crate::compact::{
    CALIBRATION_GROUPS, Calibration, CompactModel, EMBEDDING, HEADS, Network, Quantised, Slots, TONE_EMBEDDING, Weights,
};
use fit::{Fitted, Task};
use vocabulary::Indexed;

/// What to train from.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory with the data files that `shared/data/README.md` describes.
    pub data: PathBuf,
    /// The directory with the project's own texts.
    pub seeds: PathBuf,
    /// How to train.
    pub hyper: Hyper,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file cannot be read.
    #[error("cannot read training data {path}: {source}; check the directories that were given")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not look as it should.
    #[error("training data {path}, line {line}: {problem}")]
    Row {
        /// The file.
        path: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// There is nothing to learn from.
    #[error("no labelled text for the head `{head}` under {path}: check the directories that were given")]
    Empty {
        /// The head.
        head: &'static str,
        /// Where texts were looked for.
        path: String,
    },
}

/// Every labelled text that `options` name, in a fixed order; see [`Example::dev`] for what is kept aside.
///
/// # Errors
/// When a file cannot be read or understood.
pub fn examples(options: &Options) -> Result<Vec<Example>, TrainError> {
    example::all(options)
}

/// Trains and gives the bytes of a weights file. `progress` is told in a line what goes on, some dozens of times.
///
/// # Errors
/// When the data cannot be read or a head has no example.
pub fn train(options: &Options, progress: &mut dyn FnMut(&str)) -> Result<Vec<u8>, TrainError> {
    train_on(&example::all(options)?, options, progress)
}

/// Trains on `examples` instead of all that `options` name: for measurements that need a model which has not seen some.
///
/// # Errors
/// When a head has no example.
pub fn train_on(examples: &[Example], options: &Options, progress: &mut dyn FnMut(&str)) -> Result<Vec<u8>, TrainError> {
    let (dev, train): (Vec<&Example>, Vec<&Example>) = examples.iter().partition(|example| example.dev);
    for (head, position) in HEADS.iter().zip(0..) {
        if !train.iter().any(|example| example.labels.get(position).is_some()) {
            return Err(TrainError::Empty { head: head.name, path: options.data.display().to_string() });
        }
    }
    let vocabulary = vocabulary::select(&train, options.hyper.min_count);
    progress(&format!(
        "{} texts to train, {} to calibrate, {} features, {} common words",
        train.len(),
        dev.len(),
        vocabulary.hashes.len(),
        vocabulary.common_rows
    ));
    let slots = Slots::new(&vocabulary.hashes).expect("`select` keeps no more features than there are rows");
    let train = vocabulary.indexed(&train, &slots);
    let (rows, network) = fit_blocks(&train, vocabulary.hashes.len(), &options.hyper, progress);
    let weights = Weights {
        hashes: vocabulary.hashes,
        slots,
        common_rows: vocabulary.common_rows,
        rows: Quantised::new(&rows),
        network,
        calibrations: [[Calibration::NONE; HEADS.len()]; CALIBRATION_GROUPS],
    };
    let mut model = CompactModel::new(weights);
    let seen: Vec<&Example> = dev.iter().copied().filter(|example| !example.unseen).collect();
    let calibrations = calibrate::calibrations(&model, &seen);
    progress(&format!("calibrations {:.2?}", calibrations.map(|group| group.map(|head| head.numbers()))));
    model.set_calibrations(calibrations);
    Ok(model.encode())
}

/// Trains both blocks, each on a thread of its own, and puts their rows side by side.
fn fit_blocks(
    examples: &[Indexed],
    row_count: usize,
    hyper: &Hyper,
    progress: &mut dyn FnMut(&str),
) -> (Vec<[f32; EMBEDDING]>, Network) {
    let tone = Task { heads: 0..1, head_weight: hyper.head_weight, blind_to_names: true, seed: hyper.seed };
    let civic = Task { heads: 1..HEADS.len(), blind_to_names: false, seed: hyper.seed + 1, ..tone };
    let (sender, lines) = std::sync::mpsc::channel::<String>();
    let (tone, civic) = std::thread::scope(|scope| {
        let tell = |sender: std::sync::mpsc::Sender<String>| {
            // The receiver is there until both threads have ended.
            move |line: &str| drop(sender.send(line.to_owned()))
        };
        let (mut of_tone, mut of_civic) = (tell(sender.clone()), tell(sender));
        let tone = scope.spawn(move || fit::fit(examples, row_count, &tone, &hyper.tone, &mut of_tone));
        let civic = scope.spawn(move || fit::fit(examples, row_count, &civic, &hyper.civic, &mut of_civic));
        lines.iter().for_each(|line| progress(&line));
        let ended = "a training thread does not panic";
        (tone.join().expect(ended), civic.join().expect(ended))
    });
    let (Fitted { rows: of_tone, block: tone }, Fitted { rows: of_civic, block: civic }) = (tone, civic);
    let beside = |(tone, civic): (&[f32; TONE_EMBEDDING], &[f32; EMBEDDING - TONE_EMBEDDING])| {
        std::array::from_fn(|d| if d < TONE_EMBEDDING { tone[d] } else { civic[d - TONE_EMBEDDING] })
    };
    (of_tone.iter().zip(&of_civic).map(beside).collect(), Network { tone, civic })
}
