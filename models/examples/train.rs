//! Trains the compact tier and reports on it: `cargo run --release -p models --example train -- WEIGHTS [REPORT [PYTHON]]
//! [name=value ...]`. What `shares` needs to know of the weights goes to `quantify.json` beside them. PYTHON is an interpreter
//! that has the package `vaderSentiment`, to be measured beside.

use std::path::Path;

use models::compact::CompactModel;
use models::quantify::Reference;
use models::train::{Hyper, Options, examples, train};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut options = Options { data: root.join("../../shared/data"), seeds: root.join("seeds"), hyper: Hyper::default() };
    let (settings, paths): (Vec<&String>, Vec<&String>) = arguments.iter().partition(|argument| argument.contains('='));
    for setting in settings {
        options.hyper.set(setting)?;
    }
    let bytes = train(&options, &mut |line| eprintln!("{line}"))?;
    let weights = paths.first().ok_or("name the weights file to write")?;
    std::fs::write(weights, &bytes)?;
    let (model, examples) = (CompactModel::from_bytes(&bytes)?, examples(&options)?);
    let reference = Reference::of_training(&bytes, &options, &mut |line| eprintln!("{line}"))?;
    std::fs::write(Path::new(weights).with_file_name(Reference::FILE_NAME), reference.to_json())?;
    let vader = paths.get(2).map(Path::new);
    let report = models::evaluate::report(&model, &examples, vader)?;
    match paths.get(1) {
        Some(path) => std::fs::write(path, report)?,
        None => print!("{report}"),
    }
    Ok(())
}
