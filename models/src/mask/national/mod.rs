//! National ids: by shape and checksum where they have one, by the word that names them where they have none.

mod checks;

use super::claims::Claims;
use super::cues::CueKind;
use super::digits::{Run, Window, luhn, sep};
use super::scan::{ends_word, is_word, next_digit, starts_word};
use super::words::is_listed;
use super::{Kind, Page};
use checks::*;

/// Claims the ids in a run of digits, with the letters that belong to them.
pub(super) fn find(page: &Page<'_>, run: &Run, claims: &mut Claims) {
    for window in run.windows(6, 18) {
        if !claims.is_free(window.start, window.end) {
            continue;
        }
        if let Some((start, end)) = with_letters(page.bytes, &window) {
            claims.add(start, end, Kind::Ssn);
        } else if let Some(end) = is_id(page, &window) {
            claims.add(window.start, end, Kind::Ssn);
        }
    }
    for window in run.windows(5, 18) {
        let before = letters_before(page.bytes, window.start);
        if page.is_announced(before, CueKind::Id) && claims.is_free(window.start, window.end) && !is_date(&window) {
            let (start, end) = announced_extent(page.bytes, before, window.end);
            claims.add(start, end, Kind::Ssn);
        }
    }
}

impl Page<'_> {
    /// Whether a cue of this kind stands directly before `at`, but for words such as "number is".
    pub(super) fn is_announced(&self, at: usize, kind: CueKind) -> bool {
        let Some(nearest) = self.cues_before(at).find(|cue| !self.is_filler(cue.start, cue.end)) else { return false };
        nearest.kind == kind && self.is_filler(nearest.end, at)
    }

    /// Whether `[from, to)` holds nothing but words that join a cue to its number.
    pub(super) fn is_filler(&self, from: usize, to: usize) -> bool {
        const FILLERS: &str = "\
    number numbers no nr num n nº n° nro is was are ist lautet es est è é e code id my meine mi mon il mio meu \
    numero número numéro nummer the der die as follows for me at on this unter al au o le la el to s here ends in of \
    and reads says called";
        self.text[from..to]
            .split(|c: char| !c.is_alphanumeric() && c != 'º' && c != '°')
            .filter(|word| !word.is_empty())
            .all(|word| is_listed(FILLERS, word))
    }
}

/// Where the letters and digits that run into `start` begin.
fn letters_before(bytes: &[u8], start: usize) -> usize {
    let len = bytes[start.saturating_sub(8)..start]
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-')
        .count();
    let from = start - len;
    from + bytes[from..start].iter().take_while(|byte| **byte == b'-').count()
}

/// An announced id goes on over letters, and over groups that hold a digit or a single letter.
fn announced_extent(bytes: &[u8], start: usize, end: usize) -> (usize, usize) {
    let limit = (start + 26).max(end).min(bytes.len());
    let mut end = end;
    loop {
        let tail = bytes[end..limit].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        end += tail;
        let gap = usize::from(matches!(bytes.get(end), Some(b' ' | b'-' | b'.' | b'/')));
        let group = &bytes[(end + gap).min(limit)..limit];
        let len = group.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let single =
            len == 1 && group[0].is_ascii_uppercase() && group[0] != b'I' && group[0] != b'A' || len == 1 && bytes[end] == b'-';
        let goes_on = gap == 1 && len > 0 && (group[..len].iter().any(u8::is_ascii_digit) || single);
        if !goes_on || end + gap + len > limit || !ends_word(bytes, end + gap + len) {
            return (start, end);
        }
        end += gap + len;
    }
}

/// A day and a month, whatever the year: `2024-03-05`, `05.03.2024`, `5/3/24`.
pub(super) fn is_date(window: &Window<'_>) -> bool {
    let (a, b) = match window.lens {
        [4, 1 | 2, 1 | 2, ..] => (part(window, 1), part(window, 2)),
        [1 | 2, 1 | 2, 4, ..] | [1 | 2, 1 | 2, 2] => (part(window, 0), part(window, 1)),
        [8] => (
            u64::from(window.digits[4]) * 10 + u64::from(window.digits[5]),
            u64::from(window.digits[6]) * 10 + u64::from(window.digits[7]),
        ),
        _ => return false,
    };
    let century = window.lens != [8] || matches!(super::digits::number(&window.digits[..2]), 19 | 20);
    century && (1..=31).contains(&a) && (1..=31).contains(&b) && (a <= 12 || b <= 12)
}

/// `2023-2024-2025`: groups of four that are all years of our time.
fn is_years(digits: &[u8]) -> bool {
    digits.chunks(4).all(|year| matches!(super::digits::number(&year[..2]), 19 | 20))
}

/// The number that group `index` of a window writes.
fn part(window: &Window<'_>, index: usize) -> u64 {
    let first: usize = window.lens[..index].iter().map(|len| usize::from(*len)).sum();
    super::digits::number(&window.digits[first..first + usize::from(window.lens[index])])
}

/// Digits alone, or with a last character that a check turns into a letter. Returns where the id ends.
fn is_id(page: &Page<'_>, window: &Window<'_>) -> Option<usize> {
    let bytes = page.bytes;
    let digits = window.digits;
    let free_left = starts_word(bytes, window.start)
        && (window.start == 0 || !matches!(bytes[window.start - 1], b'-' | b'_' | b'/' | b'.' | b'#' | b'+' | b','));
    if !free_left || !super::phone::is_cut_clean(window) || page.is_announced(window.start, CueKind::Code) {
        return None;
    }
    let next = bytes.get(window.end).copied().unwrap_or(b' ');
    let hyphens = window.is_separated_by(sep::HYPHEN);
    let spaces = window.is_separated_by(sep::SPACE);
    // Forms whose last character may be a letter.
    match window.lens {
        [17] if next.eq_ignore_ascii_case(&b'X') && is_chinese(digits) => return Some(window.end + 1),
        [2, 3, 3] if next == b'-' && matches!(bytes.get(window.end + 1), Some(b'k' | b'K')) && is_rut(digits, 10) => {
            return Some(window.end + 2);
        }
        [6] if matches!(next, b'-' | b'+' | b'A') && is_day(&digits[..6]) => {
            let serial = bytes.get(window.end + 1..window.end + 5)?;
            return (serial[..3].iter().all(u8::is_ascii_digit) && is_hetu(digits, serial) && ends_word(bytes, window.end + 5))
                .then_some(window.end + 5);
        }
        [6, 3] if hyphens && next.is_ascii_alphabetic() => {
            let serial = bytes.get(window.end - 3..window.end + 1)?;
            return (is_hetu(&digits[..6], serial) && ends_word(bytes, window.end + 1)).then_some(window.end + 1);
        }
        _ => {}
    }
    let free_right = !(is_word(next) || next == b'-' && bytes.get(window.end + 1).is_some_and(|byte| is_word(*byte)));
    let dots = |bits: &[u8]| window.seps == bits;
    let valid = free_right
        && match window.lens {
            // Alone or grouped as each country writes it.
            [3, 2, 4] => (hyphens || spaces || window.is_separated_by(sep::DOT)) && is_us_ssn(digits),
            [2, 3, 3, 3] | [11] if is_steuer_id(digits) => true,
            [3, 3, 3, 2] => (dots(&[sep::DOT, sep::DOT, sep::HYPHEN]) || spaces || hyphens) && is_cpf(digits),
            [11] => is_cpf(digits) || is_norwegian(digits) || is_turkish(digits),
            [9, 2] => hyphens && is_cpf(digits),
            [6, 5] => spaces && is_norwegian(digits),
            [4, 4, 4] => (spaces || hyphens) && is_aadhaar(digits) && !is_years(digits),
            [2, 2, 2, 3, 2] => is_belgian(digits),
            [6, 4] => hyphens && window.is_whole() && (is_day_reversed(&digits[..6]) && luhn(digits) || is_day(&digits[..6])),
            [8, 4] => hyphens && is_day_reversed(&digits[2..8]) && luhn(&digits[2..]),
            [6, 7] => hyphens && is_day_reversed(&digits[..6]) && (1..=8).contains(&digits[6]),
            [3, 4, 4, 2] | [13] if digits.starts_with(&[7, 5, 6]) => is_ean(digits),
            [13] => is_day_reversed(&digits[..6]) && digits[10] < 2 && luhn(digits),
            [15] | [13, 2] | [1, 2, 2, 2, 3, 3, 2] | [1, 2, 2, 2, 3, 3] | [1, 2, 2, 2, 6, 2] => is_nir(digits),
            [18] => is_chinese(digits),
            [2, 3, 3, 1] => dots(&[sep::DOT, sep::DOT, sep::HYPHEN]) && is_rut(&digits[..8], digits[8]),
            _ => false,
        };
    valid.then_some(window.end)
}

/// Ids whose digits stand between letters. Returns the bytes of the whole id.
fn with_letters(bytes: &[u8], window: &Window<'_>) -> Option<(usize, usize)> {
    let (start, end) = (window.start, window.end);
    let digits = window.digits;
    // The letter after the digits, over one space or hyphen or the dot of a Spanish id.
    let joint = usize::from(matches!(bytes.get(end), Some(b' ' | b'-' | b'.')));
    let letter = bytes.get(end + joint).copied().filter(u8::is_ascii_alphabetic).map(|byte| byte.to_ascii_uppercase());
    let letter_end = end + joint + 1;
    let closes = letter.is_some() && ends_word(bytes, letter_end);
    let upright = joint == 0 || bytes.get(end + joint).is_some_and(u8::is_ascii_uppercase);
    let (first, first_start) = letter_left(bytes, start);
    match window.lens {
        [8] | [2, 3, 3] if closes && upright && starts_word(bytes, start) => {
            (Some(dni_letter(window.number())) == letter).then_some((start, letter_end))
        }
        [7] | [1, 3, 3] if closes && upright && matches!(first, b'X' | b'Y' | b'Z') => {
            let number = u64::from(first - b'X') * 10_000_000 + window.number();
            (Some(dni_letter(number)) == letter).then_some((first_start, letter_end))
        }
        [7] if joint == 0 && closes && matches!(first, b'S' | b'T' | b'F' | b'G' | b'M') && first_start + 1 == start => {
            (Some(nric_letter(first, digits)) == letter).then_some((first_start, letter_end))
        }
        [7] if joint == 0 && starts_word(bytes, start) => pps_end(bytes, end, digits).map(|end| (start, end)),
        [6] | [2, 2, 2] if closes && matches!(letter, Some(b'A'..=b'D')) => {
            nino_start(bytes, start).map(|from| (from, letter_end))
        }
        _ => None,
    }
}

/// The single letter before the digits at `start`, over one hyphen or space.
fn letter_left(bytes: &[u8], start: usize) -> (u8, usize) {
    let joint = usize::from(start > 0 && matches!(bytes[start - 1], b'-' | b' '));
    match (start - joint).checked_sub(1) {
        Some(at)
            if bytes[at].is_ascii_alphabetic() && starts_word(bytes, at) && (joint == 0 || bytes[at].is_ascii_uppercase()) =>
        {
            (bytes[at].to_ascii_uppercase(), at)
        }
        _ => (0, start),
    }
}

/// Where the two letters of a British national insurance number before `start` begin, if they can be such.
fn nino_start(bytes: &[u8], start: usize) -> Option<usize> {
    let joint = usize::from(start > 0 && bytes[start - 1] == b' ');
    let from = (start - joint).checked_sub(2)?;
    let prefix = [bytes[from].to_ascii_uppercase(), bytes[from + 1].to_ascii_uppercase()];
    let possible = prefix.iter().all(|letter| letter.is_ascii_uppercase() && !b"DFIQUV".contains(letter))
        && prefix[1] != b'O'
        && ![b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"].contains(&&prefix);
    (possible && starts_word(bytes, from)).then_some(from)
}

/// Ids in which letters and digits alternate without a gap: Italy, Mexico, India, Taiwan, Germany.
pub(super) fn find_mixed(page: &Page<'_>, claims: &mut Claims) {
    let bytes = page.bytes;
    let mut from = 0;
    while let Some(digit) = next_digit(bytes, from) {
        let ahead = bytes[from..digit].iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let behind = bytes[digit..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let (start, end) = (digit - ahead, digit + behind);
        from = end;
        let token = &bytes[start..end];
        let mixed = matches!(token.len(), 10 | 12 | 16 | 18) && is_mixed_id(token);
        let whole = starts_word(bytes, start) && ends_word(bytes, end);
        if let Some((start, end)) = spaced_fiscal_code(bytes, start, end) {
            claims.add(start, end, Kind::Ssn);
            from = end;
        } else if whole && (mixed || is_passport_like(token) && page.is_announced(start, CueKind::Id)) {
            claims.add(start, end, Kind::Ssn);
        }
    }
}

/// `RSS MRA 85T10 A562S`, as Italy's card prints it: the token in the middle is at `[start, end)`.
fn spaced_fiscal_code(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    let (from, to) = (start.checked_sub(8)?, end + 6);
    let code = bytes.get(from..to).filter(|_| end - start == 5)?;
    let mut token = [0; 16];
    let letters = code[..3].iter().chain(&code[4..7]).chain(&code[8..13]).chain(&code[14..]);
    token.iter_mut().zip(letters).for_each(|(place, byte)| *place = *byte);
    let gaps = [3, 7, 13].iter().all(|gap| code[*gap] == b' ');
    (gaps && is_mixed_id(&token) && starts_word(bytes, from) && ends_word(bytes, to)).then_some((from, to))
}

/// Letters and digits mixed as in passports and identity cards, which only their cue tells from other codes.
fn is_passport_like(token: &[u8]) -> bool {
    let digits = token.iter().filter(|byte| byte.is_ascii_digit()).count();
    (6..=14).contains(&token.len()) && digits >= 4 && digits < token.len()
}

/// Whether a token has the shape of such an id. The shapes are unmistakable, so that a slip in the check character hides none.
fn is_mixed_id(token: &[u8]) -> bool {
    // A: a letter, 9: a digit, H: sex in Mexico, M: a month's letter in Italy, *: either.
    let is = |shape: &[u8]| {
        shape.len() == token.len()
            && shape.iter().zip(token).all(|(want, byte)| match want {
                b'A' => byte.is_ascii_alphabetic(),
                b'9' => byte.is_ascii_digit(),
                b'H' => matches!(byte.to_ascii_uppercase(), b'H' | b'M'),
                b'M' => b"ABCDEHLMPRST".contains(&byte.to_ascii_uppercase()),
                _ => true,
            })
    };
    match token.len() {
        10 => is(b"AAAAA9999A") && token.iter().all(|b| !b.is_ascii_lowercase()) || is(b"A999999999") && is_taiwanese(token),
        12 => is(b"99999999A999") && token[8].is_ascii_uppercase() && is_day_like(&token[2..8]),
        16 => is(b"AAAAAA99M99A999A"),
        18 => is(b"AAAA999999HAAAAA*9"),
        _ => false,
    }
}
