//! Digits in groups, the way people write long numbers, and the windows of groups that cards, ids and phones are found in.

use super::claims::Claims;
use super::{Kind, Page, national, phone};

/// Groups in one run; more start the next run.
const MAX_GROUPS: usize = 12;

/// Digits in one run; no kind has more.
const MAX_DIGITS: usize = 40;

/// What stands between two groups, as bits.
pub(super) mod sep {
    pub const SPACE: u8 = 1;
    pub const HYPHEN: u8 = 2;
    pub const DOT: u8 = 4;
    pub const SLASH: u8 = 8;
    pub const PAREN: u8 = 16;
}

/// Groups of digits with at most three separator characters between neighbours.
pub(super) struct Run {
    /// Byte ranges of the groups.
    groups: [(usize, usize); MAX_GROUPS],
    /// Separators before the group of the same index, as bits of [`sep`].
    seps: [u8; MAX_GROUPS],
    /// Index of each group's first digit.
    firsts: [usize; MAX_GROUPS + 1],
    lens: [u8; MAX_GROUPS],
    len: usize,
    digits: [u8; MAX_DIGITS],
}

/// Some neighbouring groups of a run.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    /// Byte range.
    pub start: usize,
    pub end: usize,
    /// Digits in each group.
    pub lens: &'a [u8],
    /// Separators between the groups, one less than there are groups.
    pub seps: &'a [u8],
    /// Digit values.
    pub digits: &'a [u8],
    /// Separator towards the group before and after in the run; 0 at its ends.
    pub before: u8,
    pub after: u8,
}

impl Window<'_> {
    /// Whether all groups are separated by exactly `separator`, or there is one group.
    pub fn is_separated_by(&self, separator: u8) -> bool {
        self.seps.iter().all(|sep| *sep == separator)
    }

    /// Whether all separators are the same.
    pub fn is_uniform(&self) -> bool {
        self.seps.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// The digits as a number; at most 19 of them.
    pub fn number(&self) -> u64 {
        number(self.digits)
    }

    /// Whether it is the whole of its run.
    pub fn is_whole(&self) -> bool {
        self.before == 0 && self.after == 0
    }
}

/// Digits as a number.
pub(super) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0_u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(*digit)))
}

impl Run {
    /// Reads the run whose first digit is at `at`. Returns it and where to go on.
    fn read(bytes: &[u8], at: usize) -> (Self, usize) {
        let mut run = Self {
            groups: [(0, 0); MAX_GROUPS],
            seps: [0; MAX_GROUPS],
            firsts: [0; MAX_GROUPS + 1],
            lens: [0; MAX_GROUPS],
            len: 0,
            digits: [0; MAX_DIGITS],
        };
        let (mut from, mut separator, mut count) = (at, 0, 0);
        loop {
            let len = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if len == 0 || run.len == MAX_GROUPS || count + len > MAX_DIGITS {
                // A group that no run can hold is stepped over; otherwise it starts the next run.
                return (run, if count == 0 { from + len } else { from });
            }
            for (place, byte) in run.digits[count..].iter_mut().zip(&bytes[from..from + len]) {
                *place = byte - b'0';
            }
            count += len;
            run.groups[run.len] = (from, from + len);
            run.seps[run.len] = separator;
            run.lens[run.len] = len as u8;
            run.len += 1;
            run.firsts[run.len] = count;
            from += len;
            let (bits, width) = separators(&bytes[from..]);
            if bits == 0 {
                return (run, from);
            }
            separator = bits;
            from += width;
        }
    }

    /// Every window of neighbouring groups with `min..=max` digits, from the left, the longest first.
    pub fn windows(&self, min: usize, max: usize) -> impl Iterator<Item = Window<'_>> {
        (0..self.len).flat_map(move |first| (first + 1..=self.len).rev().map(move |last| (first, last))).filter_map(
            move |(first, last)| {
                let digits = &self.digits[self.firsts[first]..self.firsts[last]];
                (min..=max).contains(&digits.len()).then(|| Window {
                    start: self.groups[first].0,
                    end: self.groups[last - 1].1,
                    lens: &self.lens[first..last],
                    seps: &self.seps[first + 1..last.max(first + 1)],
                    digits,
                    before: self.seps[first],
                    after: if last < self.len { self.seps[last] } else { 0 },
                })
            },
        )
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The separators at the beginning of `bytes` that a digit follows: their bits and how many; (0, 0) where a run ends.
fn separators(bytes: &[u8]) -> (u8, usize) {
    // "617 dot 555 dot 0134", the way it is said.
    if let Some([dot @ .., after]) = bytes.get(..6)
        && dot.eq_ignore_ascii_case(b" dot ")
        && after.is_ascii_digit()
    {
        return (sep::DOT, dot.len());
    }
    let mut bits = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        bits |= match byte {
            b' ' => sep::SPACE,
            b'-' => sep::HYPHEN,
            b'.' => sep::DOT,
            b'/' => sep::SLASH,
            b'(' | b')' => sep::PAREN,
            b'0'..=b'9' => {
                // ". " ends a sentence and " -5" is a negative number: neither joins groups.
                let dot_and_space = bits & sep::DOT != 0 && at > 1;
                let minus = at == 2 && &bytes[..2] == b" -";
                return if dot_and_space || minus { (0, 0) } else { (bits, at) };
            }
            _ => return (0, 0),
        };
    }
    (0, 0)
}

/// Claims cards, national ids and phones.
pub(super) fn find(page: &Page<'_>, claims: &mut Claims) {
    national::find_mixed(page, claims);
    let mut at = 0;
    while let Some(ahead) = page.bytes[at..].iter().position(u8::is_ascii_digit) {
        let (run, next) = Run::read(page.bytes, at + ahead);
        at = next;
        if run.is_empty() || run.firsts[run.len] < MIN_DIGITS {
            continue;
        }
        for window in run.windows(13, 19) {
            if is_card(page.bytes, &window) {
                claims.add(window.start, window.end, Kind::Card);
            }
        }
        national::find(page, &run, claims);
        phone::find(page, &run, claims);
    }
}

/// Fewest digits of anything that is looked for.
const MIN_DIGITS: usize = 6;

/// A payment card: prefix and length of an issuer, grouped as cards are, Luhn checksum.
fn is_card(bytes: &[u8], window: &Window<'_>) -> bool {
    let grouped = window.lens.len() == 1 || window.lens.iter().rev().skip(1).all(|len| *len >= 3);
    let apart = window.start == 0 || !bytes[window.start - 1].is_ascii_alphabetic();
    grouped && apart && window.is_uniform() && is_issuer(window.digits) && luhn(window.digits)
}

/// Whether an issuer has this prefix at this length (ISO/IEC 7812; the ranges that networks publish).
fn is_issuer(digits: &[u8]) -> bool {
    let len = digits.len();
    let prefix = number(&digits[..6]);
    match prefix {
        400_000..=499_999 => matches!(len, 13 | 16 | 19),
        510_000..=559_999 | 222_100..=272_099 | 220_000..=220_499 => len == 16,
        340_000..=349_999 | 370_000..=379_999 => len == 15,
        300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999 => matches!(len, 14..=19),
        352_800..=358_999 => matches!(len, 16..=19),
        601_100..=601_199 | 644_000..=659_999 | 620_000..=629_999 | 810_000..=817_199 => matches!(len, 16..=19),
        500_000..=509_999 | 560_000..=699_999 => matches!(len, 13..=19),
        _ => false,
    }
}

/// The checksum of ISO/IEC 7812-1, annex B.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let doubled = u32::from(*digit) << (place & 1);
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_windows() {
        let text = b"12 4111-1111 (22)";
        let (run, next) = Run::read(text, 0);
        assert_eq!(next, 16);
        assert_eq!(&run.lens[..run.len], [2, 4, 4, 2]);
        let window = run.windows(8, 8).next().unwrap();
        assert_eq!((&text[window.start..window.end], window.seps), (&b"4111-1111"[..], &[sep::HYPHEN][..]));
        assert_eq!((window.before, window.after), (sep::SPACE, sep::SPACE | sep::PAREN));
        assert!(!window.is_whole());
    }

    #[test]
    fn sentences_and_negative_numbers_end_a_run() {
        assert_eq!(Run::read(b"12. 34", 0).0.len, 1);
        assert_eq!(Run::read(b"42.35 -71.05", 0).0.len, 2);
    }

    #[test]
    fn a_run_that_is_too_long_is_stepped_over() {
        let text = [b'7'; 100];
        let (run, next) = Run::read(&text, 0);
        assert!(run.is_empty());
        assert_eq!(next, 100);
    }

    #[test]
    fn cards_need_prefix_and_checksum() {
        let luhn_of = |text: &str| luhn(&text.bytes().map(|b| b - b'0').collect::<Vec<_>>());
        assert!(luhn_of("4111111111111111") && luhn_of("378282246310005") && !luhn_of("4111111111111112"));
        assert!(!is_issuer(&[1; 16]));
    }
}
