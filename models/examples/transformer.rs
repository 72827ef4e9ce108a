//! Trains or evaluates a transformer without building the whole program:
//! `cargo run --release -p models --features transformer --example transformer -- train BASE OUTPUT [name=value ...]`, or
//! `... -- evaluate MODEL`, or `... -- speed MODEL TEXTS THREADS` (a text a line in, JSON out: seconds, and the tones of each text; what
//! `transformer_peer.py` beside this file compares with). Numbers: epochs, steps, seed, threads; `source=NAME` for texts of one source, several times for several.

use std::path::{Path, PathBuf};
use std::time::Instant;

use models::cascade::{Message, SecondReading};
use models::train::{Hyper, Options, examples};
use models::transformer::Transformer;
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
        ["speed", model, texts, threads] => speed(Path::new(model), Path::new(texts), threads.parse()?)?,
        _ => return Err("say `train BASE OUTPUT`, `evaluate MODEL` or `speed MODEL TEXTS THREADS`".into()),
    }
    Ok(())
}

/// Reads every line of a file as the service would, three times, and prints the best.
fn speed(model: &Path, texts: &Path, threads: usize) -> Result<(), Box<dyn std::error::Error>> {
    let texts = std::fs::read_to_string(texts)?;
    let message = |text: &str| Message { text: text.to_owned(), title: None, category: None, prompt: None };
    let messages: Vec<Message> = texts.lines().map(message).collect();
    let reader = Transformer::start(model, threads)?;
    let (mut best_s, mut readings) = (f64::INFINITY, Vec::new());
    for _ in 0..3 {
        let started = Instant::now();
        readings = reader.read(&messages)?;
        best_s = best_s.min(started.elapsed().as_secs_f64());
    }
    let tones: Vec<[f32; 3]> = readings
        .iter()
        .map(|reading| match reading {
            SecondReading::Tone(tone) => *tone,
            SecondReading::All(reading) => reading.tone,
        })
        .collect();
    println!("{}", serde_json::json!({ "seconds": best_s, "tones": tones }));
    Ok(())
}
