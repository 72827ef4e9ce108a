//! Trains the compact tier and reports on it: `cargo run --release -p models --example train -- WEIGHTS [REPORT] [name=value ...]`.

use std::path::Path;

use models::compact::CompactModel;
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
    let report = models::evaluate::report(&CompactModel::from_bytes(&bytes)?, &examples(&options)?, None)?;
    match paths.get(1) {
        Some(path) => std::fs::write(path, report)?,
        None => print!("{report}"),
    }
    Ok(())
}
