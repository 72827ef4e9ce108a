//! `REPORT.md`: every figure with the data that it comes from.

use std::fmt::Write;
use std::time::Instant;

use feedback::Tone;

use super::behaviours;
use super::metrics::Predictions;
use super::{ByHead, kept_aside};
use crate::compact::{CompactModel, Scratch};
use crate::features::Input;
use crate::train::Example;

/// Texts read to measure speed.
const SPEED_TEXTS: usize = 100_000;

/// The report on `model`, in Markdown. The only figures that change from run to run are those of speed.
pub fn report(model: &CompactModel, examples: &[Example]) -> String {
    let by_head = kept_aside(model, examples);
    let mut out = format!("# What the compact tier reaches\n\nModel `{}`.\n", model.version());
    out.push_str(PREFACE);
    heads(&by_head, &mut out);
    languages(&by_head, &mut out);
    lengths(model, examples, &mut out);
    confusion(&by_head, &mut out);
    urgency(&by_head, &mut out);
    behaviour(model, &mut out);
    speed(model, examples, &mut out);
    out
}

const PREFACE: &str = "
Written by `civicpulse model evaluate`. Every figure is on texts that training kept aside: `tweets_dev` whole, UMSAB's own
development parts, the `dev` split or every tenth row of the other sources, every fifth of the project's own messages.
The same texts chose the settings and fitted the temperatures, so figures on unseen data will be somewhat lower.

What the labels mean: `tweets` and `umsab_*` were labelled by people for tone. `nhs` tone is a rating by coders (1-2
positive, 4-5 negative), its signal and topic follow from that and from where the texts were written, which says little
about a city. `disasters` urgency follows from aid codes. `encampments`, `cycling_de`, `transit_de` and `newport` topics
follow from the form in which a text was entered. `seeds` are messages that this project wrote itself, and in the same
style as those that it trains on: the figures there are optimistic for messages that other people write. They are the
only texts with all thirty-three topics; no licensed corpus has them.
";

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

fn heads(by_head: &ByHead, out: &mut String) {
    out.push_str("\n## Heads by source\n\n");
    out.push_str("| head | source | texts | top 1 | top 3 | macro recall | macro F1 | calibration error | Brier |\n");
    out.push_str("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for ((head, source), p) in by_head {
        let (top, three, recall, f1) = (p.top(1), p.top(3), p.macro_recall(), p.macro_f1());
        let (error, brier) = (p.calibration_error(), p.brier());
        let texts = p.len();
        line(
            out,
            format_args!(
                "| {head} | {source} | {texts} | {top:.3} | {three:.3} | {recall:.3} | {f1:.3} | {error:.3} | {brier:.3} |"
            ),
        );
    }
}

fn languages(by_head: &ByHead, out: &mut String) {
    let scores: Vec<(&str, f64)> = (by_head.iter())
        .filter(|((head, source), _)| *head == "tone" && (source.starts_with("umsab_") || *source == "tweets"))
        .map(|((_, source), p)| (*source, p.macro_f1()))
        .collect();
    if scores.is_empty() {
        return;
    }
    let mean = scores.iter().map(|(_, f1)| f1).sum::<f64>() / scores.len() as f64;
    out.push_str("\n## Tone in eight languages\n\n");
    line(out, format_args!("Mean macro F1 over seven UMSAB languages and English (`tweets_dev`): **{mean:.3}**.\n"));
    out.push_str("| source | macro F1 |\n| --- | ---: |\n");
    for (source, f1) in scores {
        line(out, format_args!("| {source} | {f1:.3} |"));
    }
}

/// Words that divide short, middle and long texts.
const LENGTHS: [(&str, std::ops::RangeInclusive<usize>); 4] =
    [("1-5 words", 0..=5), ("6-15 words", 6..=15), ("16-30 words", 16..=30), ("over 30 words", 31..=usize::MAX)];

fn lengths(model: &CompactModel, examples: &[Example], out: &mut String) {
    out.push_str(
        "\n## Tone by length\n\n| length | texts | macro recall | calibration error |\n| --- | ---: | ---: | ---: |\n",
    );
    let mut scratch = Scratch::default();
    for (name, words) in LENGTHS {
        let mut predictions = Predictions::default();
        for example in examples.iter().filter(|e| e.dev && words.contains(&e.text.split_whitespace().count())) {
            if let Some((code, _)) = example.labels.get(0) {
                predictions.push(usize::from(code), &model.read(&example.input(), &mut scratch).tone);
            }
        }
        let (texts, recall, error) = (predictions.len(), predictions.macro_recall(), predictions.calibration_error());
        line(out, format_args!("| {name} | {texts} | {recall:.3} | {error:.3} |"));
    }
}

fn confusion(by_head: &ByHead, out: &mut String) {
    let Some(tweets) = by_head.get(&("tone", "tweets")) else { return };
    out.push_str("\n## Tone of English tweets, confusion\n\n| written | read negative | read neutral | read positive |\n");
    out.push_str("| --- | ---: | ---: | ---: |\n");
    for (tone, row) in Tone::ALL.iter().zip(tweets.confusion()) {
        line(out, format_args!("| {tone} | {} | {} | {} |", row[0], row[1], row[2]));
    }
}

fn urgency(by_head: &ByHead, out: &mut String) {
    let Some(seeds) = by_head.get(&("urgency", "seeds")) else { return };
    let (recall, precision) = seeds.recall_precision(3);
    out.push_str("\n## Urgency of the project's own messages\n\n");
    line(
        out,
        format_args!("Within one level {:.3}; emergencies: recall {recall:.3}, precision {precision:.3}.", seeds.within(1)),
    );
}

fn behaviour(model: &CompactModel, out: &mut String) {
    out.push_str("\n## Behaviours\n\nPairs of texts in which the second must move the tone in a known direction.\n\n");
    out.push_str("| behaviour | right | pairs |\n| --- | ---: | ---: |\n");
    for b in behaviours::pairs(model) {
        line(out, format_args!("| {} | {} | {} |", b.name, b.right, b.total));
    }
    let groups = behaviours::names(model);
    let spread = groups.iter().map(|g| g.tone).fold(f64::NEG_INFINITY, f64::max)
        - groups.iter().map(|g| g.tone).fold(f64::INFINITY, f64::min);
    out.push_str("\nNames swapped in otherwise equal sentences, unmasked: mean of positive less negative probability.\n\n");
    out.push_str("| names | mean tone |\n| --- | ---: |\n");
    for group in &groups {
        line(out, format_args!("| {} | {:.4} |", group.name, group.tone));
    }
    line(
        out,
        format_args!(
            "\nLargest difference {spread:.4}. The groups whose names are on the list of `features/names.txt` are equal by construction."
        ),
    );
}

fn speed(model: &CompactModel, examples: &[Example], out: &mut String) {
    let texts: Vec<&str> = examples.iter().filter(|e| e.dev && e.source == "tweets").map(|e| e.text.as_str()).collect();
    if texts.is_empty() {
        return;
    }
    let mut scratch = Scratch::default();
    let started = Instant::now();
    let mut sum = 0.0;
    for text in texts.iter().cycle().take(SPEED_TEXTS) {
        sum += model.read(&Input::text(text), &mut scratch).tone[0];
    }
    let seconds = started.elapsed().as_secs_f64();
    out.push_str("\n## Speed\n\n");
    line(
        out,
        format_args!(
            "{:.0} tweets/s on one core, all four heads ({:.1} microseconds each; mean negative {:.3}), language and masking not included.",
            SPEED_TEXTS as f64 / seconds,
            seconds * 1e6 / SPEED_TEXTS as f64,
            sum / SPEED_TEXTS as f32,
        ),
    );
}
