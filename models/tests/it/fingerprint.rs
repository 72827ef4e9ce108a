//! How well fingerprints tell reports of one incident, in different words, from reports of others.

use models::fingerprint::{fingerprint, similarity};
use proptest::prelude::*;

/// Reports told in their own words, hand-written: incident and text.
fn reports() -> Vec<(u32, &'static str)> {
    let rows = include_str!("../data/paraphrases.tsv").lines().skip(1);
    rows.map(|row| row.split_once('\t').unwrap()).map(|(incident, text)| (incident.parse().unwrap(), text)).collect()
}

/// Similarities of all pairs of reports of the same incident, and of all others.
fn pairs() -> (Vec<f32>, Vec<f32>) {
    let reports = reports();
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for (index, (incident, text)) in reports.iter().enumerate() {
        for (second, other_text) in &reports[index + 1..] {
            let likeness = similarity(fingerprint(text), fingerprint(other_text));
            if incident == second { same.push(likeness) } else { other.push(likeness) }
        }
    }
    same.sort_by(f32::total_cmp);
    other.sort_by(f32::total_cmp);
    (same, other)
}

#[test]
fn paraphrases_are_more_alike_than_other_reports() {
    let (same, other) = pairs();
    let below: usize = same.iter().map(|s| other.partition_point(|o| o < s) + other.partition_point(|o| o <= s)).sum();
    let auc = below as f64 / 2.0 / (same.len() * other.len()) as f64;
    let at = |sorted: &[f32], share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
    println!(
        "same incident: {} pairs, quartiles {:.2} {:.2} {:.2}; others: {} pairs, quartiles {:.2} {:.2} {:.2}; area under the curve {auc:.3}",
        same.len(),
        at(&same, 0.25),
        at(&same, 0.5),
        at(&same, 0.75),
        other.len(),
        at(&other, 0.25),
        at(&other, 0.5),
        at(&other, 0.75),
    );
    for threshold in [0.3_f32, 0.4, 0.5, 0.6] {
        let over = |sorted: &[f32]| 1.0 - sorted.partition_point(|s| *s < threshold) as f64 / sorted.len() as f64;
        println!(
            "  at least {threshold}: {:.1} % of the same, {:.1} % of the others",
            over(&same) * 100.0,
            over(&other) * 100.0
        );
    }
    assert!(auc > 0.93, "{auc}");
}

proptest! {
    #[test]
    fn any_text_has_a_fingerprint_that_is_like_itself(text in "\\PC{0,200}") {
        let print = fingerprint(&text);
        prop_assert_eq!(print, fingerprint(&text));
        let likeness = similarity(print, print);
        let expected = f32::from(u8::from(print != 0));
        prop_assert_eq!(likeness, expected);
    }

    #[test]
    fn similarity_is_symmetric_and_bounded(a: u64, b: u64) {
        prop_assert_eq!(similarity(a, b), similarity(b, a));
        prop_assert!((0.0..=1.0).contains(&similarity(a, b)));
    }

    #[test]
    fn order_of_words_does_not_matter(words in prop::collection::vec("[b-z]{4,9}", 1..20), seed: u64) {
        let mut shuffled = words.clone();
        let len = shuffled.len();
        shuffled.rotate_left(seed as usize % len);
        prop_assert_eq!(fingerprint(&words.join(" ")), fingerprint(&shuffled.join(", ")));
    }
}
