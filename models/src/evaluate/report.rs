//! `REPORT.md`: every figure with the data that it comes from.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use feedback::Urgency;

use super::metrics::Predictions;
use super::{ByHead, PeerError, Stopwatch, Vader, behaviours, kept_aside, load_average, slices};
use crate::compact::{CompactModel, EMERGENCY_FROM, HEADS, MISSED_EMERGENCY_COST, Scratch, emergency_from, urgency_decision};
use crate::features::Input;
use crate::language::identify;
use crate::mask::Masker;
use crate::train::{Example, Labels};

/// Rounds in which speed is measured.
const SPEED_ROUNDS: usize = 20;
/// Seconds of a round: much longer than the steps in which the system tells processor time.
const ROUND_SECONDS: f64 = 0.2;

/// The report on `model`, in Markdown. The only figures that change from run to run are those of speed. With the path of a
/// Python interpreter that has the package `vaderSentiment`, VADER is asked about the same tweets in the same run.
///
/// # Errors
/// When that interpreter does not run VADER.
pub fn report(model: &CompactModel, examples: &[Example], vader: Option<&Path>) -> Result<String, PeerError> {
    let by_head = kept_aside(model, examples);
    let mut out = format!("# What the compact tier reaches\n\nModel `{}`.\n", model.version());
    out.push_str(PREFACE);
    heads(&by_head, &mut out);
    languages(&by_head, &mut out);
    readings(examples, &mut out);
    urgency(&by_head, &mut out);
    slices::trust(&by_head, &mut out);
    slices::tables(model, examples, &mut out);
    slices::confusion(&by_head, &mut out);
    behaviour(model, &mut out);
    let tweets: Vec<(&str, u8)> = (examples.iter().filter(|example| example.dev && example.source == "tweets"))
        .filter_map(|example| Some((example.text.as_str(), example.labels.get(0)?.0)))
        .collect();
    if !tweets.is_empty() {
        speed(model, &tweets, &by_head, vader, &mut out)?;
    }
    Ok(out)
}

const PREFACE: &str = "
Written by `civicpulse model evaluate`. Every figure is on texts that training kept aside: `tweets_dev` whole, UMSAB's own
development parts, the `dev` split or every tenth row of the other sources, every fifth of the project's own messages.
The same texts chose the settings and fitted the calibration, so figures on unseen data will be somewhat lower. Two sources are unseen,
and `all` leaves them out: `newport`, residents' own reports to a city, whose figures were in view while settings were chosen (and on 205 texts
a perfect model would show a calibration error of about 0.05), and `strangers`, messages about all topics by a writer who knew the rules
of labelling and nothing of the project, its texts or its models; no setting was chosen by them.

What the labels mean: `tweets` and `umsab_*` were labelled by people for tone. `nhs` tone is a rating by coders (1-2
positive, 4-5 negative), its signal and topic follow from that and from where the texts were written, which says little
about a city. `disasters` urgency follows from aid codes. `encampments`, `cycling_de`, `transit_de` and `newport` topics
follow from the form in which a text was entered. `bos311` are tweets to Boston's 311, of which half are replies: this project read each
of them alone and wrote down what it says, so that the labels are ours though the texts are not. The labels of `umsab_hi` follow each other as negative, neutral, positive
whatever the text says, and nobody can predict them well. `seeds` are messages that this project wrote itself, and in the same
style as those that it trains on: the figures there are optimistic for messages that other people write. They and `strangers` are the
only texts with all thirty-three topics; no licensed corpus has them. Many were written to be mistaken, such as \"Rents are
exploding and families are bleeding money\" beside emergencies, so that precision there is lower than among everyday messages.
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

/// How often two readers of one text wrote the same: no model can be said to do better.
fn readings(examples: &[Example], out: &mut String) {
    let read_twice = || examples.iter().filter_map(|example| Some((example.source, example.labels, example.read_again?)));
    if read_twice().next().is_none() {
        return;
    }
    out.push_str("\n## Texts that were read twice\n\n");
    out.push_str(
        "Two readings, independent of each other, by the same written rules. Kappa (Cohen 1960) is agreement beyond chance.\n\n",
    );
    out.push_str("| head | source | texts | the same | kappa |\n| --- | --- | ---: | ---: | ---: |\n");
    let sources: BTreeSet<&str> = read_twice().map(|(source, ..)| source).collect();
    for (position, head) in HEADS.iter().enumerate() {
        for source in &sources {
            let of_head = |(_, first, second): (&str, Labels, Labels)| Some((first.get(position)?.0, second.get(position)?.0));
            let pairs: Vec<(u8, u8)> = read_twice().filter(|(of, ..)| of == source).filter_map(of_head).collect();
            let (texts, name) = (pairs.len(), head.name);
            let (same, kappa) = agreement(&pairs);
            line(out, format_args!("| {name} | {source} | {texts} | {same:.3} | {kappa:.3} |"));
        }
    }
}

/// The share of pairs that are the same, and Cohen's kappa.
fn agreement(pairs: &[(u8, u8)]) -> (f64, f64) {
    let all = pairs.len() as f64;
    let share = |of: &dyn Fn(&(u8, u8)) -> bool| pairs.iter().filter(|pair| of(pair)).count() as f64 / all;
    let same = share(&|(first, second)| first == second);
    let by_chance: f64 = (0..=u8::MAX).map(|code| share(&|pair| pair.0 == code) * share(&|pair| pair.1 == code)).sum();
    (same, (same - by_chance) / (1.0 - by_chance))
}

fn urgency(by_head: &ByHead, out: &mut String) {
    /// What a missed emergency may cost, in false alarms.
    const COSTS: [f32; 5] = [1.0, 2.0, MISSED_EMERGENCY_COST, 4.0, 9.0];
    let Some(seeds) = by_head.get(&("urgency", "seeds")) else { return };
    let emergency = usize::from(Urgency::Emergency.code());
    out.push_str("\n## Urgency\n\n| source | texts | within one level | emergencies: recall | precision |\n");
    out.push_str("| --- | ---: | ---: | ---: | ---: |\n");
    for ((_, source), p) in by_head.iter().filter(|((head, source), _)| *head == "urgency" && *source != "all") {
        let (texts, within) = (p.len(), p.within(1, urgency_decision));
        let (recall, precision) = p.recall_precision_from(emergency, EMERGENCY_FROM);
        let shown = |share: f64| if share.is_nan() { "none".to_owned() } else { format!("{share:.3}") };
        line(out, format_args!("| {source} | {texts} | {within:.3} | {} | {} |", shown(recall), shown(precision)));
    }
    out.push('\n');
    line(
        out,
        format_args!(
            "An emergency is reported from a probability of {EMERGENCY_FROM:.2} on: missing one is taken to cost as much as {MISSED_EMERGENCY_COST} false alarms. With other costs, on the project's own messages (`seeds`):\n"
        ),
    );
    out.push_str(
        "| a missed emergency costs, in false alarms | reported from | recall | precision |\n| ---: | ---: | ---: | ---: |\n",
    );
    for cost in COSTS {
        let from = emergency_from(cost);
        let (recall, precision) = seeds.recall_precision_from(emergency, from);
        line(out, format_args!("| {cost} | {from:.2} | {recall:.3} | {precision:.3} |"));
    }
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
            "\nLargest difference {spread:.4}. What may be a name is one feature, whoever bears it; what is left comes from the language that a name makes a short text look like, and from its temperature."
        ),
    );
    let (spoken, written) = behaviours::dialects(model);
    line(
        out,
        format_args!(
            "\nEight messages in African American English: mean tone {spoken:.4}; the same in school English: {written:.4}."
        ),
    );
}

/// Speed with everything that `civicpulse classify` does to a text but reading and printing it, beside VADER.
fn speed(
    model: &CompactModel,
    tweets: &[(&str, u8)],
    by_head: &ByHead,
    vader: Option<&Path>,
    out: &mut String,
) -> Result<(), PeerError> {
    let texts: Vec<&str> = tweets.iter().map(|(text, _)| *text).collect();
    let mut scratch = Scratch::default();
    let heads = rate(&texts, |text| model.read(&Input::text(text), &mut scratch).tone[0]);
    let (masker, mut masked, mut spans) = (Masker::new(), String::new(), Vec::new());
    let whole = rate(&texts, |text| {
        masked.clear();
        spans.clear();
        let text = if masker.mask(text, &mut masked, &mut spans) { masked.as_str() } else { text };
        let (language, _) = identify(text);
        model.read(&Input { language: language.as_str(), ..Input::text(text) }, &mut scratch).tone[0]
    });
    out.push_str("\n## Beside VADER, on `tweets_dev`, one thread each, in one run, the fastest of several rounds each\n\n");
    let load = load_average().unwrap_or_else(|| "unknown".to_owned());
    line(out, format_args!("By processor time of the thread, on the machine that wrote this report; load average {load}.\n"));
    out.push_str("| | texts/s | tone, macro recall | tone, macro F1 |\n| --- | ---: | ---: | ---: |\n");
    if let Some(p) = by_head.get(&("tone", "tweets")) {
        let (recall, f1) = (p.macro_recall(), p.macro_f1());
        line(out, format_args!("| masking, language, all four heads | {whole:.0} | {recall:.3} | {f1:.3} |"));
        line(out, format_args!("| all four heads alone | {heads:.0} | {recall:.3} | {f1:.3} |"));
    }
    let Some(python) = vader else {
        out.push_str("\nVADER was not measured: name a Python that has it with `--vader`.\n");
        return Ok(());
    };
    let answers = Vader::ask(python, &texts)?;
    let mut p = Predictions::default();
    for ((_, truth), tone) in tweets.iter().zip(&answers.tones) {
        p.push(usize::from(*truth), &std::array::from_fn::<f32, 3, _>(|class| f32::from(u8::from(class == *tone))));
    }
    let (of_vader, recall, f1) = (texts.len() as f64 / answers.seconds, p.macro_recall(), p.macro_f1());
    line(out, format_args!("| VADER | {of_vader:.0} | {recall:.3} | {f1:.3} |"));
    line(out, format_args!("\nEverything together is {:.1} times as fast as VADER's one head.", whole / of_vader));
    out.push_str(
        "Words are remembered, and these texts pass many times; texts that come for the first time take longer. Both, in one run:\n\
         `cargo run --release -p models --example speed -- FILE ROUNDS PYTHON`.\n",
    );
    Ok(())
}

/// Texts a second of processor time, the fastest of [`SPEED_ROUNDS`].
fn rate(texts: &[&str], mut read: impl FnMut(&str) -> f32) -> f64 {
    let mut round = || {
        let (watch, mut count) = (Stopwatch::start(), 0);
        while count == 0 || watch.seconds() < ROUND_SECONDS {
            // The sum is looked at, so that no compiler leaves the work out.
            std::hint::black_box(texts.iter().map(|text| read(text)).sum::<f32>());
            count += texts.len();
        }
        count as f64 / watch.seconds()
    };
    (0..SPEED_ROUNDS).map(|_| round()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_beyond_chance_by_hand() {
        // 7 of 10 the same; by chance 0.6 * 0.5 + 0.4 * 0.5.
        let pairs = [vec![(0, 0); 4], vec![(0, 1); 2], vec![(1, 0); 1], vec![(1, 1); 3]].concat();
        let (same, kappa) = agreement(&pairs);
        assert!((same - 0.7).abs() < 1e-12 && (kappa - 0.4).abs() < 1e-12, "{same} {kappa}");
    }
}
