//! User names in social networks: `@user`, `@user@host`, `@user.bsky.social`, `u/user`, `Instagram: user`.

use super::claims::Claims;
use super::cues::CueKind;
use super::email::domain_end;
use super::scan::{is_capitalised, is_word, starts_word, word_at};
use super::words::is_street_type;
use super::{Kind, Page};

/// Longest user name of the networks that are known, in bytes; domains as names are longer.
const MAX_NAME: usize = 64;

pub(super) fn find(page: &Page<'_>, claims: &mut Claims) {
    for (at, byte) in page.bytes.iter().enumerate() {
        match byte {
            b'@' if is_start(page, at) => at_name(page, at, claims),
            b'/' if at > 0 && matches!(page.bytes[at - 1], b'u' | b'U') && starts_word(page.bytes, at - 1) => {
                let start = if at > 1 && page.bytes[at - 2] == b'/' { at - 2 } else { at - 1 };
                let end = name_end(page.bytes, at + 1);
                if end > at + 3 && (start == 0 || !is_word(page.bytes[start - 1])) {
                    claims.add(start, end, Kind::Handle);
                }
            }
            _ => {}
        }
    }
    for cue in page.cues.iter().filter(|cue| cue.kind == CueKind::Network) {
        after_network(page, cue.end, claims);
    }
}

/// Whether an at sign here can begin a user name: nothing of an address or a word before it. Scripts without case write
/// words together.
fn is_start(page: &Page<'_>, at: usize) -> bool {
    page.text[..at].chars().next_back().is_none_or(|before| {
        if before.is_ascii() {
            !before.is_ascii_alphanumeric() && !matches!(before, '_' | '@' | '+' | '%' | '/' | '=')
        } else {
            !before.is_alphanumeric() || !before.is_lowercase() && !before.is_uppercase()
        }
    })
}

/// Claims the user name after the at sign at `at`.
fn at_name(page: &Page<'_>, at: usize, claims: &mut Claims) {
    let bytes = page.bytes;
    let mut end = name_end(bytes, at + 1);
    let name = &page.text[at + 1..end];
    let starts_well = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b >= 0x80);
    let number_like =
        name.bytes().take_while(u8::is_ascii_digit).count() > 0 && !name.contains('_') && is_time_or_ordinal(name);
    if name.is_empty()
        || (!starts_well && (number_like || !name.bytes().any(|b| b.is_ascii_alphabetic())))
        || is_place(page, at + 1, end)
    {
        return;
    }
    if bytes.get(end) == Some(&b'@')
        && let Some(host) = domain_end(bytes, end + 1)
    {
        end = host;
    }
    claims.add(at, end, Kind::Handle);
}

/// Where the user name that starts at `from` ends; dots and hyphens only inside.
fn name_end(bytes: &[u8], from: usize) -> usize {
    let len =
        bytes[from..].iter().take(MAX_NAME).take_while(|byte| is_word(**byte) || matches!(byte, b'_' | b'.' | b'-')).count();
    let mut end = from + len - bytes[from..from + len].iter().rev().take_while(|byte| matches!(byte, b'.' | b'-')).count();
    // Two dots in a row are an ellipsis, not a name.
    if let Some(dots) = bytes[from..end].windows(2).position(|pair| pair == b"..") {
        end = from + dots;
    }
    // Never half a character.
    while end > from && end < bytes.len() && bytes[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    end
}

/// `5pm`, `10am`, `3rd`, `18h`, `7:30`: people write at signs before times and streets.
fn is_time_or_ordinal(name: &str) -> bool {
    let tail = name.trim_start_matches(|c: char| c.is_ascii_digit()).to_ascii_lowercase();
    matches!(tail.as_str(), "" | "am" | "pm" | "a.m" | "p.m" | "h" | "uhr" | "st" | "nd" | "rd" | "th" | "hrs" | "k")
        || tail.starts_with('.')
        || tail.starts_with("th")
}

/// `@Main St`, `@Broadway and 5th`, `@ City Hall`: an at sign before a place.
fn is_place(page: &Page<'_>, start: usize, end: usize) -> bool {
    if !is_capitalised(&page.text[start..end]) && !page.bytes[start].is_ascii_digit() || page.bytes.get(end) != Some(&b' ') {
        return page.bytes.get(end) == Some(&b'&');
    }
    let Some((from, to)) = word_at(page.text, end) else {
        return page.bytes[end..].starts_with(b" & ") || page.bytes[end..].starts_with(b" / ");
    };
    let next = &page.text[from..to];
    let corner = next == "and"
        && word_at(page.text, to).is_some_and(|(a, b)| {
            let word = &page.text[a..b];
            page.bytes[a].is_ascii_digit()
                || word_at(page.text, b).is_some_and(|(c, d)| is_capitalised(word) && is_street_type(&page.text[c..d]))
        });
    corner
        || is_street_type(next)
        || matches!(next, "Station" | "Hall" | "Library" | "School" | "Bridge" | "Center" | "Centre" | "Garden" | "Common")
}

/// Claims the user name that follows the name of a network and a colon, or that can be nothing else.
fn after_network(page: &Page<'_>, from: usize, claims: &mut Claims) {
    let bytes = page.bytes;
    let mut at = from;
    let mut colon = false;
    while let Some(byte) = bytes.get(at).filter(|byte| matches!(byte, b' ' | b':' | b'=')) {
        colon |= *byte != b' ';
        at += 1;
    }
    if at - from > 3 || at == from {
        return;
    }
    for filler in ["is ", "name ", "id ", "handle ", "user "] {
        if page.text[at..].starts_with(filler) {
            at += filler.len();
        }
    }
    let end = name_end(bytes, at);
    let name = &page.text[at..end];
    let distinct = name.bytes().any(|b| b == b'_' || b.is_ascii_digit()) && name.bytes().any(|b| b.is_ascii_alphabetic())
        || name.bytes().enumerate().any(|(i, b)| b == b'.' && i > 0);
    let plain = name.len() >= 4 && name.is_ascii() && !name.contains("...");
    let alone = bytes.get(end).is_none_or(|byte| matches!(byte, b',' | b'.' | b';' | b')' | b'\n'));
    if plain && (distinct || colon && alone) && !name.bytes().all(|b| b.is_ascii_digit()) && bytes.get(end) != Some(&b'/') {
        claims.add(at, end, Kind::Handle);
    }
}
