//! Telephone numbers: international (ITU-T E.164), the groupings in which countries write local ones, and anything of the
//! right length after a cue such as "call". A number that a cue such as "case" or "bus" announces stays.

use super::claims::Claims;
use super::cues::CueKind;
use super::digits::{Run, Window, sep};
use super::national::is_date;
use super::scan::is_word;
use super::words::is_listed;
use super::{Kind, Page};

/// Digits of the shortest and the longest number (E.164 allows 15; an international prefix is two more).
const DIGITS: (usize, usize) = (6, 17);

pub(super) fn find(page: &Page<'_>, run: &Run, claims: &mut Claims) {
    for window in run.windows(DIGITS.0, DIGITS.1) {
        if !claims.is_free(window.start, window.end) {
            continue;
        }
        let lead = Lead::of(page.bytes, window.start);
        if is_phone(page, &window, &lead) {
            let end = with_extension(page.text, window.end);
            claims.add(lead.start, end, Kind::Phone);
        }
    }
}

/// What stands directly before the digits.
struct Lead {
    /// Where the number begins with its plus sign or parenthesis.
    start: usize,
    /// An international number.
    plus: bool,
    /// An area code in parentheses.
    open: bool,
    /// Part of a word, a price, a decimal: no number of a telephone.
    attached: bool,
}

impl Lead {
    fn of(bytes: &[u8], digits: usize) -> Self {
        let at = |start: usize| start.checked_sub(1).map(|before| bytes[before]);
        let mut start = digits;
        let (mut plus, mut open) = (false, false);
        loop {
            match at(start) {
                Some(b'+') if !plus => plus = true,
                Some(b'(') if !open => open = true,
                _ => break,
            }
            start -= 1;
        }
        let attached = match at(start) {
            None => false,
            Some(before) if before < 0x80 && is_word(before) => true,
            // A letter beyond ASCII directly before digits: scripts without spaces write so.
            Some(before) if before >= 0x80 => matches!(bytes.get(start.wrapping_sub(2)), Some(0xC2 | 0xC3)),
            Some(b'-' | b'/' | b'.' | b',' | b'#' | b'_' | b'=' | b'&') => {
                start >= 2 && (is_word(bytes[start - 2]) || bytes[start - 1] != b'-' || bytes[start - 2] == b'.')
                    || matches!(at(start), Some(b'#'))
            }
            Some(b'$') => true,
            _ => false,
        };
        Self { start, plus, open, attached }
    }
}

fn is_phone(page: &Page<'_>, window: &Window<'_>, lead: &Lead) -> bool {
    if lead.attached || is_followed(page.bytes, window.end) {
        return false;
    }
    if lead.plus {
        return is_international(window, window.digits);
    }
    if lead.open && window.seps.first().is_none_or(|sep| sep & sep::PAREN == 0) {
        return is_phone_in_parentheses(page, window, lead);
    }
    is_local(page, window, lead)
}

/// `(617-555-0123)`: the parenthesis belongs to the sentence.
fn is_phone_in_parentheses(page: &Page<'_>, window: &Window<'_>, lead: &Lead) -> bool {
    page.bytes.get(window.end) == Some(&b')') && is_local(page, window, &Lead { open: false, ..*lead })
}

fn is_local(page: &Page<'_>, window: &Window<'_>, lead: &Lead) -> bool {
    if is_date(window) || !is_cut_clean(window) {
        return false;
    }
    if window.digits.starts_with(&[0, 0]) && window.digits.len() >= 10 && !page.is_announced(lead.start, CueKind::Code) {
        return is_international(window, &window.digits[2..])
            && (window.lens.len() > 1 || near(page, lead.start) != Some(CueKind::Code));
    }
    match strength(window, lead) {
        Strength::Sure => !page.is_announced(lead.start, CueKind::Code),
        Strength::Likely => near(page, lead.start) != Some(CueKind::Code) && !is_counted(page.text, window.end),
        Strength::WithCue => {
            near(page, lead.start) == Some(CueKind::Phone)
                && !page.is_announced(lead.start, CueKind::Code)
                && !is_counted(page.text, window.end)
                && window.is_whole()
        }
        Strength::Never => false,
    }
}

/// Whether digits go on, or a unit, a letter or a currency follows directly.
fn is_followed(bytes: &[u8], end: usize) -> bool {
    match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'x' | b'X'), Some(next)) => !next.is_ascii_digit() && *next != b' ',
        (Some(b',' | b':' | b'.'), Some(next)) => next.is_ascii_digit(),
        (Some(b'-' | b'_' | b'/'), Some(next)) => next.is_ascii_alphabetic(),
        (Some(b'%' | b'$'), _) => true,
        (Some(next), _) => next.is_ascii_alphanumeric(),
        _ => false,
    }
}

/// The nearest cue that speaks for or against a telephone number.
fn near(page: &Page<'_>, at: usize) -> Option<CueKind> {
    page.nearest(at, |kind| matches!(kind, CueKind::Phone | CueKind::Code)).map(|cue| cue.kind)
}

/// A part of a run is a number of its own only where the rest is set apart by more than what separates its own groups.
pub(super) fn is_cut_clean(window: &Window<'_>) -> bool {
    let inner = window.seps.iter().fold(0, |all, sep| all | sep);
    [window.before, window.after].into_iter().all(|edge| {
        edge == 0 || edge & sep::SPACE != 0 && (edge != sep::SPACE || inner & !sep::SPACE != 0 || window.seps.is_empty())
    })
}

/// Whether what follows says that the number counts something.
fn is_counted(text: &str, end: usize) -> bool {
    const COUNTED: &str = "\
    people residents inhabitants dollars euros euro eur usd € pounds £ habitants habitantes einwohner einwohnern \
    abitanti km miles meters metres feet ft sq m2 m² m kg tons tonnes gallons liters litres kwh mwh votes homes \
    households cars vehicles million cases reports requests trees personas personnes persone pessoas menschen \
    people. views followers signatures visitors steps times";
    let next = text[end..].trim_start_matches(' ').split([' ', ',', ';', '.', ')', '\n']).next().unwrap_or_default();
    is_listed(COUNTED, next)
}

/// A plus sign, a country code and a number of the length that the country has.
fn is_international(window: &Window<'_>, digits: &[u8]) -> bool {
    let max = country_digits(digits);
    let len = digits.len();
    digits.first().is_some_and(|first| *first != 0) && (8..=max).contains(&len) && is_cut_clean_after(window)
}

/// Behind an international number only a space may begin something else.
fn is_cut_clean_after(window: &Window<'_>) -> bool {
    window.before & (sep::HYPHEN | sep::DOT) == 0 && (window.after == 0 || window.after & sep::SPACE != 0)
}

/// Most digits of a number with country code, where the country code is known to allow fewer than 15.
fn country_digits(digits: &[u8]) -> usize {
    let one = digits.first().copied().unwrap_or(0);
    let two = one * 10 + digits.get(1).copied().unwrap_or(0);
    match (one, two) {
        (1 | 7, _) => 11,
        (_, 31..=34 | 36 | 41 | 45..=48 | 51 | 56 | 60 | 61 | 65 | 66 | 94 | 98) => 11,
        (_, 20 | 27 | 30 | 39 | 40 | 44 | 53 | 57 | 58 | 63 | 64 | 81 | 82 | 84 | 90..=93 | 95 | 35 | 37 | 38 | 42) => 12,
        // An area code that keeps its zero in parentheses, "+49 (0)171 ...", is a digit more.
        (_, 43 | 49) => 14,
        (_, 54 | 55 | 52 | 86) => 13,
        _ => 15,
    }
    .max(if digits.get(2) == Some(&0) { 13 } else { 0 })
}

/// How much the grouping alone says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    /// Nothing else is written so.
    Sure,
    /// Unless a cue speaks against it.
    Likely,
    /// Only with a cue that speaks for it.
    WithCue,
    Never,
}

fn strength(window: &Window<'_>, lead: &Lead) -> Strength {
    let (digits, lens, seps) = (window.digits, window.lens, window.seps);
    let first = digits[0];
    let total = digits.len();
    let slashes = seps.iter().any(|sep| sep & sep::SLASH != 0);
    let dots = seps.iter().all(|sep| *sep == sep::DOT) && !seps.is_empty();
    let parenthesised = lead.open && seps.first().is_some_and(|sep| sep & sep::PAREN != 0);
    let clock = lens == [4, 4] && [&digits[..4], &digits[4..]].iter().all(|part| part[0] * 10 + part[1] < 24 && part[2] < 6);
    // A parenthesis inside is an area code, or it closes a sentence's.
    if seps.iter().any(|sep| sep & sep::PAREN != 0) && !parenthesised && !is_optional_area(window) && lens[0] != 1 {
        return Strength::Never;
    }
    if seps.contains(&(sep::SPACE | sep::HYPHEN)) && total < 9 {
        return Strength::Never;
    }
    match lens {
        _ if parenthesised && lens[0] >= 2 && (7..=12).contains(&total) => Strength::Sure,
        [3, 3, 4] if !seps.contains(&sep::SLASH) && (first >= 2 || seps[0] != sep::SPACE) => Strength::Sure,
        [3, 3, 4] if seps == [sep::SLASH, sep::HYPHEN] && first >= 2 => Strength::Likely,
        _ if lens.iter().all(|len| *len == 1) && (9..=11).contains(&total) && !is_counting(digits) => Strength::Likely,
        [1, 3, 3, 4] if first == 1 || first == 8 || first == 0 => Strength::Sure,
        [1, 3, 3, 2, 2] if first == 7 || first == 8 => Strength::Sure,
        [3, 4] if digits.starts_with(&[5, 5, 5]) && !dots => Strength::Sure,
        _ if first == 0 && digits[1] != 0 && lens.len() > 1 && (9..=13).contains(&total) && is_trunk_shape(window) => {
            Strength::Sure
        }
        [2, 5, 4] | [3, 4, 4] | [2, 4, 4] if !dots && !slashes && first >= 1 => Strength::Likely,
        [3, 3, 3] if !dots && first >= 2 => Strength::Likely,
        [3, 2, 2, 2] | [2, 3, 2, 2] | [3, 2, 2, 3] | [2, 2, 2, 3] if first >= 1 => Strength::Likely,
        [5, 5] if first >= 6 && !dots => Strength::Likely,
        [3, 7] if first >= 2 && !dots => Strength::Likely,
        [10] if is_bare_number(digits) => Strength::Likely,
        [11] if first == 0 && digits[1] != 0 || first == 1 && is_bare_number(&digits[1..]) || first == 1 && digits[1] >= 3 => {
            Strength::Likely
        }
        [12] if first == 0 && digits[1] == 1 => Strength::Likely,
        [7] | [8] | [3, 4] | [4, 3] if dots => Strength::Never,
        _ if dots && lens.len() == 2 || clock => Strength::Never,
        _ if total <= 15 && lens.len() <= 6 => Strength::WithCue,
        _ => Strength::Never,
    }
}

/// `44 (0)20 7946 0958`: a zero in parentheses.
fn is_optional_area(window: &Window<'_>) -> bool {
    let area = window.lens.iter().zip(window.seps).position(|(_, sep)| sep & sep::PAREN != 0);
    area.is_some_and(|at| window.lens.get(at + 1) == Some(&1))
}

/// Ten digits without a gap: an area code and an exchange of North America, India's mobiles, or a zero in front.
fn is_bare_number(digits: &[u8]) -> bool {
    match digits[0] {
        0 => digits[1] != 0,
        1 => false,
        2..=5 => digits[3] >= 2 && !(digits[1] == 1 && digits[2] == 1),
        _ => true,
    }
}

/// A zero in front and groups as a local number has them: not a postal code with its extension, not a range and more.
fn is_trunk_shape(window: &Window<'_>) -> bool {
    let range = matches!(window.lens, [2, 2, rest @ ..] if rest.iter().any(|len| *len != 2));
    window.lens.iter().all(|len| *len >= 2) && window.lens != [5, 4] && !range && !is_list(window)
}

/// `1 2 3 4 5 6 7 8 9`: up or down by one.
fn is_counting(digits: &[u8]) -> bool {
    let steps =
        |up: bool| digits.windows(2).filter(|pair| if up { pair[1] == pair[0] + 1 } else { pair[0] == pair[1] + 1 }).count();
    steps(true) > 4 || steps(false) > 4
}

/// `08 09 10 11 12`: counting, not calling.
fn is_list(window: &Window<'_>) -> bool {
    window.lens.iter().all(|len| *len == 2) && {
        let pairs = window.digits.as_chunks::<2>().0;
        pairs.windows(2).all(|pair| pair[1][0] * 10 + pair[1][1] == pair[0][0] * 10 + pair[0][1] + 1)
    }
}

/// An extension after the number belongs to it: `ext. 12`, `x 12`.
fn with_extension(text: &str, end: usize) -> usize {
    let rest = &text[end..];
    let trimmed = rest.trim_start_matches([' ', ',']);
    for word in ["ext.", "ext", "extension", "x", "durchwahl"] {
        let Some(head) = trimmed.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word)) else { continue };
        let tail = trimmed[head.len()..].trim_start_matches([' ', ':']);
        let len = tail.bytes().take_while(u8::is_ascii_digit).count();
        if (1..=6).contains(&len) && rest.len() - trimmed.len() <= 2 {
            return text.len() - tail.len() + len;
        }
    }
    end
}
