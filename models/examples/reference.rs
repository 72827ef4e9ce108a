//! Measures how the weights that are there read texts of known tone, for `shares`, and writes `quantify.json` beside them:
//! `cargo run --release -p models --example reference [WEIGHTS]`. Training writes it too.

use std::path::Path;

use models::quantify::Reference;
use models::train::{Hyper, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let options = Options { data: root.join("../../shared/data"), seeds: root.join("seeds"), hyper: Hyper::default() };
    let weights = std::env::args().nth(1).map_or_else(|| root.join("weights/compact.bin"), Into::into);
    let reference = Reference::of_training(&std::fs::read(&weights)?, &options, &mut |line| eprintln!("{line}"))?;
    std::fs::write(weights.with_file_name(Reference::FILE_NAME), reference.to_json())?;
    Ok(())
}
