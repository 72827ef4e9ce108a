//! Vehicle plates: shapes that nothing else has, and with a cue such as "plate" or "Kennzeichen" any mix of letters and digits.

use super::claims::Claims;
use super::cues::CueKind;
use super::scan::{is_word, next_digit, starts_word};
use super::words::is_common;
use super::{Kind, Page};

/// Letters or digits that stand together.
#[derive(Clone, Copy, Default)]
struct Piece {
    letters: bool,
    upper: bool,
    len: u8,
    /// What stands before it: 0 nothing, or a space, hyphen or dot.
    sep: u8,
    start: usize,
    end: usize,
}

/// Pieces of the longest plate.
const MAX_PIECES: usize = 6;

/// Letters and digits of the longest plate.
const MAX_LEN: u8 = 10;

pub(super) fn find(page: &Page<'_>, claims: &mut Claims) {
    let bytes = page.bytes;
    let vehicles = page.has_cue(|kind| matches!(kind, CueKind::Plate | CueKind::Vehicle));
    let mut at = 0;
    while let Some(digit) = next_digit(bytes, at) {
        // A plate begins at its first digit or little before it.
        at = at.max(digit.saturating_sub(MAX_LEAD));
        while at <= digit {
            at = match may_begin(bytes, at, vehicles).then(|| plate_at(page, at, vehicles)).flatten() {
                Some(end) if claims.add(at, end, Kind::Plate) => end,
                _ => at + 1,
            };
        }
    }
}

/// Bytes from the beginning of a plate to its first digit: two groups of letters and what separates them.
const MAX_LEAD: usize = 14;

/// Whether a plate can begin here. Without a cue only capitals and digits begin one: most words are passed over.
fn may_begin(bytes: &[u8], at: usize, vehicles: bool) -> bool {
    let byte = bytes[at];
    let letter = byte.is_ascii_uppercase() || byte == 0xC3 || vehicles && byte.is_ascii_lowercase();
    (byte.is_ascii_digit() || letter) && starts_word(bytes, at)
}

/// Where the plate that starts at `start` ends.
fn plate_at(page: &Page<'_>, start: usize, vehicles: bool) -> Option<usize> {
    let bytes = page.bytes;
    let mut pieces = [Piece::default(); MAX_PIECES];
    let count = read_pieces(bytes, start, &mut pieces);
    let pieces = &pieces[..count];
    if !pieces.iter().any(|piece| !piece.letters) {
        return None;
    }
    let before = start.checked_sub(1).map_or(b' ', |at| bytes[at]);
    if matches!(before, b'-' | b'/' | b'.' | b'#' | b'_' | b'$' | b'+' | b'<' | b'@') {
        return None;
    }
    let ends = |piece: &Piece| {
        let next = bytes.get(piece.end).copied().unwrap_or(b' ');
        let joins = matches!(next, b'-' | b'/' | b':' | b',' | b'.');
        !(is_word(next) || joins && bytes.get(piece.end + 1).is_some_and(|b| is_word(*b)))
    };
    let cue = if vehicles {
        page.nearest(start, |kind| matches!(kind, CueKind::Plate | CueKind::Vehicle | CueKind::Code)).map(|cue| cue.kind)
    } else {
        None
    };
    let named = vehicles && (cue == Some(CueKind::Plate) || announced_after(page, pieces.last()?.end));
    let vehicle = named || cue == Some(CueKind::Vehicle);
    for len in (1..=count).rev() {
        let candidate = &pieces[..len];
        let last = &candidate[len - 1];
        if !ends(last) || !candidate.iter().any(|piece| !piece.letters) {
            continue;
        }
        let fits = is_unmistakable(page, candidate) || vehicle && is_usual(candidate) || named && is_possible(page, candidate);
        if fits && !page.is_announced(start, CueKind::Code) {
            return Some(last.end);
        }
    }
    None
}

/// Reads pieces from `start` on, separated by nothing or one space, hyphen or dot. Returns how many.
fn read_pieces(bytes: &[u8], start: usize, pieces: &mut [Piece; MAX_PIECES]) -> usize {
    let (mut at, mut count, mut total, mut sep) = (start, 0, 0_u8, 0);
    while count < MAX_PIECES {
        let (len, width, letters, upper) = piece_at(bytes, at);
        if len == 0 || len > 7 || total + len > MAX_LEN {
            break;
        }
        pieces[count] = Piece { letters, upper, len, sep, start: at, end: at + width };
        count += 1;
        total += len;
        at += width;
        sep = match bytes.get(at) {
            Some(byte @ (b' ' | b'-' | b'.')) => *byte,
            Some(byte) if is_word(*byte) => 0,
            _ => break,
        };
        at += usize::from(sep != 0);
    }
    count
}

/// Letters (A to Z and Ä, Ö, Ü) or digits at `at`: how many, in how many bytes, which, and whether in capitals.
fn piece_at(bytes: &[u8], at: usize) -> (u8, usize, bool, bool) {
    let digits = bytes[at..].iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 {
        return (digits as u8, digits, false, true);
    }
    let (mut len, mut width, mut upper) = (0, 0, true);
    while len < 9 {
        match bytes.get(at + width..) {
            Some([byte, ..]) if byte.is_ascii_alphabetic() => {
                upper &= byte.is_ascii_uppercase();
                width += 1;
            }
            Some([0xC3, second, ..]) => {
                upper &= matches!(second, 0x84 | 0x96 | 0x9C);
                width += 2;
            }
            _ => break,
        }
        len += 1;
    }
    (len, width, true, upper)
}

/// Whether a word such as "is the plate" follows.
fn announced_after(page: &Page<'_>, end: usize) -> bool {
    let from = page.cues.partition_point(|cue| cue.start < end);
    page.cues[from..]
        .iter()
        .take(4)
        .any(|cue| cue.kind == CueKind::Plate && cue.start - end <= 24 && page.is_filler(end, cue.start))
}

/// The shape in characters: A a letter, 9 a digit, with the separators between.
fn shape<'a>(pieces: &[Piece], buffer: &'a mut [u8; 24]) -> &'a [u8] {
    let mut len = 0;
    for piece in pieces {
        if piece.sep != 0 {
            buffer[len] = piece.sep;
            len += 1;
        }
        for _ in 0..piece.len {
            buffer[len] = if piece.letters { b'A' } else { b'9' };
            len += 1;
        }
    }
    &buffer[..len]
}

/// Shapes that only plates have, in capitals: France and Italy, the United Kingdom, Brazil, the Netherlands, Portugal, India,
/// Germany.
fn is_unmistakable(page: &Page<'_>, pieces: &[Piece]) -> bool {
    if !pieces.iter().all(|piece| piece.upper) {
        return false;
    }
    let text = |piece: &Piece| &page.text[piece.start..piece.end];
    let mut buffer = [0; 24];
    match shape(pieces, &mut buffer) {
        b"AA-999-AA" | b"AA 999 AA" | b"AA999AA" => true,
        b"AA99 AAA" | b"AA99AAA" => !pieces.iter().any(|piece| is_unit(text(piece))),
        b"AAA9A99" => true,
        b"99-AA-99" | b"AA-99-99" | b"99-99-AA" | b"AA-99-AA" => true,
        b"99-AAA-9" | b"9-AAA-99" | b"A-999-AA" | b"AA-999-A" | b"AAA-99-A" => !pieces.iter().any(|piece| is_unit(text(piece))),
        _ => is_indian(pieces, text(&pieces[0])) || is_german(pieces, text(&pieces[0])),
    }
}

/// `MH 12 AB 1234` with the code of a state.
fn is_indian(pieces: &[Piece], state: &str) -> bool {
    const STATES: &str =
        "AN AP AR AS BR CG CH DD DL DN GA GJ HP HR JH JK KA KL LA LD MH ML MN MP MZ NL OD OR PB PY RJ SK TN TR TS UK UP WB";
    matches!(pieces, [first, district, series, number] if first.letters && first.len == 2 && !district.letters && district.len <= 2 && series.letters && series.len <= 3 && !number.letters && number.len == 4)
        && STATES.split(' ').any(|code| code == state)
}

/// `B-AB 1234`: district, hyphen, letters, digits, perhaps E or H.
fn is_german(pieces: &[Piece], district: &str) -> bool {
    let [first, letters, digits, rest @ ..] = pieces else { return false };
    let tail = rest.is_empty() || matches!(rest, [last] if last.letters && last.sep == 0 && last.len == 1);
    let apart = digits.sep == b' ' || digits.sep == b'-';
    tail && apart
        && first.letters
        && first.len <= 3
        && letters.letters
        && letters.len <= 2
        && letters.sep == b'-'
        && !digits.letters
        && (2..=4).contains(&digits.len)
        && !matches!(district, "I" | "US" | "SR" | "RT" | "NO" | "PO" | "COV" | "ISO" | "DIN")
}

/// Times, units and offices that stand after numbers in capitals.
fn is_unit(word: &str) -> bool {
    matches!(
        word,
        "AM" | "PM"
            | "EST"
            | "EDT"
            | "PST"
            | "PDT"
            | "CST"
            | "CDT"
            | "MST"
            | "GMT"
            | "UTC"
            | "NYC"
            | "USA"
            | "USD"
            | "EUR"
            | "MPH"
            | "KMH"
            | "KWH"
            | "LBS"
            | "PPM"
            | "RPM"
            | "BTU"
            | "SQF"
            | "MAR"
            | "JAN"
            | "FEB"
            | "APR"
            | "JUN"
            | "JUL"
            | "AUG"
            | "SEP"
            | "OCT"
            | "NOV"
            | "DEC"
            | "MAY"
            | "MAI"
            | "OKT"
            | "DEZ"
            | "HRS"
            | "MIN"
            | "PKW"
            | "LKW"
            | "THE"
            | "AND"
            | "SR"
            | "ID"
    )
}

/// Shapes of plates that other things have too: enough beside a vehicle.
fn is_usual(pieces: &[Piece]) -> bool {
    let mut buffer = [0; 24];
    let capitals = pieces.iter().all(|piece| piece.upper);
    capitals
        && matches!(
            shape(pieces, &mut buffer),
            b"AAA9999"
                | b"AAA 9999"
                | b"AAA-9999"
                | b"AAA999"
                | b"AAA 999"
                | b"AAA-999"
                | b"999AAA"
                | b"999 AAA"
                | b"999-AAA"
                | b"9AAA999"
                | b"9AAA 999"
                | b"9999AAA"
                | b"9999 AAA"
                | b"9999-AAA"
                | b"AA9999"
                | b"AA 9999"
                | b"AA-9999"
                | b"AA99999"
                | b"AA 99999"
                | b"AA-99999"
                | b"AA 9999 AA"
                | b"A999 AAA"
                | b"A999AAA"
                | b"AA9 9AA"
                | b"9AA 999"
                | b"999 AA9"
                | b"99AA99"
                | b"9AA999"
                | b"999AA9"
                | b"AAA 99A"
                | b"AA 999A"
                | b"AA 99 AA"
                | b"AA 999"
                | b"A 9999"
                | b"AAA 99 99"
        )
}

/// After a cue that names a plate: letters and digits, or five digits at least.
fn is_possible(page: &Page<'_>, pieces: &[Piece]) -> bool {
    let total: u8 = pieces.iter().map(|piece| piece.len).sum();
    let digits: u8 = pieces.iter().filter(|piece| !piece.letters).map(|piece| piece.len).sum();
    let letters = total - digits;
    // Small letters belong to it only before or between digits, or within one token: "abc 123", not "123 on".
    let tidy = pieces.iter().enumerate().all(|(at, piece)| {
        !piece.letters
            || piece.upper && piece.len <= 4
            || piece.len <= 3
                && (piece.sep == 0 && at > 0 || pieces.get(at + 1).is_some_and(|next| !next.letters && next.sep != b'.'))
    });
    let compact = pieces.iter().all(|piece| piece.sep != b'.') && pieces.len() <= 5;
    let year = letters == 0 && digits == 4;
    let everyday = pieces.iter().any(|piece| {
        let word = &page.text[piece.start..piece.end];
        piece.letters
            && (is_unit(&word.to_ascii_uppercase())
                || matches!(word, "st" | "nd" | "rd" | "th")
                || !piece.upper && piece.len > 1 && is_common(word))
    });
    let mixed = letters > 0 && letters <= 5 && (digits >= 2 || pieces.iter().all(|piece| piece.sep == 0)) && digits <= 6;
    tidy && compact && total >= 4 && !year && !everyday && (mixed || (5..=8).contains(&digits) && pieces.len() <= 2)
}
