//! The words that say what the thing beside them is: one automaton, one pass, word boundaries checked.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::scan::{ends_word, starts_word};

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

/// The automaton of all cue words.
pub(super) struct Cues {
    automaton: AhoCorasick,
    entries: Vec<Word>,
}

struct Word {
    kind: CueKind,
    exact: Option<&'static str>,
}

impl Cues {
    pub fn new() -> Self {
        let words = words();
        let entries = words.iter().map(|(word, kind)| Word { kind: *kind, exact: is_capital(word).then_some(*word) }).collect();
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(words.iter().map(|(word, _)| *word))
            .expect("a few thousand short literals are far below every limit of the automaton");
        Self { automaton, entries }
    }

    /// Finds every cue word that stands as a word, longest first where several start together; into `found`, in order.
    pub fn find(&self, text: &str, found: &mut Vec<Cue>) {
        found.clear();
        let bytes = text.as_bytes();
        for hit in self.automaton.find_overlapping_iter(text) {
            let word = &self.entries[hit.pattern()];
            let (start, end) = (hit.start(), hit.end());
            if !edges_fit(bytes, start, end) || word.exact.is_some_and(|exact| &text[start..end] != exact) {
                continue;
            }
            found.push(Cue { start, end, kind: word.kind });
        }
        found.sort_unstable_by_key(|cue| (cue.end, std::cmp::Reverse(cue.start)));
    }
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
    let open = first >= 0xD0 || !is_letter(first) || starts_word(bytes, start);
    let close = first >= 0xD0 || !is_letter(last) || ends_word(bytes, end);
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
}
