//! Language identification on the shared data, and on whatever a stream may hold.

use std::path::PathBuf;

use models::language::train::{Example, parse_tsv};
use models::language::{Language, identify};
use proptest::prelude::*;

/// The shared data, where this machine has them.
fn shared(path: &str) -> Option<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(path);
    let text = std::fs::read_to_string(&file).ok();
    if text.is_none() {
        println!("skipped: {} is not there", file.display());
    }
    text
}

fn accuracy(examples: &[Example]) -> f64 {
    let right = examples.iter().filter(|example| identify(&example.text).0.as_str() == example.language).count();
    right as f64 / examples.len() as f64
}

#[test]
fn tweets_that_were_not_trained_on_are_told_apart() {
    for (language, least) in [("ar", 0.97), ("de", 0.92), ("en", 0.97), ("es", 0.95), ("fr", 0.96), ("it", 0.94), ("pt", 0.95)]
    {
        let Some(tsv) = shared(&format!("multilingual/umsab_{language}_dev.tsv")) else { return };
        let examples: Vec<_> = parse_tsv(&tsv, false).into_iter().map(|e| Example { language: language.into(), ..e }).collect();
        let reached = accuracy(&examples);
        println!("{language}: {reached:.3}");
        assert!(reached >= least, "{language}: {reached}");
    }
}

#[test]
fn the_weights_fit_the_data_they_were_trained_on() {
    // Training data: this says that the shipped weights belong to this code, not how good they are; `LANGUAGE.md` does.
    for (set, least) in [("single_words", 0.85), ("word_pairs", 0.95), ("sentences", 0.99)] {
        let Some(tsv) = shared(&format!("language/{set}.tsv")) else { return };
        let reached = accuracy(&parse_tsv(&tsv, false));
        println!("{set}: {reached:.3}");
        assert!(reached >= least, "{set}: {reached}");
    }
}

proptest! {
    #[test]
    fn any_text_has_a_language_or_none(text in "\\PC{0,400}") {
        let (language, confidence) = identify(&text);
        prop_assert!((0.0..=1.0).contains(&confidence));
        prop_assert_eq!(Language::from_code(language.as_str()), Some(language));
    }

    #[test]
    fn handles_and_placeholders_change_nothing(index in 0_usize..4) {
        let text = ["Die Laterne ist aus", "The lamp is out", "La farola está apagada", "Le lampadaire est éteint"][index];
        let addressed = format!("@somebody_else {text} <email> https://example.org/the/road");
        prop_assert_eq!(identify(text), identify(&addressed));
    }
}
