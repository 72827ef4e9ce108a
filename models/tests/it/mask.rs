//! Masking against a file of lines with what they must become, and properties that hold for any text.

use std::sync::LazyLock;

use models::mask::{Kind, Masker, Span};
use proptest::prelude::*;

/// One for all tests: the automaton takes a while to build.
fn masker() -> &'static Masker {
    static MASKER: LazyLock<Masker> = LazyLock::new(Masker::new);
    &MASKER
}

/// The masked text, and where something was masked.
fn mask(masker: &Masker, text: &str) -> (String, Vec<Span>) {
    let (mut out, mut spans) = (String::new(), Vec::new());
    if masker.mask(text, &mut out, &mut spans) { (out, spans) } else { (text.to_owned(), Vec::new()) }
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("../data/mask.tsv").lines().skip(1).map(|line| line.split_once('\t').unwrap())
}

/// The spans that a line's expected text says, found by walking both texts.
fn expected_spans(text: &str, masked: &str) -> Vec<Span> {
    let (mut spans, mut at, mut rest) = (Vec::new(), 0, masked);
    let next = |rest: &str| {
        Kind::ALL
            .iter()
            .filter_map(|kind| rest.find(kind.placeholder()).map(|place| (place, *kind)))
            .min_by_key(|(place, _)| *place)
    };
    let points = |byte: usize| text[..byte].chars().count() as u32;
    while let Some((place, kind)) = next(rest) {
        assert_eq!(&rest[..place], &text[at..at + place], "{text} -> {masked}");
        at += place;
        rest = &rest[place + kind.placeholder().len()..];
        let inside = at + text[at..].chars().next().map_or(0, char::len_utf8);
        let literal = next(rest).map_or(rest, |(place, _)| &rest[..place]);
        let end = if literal.is_empty() { text.len() } else { inside + text[inside..].find(literal).unwrap() };
        let end = if next(rest).is_none() { text.len() - literal.len() } else { end };
        spans.push(Span { start: points(at), end: points(end), kind });
        at = end;
    }
    spans
}

#[test]
fn every_kind_is_found_and_look_alikes_survive() {
    let masker = masker();
    let (mut found, mut wanted, mut reported) = ([0_u32; 10], [0_u32; 10], [0_u32; 10]);
    let (mut plain, mut untouched, mut exact, mut all) = (0, 0, 0, 0);
    for (text, masked) in lines() {
        let expected = expected_spans(text, masked);
        let (got, spans) = mask(masker, text);
        let hits = |span: &Span, others: &[Span]| {
            others.iter().any(|o| o.kind == span.kind && o.start < span.end && span.start < o.end)
        };
        for span in &expected {
            wanted[span.kind as usize] += 1;
            found[span.kind as usize] += u32::from(hits(span, &spans));
        }
        for span in &spans {
            reported[span.kind as usize] += u32::from(!hits(span, &expected)) << 16 | 1;
        }
        all += 1;
        exact += u32::from(got == masked);
        if expected.is_empty() {
            plain += 1;
            untouched += u32::from(spans.is_empty());
        }
        if got != masked {
            println!("{text}\n  expected {masked}\n  got      {got}");
        }
    }
    println!("{all} lines, {exact} exact; look-alikes: {untouched} of {plain} untouched");
    for kind in Kind::ALL {
        let index = kind as usize;
        let (right, wrong) = ((reported[index] & 0xFFFF) - (reported[index] >> 16), reported[index] >> 16);
        let recall = f64::from(found[index]) / f64::from(wanted[index]);
        let precision = f64::from(right) / f64::from(right + wrong);
        println!("{:8} {:4} lines, recall {recall:.3}, precision {precision:.3}", kind.as_str(), wanted[index]);
        let least = if matches!(kind, Kind::Name | Kind::Address) { 0.9 } else { 0.97 };
        assert!(wanted[index] >= 30 && recall >= least && precision >= 0.97, "{}: {recall} {precision}", kind.as_str());
    }
    assert!(f64::from(untouched) >= 0.97 * f64::from(plain));
    assert!(f64::from(exact) >= 0.97 * f64::from(all));
}

#[test]
fn masking_what_is_masked_changes_nothing_on_every_line() {
    let masker = masker();
    for (text, masked) in lines() {
        assert_eq!(mask(masker, masked), (masked.to_owned(), Vec::new()), "{text}");
    }
}

#[test]
fn hostile_texts_end() {
    let masker = masker();
    for unit in [
        "7",
        "@",
        "a@",
        "a@b.co ",
        "pothole",
        "1 ",
        "12 34 56 ",
        "/",
        "a.com/",
        "A1 ",
        "Jane ",
        "my name is ",
        "I live at 1 Elm St ",
        "1 #1 ",
        "plate A 1 ",
        "dot com ",
        "Mr.",
        "617-555-0123 ",
        "DE89 ",
        "u/ab_c",
        "(1)",
        "Regards, Jane Doe\n",
        "\u{200d}",
        "٣",
        "<name>",
        "+",
        "x@y dot com ",
    ] {
        let text = unit.repeat((1 << 20) / unit.len());
        let (masked, spans) = mask(masker, &text);
        assert!(spans.len() <= text.len() && !masked.is_empty());
    }
}

/// Texts with much that looks like personal data.
fn busy_text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "call ",
        "617-555-0123",
        "@jane ",
        "jane@example.org",
        "my name is ",
        "Jane ",
        "Doe",
        "I live at ",
        "12 Elm St",
        "apt 4",
        "plate ",
        "ABC 1234",
        "https://x.com/jane",
        "4111 1111 1111 1111",
        "DE89 3704 0044 0532 0130 00",
        "ssn ",
        "123-45-6789",
        " ",
        ", ",
        ". ",
        "(",
        ")",
        "-",
        "/",
        "+49",
        "0171",
        "<phone>",
        "<name>",
        "case ",
        "Mr. ",
        "Regards, ",
        "é",
        "\u{200d}",
        "٣",
        "名",
        "\n",
        "dot com",
        " at ",
        "u/",
        "www.",
        "#",
        "1",
        "00",
        "x",
        "AB",
        "B-",
        "is ",
        "#3",
    ]);
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

/// Everyday words around what is planted.
fn words() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-zà-ÿ]{1,9}", 0..8).prop_map(|words| words.join(" "))
}

fn check_spans(text: &str, masked: &str, spans: &[Span]) -> Result<(), TestCaseError> {
    let points: Vec<char> = text.chars().collect();
    let (mut rebuilt, mut at) = (String::new(), 0);
    for span in spans {
        prop_assert!(at <= span.start as usize && span.start < span.end && span.end as usize <= points.len());
        rebuilt.extend(&points[at..span.start as usize]);
        rebuilt.push_str(span.kind.placeholder());
        at = span.end as usize;
    }
    rebuilt.extend(&points[at..]);
    prop_assert_eq!(rebuilt, masked);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn spans_are_ordered_and_rebuild_the_masked_text(text in prop_oneof!["\\PC{0,120}", busy_text()]) {
        let (masked, spans) = mask(masker(), &text);
        check_spans(&text, &masked, &spans)?;
    }

    #[test]
    fn masking_twice_is_masking_once(text in prop_oneof!["\\PC{0,120}", busy_text()]) {
        let masker = masker();
        let (once, _) = mask(masker, &text);
        let (twice, spans) = mask(masker, &once);
        prop_assert_eq!(&twice, &once);
        prop_assert!(spans.is_empty());
    }

    #[test]
    fn no_digit_of_a_planted_card_is_left(before in words(), after in words(), body in "[0-9]{14}", style in 0_usize..4) {
        let mut digits: Vec<u32> = std::iter::once(4).chain(body.chars().map(|c| c.to_digit(10).unwrap())).collect();
        let sum: u32 = digits.iter().rev().enumerate().map(|(place, digit)| if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { *digit }).sum();
        digits.push((10 - sum % 10) % 10);
        let groups: Vec<String> = digits.chunks(4).map(|group| group.iter().map(u32::to_string).collect()).collect();
        let card = groups.join(["", " ", "-", "\u{a0}"][style]);
        let (masked, _) = mask(masker(), &format!("{before} {card} {after}"));
        prop_assert!(!masked.chars().any(|c| c.is_ascii_digit()), "{card} -> {masked}");
    }

    #[test]
    fn no_part_of_a_planted_email_is_left(before in words(), after in words(), user in "[a-z][a-z0-9._+-]{0,10}[a-z0-9]", host in "[a-z0-9]{1,8}\\.(com|org|de|co\\.uk)") {
        let (masked, _) = mask(masker(), &format!("{before} {user}@{host}, {after}"));
        prop_assert!(!masked.contains('@') && masked.contains("<email>"), "{masked}");
    }
}
