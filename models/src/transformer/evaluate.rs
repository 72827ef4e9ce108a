//! How well a model reads the texts that training keeps aside.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use super::error::TransformerError;
use super::model::Model;
use crate::cascade::{Message, SecondReading};
use crate::compact::HEADS;
use crate::evaluate::ByHead;
use crate::train::Example;

/// Figures of the model in `dir` on the examples that are kept aside, as a Markdown table: the heads that it has, by source.
///
/// # Errors
/// The model cannot be loaded, or libtorch fails.
pub fn report(dir: &Path, examples: &[Example]) -> Result<String, TransformerError> {
    let mut model = Model::load(dir)?;
    let dev: Vec<&Example> = examples.iter().filter(|example| example.dev && !example.unseen).collect();
    let started = Instant::now();
    let by_head = predict(&mut model, &dev)?;
    let seconds = started.elapsed().as_secs_f64();
    let mut out = format!("Model `{}`, {} texts kept aside by training.\n\n", model.version(), dev.len());
    out.push_str(&table(&by_head));
    // Writing to a string cannot fail.
    let _ = writeln!(out, "\n{:.0} texts/s with {} threads.", dev.len() as f64 / seconds.max(1e-9), tch::get_num_threads());
    Ok(out)
}

/// What `model` says about examples, by head and source; the source `all` holds every one.
pub(super) fn predict(model: &mut Model, examples: &[&Example]) -> Result<ByHead, TransformerError> {
    let mut by_head = ByHead::new();
    // In parts, so that memory does not grow with the number of texts.
    for part in examples.chunks(super::MAX_JOB_TEXTS) {
        let messages: Vec<Message> = part.iter().map(|example| Message::from(&example.input())).collect();
        for (example, reading) in part.iter().zip(model.read(&messages)?) {
            let heads: [Option<&[f32]>; HEADS.len()] = match &reading {
                SecondReading::Tone(tone) => [Some(tone), None, None, None],
                SecondReading::All(r) => [Some(&r.tone), Some(&r.signal), Some(&r.topic), Some(&r.urgency)],
            };
            for (position, (head, probabilities)) in HEADS.iter().zip(heads).enumerate() {
                let (Some((code, _)), Some(probabilities)) = (example.labels.get(position), probabilities) else { continue };
                for source in [example.source, "all"] {
                    by_head.entry((head.name, source)).or_default().push(usize::from(code), probabilities);
                }
            }
        }
    }
    Ok(by_head)
}

fn table(by_head: &ByHead) -> String {
    let mut out = "| head | source | texts | top 1 | top 3 | macro recall | macro F1 | calibration error | Brier |\n\
        | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for ((head, source), p) in by_head {
        let (texts, top, three) = (p.len(), p.top(1), p.top(3));
        let (recall, f1, error, brier) = (p.macro_recall(), p.macro_f1(), p.calibration_error(), p.brier());
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "| {head} | {source} | {texts} | {top:.3} | {three:.3} | {recall:.3} | {f1:.3} | {error:.3} | {brier:.3} |"
        );
    }
    out
}
