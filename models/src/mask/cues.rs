//! The words that say what the thing beside them is.
//!
//! A cue stands as a word, so only the beginnings of words are looked at, twenty or so in a tweet: the first word of every cue is
//! in one small table, where most words of a text are not found.

use super::scan::{ends_word, is_word, starts_word};
use crate::chunks::{CHUNK, chunk_at, mask_of};

/// What a cue word announces, or rules out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CueKind {
    /// A telephone number.
    Phone,
    /// A number that is nobody's: a case, a bus line, an invoice.
    Code,
    /// A national id.
    Id,
    /// A vehicle plate.
    Plate,
    /// A vehicle: what looks like a plate beside it is one.
    Vehicle,
    /// Where somebody lives.
    Home,
    /// A name follows: "my name is".
    NameIs,
    /// A name may follow: "I am".
    IAm,
    /// A title before a surname.
    Title,
    /// The end of a letter: a name follows.
    Closing,
    /// Thanks, which end a letter or a sentence.
    Thanks,
    /// A person may be named next: "contact", "my neighbour".
    Person,
    /// A social network: a user name follows a colon.
    Network,
    /// An apartment: the street before it is somebody's home.
    Dwelling,
    /// "(at)" or "dot com": an e-mail address spelled out.
    SpelledAt,
}

/// Where a cue word stands: bytes `[start, end)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cue {
    pub start: usize,
    pub end: usize,
    pub kind: CueKind,
}

/// The words, in the languages that cities here are written to.
const WORDS: &str = include_str!("cues.txt");

/// What the heading of a kind in the file means.
fn heading(line: &str) -> Option<CueKind> {
    Some(match line.strip_prefix('[')?.strip_suffix(']')? {
        "phone" => CueKind::Phone,
        "code" => CueKind::Code,
        "id" => CueKind::Id,
        "plate" => CueKind::Plate,
        "vehicle" => CueKind::Vehicle,
        "home" => CueKind::Home,
        "name is" => CueKind::NameIs,
        "i am" => CueKind::IAm,
        "title" => CueKind::Title,
        "closing" => CueKind::Closing,
        "thanks" => CueKind::Thanks,
        "person" => CueKind::Person,
        "network" => CueKind::Network,
        "spelled at" => CueKind::SpelledAt,
        "dwelling" => CueKind::Dwelling,
        _ => return None,
    })
}

/// Every word of the file with its kind.
fn words() -> Vec<(&'static str, CueKind)> {
    let mut words = Vec::new();
    let mut kind = None;
    for line in WORDS.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        match (heading(line), kind) {
            (Some(next), _) => kind = Some(next),
            (None, Some(kind)) => words.extend(line.split(',').map(|word| (word, kind))),
            (None, None) => {}
        }
    }
    words
}

/// Finds all cue words.
pub(super) struct Cues {
    /// Cue words; those with one head stand side by side, in the order of the file.
    words: Vec<Word>,
    heads: Vec<Head>,
    /// Open addressing by a hash of the head: 1 and its position in `heads`; 0 where there is none.
    places: Vec<u16>,
}

struct Word {
    text: &'static str,
    kind: CueKind,
    /// Matches in capitals only.
    exact: bool,
    /// The first eight bytes in small letters, filled up with zeros, and which of the eight there are.
    beginning: u64,
    mask: u64,
}

/// What words begin with, and their range in [`Cues::words`].
struct Head {
    key: u64,
    start: usize,
    end: usize,
}

/// Bits of a hash that choose the place: four times as many places as heads, so that most words end at an empty one.
const PLACE_BITS: u32 = 12;

/// What stands before a cue that begins with no letter.
const OPENINGS: [u8; 3] = *b"([{";

impl Cues {
    pub fn new() -> Self {
        let mut words: Vec<(u64, Word)> =
            words().into_iter().map(|(text, kind)| (head(text.as_bytes()), Word::new(text, kind))).collect();
        // Stable: words with one head stay in the order of the file.
        words.sort_by_key(|(key, _)| *key);
        let mut cues = Self { words: Vec::new(), heads: Vec::new(), places: vec![0; 1 << PLACE_BITS] };
        for (at, (key, word)) in words.into_iter().enumerate() {
            cues.words.push(word);
            match cues.heads.last_mut() {
                Some(head) if head.key == key => head.end = at + 1,
                _ => {
                    cues.heads.push(Head { key, start: at, end: at + 1 });
                    let mut place = home(key);
                    while cues.places[place] != 0 {
                        place = (place + 1) % cues.places.len();
                    }
                    cues.places[place] = cues.heads.len() as u16;
                }
            }
        }
        cues
    }

    /// Finds every cue word that stands as a word; into `found`, in the order of their ends, the shortest first of those that end
    /// together.
    pub fn find(&self, text: &str, found: &mut Vec<Cue>) {
        found.clear();
        let bytes = text.as_bytes();
        let mut word_runs_on = 0;
        for from in (0..bytes.len()).step_by(CHUNK) {
            let chunk = chunk_at(bytes, from);
            let in_word = mask_of(&chunk, is_word);
            let mut starts = in_word & !(in_word << 1 | word_runs_on);
            word_runs_on = in_word >> (CHUNK - 1);
            while starts != 0 {
                let bit = starts.trailing_zeros();
                starts &= starts - 1;
                let at = from + bit as usize;
                // The letters of the word in this chunk; those past it are counted only where the key needs them.
                let mut len = (!(in_word >> bit)).trailing_zeros().min(CHUNK as u32 - bit) as usize;
                if len < 8 && bit as usize + len == CHUNK {
                    len = bytes[at..].iter().take(8).take_while(|byte| is_word(**byte)).count();
                }
                if bytes[at] < FIRST_UNSPACED {
                    let eight = eight_at(bytes, at);
                    self.find_at(bytes, at, eight, eight & first(len), found);
                }
            }
            let mut openings = mask_of(&chunk, |byte| byte >= FIRST_UNSPACED || OPENINGS.contains(&byte));
            while openings != 0 {
                let at = from + openings.trailing_zeros() as usize;
                openings &= openings - 1;
                let eight = eight_at(bytes, at);
                self.find_at(bytes, at, eight, opening(eight), found);
            }
        }
        found.sort_by_key(|cue| (cue.end, std::cmp::Reverse(cue.start)));
    }

    /// Finds the cue words that start at `start`, where `eight` bytes and among them a head stand.
    #[inline]
    fn find_at(&self, bytes: &[u8], start: usize, eight: u64, key: u64, found: &mut Vec<Cue>) {
        let mut place = home(key);
        while let Some(head) = usize::from(self.places[place]).checked_sub(1) {
            let head = &self.heads[head];
            if head.key == key {
                for word in self.words[head.start..head.end].iter().filter(|word| eight & word.mask == word.beginning) {
                    let end = start + word.text.len();
                    if word.stands_at(bytes, start, end) && edges_fit(bytes, start, end) {
                        found.push(Cue { start, end, kind: word.kind });
                    }
                }
                return;
            }
            place = (place + 1) % self.places.len();
        }
    }
}

impl Word {
    fn new(text: &'static str, kind: CueKind) -> Self {
        let mask = first(text.len());
        Self { text, kind, exact: is_capital(text), beginning: eight_at(text.as_bytes(), 0) & mask, mask }
    }

    /// Whether the word stands at `[start, end)`, in any ASCII case unless in capitals.
    fn stands_at(&self, bytes: &[u8], start: usize, end: usize) -> bool {
        let word = self.text.as_bytes();
        bytes.get(start..end).is_some_and(|found| if self.exact { found == word } else { found.eq_ignore_ascii_case(word) })
    }
}

/// The first byte of the scripts that do not separate words, and of some that do: cues in these begin anywhere.
const FIRST_UNSPACED: u8 = 0xD0;

/// What a cue is looked up by: its first word, of which eight bytes count, or the bytes that it opens with where it may begin
/// anywhere.
fn head(word: &[u8]) -> u64 {
    let eight = eight_at(word, 0);
    if is_letter(word[0]) && word[0] < FIRST_UNSPACED {
        eight & first(word.iter().take_while(|byte| is_word(**byte)).count())
    } else {
        opening(eight)
    }
}

/// The first four of eight bytes, marked so that no word is mistaken for them: no text holds a byte of ones.
const fn opening(eight: u64) -> u64 {
    eight & first(4) | !first(4)
}

/// Which bits of eight bytes belong to the first `len`.
const fn first(len: usize) -> u64 {
    if len < 8 { (1 << (8 * len)) - 1 } else { u64::MAX }
}

/// Eight bytes from `at` on as a number, ASCII in small letters; zeros past the end.
fn eight_at(bytes: &[u8], at: usize) -> u64 {
    let eight = match bytes[at..].first_chunk::<8>() {
        Some(eight) => *eight,
        None => {
            let mut eight = [0; 8];
            eight[..bytes.len() - at].copy_from_slice(&bytes[at..]);
            eight
        }
    };
    // 0x80 in every byte that is a capital, by additions that do not carry from byte to byte.
    let (ones, high) = (u64::MAX / 0xFF, (u64::MAX / 0xFF) << 7);
    let eight = u64::from_le_bytes(eight);
    let low = eight & !high;
    let capital = (low + ones * (0x80 - b'A' as u64)) & !(low + ones * (0x7F - b'Z' as u64)) & !eight & high;
    eight | capital >> 2
}

/// Where a head is looked for first: multiplicative hashing (Knuth, volume 3, 6.4) with the golden ratio.
fn home(key: u64) -> usize {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - PLACE_BITS)) as usize
}

/// Whether a word is written in capitals.
fn is_capital(word: &str) -> bool {
    word.bytes().any(|b| b.is_ascii_uppercase()) && !word.bytes().any(|b| b.is_ascii_lowercase())
}

/// Whether the word at `[start, end)` is not a part of a longer one, nor of a placeholder. Scripts that write words together
/// are not asked.
fn edges_fit(bytes: &[u8], start: usize, end: usize) -> bool {
    let first = bytes[start];
    let last = bytes[end - 1];
    let open = first >= FIRST_UNSPACED || !is_letter(first) || starts_word(bytes, start);
    let close = first >= FIRST_UNSPACED || !is_letter(last) || ends_word(bytes, end);
    let placeholder = start > 0 && bytes[start - 1] == b'<' && bytes.get(end) == Some(&b'>');
    open && close && !placeholder
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

/// Whether the word at the end of `bytes` is "number", cut short.
fn is_abbreviation(bytes: &[u8]) -> bool {
    let len = bytes.iter().rev().take_while(|byte| is_letter(**byte)).count();
    let word = &bytes[bytes.len() - len..];
    ["no", "nr", "num", "nro", "rej"].iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// How far before a number its cue may stand, in bytes.
const REACH: usize = 32;

/// Words that may stand between a cue and its number.
const MAX_WORDS_BETWEEN: usize = 4;

impl super::Page<'_> {
    /// The cues that end at most [`REACH`] bytes before `at` in the same sentence, nearest first.
    pub fn cues_before(&self, at: usize) -> impl Iterator<Item = &Cue> {
        let upto = self.cues.partition_point(|cue| cue.end <= at);
        self.cues[..upto]
            .iter()
            .rev()
            .take_while(move |cue| at - cue.end <= REACH)
            .filter(move |cue| self.connects(cue.end, at))
    }

    /// The nearest cue before `at` among the kinds `wanted`.
    pub fn nearest(&self, at: usize, wanted: impl Fn(CueKind) -> bool) -> Option<&Cue> {
        self.cues_before(at).find(|cue| wanted(cue.kind))
    }

    /// Whether nothing but a few words of the same sentence lies between.
    fn connects(&self, from: usize, to: usize) -> bool {
        let between = &self.bytes[from..to];
        let words = between.split(|byte| *byte == b' ').filter(|word| word.iter().any(|b| is_letter(*b))).count();
        let ends = |at: usize| match between[at] {
            // "no. 12" is one sentence.
            b'.' => !is_abbreviation(&between[..at]),
            b'!' | b'?' | b';' | b'\n' => true,
            _ => false,
        };
        let broken =
            (1..between.len()).any(|at| between[at] == b' ' && ends(at - 1)) && between.iter().any(|byte| is_letter(*byte));
        words <= MAX_WORDS_BETWEEN && !broken && !between.contains(&b'\n')
    }
}

#[cfg(test)]
mod tests {
    use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
    use proptest::prelude::*;

    use super::*;

    fn kinds(text: &str) -> Vec<CueKind> {
        let mut found = Vec::new();
        Cues::new().find(text, &mut found);
        found.iter().map(|cue| cue.kind).collect()
    }

    #[test]
    fn every_line_of_the_file_belongs_to_a_kind() {
        assert!(WORDS.lines().filter(|line| line.starts_with('[')).all(|line| heading(line).is_some()));
        assert!(words().len() > 700 && words().iter().all(|(word, _)| !word.is_empty() && word.trim() == *word));
    }

    #[test]
    fn cues_are_whole_words_in_any_case() {
        assert_eq!(kinds("Please CALL now"), [CueKind::Phone, CueKind::Person]);
        assert!(kinds("recalled the suitcase").is_empty());
        assert!(kinds("<address> <name>").is_empty());
    }

    #[test]
    fn everyday_words_need_their_capitals() {
        assert!(!kinds("nie wieder").contains(&CueKind::Id));
        assert!(kinds("mi NIE es").contains(&CueKind::Id));
    }

    #[test]
    fn every_cue_begins_with_a_letter_or_an_opening() {
        assert!(words().iter().all(|(word, _)| is_letter(word.as_bytes()[0]) || OPENINGS.contains(&word.as_bytes()[0])));
        assert!(words().iter().all(|(word, _)| word.len() >= 4 || word.as_bytes()[0] < FIRST_UNSPACED));
    }

    #[test]
    fn eight_bytes_in_small_letters() {
        let lower = |text: &str| u64::from_le_bytes(text.to_ascii_lowercase().as_bytes().try_into().unwrap());
        for text in ["@AMNZ[`a", "ÀÉÜß", "éA\u{7f}Z\0az"] {
            assert_eq!(eight_at(text.as_bytes(), 0), lower(text), "{text}");
        }
        assert_eq!(eight_at(b"xAB", 1), u64::from_le_bytes(*b"ab\0\0\0\0\0\0"));
    }

    /// All cues by an automaton that looks at every byte.
    fn by_automaton(text: &str) -> Vec<(usize, usize, CueKind)> {
        static AUTOMATON: std::sync::LazyLock<AhoCorasick> = std::sync::LazyLock::new(|| {
            let words = words().into_iter().map(|(word, _)| word);
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .kind(Some(AhoCorasickKind::NoncontiguousNFA))
                .build(words)
                .unwrap()
        });
        let words = words();
        let hits = AUTOMATON.find_overlapping_iter(text).map(|hit| (hit.start(), hit.end(), words[hit.pattern()]));
        let standing = hits.filter(|(start, end, (word, _))| {
            edges_fit(text.as_bytes(), *start, *end) && (!is_capital(word) || &text[*start..*end] == *word)
        });
        let mut found: Vec<_> = standing.map(|(start, end, (_, kind))| (start, end, kind)).collect();
        found.sort_by_key(|(start, end, _)| (*end, std::cmp::Reverse(*start)));
        found
    }

    /// A cue as it stands in the file or in other case, or something that may stand between two.
    fn piece() -> impl Strategy<Value = String> {
        let word = (0..words().len()).prop_map(|at| words()[at].0.to_owned());
        prop_oneof![
            word.clone(),
            word.clone().prop_map(|word| word.to_ascii_uppercase()),
            word.prop_map(|word| word.chars().skip(1).collect()),
            "[a-z ]{1,9}",
            Just(" ".to_owned()),
            "[ .,'<>()#0-9@-]",
            "\\PC",
        ]
    }

    proptest! {
        #[test]
        fn the_beginnings_of_words_are_enough(pieces in proptest::collection::vec(piece(), 0..40)) {
            let text = pieces.concat();
            let mut found = Vec::new();
            static CUES: std::sync::LazyLock<Cues> = std::sync::LazyLock::new(Cues::new);
            CUES.find(&text, &mut found);
            let found: Vec<_> = found.iter().map(|cue| (cue.start, cue.end, cue.kind)).collect();
            prop_assert_eq!(found, by_automaton(&text));
        }
    }
}
