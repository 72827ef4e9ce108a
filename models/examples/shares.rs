//! How far shares are off on topics that the model has not seen: `cargo run --release -p models --example shares`.
//!
//! Cross-fitting (see `quantify::held_out`): each topic of SemEval-2016 task 4, subtask D is read by a model that was trained
//! without any tweet about it, and corrected by a reference from the other topics. Prints Markdown, for
//! `docs/methods/shares.md`. With `-- PREDICTIONS` it keeps what the models say in that file, or reads it where it exists.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use models::compact::CompactModel;
use models::quantify::{
    Distance, Estimate, FOLDS, HeldOut, Method, Reference, Sketch, TopicalText, by_method, cross_fitted, distance, kept_aside,
};
use models::train::{Hyper, Options, examples};

/// Texts of a topic below which its shares are not compared.
const MIN_TEXTS: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let options = Options { data: root.join("../../shared/data"), seeds: root.join("seeds"), hyper: Hyper::default() };
    let examples = examples(&options)?;
    let kept = std::env::args().nth(1);
    let texts = match kept.as_deref().map(std::fs::read_to_string) {
        Some(Ok(content)) => read(&content).ok_or("the file of predictions is damaged: remove it")?,
        _ => cross_fitted(&options, &examples, &mut |line| eprintln!("{line}"))?,
    };
    if let Some(path) = kept.filter(|path| !Path::new(path).exists()) {
        std::fs::write(path, write(&texts)?)?;
    }
    let model = CompactModel::shipped();
    let others: Vec<HeldOut> = kept_aside(model, &examples, &texts).into_iter().filter(|text| text.language != "en").collect();
    let references: Vec<Reference> = (0..FOLDS)
        .map(|fold| {
            let elsewhere = texts.iter().filter(|text| text.fold != fold).filter_map(TopicalText::held_out);
            Reference::measure(model, &elsewhere.chain(others.iter().cloned()).collect::<Vec<_>>())
        })
        .collect::<Result<_, _>>()?;
    println!("### Two tones (subtask D): negative / (negative + positive)\n");
    for part in ["test", ""] {
        println!("{}", two_tones(&texts, &references, part)?);
    }
    println!("### Three tones (topics of subtask A)\n\n{}", three_tones(&texts, &references)?);
    Ok(())
}

/// Topics with the texts that `chosen` keeps.
fn topics(texts: &[TopicalText], chosen: impl Fn(&TopicalText) -> bool) -> Vec<Vec<&TopicalText>> {
    let mut topics: BTreeMap<(&str, &str), Vec<&TopicalText>> = BTreeMap::new();
    texts.iter().filter(|text| chosen(text)).for_each(|text| topics.entry((&text.part, &text.topic)).or_default().push(text));
    topics.into_values().filter(|topic| topic.len() >= MIN_TEXTS).collect()
}

fn estimate(topic: &[&TopicalText], references: &[Reference], method: Method) -> Option<Estimate> {
    let tones: Vec<[f32; 3]> = topic.iter().map(|text| text.tone).collect();
    by_method(&Sketch::of(&tones, "en"), &references[topic[0].fold as usize], method)
}

fn two_tones(texts: &[TopicalText], references: &[Reference], part: &str) -> Result<String, std::fmt::Error> {
    let topics = topics(texts, |text| text.against.is_some() && (part.is_empty() || text.part == part));
    let mut out = format!(
        "{} topics{}\n\n| method | KLD | AE | KLD, neutral as positive | AE, neutral as positive |\n| --- | ---: | ---: | ---: | ---: |\n",
        topics.len(),
        if part.is_empty() { String::new() } else { format!(" of the part `{part}`") }
    );
    for method in Method::ALL {
        let (mut apart, mut together) = (Vec::new(), Vec::new());
        for topic in &topics {
            let Some(estimate) = estimate(topic, references, method) else { continue };
            let [negative, _, positive] = estimate.shares.map(|share| share.share);
            let of_negative = if negative + positive > 0.0 { negative / (negative + positive) } else { 0.5 };
            let truth = topic.iter().filter(|text| text.against == Some(true)).count() as f64 / topic.len() as f64;
            let far = |share: f64| distance(&[truth, 1.0 - truth], &[share, 1.0 - share], topic.len() as u64);
            apart.push(far(of_negative));
            together.push(far(negative));
        }
        let ((kld, ae), (kld_together, ae_together)) = (mean(&apart), mean(&together));
        writeln!(out, "| {} | {kld:.3} | {ae:.3} | {kld_together:.3} | {ae_together:.3} |", method.as_str())?;
    }
    Ok(out)
}

fn three_tones(texts: &[TopicalText], references: &[Reference]) -> Result<String, std::fmt::Error> {
    let topics = topics(texts, |text| text.tone_label.is_some());
    let mut out = format!(
        "{} topics\n\n| method | KLD | AE | true shares within the interval |\n| --- | ---: | ---: | ---: |\n",
        topics.len()
    );
    for method in Method::ALL {
        let (mut all, mut covered) = (Vec::new(), 0);
        for topic in &topics {
            let Some(estimate) = estimate(topic, references, method) else { continue };
            let truth: [f64; 3] = std::array::from_fn(|tone| {
                topic.iter().filter(|text| text.tone_label == Some(tone)).count() as f64 / topic.len() as f64
            });
            let inside = |(share, truth): (&models::quantify::Share, &f64)| share.low <= *truth && *truth <= share.high;
            covered += estimate.shares.iter().zip(&truth).filter(|pair| inside(*pair)).count();
            all.push(distance(&truth, &estimate.shares.map(|share| share.share), topic.len() as u64));
        }
        let (kld, ae) = mean(&all);
        let covered = covered as f64 / (3 * all.len()).max(1) as f64;
        writeln!(out, "| {} | {kld:.3} | {ae:.3} | {covered:.3} |", method.as_str())?;
    }
    Ok(out)
}

fn mean(distances: &[Distance]) -> (f64, f64) {
    let count = distances.len().max(1) as f64;
    let sum = |of: fn(&Distance) -> f64| distances.iter().map(of).sum::<f64>() / count;
    (sum(|distance| distance.kld), sum(|distance| distance.ae))
}

fn write(texts: &[TopicalText]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    for text in texts {
        let tone_label = text.tone_label.map_or("-".to_owned(), |tone| tone.to_string());
        let against = text.against.map_or("-", |against| if against { "1" } else { "0" });
        let [negative, neutral, positive] = text.tone;
        let TopicalText { part, topic, fold, .. } = text;
        writeln!(out, "{part}\t{topic}\t{fold}\t{tone_label}\t{against}\t{negative}\t{neutral}\t{positive}")?;
    }
    Ok(out)
}

fn read(content: &str) -> Option<Vec<TopicalText>> {
    let line = |line: &str| {
        let [part, topic, fold, tone_label, against, negative, neutral, positive] = line.split('\t').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        Some(TopicalText {
            topic: topic.to_owned(),
            fold: fold.parse().ok().filter(|fold| *fold < FOLDS)?,
            tone: [negative.parse().ok()?, neutral.parse().ok()?, positive.parse().ok()?],
            tone_label: tone_label.parse().ok(),
            against: against.parse::<u8>().ok().map(|against| against == 1),
            part: part.to_owned(),
        })
    };
    content.lines().map(line).collect()
}
