//! What a text costs, stage by stage: `cargo run --release -p models --example speed -- FILE [ROUNDS]`.
//!
//! FILE has a text a line. Prints microseconds of processor time a text, the fastest of several rounds: masking, language,
//! the heads alone, and everything together as `civicpulse classify` does it.

use models::compact::{CompactModel, Scratch};
use models::evaluate::Stopwatch;
use models::features::Input;
use models::language::identify;
use models::mask::Masker;

/// Seconds of a round: much longer than the steps in which the system tells processor time.
const MIN_SECONDS: f64 = 0.2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a file with a text a line")?;
    let rounds: usize = arguments.next().map_or(Ok(10), |number| number.parse())?;
    let content = std::fs::read_to_string(path)?;
    let texts: Vec<&str> = content.lines().collect();
    let (model, masker, mut scratch) = (CompactModel::shipped(), Masker::new(), Scratch::default());
    let (mut masked, mut spans) = (String::new(), Vec::new());
    let shown = |name: &str, read: &mut dyn FnMut(&str) -> f32| {
        let mut fastest = f64::INFINITY;
        for _ in 0..rounds {
            let (watch, mut count) = (Stopwatch::start(), 0);
            while count == 0 || watch.seconds() < MIN_SECONDS {
                std::hint::black_box(texts.iter().map(|text| read(text)).sum::<f32>());
                count += texts.len();
            }
            fastest = fastest.min(watch.seconds() / count as f64);
        }
        println!("{name}: {:.2} microseconds a text, {:.0} texts a second", fastest * 1e6, 1.0 / fastest);
    };
    shown("masking", &mut |text| f32::from(u8::from(masker.mask(text, &mut masked, &mut spans))));
    shown("language", &mut |text| identify(text).1);
    shown("heads", &mut |text| model.read(&Input { language: "en", ..Input::text(text) }, &mut scratch).tone[0]);
    shown("everything", &mut |text| {
        let text = if masker.mask(text, &mut masked, &mut spans) { masked.as_str() } else { text };
        let (language, _) = identify(text);
        model.read(&Input { language: language.as_str(), ..Input::text(text) }, &mut scratch).tone[0]
    });
    Ok(())
}
