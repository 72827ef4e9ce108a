//! Trains or evaluates a transformer without building the whole program:
//! `cargo run --release -p models --features transformer --example transformer -- train BASE OUTPUT [name=value ...]`, or
//! `... -- evaluate MODEL`. Numbers: epochs, steps, seed, threads; `source=NAME` for texts of one source, several times for several.

use std::path::{Path, PathBuf};

use models::train::{Hyper, Options, examples};
use models::transformer::evaluate::report;
use models::transformer::train::{Settings, train};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = Options { data: root.join("../../shared/data"), seeds: root.join("seeds"), hyper: Hyper::default() };
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["train", base, output, numbers @ ..] => {
            let mut settings = Settings::new(PathBuf::from(base), PathBuf::from(output));
            for number in numbers {
                let (name, value) = number.split_once('=').ok_or_else(|| format!("`{number}`: write it as name=value"))?;
                match name {
                    "epochs" => settings.epochs = value.parse()?,
                    "steps" => settings.max_steps = Some(value.parse()?),
                    "seed" => settings.seed = value.parse()?,
                    "threads" => settings.threads = value.parse()?,
                    "source" => settings.sources.push(value.to_owned()),
                    _ => return Err(format!("`{name}` is not a setting of a training run").into()),
                }
            }
            train(&settings, &data, &mut |line| eprintln!("{line}"))?;
        }
        ["evaluate", model] => print!("{}", report(Path::new(model), &examples(&data)?)?),
        _ => return Err("say `train BASE OUTPUT` or `evaluate MODEL`".into()),
    }
    Ok(())
}
