//! Training of the compact tier: from labelled texts to the bytes of a weights file, reproducibly.
//!
//! One row trains only the heads that it has labels for. The rows come from `shared/data` (see [`sources`]) and from the
//! project's own texts in `models/seeds` (see [`seeds`]); a tenth of each source is kept aside to choose and to calibrate.
//! Same data, same options, same machine kind: the same bytes, because one thread does the arithmetic in one order and
//! every random number comes from one seed.

mod calibrate;
mod example;
mod fit;
pub(crate) mod random;
pub mod seeds;
pub mod sources;
mod vocabulary;

use std::path::PathBuf;

pub use example::{Example, Labels};
pub use fit::Hyper;

use crate::compact::{HEADS, LANGUAGE_GROUPS, Quantised, Slots, Weights};

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
    let hashes = vocabulary::select(&train, options.hyper.min_count);
    progress(&format!("{} texts to train, {} to calibrate, {} features", train.len(), dev.len(), hashes.len()));
    let slots = Slots::new(&hashes).expect("`select` keeps no more features than there are rows");
    let train = vocabulary::indexed(&train, &slots);
    let fitted = fit::fit(&train, hashes.len(), &options.hyper, progress);
    let mut weights = Weights {
        hashes,
        slots,
        rows: Quantised::new(&fitted.rows),
        network: fitted.network,
        temperatures: [[1.0; HEADS.len()]; LANGUAGE_GROUPS],
    };
    weights.temperatures = calibrate::temperatures(&weights, &dev);
    progress(&format!("temperatures {:.2?}", weights.temperatures));
    Ok(weights.encode())
}
