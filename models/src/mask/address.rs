//! Where a person lives: house number and street, beside words such as "I live at" or with an apartment. Incident places,
//! intersections and blocks stay.

use super::claims::Claims;
use super::cues::CueKind;
use super::scan::{is_capitalised, is_word, starts_word, word_end};
use super::words::{is_common, is_leading_type, is_listed, is_measure, is_particle, is_street_ending, is_street_type};
use super::{Kind, Page};

/// Words between a cue and the address.
const MAX_FILLERS: usize = 5;

/// Words of the longest street name.
const MAX_STREET_WORDS: usize = 5;

pub(super) fn find(page: &Page<'_>, claims: &mut Claims) {
    for cue in page.cues.iter().filter(|cue| cue.kind == CueKind::Home) {
        let mut at = cue.end;
        for _ in 0..=MAX_FILLERS {
            let Some(start) = skip(page.bytes, at) else { break };
            let first = &page.text[start..word_end(page.bytes, start)];
            let small = is_particle(first)
                || matches!(
                    first,
                    "in" | "at"
                        | "on"
                        | "is"
                        | "the"
                        | "ist"
                        | "es"
                        | "est"
                        | "è"
                        | "é"
                        | "na"
                        | "no"
                        | "au"
                        | "à"
                        | "em"
                        | "en"
                        | "a"
                        | "op"
                        | "aan"
                        | "på"
                        | "i"
                        | "przy"
                        | "number"
                        | "nr"
                );
            if !small && let Some((end, _)) = address_at(page, start) {
                claims.add(start, end, Kind::Address);
                break;
            }
            let end = word_end(page.bytes, start);
            // Only small words and the kind of street may come before the street and its number.
            if end == start || is_capitalised(&page.text[start..end]) && !is_common(&page.text[start..end]) {
                break;
            }
            at = end;
        }
    }
    with_apartment(page, claims);
}

/// Past spaces, commas, colons and an opening parenthesis; `None` at the end of the sentence.
fn skip(bytes: &[u8], at: usize) -> Option<usize> {
    let len = bytes[at..].iter().take(4).take_while(|byte| matches!(byte, b' ' | b',' | b':' | b'(' | b'-' | b'\'')).count();
    (at + len < bytes.len() && is_word(bytes[at + len])).then_some(at + len)
}

/// Where the address that starts at `start` ends.
fn address_at(page: &Page<'_>, start: usize) -> Option<(usize, bool)> {
    if !starts_word(page.bytes, start) {
        return None;
    }
    if let Some(end) = post_box(page, start) {
        return Some((with_place(page, end), true));
    }
    // "Flat 4, 27 Kingsley Road"
    if let Some(unit) = unit_at(page, start)
        && let Some(house) = skip(page.bytes, unit)
        && page.bytes[house].is_ascii_digit()
    {
        return number_first(page, house).filter(|(_, typed)| *typed).map(|(end, _)| (with_place(page, end), true));
    }
    let (street, typed) =
        if page.bytes[start].is_ascii_digit() { number_first(page, start)? } else { (street_first(page, start)?, true) };
    Some((with_place(page, with_unit(page, street)), typed))
}

/// `PO Box 1123`, `Postfach 12 34`, `apartado 45`: where it ends.
fn post_box(page: &Page<'_>, start: usize) -> Option<usize> {
    const BOXES: [&str; 6] = ["po box ", "p.o. box ", "postfach ", "apartado ", "casella postale ", "boîte postale "];
    let rest = &page.text[start..];
    let name = BOXES.iter().find(|name| rest.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)))?;
    let from = start + name.len();
    let len = page.bytes[from..].iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
    (len > 0 && super::scan::ends_word(page.bytes, from + len)).then_some(from + len)
}

/// A house number: up to five digits, perhaps a letter or a range. Returns where it ends.
fn house_number(bytes: &[u8], start: usize) -> Option<usize> {
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = start + digits;
    if matches!(bytes.get(end), Some(b'-' | b'/')) {
        let range = bytes[end + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        end += if (1..=5).contains(&range) { range + 1 } else { 0 };
    }
    if bytes.get(end).is_some_and(u8::is_ascii_alphabetic) {
        end += 1;
    }
    let clock =
        bytes.get(end) == Some(&b':') || bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
    ((1..=5).contains(&digits) && !clock && bytes.get(end).is_none_or(|byte| !is_word(*byte))).then_some(end)
}

/// `12 Elm Street`, `12 bis rue de la Paix`, `12, rue X`. Returns where the street ends, and whether it says that it is one.
fn number_first(page: &Page<'_>, start: usize) -> Option<(usize, bool)> {
    let mut at = house_number(page.bytes, start)?;
    let words = Words { page, from: at };
    let mut capitals = 0;
    let mut end = None;
    let (mut leading, mut typed) = (false, false);
    for (index, (from, to)) in words.take(MAX_STREET_WORDS + 2).enumerate() {
        let word = &page.text[from..to];
        let direct = page.bytes[at..from]
            .iter()
            .all(|byte| matches!(byte, b' ') || *byte == b',' && index == 0 || *byte == b'.' && index > 0 || *byte == b'\'');
        if !direct || page.bytes[at..from].windows(2).any(|pair| pair == b". ") && index > 1 && end.is_some() {
            break;
        }
        if index == 0 && matches!(word, "bis" | "ter" | "quater") {
            at = to;
            continue;
        }
        if is_measure(word) {
            return None;
        }
        if index <= 1 && capitals == 0 && is_leading_type(word) && !is_street_type_only(word) {
            (leading, typed) = (true, true);
        } else if leading && is_particle(&word.to_lowercase()) {
            // "rue de la": the name is still to come.
        } else if is_street_type(word) && index > 0 {
            end = Some(past_dot(page.bytes, to));
            typed = true;
            at = to;
            if !leading {
                // "12 Park Avenue" goes on after "Park".
                let next = Words { page, from: past_dot(page.bytes, to) }.next();
                if next.is_none_or(|(a, b)| !is_street_type(&page.text[a..b]) || !is_capitalised(&page.text[a..b])) {
                    break;
                }
            }
            continue;
        } else if is_capitalised(word) || page.bytes[from].is_ascii_digit() {
            capitals += usize::from(is_capitalised(word));
            if is_capitalised(word) && (leading || end.is_none()) && !is_common(word) {
                end = Some(to).filter(|_| leading || capitals > 0 && index < 3);
            }
        } else if index > 2 || leading && end.is_some() || end.is_some() || is_common(word) {
            break;
        }
        at = to;
    }
    end.map(|end| (end, typed))
}

/// Words that name a kind of street in French and in English alike.
fn is_street_type_only(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "court" | "row" | "park")
}

/// `Lindenstraße 12`, `calle Mayor, 5`, `via Roma n. 7`, `rua das Flores 12`. Returns where the number ends.
fn street_first(page: &Page<'_>, start: usize) -> Option<usize> {
    let mut kind = false;
    let mut named = false;
    let mut last_end = start;
    for (index, (from, to)) in (Words { page, from: start }).take(MAX_STREET_WORDS + 3).enumerate() {
        let word = &page.text[from..to];
        if page.bytes[last_end..from].iter().any(|byte| !matches!(byte, b' ' | b',' | b'.' | b'/' | b'\'')) {
            return None;
        }
        if page.bytes[from].is_ascii_digit() {
            if kind && !named {
                return numbered_street(page.bytes, from);
            }
            let end = house_number(page.bytes, from)?;
            let next = Words { page, from: end }.next().map(|(a, b)| &page.text[a..b]);
            let ordinal = word.len() > end - from || next.is_some_and(is_measure);
            return (kind && named && !ordinal).then_some(end);
        }
        let lower = word.to_lowercase();
        if index == 0 && is_leading_type(word) {
            kind = true;
        } else if index == 0 && matches!(word, "Am" | "Im" | "An" | "Auf" | "Zum" | "Zur" | "Hinter" | "Unter") {
            // "Am Mühlbach 3": some German streets begin with where they lie.
            kind = true;
        } else if is_street_ending(word) && (index > 0 || word.chars().count() > 5) {
            (kind, named) = (true, true);
        } else if is_capitalised(word) {
            named = true;
        } else if is_particle(&lower)
            || matches!(lower.as_str(), "n" | "nº" | "nr" | "nro" | "no" | "número" | "numero" | "num")
        {
            // Goes on.
        } else if kind && !named && !is_common(word) {
            named = true;
        } else {
            return None;
        }
        last_end = to;
    }
    None
}

/// `Carrera 15 #93-47`: a street that is a number, whose own begins at `from`. Returns where the house's ends.
fn numbered_street(bytes: &[u8], from: usize) -> Option<usize> {
    let digits = |at: usize| bytes[at..].iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = from + digits(from);
    at += usize::from(bytes.get(at).is_some_and(u8::is_ascii_uppercase));
    at += bytes[at..].iter().take(2).take_while(|byte| matches!(byte, b' ' | b'#')).count();
    if bytes[at - 1] != b'#' {
        return None;
    }
    at += usize::from(bytes.get(at) == Some(&b' '));
    let house = digits(at);
    let dash = at + house;
    let rest = if bytes.get(dash) == Some(&b'-') { digits(dash + 1) } else { 0 };
    (house > 0).then_some(if rest > 0 { dash + 1 + rest } else { dash })
}

/// `, apt 4`, ` Flat 2B`, ` #3`, `, 2º izq`: the dwelling within the house.
fn with_unit(page: &Page<'_>, end: usize) -> usize {
    let mut end = end;
    for _ in 0..2 {
        let Some(next) = unit_end(page, end) else { break };
        end = next;
    }
    end
}

/// Where a dwelling that follows `from` ends.
fn unit_end(page: &Page<'_>, from: usize) -> Option<usize> {
    let bytes = page.bytes;
    let gap = bytes[from..].iter().take(3).take_while(|byte| matches!(byte, b' ' | b',')).count();
    let at = from + gap;
    if gap > 0 && bytes.get(at) == Some(&b'#') {
        let len = bytes[at + 1..].iter().take(6).take_while(|byte| byte.is_ascii_alphanumeric()).count();
        return (len > 0).then_some(at + 1 + len);
    }
    if gap == 0 {
        return None;
    }
    if bytes.get(at).is_some_and(u8::is_ascii_digit) {
        return storey_end(page, at);
    }
    unit_at(page, at)
}

/// Where `apt 4`, `Flat 2B` or `bajo` that starts at `at` ends.
fn unit_at(page: &Page<'_>, at: usize) -> Option<usize> {
    let bytes = page.bytes;
    let end = word_end(bytes, at);
    let word = page.text[at..end].to_lowercase();
    const UNITS: &str = "\
    apt apartment unit flat suite ste no piso puerta appartement appt interno int scala apto andar bloco wohnung whg \
    etage étage floor fl rm depto dpto lokal";
    if matches!(word.as_str(), "bajo" | "ático" | "entresuelo" | "erdgeschoss") {
        return Some(end);
    }
    if !is_listed(UNITS, &word) {
        return None;
    }
    let at = past_dot(bytes, end);
    let at = at + bytes[at..].iter().take(2).take_while(|byte| matches!(byte, b' ' | b'#')).count();
    let end = word_end(bytes, at);
    let short = end > at && end - at <= 5 && (page.text[at..end].bytes().any(|b| b.is_ascii_digit()) || end - at == 1);
    short.then_some(end)
}

/// `3º B`, `2ºA`, `4º 1ª`, `3. OG`, `2. tv`: a storey, and perhaps the door. Returns where it ends.
fn storey_end(page: &Page<'_>, at: usize) -> Option<usize> {
    let bytes = page.bytes;
    let ordinal = |at: usize| {
        let digits = bytes[at..].iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        let sign = bytes.get(at + digits) == Some(&0xC2) && matches!(bytes.get(at + digits + 1), Some(0xAA | 0xBA));
        (matches!(digits, 1 | 2) && sign).then_some(at + digits + 2)
    };
    if let Some(end) = ordinal(at) {
        let gap = usize::from(matches!(bytes.get(end), Some(b' ' | b'-')));
        if let Some(door) = ordinal(end + gap) {
            return Some(door);
        }
        let door = word_end(bytes, end + gap);
        let word = &page.text[end + gap..door];
        let is_door = word.len() == 1 && word.as_bytes()[0].is_ascii_uppercase()
            || is_listed("izq izda izquierda dcha der derecha centro", word);
        return Some(if is_door { door } else { end });
    }
    let digits = bytes[at..].iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let word_start = at + digits + 2;
    if !matches!(digits, 1 | 2) || bytes.get(at + digits..word_start) != Some(b". ") {
        return None;
    }
    let end = word_end(bytes, word_start);
    is_listed("og stock etage obergeschoss sal tv th mf", &page.text[word_start..end]).then_some(end)
}

/// `, Boston, MA 02118` or `, 10115 Berlin`: place and postal code, when a postal code is there.
fn with_place(page: &Page<'_>, end: usize) -> usize {
    let mut at = end;
    let mut postal = None;
    for (index, (from, to)) in (Words { page, from: end }).take(6).enumerate() {
        let word = &page.text[from..to];
        if page.bytes[at..from].iter().any(|byte| !matches!(byte, b' ' | b',')) {
            break;
        }
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        if matches!(digits, 4 | 5) && (digits == word.len() || word.as_bytes()[digits] == b'-') && postal.is_none() {
            postal = Some(to);
            // A place follows a postal code only where the code comes first.
            if index > 0 {
                break;
            }
        } else if is_capitalised(word) && (postal.is_some() || index < 4) {
            if postal.is_some() {
                postal = Some(to);
                break;
            }
        } else {
            break;
        }
        at = to;
    }
    postal.unwrap_or(end)
}

/// Numbers between a house number and its apartment, both included: `12 W 4th St #3`.
const MAX_NUMBERS: usize = 4;

/// An address that names an apartment is somebody's home without any cue.
fn with_apartment(page: &Page<'_>, claims: &mut Claims) {
    for cue in page.cues.iter().filter(|cue| cue.kind == CueKind::Dwelling) {
        before_dwelling(page, cue.start, claims);
    }
    let mut from = 0;
    while let Some(ahead) = page.bytes[from..].iter().position(|byte| *byte == b'#') {
        let at = from + ahead;
        from = at + 1;
        if page.bytes.get(from).is_some_and(u8::is_ascii_digit) {
            before_dwelling(page, at, claims);
        }
    }
}

/// Claims the address that ends in the dwelling at `at`.
fn before_dwelling(page: &Page<'_>, at: usize, claims: &mut Claims) {
    if at == 0 || !matches!(page.bytes[at - 1], b' ' | b',') {
        return;
    }
    // The street before it begins with a house number at most this far back.
    let floor = at.saturating_sub(48);
    let mut numbers = [None; MAX_NUMBERS];
    let starts = (floor..at).rev().filter(|start| page.bytes[*start].is_ascii_digit() && starts_word(page.bytes, *start));
    numbers.iter_mut().zip(starts).for_each(|(number, start)| *number = Some(start));
    for start in numbers.into_iter().rev().flatten() {
        let Some((street, true)) = number_first(page, start) else { continue };
        let unit = with_unit(page, street);
        if unit > at {
            claims.add(start, with_place(page, unit), Kind::Address);
            return;
        }
    }
}

/// Past an abbreviation's dot, unless it ends the sentence.
fn past_dot(bytes: &[u8], at: usize) -> usize {
    let dot = bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(|byte| matches!(byte, b' ' | b','));
    let new_sentence = bytes.get(at + 2).is_some_and(u8::is_ascii_uppercase);
    if dot && !new_sentence { at + 1 } else { at }
}

/// Words one after another, each as its byte range.
struct Words<'a> {
    page: &'a Page<'a>,
    from: usize,
}

impl Iterator for Words<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.page.bytes;
        let gap = bytes[self.from..].iter().take(4).take_while(|byte| !is_word(**byte)).count();
        let start = self.from + gap;
        let end = word_end(bytes, start);
        self.from = end;
        (end > start).then_some((start, end))
    }
}
