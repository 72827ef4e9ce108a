//! Mutated texts and files, from one seed: nothing panics, every answer is a valid one. `CIVICPULSE_FUZZ=100` makes it run a
//! hundred times as long.

use std::sync::LazyLock;

use models::compact::{CompactModel, Reading, Scratch};
use models::features::Input;
use models::fingerprint::{fingerprint, similarity};
use models::language::identify;
use models::mask::{Masker, Span};
use models::quantify::{Method, Reference, Sketch, by_method};
use xxhash_rust::xxh3::xxh3_64;

/// SplitMix64: the same mutants everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// How often something is tried; more where `CIVICPULSE_FUZZ` asks for it.
fn rounds(least: usize) -> usize {
    least * std::env::var("CIVICPULSE_FUZZ").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// What breaks readers of text: joiners, marks of direction, combining marks, digits of other scripts, emoji sequences,
/// controls, replacement characters, placeholders, halves of patterns.
const NASTY: [&str; 40] = [
    "\u{200d}",
    "\u{200b}",
    "\u{202e}",
    "\u{2066}",
    "\u{fe0f}",
    "\u{301}",
    "\u{fffd}",
    "\0",
    "\u{7f}",
    "\u{feff}",
    "\u{1f468}\u{200d}\u{1f469}",
    "\u{1f1e9}\u{1f1ea}",
    "٣",
    "७",
    "𝟗",
    "ß",
    "İ",
    "ﬃ",
    "名",
    "ا",
    "ש",
    "@",
    "@@",
    "<",
    ">",
    "<name>",
    "<phone>",
    "//",
    "://",
    "#",
    "+49",
    "617-555-",
    "DE89",
    "my name is",
    "I live at 1",
    "!!!!!!!!",
    ":(",
    "n't",
    "\n",
    "\u{a0}",
];

fn corpus() -> &'static [String] {
    static CORPUS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let lines = include_str!("../data/masking.txt").lines().chain(include_str!("../data/paraphrases.tsv").lines());
        lines.map(|line| line.replace(['{', '}', '|'], " ")).collect()
    });
    &CORPUS
}

/// A text with a few characters changed, lost, doubled, swapped in from another text or made nasty.
fn mutant(dice: &mut Dice) -> String {
    let mut text: Vec<char> = dice.pick(corpus()).chars().collect();
    for _ in 0..=dice.below(6) {
        let at = dice.below(text.len() + 1);
        let end = (at + dice.below(12)).min(text.len());
        match dice.below(6) {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, dice.pick(&NASTY).chars())),
            2 => drop(text.splice(at..end, dice.pick(corpus()).chars().take(40))),
            3 => {
                let part: Vec<char> = text[at..end].to_vec();
                let times = dice.below(8);
                drop(text.splice(at..at, (0..times).flat_map(|_| part.iter().copied())));
            }
            4 => text.truncate(at),
            _ => {
                if let (Some(place), Some(c)) = (text.get_mut(at), char::from_u32(dice.below(0x11_0000) as u32)) {
                    *place = c;
                }
            }
        }
    }
    text.into_iter().collect()
}

fn is_valid(reading: &Reading) -> bool {
    let sums = |probabilities: &[f32]| {
        (probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-3 && probabilities.iter().all(|p| (0.0..=1.0).contains(p))
    };
    sums(&reading.tone) && sums(&reading.signal) && sums(&reading.topic) && sums(&reading.urgency)
}

fn check_mask(masker: &Masker, text: &str) {
    let (mut masked, mut spans) = (String::new(), Vec::new());
    if !masker.mask(text, &mut masked, &mut spans) {
        return;
    }
    let points: Vec<char> = text.chars().collect();
    let (mut rebuilt, mut at) = (String::new(), 0);
    for Span { start, end, kind } in &spans {
        assert!(at <= *start as usize && start < end && *end as usize <= points.len(), "{text:?} {spans:?}");
        rebuilt.extend(&points[at..*start as usize]);
        rebuilt.push_str(kind.placeholder());
        at = *end as usize;
    }
    rebuilt.extend(&points[at..]);
    assert_eq!(rebuilt, masked, "{text:?}");
}

#[test]
fn mutated_texts_are_read() {
    let (mut dice, mut scratch, masker) = (Dice(311), Scratch::default(), Masker::new());
    let model = CompactModel::shipped();
    let mut before = fingerprint("");
    for round in 0..rounds(20_000) {
        let (text, other) = (mutant(&mut dice), mutant(&mut dice));
        check_mask(&masker, &text);
        let (language, sure) = identify(&text);
        assert!((0.0..=1.0).contains(&sure), "{text:?} {sure}");
        let extra = [None, Some(other.as_str())];
        let input = Input {
            title: extra[round % 2],
            category: extra[round / 2 % 2],
            prompt: extra[round / 4 % 2],
            language: language.as_str(),
            ..Input::text(&text)
        };
        assert!(is_valid(&model.read(&input, &mut scratch)), "{text:?}");
        let print = fingerprint(&text);
        let near = similarity(print, before);
        assert!((0.0..=1.0).contains(&near) && (similarity(before, print) - near).abs() < 1e-6, "{text:?} {near}");
        before = print;
    }
}

#[test]
fn a_million_bytes_of_one_thing_are_read() {
    let (mut scratch, masker) = (Scratch::default(), Masker::new());
    for unit in [
        "a",
        "waaaait ",
        "\u{200d}",
        "\u{301}",
        "🙂",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}",
        "not ",
        "!",
        "#",
        "שלום ",
        "名",
        "7",
        "@a ",
        "\u{fffd}",
    ] {
        let text = unit.repeat((1 << 20) / unit.len());
        check_mask(&masker, &text);
        let (language, sure) = identify(&text);
        assert!((0.0..=1.0).contains(&sure), "{unit:?}");
        let input = Input { title: Some(&text), language: language.as_str(), ..Input::text(&text) };
        assert!(is_valid(&CompactModel::shipped().read(&input, &mut scratch)), "{unit:?}");
        // A text without words that tell something resembles nothing, not even itself.
        let same = similarity(fingerprint(&text), fingerprint(&text));
        assert!(same == 0.0 || (same - 1.0).abs() < 1e-6, "{unit:?} {same}");
    }
}

/// The weights that are shipped, as a file.
fn weights() -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/compact.bin")).unwrap()
}

#[test]
fn altered_weights_are_refused() {
    let (mut dice, whole) = (Dice(7), weights());
    assert!(CompactModel::from_bytes(&whole).is_ok());
    for round in 0..rounds(150) {
        let mut bytes = whole.clone();
        // Half of the mutants change the beginning, where the sizes are.
        let place = if round % 2 == 0 { dice.below(64) } else { dice.below(bytes.len()) };
        match dice.below(3) {
            0 => bytes[place] ^= 1 + dice.below(255) as u8,
            1 => bytes.truncate(place),
            _ => bytes.insert(place, dice.roll() as u8),
        }
        let message = CompactModel::from_bytes(&bytes).unwrap_err().to_string();
        let advice = ["use one that", "copy it again", "train again"].iter().any(|advice| message.contains(advice));
        assert!(advice, "{message}");
    }
}

#[test]
fn weights_with_a_forged_checksum_do_no_harm() {
    const ODD: [u32; 8] = [0, u32::MAX, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x0000_0001, 0x7f7f_ffff, 0x8000_0000];
    let (mut dice, whole, mut scratch) = (Dice(13), weights(), Scratch::default());
    let content = whole.len() - 8;
    for round in 0..rounds(60) {
        let mut bytes = whole.clone();
        for _ in 0..=dice.below(4) {
            let place = if round % 2 == 0 { 8 + 4 * dice.below(8) } else { content - 4 - 4 * dice.below(content / 64) };
            bytes[place..place + 4].copy_from_slice(&dice.pick(&ODD).to_le_bytes());
        }
        let checksum = xxh3_64(&bytes[..content]).to_le_bytes();
        bytes[content..].copy_from_slice(&checksum);
        // Whoever forges a checksum gets the answers of the forged numbers, and no crash.
        if let Ok(model) = CompactModel::from_bytes(&bytes) {
            model.read(&Input::text("The light at 5th is out, please help!"), &mut scratch);
        }
    }
}

#[test]
fn a_mutated_reference_is_refused_or_gives_shares() {
    let (mut dice, whole) = (Dice(17), Reference::shipped().to_json());
    let sample = Sketch::of(&[[0.2, 0.5, 0.3], [0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], "en");
    let mut accepted = 0;
    for _ in 0..rounds(2000) {
        let mut bytes = whole.clone();
        for _ in 0..=dice.below(3) {
            let place = dice.below(bytes.len());
            match dice.below(4) {
                0 => bytes[place] = *dice.pick(b"0123456789.-e,[]{}\" "),
                1 => bytes.truncate(place.max(1)),
                2 => drop(bytes.remove(place)),
                _ => bytes[place] = dice.roll() as u8,
            }
        }
        let Ok(reference) = Reference::from_json(&bytes) else { continue };
        accepted += 1;
        for method in Method::ALL {
            let estimate = by_method(&sample, &reference, method).unwrap();
            for share in estimate.shares {
                assert!((-1e-9..=1.0 + 1e-9).contains(&share.share) && share.low <= share.high, "{method:?} {estimate:?}");
            }
        }
    }
    assert!(accepted > 0, "a digit changed deep in a number is still a reference");
}
