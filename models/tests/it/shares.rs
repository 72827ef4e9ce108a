//! Shares of tones: the worked example of the documentation, samples with known shares, and what no sample may break.

use models::compact::CompactModel;
use models::quantify::{Estimate, Method, Reference, SMALL, Sketch, by_method, quantify};
use proptest::prelude::*;
use serde_json::Value;

/// The JSON block of `docs/methods/shares.md`: reference, sample and what the methods say.
fn worked_example() -> Value {
    let page = include_str!("../../../docs/methods/shares.md");
    let (_, block) = page.split_once("```json\n").unwrap();
    serde_json::from_str(block.split_once("\n```").unwrap().0).unwrap()
}

fn example_reference() -> Reference {
    Reference::from_json(worked_example()["reference"].to_string().as_bytes()).unwrap()
}

/// The sample: `[texts, negative, neutral, positive]` a line.
fn example_sample() -> Sketch {
    let mut sketch = Sketch::default();
    for line in worked_example()["sample"].as_array().unwrap() {
        let number = |place: usize| line[place].as_f64().unwrap();
        let tone = [number(1) as f32, number(2) as f32, number(3) as f32];
        (0..number(0) as usize).for_each(|_| sketch.add(&tone, "en"));
    }
    sketch
}

#[test]
fn the_worked_example_is_right() {
    let (reference, sample) = (example_reference(), example_sample());
    let mut checked = 0;
    for (name, shares) in worked_example()["shares"].as_object().unwrap() {
        let method = Method::ALL.into_iter().find(|method| method.as_str() == name).unwrap();
        let estimate = by_method(&sample, &reference, method).unwrap();
        println!("\"{name}\": {:?}", estimate.shares.map(|share| (share.share * 1e3).round() / 1e3));
        for (share, written) in estimate.shares.iter().zip(shares.as_array().unwrap()) {
            assert!((share.share - written.as_f64().unwrap()).abs() < 5e-4, "{name}: {estimate:?}");
            assert!(share.low <= share.share && share.share <= share.high);
        }
        checked += 1;
    }
    assert_eq!(checked, Method::ALL.len());
}

#[test]
fn the_reference_belongs_to_the_weights() {
    assert_eq!(
        Reference::shipped().model_version(),
        CompactModel::shipped().version(),
        "models/weights/quantify.json was measured with other weights: `civicpulse model train --output models/weights/compact.bin` \
         writes both, `cargo run --release -p models --example reference` measures the weights that are there"
    );
}

#[test]
fn a_reference_comes_back_and_a_damaged_one_is_refused() {
    let shipped = Reference::shipped();
    let bytes = shipped.to_json();
    assert_eq!(&Reference::from_json(&bytes).unwrap(), shipped);
    let text = String::from_utf8(bytes).unwrap();
    let refused = |text: &str| Reference::from_json(text.as_bytes()).unwrap_err().to_string();
    assert!(refused(&text[..text.len() / 2]).contains("no reference for shares"));
    assert!(refused("{}").contains("civicpulse model train"));
    assert!(refused(&text.replacen("\"scale\": ", "\"scale\": -", 1)).contains("out of range"));
    assert!(refused(&text.replacen("\"texts\"", "\"words\"", 1)).contains("words"));
    let missing = Reference::load(std::path::Path::new("no/such/file")).unwrap_err().to_string();
    assert!(missing.contains("no/such/file"), "{missing}");
}

/// Texts of each tone, read as the example's reference says: a reader that is right six times in ten.
fn drawn(counts: [usize; 3]) -> Sketch {
    const SAID: [[[f32; 3]; 5]; 3] = [
        [[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.2, 0.2, 0.6]],
        [[0.2, 0.6, 0.2], [0.2, 0.6, 0.2], [0.2, 0.6, 0.2], [0.6, 0.3, 0.1], [0.1, 0.3, 0.6]],
        [[0.1, 0.2, 0.7], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3], [0.6, 0.2, 0.2]],
    ];
    let mut sketch = Sketch::default();
    for (said, count) in SAID.iter().zip(counts) {
        (0..count).for_each(|number| sketch.add(&said[number % said.len()], "en"));
    }
    sketch
}

fn farthest(estimate: &Estimate, truth: [f64; 3]) -> f64 {
    estimate.shares.iter().zip(truth).map(|(share, truth)| (share.share - truth).abs()).fold(0.0, f64::max)
}

#[test]
fn corrections_come_nearer_than_counts_when_shares_shift() {
    let held_out: Vec<_> = (0..3)
        .flat_map(|truth| {
            let mut counts = [0; 3];
            counts[truth] = 100;
            let points = drawn(counts).points();
            points.into_iter().flat_map(move |point| {
                let tone = point.tone.map(|p| p as f32);
                (0..point.texts as usize).flat_map(move |_| {
                    ["en", "de"].map(|language| models::quantify::HeldOut { topic: "t".into(), language, truth, tone })
                })
            })
        })
        .collect();
    let reference = Reference::measure(CompactModel::shipped(), &held_out).unwrap();
    for counts in [[900, 50, 50], [50, 50, 900], [100, 800, 100], [500, 0, 500]] {
        let truth = counts.map(|count| count as f64 / 1000.0);
        let sample = drawn(counts);
        let by = |method| farthest(&by_method(&sample, &reference, method).unwrap(), truth);
        for method in [Method::AdjustedCount, Method::AdjustedMean, Method::Em, Method::Posterior] {
            assert!(by(method) < by(Method::Counted) && by(method) < by(Method::Mean), "{counts:?} {method:?} {}", by(method));
        }
        let posterior = by_method(&sample, &reference, Method::Posterior).unwrap();
        let inside = posterior
            .shares
            .iter()
            .zip(truth)
            .all(|(share, truth)| share.low - 0.02 <= truth && truth <= share.high + 0.02 && share.high - share.low < 0.5);
        assert!(inside, "{counts:?} {posterior:?}");
    }
}

#[test]
fn few_texts_are_not_corrected_and_their_interval_is_wide() {
    let reference = Reference::shipped();
    assert_eq!(quantify(&Sketch::default(), reference), None);
    let one = quantify(&Sketch::of(&[[0.9, 0.05, 0.05]], "en"), reference).unwrap();
    assert_eq!((one.texts, one.method), (1, Method::Mean));
    assert!((one.shares[0].share - 0.9).abs() < 1e-6 && one.shares[0].low < 0.3 && one.shares[0].high > 0.99, "{one:?}");
    let enough = vec![[0.2, 0.5, 0.3]; SMALL as usize];
    assert_eq!(quantify(&Sketch::of(&enough, "en"), reference).unwrap().method, Method::Posterior);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_sample_has_shares_with_intervals_whatever_its_order(
        texts in prop::collection::vec((0.0f32..=1.0, 0.0f32..=1.0), 1..120),
        german in 0usize..120,
    ) {
        let tones: Vec<[f32; 3]> = texts.iter().map(|(a, b)| [a * b, 1.0 - a, a * (1.0 - b)]).collect();
        let language = |number: usize| if number < german { "de" } else { "en" };
        let (mut forth, mut back) = (Sketch::default(), Sketch::default());
        for (number, tone) in tones.iter().enumerate() {
            forth.add(tone, language(number));
        }
        for (number, tone) in tones.iter().enumerate().rev() {
            back.add(tone, language(number));
        }
        for method in Method::ALL {
            let estimate = by_method(&forth, Reference::shipped(), method).unwrap();
            prop_assert_eq!(&estimate, &by_method(&back, Reference::shipped(), method).unwrap());
            let sum: f64 = estimate.shares.iter().map(|share| share.share).sum();
            prop_assert!((sum - 1.0).abs() < 1e-6, "{:?} {}", method, sum);
            for share in estimate.shares {
                prop_assert!(0.0 <= share.low && share.low <= share.share && share.share <= share.high && share.high <= 1.0 + 1e-9);
            }
        }
    }
}
