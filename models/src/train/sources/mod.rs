//! The labelled texts under `shared/data`, one reader per kind. What a weak label means is said where it is given.

mod boston;
mod civic;
mod table;
mod tone;

use std::path::Path;

pub(super) use table::Table;

use super::{Example, TrainError};

/// Every example that the data directory gives, with what `seeds` says of its unlabelled texts. Files that are absent are left out: a city
/// may train on what it has.
///
/// # Errors
/// When a file is there and cannot be read, or lacks a column.
pub fn read(data: &Path, seeds: &Path) -> Result<Vec<Example>, TrainError> {
    let mut examples = Vec::new();
    tone::tweets(data, &mut examples)?;
    tone::languages(data, &mut examples)?;
    civic::public_service(data, &mut examples)?;
    civic::transit(data, &mut examples)?;
    civic::cycling(data, &mut examples)?;
    civic::disasters(data, &mut examples)?;
    boston::read_tweets(data, seeds, &mut examples)?;
    civic::newport(data, &mut examples)?;
    civic::encampments(data, &mut examples)?;
    Ok(examples)
}
