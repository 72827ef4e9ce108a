//! What a text costs, stage by stage: `cargo run --release -p models --example speed -- FILE [ROUNDS [PYTHON]]`.
//!
//! FILE has a text a line. Prints microseconds of processor time a text, the fastest of several rounds: masking, language,
//! the heads alone, everything together as `civicpulse classify` does it, and the same where each round begins with buffers that remember
//! no words, as a run of `classify` does. With a Python that has the package `vaderSentiment`, VADER is asked about the same texts in the same run.

use std::path::Path;

use models::compact::{CompactModel, Scratch};
use models::evaluate::{Stopwatch, Vader};
use models::features::Input;
use models::language::identify;
use models::mask::Masker;

/// Seconds of a round: much longer than the steps in which the system tells processor time.
const MIN_SECONDS: f64 = 0.2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a file with a text a line")?;
    let rounds: usize = arguments.next().map_or(Ok(10), |number| number.parse())?;
    let python = arguments.next();
    let content = std::fs::read_to_string(path)?;
    let texts: Vec<&str> = content.lines().collect();
    let (model, masker, mut scratch) = (CompactModel::shipped(), Masker::new(), Scratch::default());
    let (mut masked, mut spans) = (String::new(), Vec::new());
    let fastest = |read: &mut dyn FnMut(&[&str]) -> f32| {
        let round = || {
            let (watch, mut count) = (Stopwatch::start(), 0);
            while count == 0 || watch.seconds() < MIN_SECONDS {
                std::hint::black_box(read(&texts));
                count += texts.len();
            }
            watch.seconds() / count as f64
        };
        std::iter::repeat_with(round).take(rounds).fold(f64::INFINITY, f64::min)
    };
    let shown = |name: &str, seconds: f64| {
        println!("{name}: {:.2} microseconds a text, {:.0} texts a second", seconds * 1e6, 1.0 / seconds);
        seconds
    };
    let of_each = |name: &str, read: &mut dyn FnMut(&str) -> f32| {
        shown(name, fastest(&mut |texts| texts.iter().map(|text| read(text)).sum()))
    };
    of_each("masking", &mut |text| f32::from(u8::from(masker.mask(text, &mut masked, &mut spans))));
    of_each("language", &mut |text| identify(text).1);
    of_each("heads", &mut |text| model.read(&Input { language: "en", ..Input::text(text) }, &mut scratch).tone[0]);
    let mut everything = |text: &str, scratch: &mut Scratch| {
        let text = if masker.mask(text, &mut masked, &mut spans) { masked.as_str() } else { text };
        let (language, _) = identify(text);
        model.read(&Input { language: language.as_str(), ..Input::text(text) }, scratch).tone[0]
    };
    let seconds = of_each("everything", &mut |text| everything(text, &mut scratch));
    let anew = fastest(&mut |texts| {
        let mut scratch = Scratch::default();
        texts.iter().map(|text| everything(text, &mut scratch)).sum()
    });
    shown("everything, each round with new buffers", anew);
    if let Some(python) = python {
        let vader = Vader::ask(Path::new(&python), &texts)?.seconds / texts.len() as f64;
        shown("VADER", vader);
        println!("everything is {:.1} times as fast as VADER, with new buffers {:.1} times", vader / seconds, vader / anew);
    }
    Ok(())
}
