//! Scripts, and the languages that write in each.

/// Which languages a script leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// One, or one that is far more usual than the others.
    One(&'static [u8; 2]),
    /// Several: the classifier decides.
    Many(Group),
}

/// Scripts of several languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Latin,
    Cyrillic,
    Arabic,
}

/// The languages of the classifier, group after group. A language's position is its lane in the weights.
pub(super) const LANES: [&[u8; 2]; 29] = [
    b"cs", b"da", b"de", b"en", b"es", b"fr", b"hr", b"hu", b"id", b"it", b"nl", b"pl", b"pt", b"ro", b"so", b"sq", b"sv",
    b"sw", b"tl", b"tr", b"vi", b"yo", b"bg", b"ru", b"sr", b"uk", b"ar", b"fa", b"ur",
];

impl Group {
    /// The lanes of the group's languages.
    pub fn lanes(self) -> std::ops::Range<usize> {
        match self {
            Self::Latin => 0..22,
            Self::Cyrillic => 22..26,
            Self::Arabic => 26..29,
        }
    }
}

/// Scripts are counted under these numbers.
pub(super) const SCRIPTS: usize = 27;

pub(super) const LATIN: usize = 0;
const CYRILLIC: usize = 1;
const ARABIC: usize = 2;
const KANA: usize = 3;
const HAN: usize = 4;

/// First and last code point of a script's letters, its number, and whose it is. Sorted.
const RANGES: &[(u32, u32, usize, &[u8; 2])] = &[
    (0x00C0, 0x024F, LATIN, b"  "),
    (0x0370, 0x03FF, 5, b"el"),
    (0x0400, 0x052F, CYRILLIC, b"  "),
    (0x0531, 0x058F, 6, b"hy"),
    (0x05D0, 0x05F4, 7, b"he"),
    (0x0620, 0x065F, ARABIC, b"  "),
    (0x066E, 0x06EF, ARABIC, b"  "),
    (0x06FA, 0x06FF, ARABIC, b"  "),
    (0x0750, 0x077F, ARABIC, b"  "),
    (0x0900, 0x0963, 8, b"hi"),
    (0x0971, 0x097F, 8, b"hi"),
    (0x0980, 0x09E5, 9, b"bn"),
    (0x0A01, 0x0A65, 10, b"pa"),
    (0x0A70, 0x0A76, 10, b"pa"),
    (0x0A81, 0x0AE5, 11, b"gu"),
    (0x0B01, 0x0B65, 12, b"or"),
    (0x0B82, 0x0BE5, 13, b"ta"),
    (0x0C00, 0x0C65, 14, b"te"),
    (0x0C80, 0x0CE5, 15, b"kn"),
    (0x0D00, 0x0D65, 16, b"ml"),
    (0x0D80, 0x0DE5, 17, b"si"),
    (0x0E01, 0x0E4E, 18, b"th"),
    (0x0E81, 0x0ECF, 19, b"lo"),
    (0x0F40, 0x0FBC, 20, b"bo"),
    (0x1000, 0x103F, 21, b"my"),
    (0x10A0, 0x10FF, 22, b"ka"),
    (0x1100, 0x11FF, 23, b"ko"),
    (0x1200, 0x139F, 24, b"am"),
    (0x1780, 0x17D3, 25, b"km"),
    (0x1E00, 0x1EFF, LATIN, b"  "),
    (0x1F00, 0x1FFF, 5, b"el"),
    (0x2C60, 0x2C7F, LATIN, b"  "),
    (0x2D00, 0x2D2F, 22, b"ka"),
    (0x3041, 0x30FF, KANA, b"ja"),
    (0x3130, 0x318F, 23, b"ko"),
    (0x3400, 0x4DBF, HAN, b"zh"),
    (0x4E00, 0x9FFF, HAN, b"zh"),
    (0xA640, 0xA69F, CYRILLIC, b"  "),
    (0xAC00, 0xD7AF, 23, b"ko"),
    (0xF900, 0xFAFF, HAN, b"zh"),
    (0xFB50, 0xFDFF, ARABIC, b"  "),
    (0xFE70, 0xFEFC, ARABIC, b"  "),
    (0xFF66, 0xFF9F, KANA, b"ja"),
    (0x20000, 0x323AF, HAN, b"zh"),
];

/// The script of a character beyond ASCII; `None` when it is no letter.
pub(super) fn script_of(c: char) -> Option<usize> {
    let code = u32::from(c);
    // The signs of multiplication and division stand between the letters of Latin-1.
    if matches!(code, 0xD7 | 0xF7) {
        return None;
    }
    let at = RANGES.partition_point(|range| range.1 < code);
    RANGES.get(at).filter(|range| range.0 <= code).map(|range| range.2)
}

/// How much a letter of another script weighs against a Latin one: names, brands and leftovers of web pages are Latin in any
/// language, and syllables in other scripts take fewer letters.
const WEIGHT: u32 = 3;

/// The script that most letters are of, and its share, from the number of letters in each. Japanese mixes Han with kana; a few
/// kana decide.
pub(super) fn dominant(counts: &[u32; SCRIPTS]) -> Option<(Script, f32)> {
    // Most texts are of one script that is Latin.
    if counts[LATIN] > 0 && counts[LATIN + 1..].iter().all(|count| *count == 0) {
        return Some((Script::Many(Group::Latin), 1.0));
    }
    let mut counts = *counts;
    counts[LATIN + 1..].iter_mut().for_each(|count| *count *= WEIGHT);
    if counts[KANA] * 8 >= counts[HAN] && counts[KANA] > 0 {
        counts[KANA] += std::mem::take(&mut counts[HAN]);
    }
    let (best, count) = counts.into_iter().enumerate().rev().max_by_key(|(_, count)| *count)?;
    let script = match best {
        LATIN => Script::Many(Group::Latin),
        CYRILLIC => Script::Many(Group::Cyrillic),
        ARABIC => Script::Many(Group::Arabic),
        other => Script::One(RANGES.iter().find(|range| range.2 == other)?.3),
    };
    let all: u32 = counts.iter().sum();
    (count > 0).then_some((script, count as f32 / all as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_sorted_and_every_lane_is_in_a_group() {
        assert!(RANGES.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert!(RANGES.iter().all(|range| range.2 < SCRIPTS));
        assert_eq!(Group::Latin.lanes().end, Group::Cyrillic.lanes().start);
        assert_eq!(Group::Arabic.lanes().end, LANES.len());
    }

    #[test]
    fn a_brand_does_not_make_a_text_latin() {
        let mut counts = [0; SCRIPTS];
        (counts[LATIN], counts[ARABIC]) = (20, 15);
        assert_eq!(dominant(&counts).map(|found| found.0), Some(Script::Many(Group::Arabic)));
        assert_eq!(dominant(&[0; SCRIPTS]), None);
        counts[ARABIC] = 0;
        assert_eq!(dominant(&counts), Some((Script::Many(Group::Latin), 1.0)));
    }

    #[test]
    fn letters_know_their_script() {
        assert_eq!(script_of('ß'), Some(LATIN));
        assert_eq!(script_of('×'), None);
        assert_eq!(script_of('😀'), None);
        assert_eq!(script_of('ж'), Some(CYRILLIC));
        assert_eq!(script_of('か'), Some(KANA));
    }
}
