//! Figures by language, channel and length, confusion, and how far probabilities can be trusted.

use std::collections::BTreeMap;
use std::fmt::Write;

use feedback::{Signal, Tone, Topic, Urgency};

use super::ByHead;
use super::metrics::Predictions;
use crate::compact::{CompactModel, HEADS, Scratch, urgency_decision};
use crate::train::Example;

/// Texts of a slice below which no figure is shown: it would be noise.
const MIN_TEXTS: usize = 20;
/// Pairs of topics that are shown as confused.
const SHOWN_PAIRS: usize = 25;

/// Words that divide short, middle and long texts.
const LENGTHS: [(&str, usize); 4] = [("1-5 words", 5), ("6-15 words", 15), ("16-30 words", 30), ("over 30 words", usize::MAX)];

/// What a table is cut by: its name, and the slice of an example.
type Cut = (&'static str, fn(&Example) -> &'static str);

/// The door through which a source's messages came.
fn channel(source: &str) -> &'static str {
    match source {
        "nhs" => "survey",
        "newport" | "encampments" => "report by app or form",
        "cycling_de" => "participation portal",
        "disasters" => "text message or news",
        "seeds" | "strangers" => "written for this project",
        _ => "social",
    }
}

fn length(text: &str) -> &'static str {
    let words = text.split_whitespace().count();
    LENGTHS.iter().find(|(_, most)| words <= *most).map_or("", |(name, _)| name)
}

/// Every head by language, channel and length.
pub(super) fn tables(model: &CompactModel, examples: &[Example], out: &mut String) {
    let slices: [Cut; 3] = [
        ("language", |example| example.language),
        ("channel", |example| channel(example.source)),
        ("length", |example| length(&example.text)),
    ];
    let mut scratch = Scratch::default();
    let mut figures: [BTreeMap<(&str, &str), Predictions>; 3] = Default::default();
    for example in examples.iter().filter(|example| example.dev) {
        let reading = model.read(&example.input(), &mut scratch);
        for (head, (position, probabilities)) in HEADS.iter().zip(reading.heads().into_iter().enumerate()) {
            let Some((code, _)) = example.labels.get(position) else { continue };
            for ((_, slice), of_slice) in slices.iter().zip(&mut figures) {
                of_slice.entry((head.name, slice(example))).or_default().push(usize::from(code), probabilities);
            }
        }
    }
    for ((name, _), of_slice) in slices.iter().zip(&figures) {
        let _ = writeln!(
            out,
            "\n## By {name}\n\nAll texts that were kept aside, unseen sources included; slices of {MIN_TEXTS} texts and more.\n"
        );
        let _ = writeln!(out, "| head | {name} | texts | top 1 | top 3 | macro recall | calibration error |");
        out.push_str("| --- | --- | ---: | ---: | ---: | ---: | ---: |\n");
        for ((head, value), p) in of_slice.iter().filter(|(_, p)| p.len() >= MIN_TEXTS) {
            let (texts, top, three, recall) = (p.len(), p.top(1), p.top(3), p.macro_recall());
            let error = p.calibration_error();
            let _ = writeln!(out, "| {head} | {value} | {texts} | {top:.3} | {three:.3} | {recall:.3} | {error:.3} |");
        }
    }
}

/// What is taken for what.
pub(super) fn confusion(by_head: &ByHead, out: &mut String) {
    let tables = [("tone", "tweets", Tone::WORDS), ("signal", "all", Signal::WORDS), ("urgency", "seeds", Urgency::WORDS)];
    for (head, source, words) in tables {
        let Some(p) = by_head.get(&(head, source)) else { continue };
        let _ = writeln!(out, "\n## Confusion: {head}, {source}\n\n| written \\ read | {} |", words.join(" | "));
        let _ = writeln!(out, "| --- |{}", " ---: |".repeat(words.len()));
        let matrix = if head == "urgency" { p.confusion_by(urgency_decision) } else { p.confusion() };
        for (word, row) in words.iter().zip(matrix) {
            let counts: Vec<String> = row.iter().map(usize::to_string).collect();
            let _ = writeln!(out, "| {word} | {} |", counts.join(" | "));
        }
    }
    topics(by_head, out);
}

fn topics(by_head: &ByHead, out: &mut String) {
    let Some(p) = by_head.get(&("topic", "seeds")) else { return };
    let matrix = p.confusion();
    out.push_str(
        "\n## Topics of the project's own messages\n\n| topic | texts | recall | precision |\n| --- | ---: | ---: | ---: |\n",
    );
    for (code, topic) in Topic::WORDS.iter().enumerate() {
        let (recall, precision) = p.recall_precision(code);
        let _ = writeln!(out, "| {topic} | {} | {recall:.2} | {precision:.2} |", matrix[code].iter().sum::<usize>());
    }
    let mut pairs: Vec<(usize, usize, usize)> = (matrix.iter().enumerate())
        .flat_map(|(written, row)| row.iter().enumerate().map(move |(read, count)| (*count, written, read)))
        .filter(|(count, written, read)| *count > 0 && written != read)
        .collect();
    pairs.sort_by_key(|(count, written, read)| (std::cmp::Reverse(*count), *written, *read));
    let _ = writeln!(out, "\nThe {SHOWN_PAIRS} most frequent confusions:\n\n| written | read | texts |\n| --- | --- | ---: |");
    for (count, written, read) in pairs.iter().take(SHOWN_PAIRS) {
        let _ = writeln!(out, "| {} | {} | {count} |", Topic::WORDS[*written], Topic::WORDS[*read]);
    }
}

/// Calibration error, Brier score, and the share of errors among the surest answers.
pub(super) fn trust(by_head: &ByHead, out: &mut String) {
    out.push_str(
        "
## How far probabilities can be trusted

`all` is every source that training has seen; of `newport` and `strangers` it has seen nothing. Error among the surest 20, 50, 80 and 100 % of the texts:

| head | texts of | texts | calibration error | Brier | 20 % | 50 % | 80 % | 100 % |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
",
    );
    for head in HEADS {
        for source in ["all", "newport", "strangers"] {
            let Some(p) = by_head.get(&(head.name, source)) else { continue };
            let (texts, error, brier) = (p.len(), p.calibration_error(), p.brier());
            let risks: Vec<String> = [0.2, 0.5, 0.8, 1.0].map(|coverage| format!("{:.3}", p.risk(coverage))).into();
            let _ = writeln!(out, "| {} | {source} | {texts} | {error:.3} | {brier:.3} | {} |", head.name, risks.join(" | "));
        }
    }
}
