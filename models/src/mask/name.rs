//! Names of persons: what introduces itself, follows a title, signs a letter or is asked for.

use super::claims::Claims;
use super::cues::{Cue, CueKind};
use super::scan::{is_capitalised, is_caseless, is_word, word_end};
use super::words::{is_common, is_first_name, is_listed, is_particle, is_street_ending, is_street_type};
use super::{Kind, Page};

/// Words of the longest name, particles included.
const MAX_WORDS: usize = 5;

pub(super) fn find(page: &Page<'_>, claims: &mut Claims) {
    for cue in page.cues {
        let span = match cue.kind {
            CueKind::NameIs => introduced(page, cue),
            CueKind::IAm => claimed(page, cue),
            CueKind::Title => titled(page, cue),
            CueKind::Closing => signed(page, cue, true),
            CueKind::Thanks => signed(page, cue, false),
            CueKind::Person => asked_for(page, cue),
            _ => None,
        };
        if let Some((start, end)) = span {
            claims.add(start, end, Kind::Name);
        }
    }
}

/// Words of a name, as byte ranges.
#[derive(Default)]
struct Name {
    words: [(usize, usize); MAX_WORDS],
    len: usize,
}

impl Name {
    /// Reads the capitalised words, initials and particles that start at `from`.
    fn read(page: &Page<'_>, from: usize) -> Self {
        Self::read_after(page, from, false)
    }

    /// The same after a title, which makes an everyday word that is also a surname a name.
    fn read_after(page: &Page<'_>, from: usize, title: bool) -> Self {
        let mut name = Self::default();
        let mut at = from;
        let mut solid = 0;
        while name.len < MAX_WORDS {
            let end = word_end(page.bytes, at);
            let word = &page.text[at..end];
            let initial = end - at == 1 && page.bytes[at].is_ascii_uppercase() && page.bytes.get(end) == Some(&b'.');
            let particle = (name.len > 0 && is_particle(word) || is_capital_particle(word, name.len > 0 || title))
                && next_is_capitalised(page, end);
            let usual = is_capitalised(word) && !is_common(word) && !word.bytes().any(|b| b.is_ascii_digit());
            if end == at
                || !(initial
                    || particle
                    || usual
                    || is_capitalised(word) && (name.len == 1 || title && name.len == 0) && is_surname_too(word))
            {
                break;
            }
            // "Stone's" is Stone.
            let possessive = word.len() > 2 && (word.ends_with("'s") || word.ends_with("'S"));
            let end = if possessive { end - 2 } else { end + usize::from(initial) };
            name.words[name.len] = (at, end);
            name.len += 1;
            if !particle {
                solid = name.len;
            }
            if page.bytes.get(end) != Some(&b' ') || page.bytes.get(end + 1).is_none_or(|byte| !is_word(*byte)) {
                break;
            }
            at = end + 1;
        }
        name.len = solid;
        name
    }

    fn span(&self) -> Option<(usize, usize)> {
        (self.len > 0).then(|| (self.words[0].0, self.words[self.len - 1].1))
    }

    fn word<'a>(&self, page: &Page<'a>, index: usize) -> &'a str {
        let (start, end) = self.words[index];
        &page.text[start..end]
    }

    fn has_first_name(&self, page: &Page<'_>) -> bool {
        self.len > 0 && is_first_name(self.word(page, 0))
    }

    /// Whether it is the name of a street, a school or an office: what follows, or its last word, says so.
    fn is_place(&self, page: &Page<'_>) -> bool {
        self.leads_to_place(page) || self.len > 1 && is_place_word(self.word(page, self.len - 1))
    }

    /// Whether the kind of a place follows: "Martin Luther King Boulevard".
    fn leads_to_place(&self, page: &Page<'_>) -> bool {
        let Some((_, end)) = self.span() else { return false };
        let dot = usize::from(page.bytes.get(end) == Some(&b'.') && matches!(self.word(page, self.len - 1), "Jr" | "Sr"));
        let next = super::scan::word_at(page.text, end + dot).map(|(start, end)| &page.text[start..end]);
        page.bytes.get(end + dot) == Some(&b' ') && next.is_some_and(|word| is_capitalised(word) && is_place_word(word))
    }
}

/// Whether a word says that what stands before it is a street, a school or another place.
fn is_place_word(word: &str) -> bool {
    is_street_ending(word)
        || is_street_type(word) && !matches!(word, "Hill" | "Green" | "Park" | "Walk" | "Close" | "Lane" | "Rowe")
        || matches!(
            word,
            "School"
                | "Library"
                | "Hospital"
                | "Bridge"
                | "Station"
                | "Center"
                | "Centre"
                | "Park"
                | "Stadium"
                | "Field"
                | "Playground"
                | "Elementary"
                | "Church"
                | "Houses"
                | "Memorial"
                | "County"
                | "Island"
                | "Lake"
                | "River"
                | "Beach"
                | "Tunnel"
                | "University"
                | "College"
                | "Clinic"
                | "Pharmacy"
                | "Cafe"
                | "Restaurant"
        )
}

/// "Yannick Le Goff", and after a title "Mevrouw De Vries": a particle that is written with a capital.
fn is_capital_particle(word: &str, inside: bool) -> bool {
    inside
        && matches!(
            word,
            "Le" | "La"
                | "De"
                | "Di"
                | "Da"
                | "Del"
                | "Della"
                | "Van"
                | "Von"
                | "Der"
                | "Den"
                | "Du"
                | "Dos"
                | "El"
                | "Al"
                | "St"
                | "San"
        )
}

/// Everyday words that are surnames too, as the second word of a name or after a title: "Jane Park", "Mrs White".
fn is_surname_too(word: &str) -> bool {
    matches!(
        word,
        "Hill"
            | "Green"
            | "Park"
            | "Young"
            | "White"
            | "Black"
            | "Lake"
            | "Love"
            | "Best"
            | "Long"
            | "Rivers"
            | "Bridges"
            | "Miles"
            | "Little"
            | "Rose"
            | "Van"
            | "May"
            | "March"
            | "Bay"
            | "Church"
            | "Banks"
            | "Walker"
            | "English"
            | "German"
            | "Lane"
            | "Washington"
            | "Small"
            | "Wise"
            | "Pike"
            | "Rowe"
            | "Glen"
    )
}

fn next_is_capitalised(page: &Page<'_>, end: usize) -> bool {
    let mut at = end;
    for _ in 0..2 {
        if page.bytes.get(at) != Some(&b' ') {
            return false;
        }
        let next_end = word_end(page.bytes, at + 1);
        let word = &page.text[at + 1..next_end];
        if is_capitalised(word) {
            return !is_common(word);
        }
        if !is_particle(word) {
            return false;
        }
        at = next_end;
    }
    false
}

/// Past spaces, and a colon, comma or quotation mark.
fn skip(bytes: &[u8], at: usize, allowed: &[u8]) -> usize {
    at + bytes[at..].iter().take(6).take_while(|byte| **byte == b' ' || allowed.contains(byte)).count()
}

/// After "my name is": any words that can be a name, in small letters too.
fn introduced(page: &Page<'_>, cue: &Cue) -> Option<(usize, usize)> {
    let mut from = skip(page.bytes, cue.end, b":,\"'-");
    if page.bytes.get(from)? == &b'\n' {
        return None;
    }
    // "my name" may be followed by "is", and a name by its title.
    for _ in 0..2 {
        let end = word_end(page.bytes, from);
        let word = &page.text[from..end];
        let passes = ["is", "ist", "es", "est", "è", "é", "are", "mr", "mrs", "ms", "dr", "herr", "frau", "of", "हैं"]
            .iter()
            .any(|w| w.eq_ignore_ascii_case(word));
        if !passes {
            break;
        }
        from = skip(page.bytes, end, b".:");
    }
    let name = Name::read(page, from);
    if let Some(span) = name.span() {
        let named = page.text[cue.start..cue.end].eq_ignore_ascii_case("named");
        return (!name.is_place(page) && (!named || name.has_first_name(page) || name.len >= 2)).then_some(span);
    }
    let end = word_end(page.bytes, from);
    let word = page.text.get(from..end)?;
    if word.is_empty() || word.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    if is_caseless(word) {
        return Some((from, caseless_end(page, from, end)));
    }
    if is_capitalised(word) {
        // A capital at the start of "City of Boston" is no name.
        return None;
    }
    let weak =
        ["name is", "name ist", "names are", "named", "namens", "resident:", "tenant:", "applicant:", "ansprechpartner:"]
            .iter()
            .any(|w| page.text[cue.start..cue.end].eq_ignore_ascii_case(w));
    lower_case(page, from, end, weak)
}

/// A name in a script without case: two words, or the few characters of a name where words are written together.
fn caseless_end(page: &Page<'_>, from: usize, end: usize) -> usize {
    let word = &page.text[from..end];
    if word.chars().all(|c| matches!(u32::from(c), 0x3040..=0x9FFF | 0xAC00..=0xD7AF)) {
        return word.char_indices().nth(4).map_or(end, |(at, _)| from + at.min(9));
    }
    let next = super::scan::word_at(page.text, end).filter(|(start, _)| *start == end + 1);
    let stop = ["है", "हैं", "और", "و", "من", "أنا"];
    match next {
        Some((start, next_end)) if is_caseless(&page.text[start..next_end]) && !stop.contains(&&page.text[start..next_end]) => {
            next_end
        }
        _ => end,
    }
}

/// A name in small letters: a word that is no everyday word, and a second one when it is followed by the end of the clause.
fn lower_case(page: &Page<'_>, from: usize, end: usize, weak: bool) -> Option<(usize, usize)> {
    let first = &page.text[from..end];
    if is_common(first) || first.len() < 2 || weak && !is_first_name(first) {
        return None;
    }
    let second = super::scan::word_at(page.text, end).filter(|(start, stop)| {
        let word = &page.text[*start..*stop];
        *start == end + 1 && !is_common(word) && !word.bytes().any(|b| b.is_ascii_digit()) && word.len() > 1 && !is_verb(word)
    });
    Some((from, second.map_or(end, |(_, stop)| stop)))
}

/// Small words that follow a name and are not part of it.
fn is_verb(word: &str) -> bool {
    matches!(
        word,
        "living"
            | "lives"
            | "wants"
            | "speaking"
            | "said"
            | "says"
            | "vivo"
            | "moro"
            | "abito"
            | "wohne"
            | "born"
            | "aged"
            | "phone"
            | "email"
            | "tel"
            | "btw"
            | "pls"
            | "lol"
    )
}

/// After "I am" or "this is": a usual first name, or a capital after it that no everyday word is.
fn claimed(page: &Page<'_>, cue: &Cue) -> Option<(usize, usize)> {
    let from = skip(page.bytes, cue.end, b"");
    let name = Name::read(page, from);
    let span = name.span()?;
    let word = &page.text[cue.start..cue.end];
    let third_person = ["this is", "it's", "it is", "hier ist", "ici", "ich bin"].iter().any(|w| w.eq_ignore_ascii_case(word));
    let solid = (0..name.len).filter(|index| name.word(page, *index).len() > 2).count();
    let sure = name.has_first_name(page)
        || !third_person && solid >= 2 && !page.bytes[from..span.1].iter().all(|b| b.is_ascii_uppercase() || *b == b' ');
    (sure && !name.is_place(page)).then_some(span)
}

/// After "Mrs": the surname. "Ocean Dr" is a street.
fn titled(page: &Page<'_>, cue: &Cue) -> Option<(usize, usize)> {
    let title = &page.text[cue.start..cue.end];
    let lower = title.to_lowercase();
    // Everyday words and abbreviations need their capital.
    let capital = is_capitalised(title);
    let everyday = is_listed("miss frau m. ing. madam don dona sr sra mister professor", &lower);
    if !capital && everyday {
        return None;
    }
    let before = &page.text[..cue.start];
    let previous = before.trim_end_matches(' ').rsplit(|c: char| !c.is_alphanumeric() && c != '\'').next().unwrap_or_default();
    let runs_on = before.ends_with(' ') && before.trim_end_matches(' ').ends_with(|c: char| c.is_alphanumeric());
    let drive =
        matches!(lower.as_str(), "dr" | "dr." | "sr" | "sr.") && runs_on && is_capitalised(previous) && !is_common(previous);
    if lower == "m." && before.ends_with('.')
        || lower == "m."
            && !(previous.is_empty()
                || !runs_on
                || matches!(
                    previous.to_lowercase().as_str(),
                    "de" | "à" | "avec" | "par" | "que" | "et" | "bonjour" | "cher" | "chez" | "pour" | "contacter"
                ))
    {
        return None;
    }
    let mut from = skip(page.bytes, cue.end, b".");
    // "Herr Dr. Schmidt", "Sra. Dra. García".
    let end = word_end(page.bytes, from);
    if matches!(page.text[from..end].to_lowercase().as_str(), "dr" | "prof" | "dra" | "med") {
        from = skip(page.bytes, end, b".");
    }
    let name = Name::read_after(page, from, true);
    if let Some(span) = name.span() {
        let pageant = lower == "miss"
            && (0..name.len).any(|index| {
                matches!(name.word(page, index), "USA" | "Teen" | "Universe" | "Earth" | "World" | "International" | "Piggy")
            });
        // "Ocean Dr Newport", but "Reach Dr Amy Chen"; "Don Mills", but "Don Ramiro".
        if pageant || (drive || lower == "don") && !name.has_first_name(page) {
            return None;
        }
        // "Mr Desmond Pike" is no turnpike.
        let person = matches!(lower.trim_end_matches('.'), "mr" | "mrs" | "ms" | "herr" | "frau" | "mme" | "señor" | "señora");
        let place = if person { name.leads_to_place(page) } else { name.is_place(page) };
        return (capital || name.has_first_name(page) || title.len() > 1).then_some(span).filter(|_| !place);
    }
    // "mr smith" in a text without capitals.
    let end = word_end(page.bytes, from);
    let word = page.text.get(from..end)?;
    let plain = !drive && matches!(lower.as_str(), "mr" | "mr." | "mrs" | "mrs." | "ms.");
    (plain && !capital && word.len() > 2 && !is_common(word) && !word.bytes().any(|b| b.is_ascii_digit()))
        .then_some((from, end))
}

/// After "Regards,": a name, and then nothing more on its line.
fn signed(page: &Page<'_>, cue: &Cue, strong: bool) -> Option<(usize, usize)> {
    let mut from = cue.end
        + page.bytes[cue.end..]
            .iter()
            .take(8)
            .take_while(|byte| matches!(byte, b' ' | b',' | b'\n' | b'\r' | b'-' | b':' | b'!' | b'.'))
            .count();
    let punctuated = page.bytes[cue.end..from].iter().any(|byte| matches!(byte, b',' | b'\n' | b'-' | b':' | b'!' | b'.'));
    let end = word_end(page.bytes, from);
    if ["mr", "mrs", "ms", "dr"].iter().any(|title| title.eq_ignore_ascii_case(&page.text[from..end])) {
        from = skip(page.bytes, end, b".");
    }
    let name = Name::read(page, from);
    let span = name.span()?;
    let rest = &page.text[span.1..];
    let ends = rest
        .trim_start_matches([' ', '.', '!', ')'])
        .chars()
        .next()
        .is_none_or(|c| c == '\n' || c == '<' || c == '(' || c == ',' || c == '|' || c == '-');
    let first = name.has_first_name(page);
    let single = cue.end - cue.start <= 5;
    // The last words of a text, in a sentence of their own: whatever follows "Best," there signs it.
    let last = rest.trim_start_matches([' ', '.', '!']).is_empty() && begins_sentence(page.text, cue.start);
    let plausible = if strong {
        let stands_alone = if punctuated { first || name.len >= 2 || !single } else { first && !single };
        stands_alone || last
    } else {
        first || punctuated && name.len >= 2
    };
    (ends && plausible && !name.is_place(page)).then_some(span)
}

/// Whether a sentence, or the text, begins at `at`.
fn begins_sentence(text: &str, at: usize) -> bool {
    text[..at]
        .trim_end_matches(' ')
        .chars()
        .next_back()
        .is_none_or(|before| matches!(before, '.' | '!' | '?' | '\n' | ',' | '-'))
}

/// Parts that persons play, and places do not.
const ROLES: &str = "\
    landlord landlady tenant resident owner inspector caretaker janitor superintendent manager clerk supervisor neighbor \
    neighbour homeowner driver victim patient";

/// After "contact" or "my neighbour": a usual first name, or two capitals after words that only persons follow.
fn asked_for(page: &Page<'_>, cue: &Cue) -> Option<(usize, usize)> {
    let mut from = skip(page.bytes, cue.end, b",:");
    let aside = page.bytes[cue.end..from].contains(&b',');
    let verb = ["is ", "was "].into_iter().find(|verb| page.text[from..].starts_with(verb));
    from += verb.map_or(0, str::len);
    let direct = page.bytes.get(cue.end) == Some(&b' ')
        || page.bytes.get(cue.end) == Some(&b',')
        || page.bytes.get(cue.end) == Some(&b':');
    let name = Name::read(page, from);
    let span = name.span()?;
    let word = page.text[cue.start..cue.end].to_ascii_lowercase();
    // Words that only a person follows; after the others the first name must be a usual one.
    let sure = [
        "contact",
        "ask for",
        "asked for",
        "speak to",
        "speak with",
        "spoke to",
        "spoke with",
        "talk to",
        "talked to",
        "talk with",
        "talked with",
        "reported by",
        "submitted by",
        "filed by",
        "requested by",
        "on behalf of",
        "behalf of",
        "c/o",
        "attn",
        "attn:",
        "ansprechpartner",
        "ansprechpartnerin",
        "contacter",
        "contactar",
        "contattare",
    ]
    .contains(&word.as_str())
        || word.starts_with("my ")
        || word.starts_with("our ")
        || word.starts_with("mein")
        || word.starts_with("mi ")
        || word.starts_with("mon ")
        || word.starts_with("ma ")
        || word.starts_with("meu ")
        || word.starts_with("minha ")
        || word.starts_with("mio ")
        || word.starts_with("mia ");
    // "the tenant, Beatrix Lowe, has", "the landlord is Stavros Pappas": told apart from what follows.
    let closes = page.bytes.get(span.1).is_none_or(|byte| matches!(byte, b',' | b'.' | b';' | b')' | b'\n'));
    let role = (aside && closes || verb.is_some()) && is_listed(ROLES, &word) && name.len >= 2;
    let known =
        name.has_first_name(page) && (name.len >= 2 || !matches!(word.as_str(), "met" | "resident" | "owner" | "driver"));
    (direct && (known || role || sure && name.len >= 2) && !name.is_place(page)).then_some(span)
}
