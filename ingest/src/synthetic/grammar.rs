//! What people say: sentence patterns from the phrase files, compiled once, spoken without allocation.
//!
//! A phrase file has sections (`[common]`, one per topic) of lines `key: pattern`; several lines may share a key. In a pattern,
//! `[a|b|c]` is one of several wordings and `{p}` a slot: `{p}` a place, `{s}` and `{t}` two streets, `{d}` a number from 2 to 9,
//! `{n}` a person's name, `{m}` an e-mail address, `{f}` a telephone number.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use feedback::{Signal, Tone, Topic};

use super::dice::Dice;

/// The languages that the city speaks, ISO 639-1; the first is everybody's.
pub const LANGUAGES: [&str; 6] = ["en", "es", "de", "fr", "it", "pt"];

const FILES: [&str; LANGUAGES.len()] = [
    include_str!("phrases/en.txt"),
    include_str!("phrases/es.txt"),
    include_str!("phrases/de.txt"),
    include_str!("phrases/fr.txt"),
    include_str!("phrases/it.txt"),
    include_str!("phrases/pt.txt"),
];

/// How many different things can be wrong within a topic: what separates two incidents at one corner.
pub const MATTERS: usize = 3;

/// The phrases of all languages.
pub static PHRASES: LazyLock<Vec<Phrasebook>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|text| Phrasebook::parse(text).expect("the phrase files are part of the program; a test parses each"))
        .collect()
});

const STREETS: [&str; 48] = [
    "Maple Street",
    "Oak Avenue",
    "Mill Lane",
    "Station Road",
    "Chestnut Street",
    "Bridge Street",
    "Harbor Way",
    "Elm Street",
    "Church Street",
    "Park Avenue",
    "Washington Street",
    "River Road",
    "Cedar Street",
    "High Street",
    "Market Street",
    "Walnut Street",
    "Canal Street",
    "Hill Road",
    "Spruce Street",
    "Garden Street",
    "Union Street",
    "Forest Avenue",
    "Beacon Street",
    "School Street",
    "Summer Street",
    "Winter Street",
    "Franklin Avenue",
    "Lincoln Avenue",
    "Prospect Street",
    "Pleasant Street",
    "Water Street",
    "Pine Street",
    "Main Street",
    "Central Avenue",
    "Orchard Road",
    "Willow Street",
    "Quarry Road",
    "Tanner Street",
    "Bakers Lane",
    "College Street",
    "Highland Avenue",
    "Meadow Lane",
    "Cross Street",
    "Foundry Street",
    "Temple Street",
    "Ocean Avenue",
    "Dock Street",
    "King Street",
];
const FIRST_NAMES: [&str; 16] = [
    "Maria", "James", "Aisha", "Peter", "Lucia", "David", "Fatima", "Thomas", "Elena", "Kevin", "Sofia", "Marcus", "Anna",
    "Carlos", "Nadia", "Robert",
];
const LAST_NAMES: [&str; 16] = [
    "Miller",
    "Garcia",
    "Okafor",
    "Schmidt",
    "Rossi",
    "Silva",
    "Dubois",
    "Nguyen",
    "Johnson",
    "Fernandez",
    "Kaya",
    "Costa",
    "Moreau",
    "Weber",
    "Brown",
    "Haddad",
];

/// How many streets there are.
pub const STREET_COUNT: u32 = STREETS.len() as u32;

#[derive(Clone, Copy, Debug)]
enum Token {
    /// A stretch of the arena, as it is.
    Literal { start: u32, end: u32 },
    /// One of consecutive entries of `alternatives`.
    OneOf { first: u32, count: u32 },
    /// Something that depends on the message.
    Slot(u8),
}

/// The phrases of one language.
#[derive(Debug)]
pub struct Phrasebook {
    arena: Vec<u8>,
    alternatives: Vec<(u32, u32)>,
    tokens: Vec<Token>,
    /// Where each pattern's tokens lie, grouped by use.
    patterns: Vec<Range<u32>>,
    places: Group,
    openers: [Group; 3],
    closers: [Group; 3],
    since: Group,
    updates: Group,
    personal: Group,
    /// By topic: the matters, then request, question, praise.
    topics: Vec<[Group; MATTERS + 3]>,
    hello: Group,
}

/// Consecutive patterns among which one is drawn.
#[derive(Clone, Copy, Debug)]
struct Group {
    first: u32,
    count: u32,
}

/// What a message is to say.
#[derive(Clone, Copy, Debug)]
pub struct Speech {
    /// About what.
    pub topic: Topic,
    /// Which of the topic's matters.
    pub matter: u8,
    /// To what end.
    pub signal: Signal,
    /// In which feeling.
    pub tone: Tone,
    /// The two streets that meet there (below [`STREET_COUNT`]).
    pub streets: (u8, u8),
    /// Whether the sender leaves personal data in the text.
    pub is_personal: bool,
    /// Whether the sender has come back to add something.
    pub is_edited: bool,
}

impl Phrasebook {
    /// Compiles a phrase file; the error names line and problem.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines: HashMap<(String, String), Vec<&str>> = HashMap::new();
        let mut section = String::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
                continue;
            }
            let (key, pattern) =
                line.split_once(": ").ok_or_else(|| format!("line {}: `key: pattern` expected", number + 1))?;
            if pattern.bytes().any(|b| b < 0x20 || b == b'"' || b == b'\\') {
                return Err(format!("line {}: quotation marks and backslashes would need escapes in JSON", number + 1));
            }
            if key == "place" && pattern.contains("{p}") {
                return Err(format!("line {}: a place cannot hold a place", number + 1));
            }
            lines.entry((section.clone(), key.to_owned())).or_default().push(pattern);
        }
        let mut book = Builder::default();
        let mut group = |section: &str, key: &str| -> Result<Group, String> {
            let patterns =
                lines.get(&(section.to_owned(), key.to_owned())).ok_or_else(|| format!("[{section}] {key}: is missing"))?;
            let first = book.patterns.len() as u32;
            for pattern in patterns {
                book.compile(pattern).map_err(|problem| format!("[{section}] {key}: {problem} in `{pattern}`"))?;
            }
            Ok(Group { first, count: patterns.len() as u32 })
        };
        let mut common = |key| group("common", key);
        let (places, since, updates, personal, hello) =
            (common("place")?, common("since")?, common("update")?, common("personal")?, common("hello")?);
        let openers = [common("open_negative")?, common("open_neutral")?, common("open_positive")?];
        let closers = [common("close_negative")?, common("close_neutral")?, common("close_positive")?];
        let mut topics = Vec::with_capacity(Topic::ALL.len());
        for topic in Topic::WORDS {
            let mut of = |key| group(topic, key);
            topics.push([of("0")?, of("1")?, of("2")?, of("request")?, of("question")?, of("praise")?]);
        }
        let Builder { arena, alternatives, tokens, patterns } = book;
        Ok(Self { arena, alternatives, tokens, patterns, places, openers, closers, since, updates, personal, topics, hello })
    }

    /// How many different sentences the patterns of a topic's matter give, without openers, closers and places.
    pub fn wordings(&self, topic: Topic, matter: usize) -> u64 {
        let group = self.topics[usize::from(topic.code())][matter];
        let ways = |token: &Token| if let Token::OneOf { count, .. } = token { u64::from(*count) } else { 1 };
        let pattern = |index: u32| {
            let range = self.patterns[index as usize].clone();
            self.tokens[range.start as usize..range.end as usize].iter().map(ways).product::<u64>()
        };
        (group.first..group.first + group.count).map(pattern).sum()
    }

    /// Appends the message to `out`: UTF-8 that needs no escapes in JSON.
    pub fn speak(&self, speech: &Speech, dice: &mut Dice, out: &mut Vec<u8>) {
        let start = out.len();
        let tone = usize::from(speech.tone.code());
        if dice.happens(0.45) {
            self.say(self.openers[tone], speech, dice, out);
            out.push(b' ');
        }
        let body = &self.topics[usize::from(speech.topic.code())];
        match speech.signal {
            Signal::Problem => self.say(body[usize::from(speech.matter)], speech, dice, out),
            Signal::Request => self.say(body[MATTERS], speech, dice, out),
            Signal::Question => self.say(body[MATTERS + 1], speech, dice, out),
            Signal::Praise => self.say(body[MATTERS + 2], speech, dice, out),
            Signal::Other => self.say(self.hello, speech, dice, out),
        }
        if speech.signal == Signal::Problem && dice.happens(0.35) {
            out.push(b' ');
            self.say(self.since, speech, dice, out);
        }
        // An angry or a glad message must say so somewhere: the tone is its label.
        if speech.tone != Tone::Neutral || dice.happens(0.3) {
            out.push(b' ');
            self.say(self.closers[tone], speech, dice, out);
        }
        if speech.is_personal {
            out.push(b' ');
            self.say(self.personal, speech, dice, out);
        }
        if speech.is_edited {
            out.push(b' ');
            self.say(self.updates, speech, dice, out);
        }
        capitalise(&mut out[start..]);
    }

    fn say(&self, group: Group, speech: &Speech, dice: &mut Dice, out: &mut Vec<u8>) {
        let pattern = if group.count == 1 { group.first } else { group.first + dice.below(group.count) };
        let range = &self.patterns[pattern as usize];
        for token in &self.tokens[range.start as usize..range.end as usize] {
            match *token {
                Token::Literal { start, end } => out.extend_from_slice(&self.arena[start as usize..end as usize]),
                Token::OneOf { first, count } => {
                    let (start, end) = self.alternatives[(first + dice.below(count)) as usize];
                    out.extend_from_slice(&self.arena[start as usize..end as usize]);
                }
                Token::Slot(b'p') => self.say(self.places, speech, dice, out),
                Token::Slot(slot) => fill_slot(slot, speech, dice, out),
            }
        }
    }
}

fn fill_slot(slot: u8, speech: &Speech, dice: &mut Dice, out: &mut Vec<u8>) {
    let pick = |words: &[&'static str; 16], dice: &mut Dice| words[dice.below(16) as usize].as_bytes();
    match slot {
        b's' => out.extend_from_slice(STREETS[usize::from(speech.streets.0)].as_bytes()),
        b't' => out.extend_from_slice(STREETS[usize::from(speech.streets.1)].as_bytes()),
        b'd' => out.push(b'2' + dice.below(8) as u8),
        b'n' => {
            out.extend_from_slice(pick(&FIRST_NAMES, dice));
            out.push(b' ');
            out.extend_from_slice(pick(&LAST_NAMES, dice));
        }
        b'm' => {
            out.extend(pick(&FIRST_NAMES, dice).iter().map(u8::to_ascii_lowercase));
            out.push(b'.');
            out.extend(pick(&LAST_NAMES, dice).iter().map(u8::to_ascii_lowercase));
            out.extend_from_slice(b"@example.org");
        }
        // 555-01xx: numbers that belong to nobody.
        _ => {
            out.extend_from_slice(b"617-555-01");
            out.push(b'0' + dice.below(10) as u8);
            out.push(b'0' + dice.below(10) as u8);
        }
    }
}

/// A pattern may begin with a slot or a wording in small letters.
fn capitalise(text: &mut [u8]) {
    if let Some(first) = text.first_mut() {
        first.make_ascii_uppercase();
    }
}

#[derive(Default)]
struct Builder {
    arena: Vec<u8>,
    alternatives: Vec<(u32, u32)>,
    tokens: Vec<Token>,
    patterns: Vec<Range<u32>>,
}

impl Builder {
    fn compile(&mut self, pattern: &str) -> Result<(), String> {
        let first = self.tokens.len() as u32;
        let mut rest = pattern;
        while !rest.is_empty() {
            let next = rest.find(['[', '{']).unwrap_or(rest.len());
            let (literal, more) = rest.split_at(next);
            if !literal.is_empty() {
                let (start, end) = self.keep(literal);
                self.tokens.push(Token::Literal { start, end });
            }
            rest = match more.as_bytes().first() {
                None => more,
                Some(b'[') => {
                    let (inner, after) = more[1..].split_once(']').ok_or("`[` without `]`")?;
                    if inner.contains(['[', '{', '}']) {
                        return Err("wordings hold plain text only".into());
                    }
                    let first = self.alternatives.len() as u32;
                    for wording in inner.split('|') {
                        let kept = self.keep(wording);
                        self.alternatives.push(kept);
                    }
                    self.tokens.push(Token::OneOf { first, count: self.alternatives.len() as u32 - first });
                    after
                }
                Some(_) => {
                    let (slot, after) = more[1..].split_once('}').ok_or("`{` without `}`")?;
                    match slot.as_bytes() {
                        [known] if b"pstdnmf".contains(known) => self.tokens.push(Token::Slot(*known)),
                        _ => return Err(format!("unknown slot `{slot}`")),
                    }
                    after
                }
            };
        }
        self.patterns.push(first..self.tokens.len() as u32);
        Ok(())
    }

    fn keep(&mut self, text: &str) -> (u32, u32) {
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(text.as_bytes());
        (start, self.arena.len() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_file_is_complete_and_varied() {
        for (language, text) in LANGUAGES.iter().zip(FILES) {
            let book = Phrasebook::parse(text).unwrap_or_else(|problem| panic!("{language}: {problem}"));
            for topic in Topic::ALL {
                let wordings: u64 = (0..MATTERS).map(|matter| book.wordings(*topic, matter)).sum();
                assert!(wordings >= 18, "{language} {topic}: only {wordings} wordings");
            }
        }
    }

    #[test]
    fn broken_patterns_are_named() {
        let problem = |pattern: &str| Builder::default().compile(pattern).unwrap_err();
        assert_eq!(problem("a [b|c"), "`[` without `]`");
        assert_eq!(problem("a {x}"), "unknown slot `x`");
        assert!(Phrasebook::parse("[common]\nplace: a \"b\"").unwrap_err().starts_with("line 2"));
        assert!(Phrasebook::parse("").unwrap_err().contains("is missing"));
    }

    #[test]
    fn a_topic_is_told_in_hundreds_of_ways() {
        let speech = Speech {
            topic: Topic::Roads,
            matter: 0,
            signal: Signal::Problem,
            tone: Tone::Negative,
            streets: (3, 7),
            is_personal: false,
            is_edited: false,
        };
        for book in PHRASES.iter() {
            let mut seen = std::collections::HashSet::new();
            let mut dice = Dice::new(1, 2, 3);
            for _ in 0..2_000 {
                let mut text = Vec::new();
                book.speak(&speech, &mut dice, &mut text);
                seen.insert(String::from_utf8(text).unwrap());
            }
            assert!(seen.len() > 500, "{}", seen.len());
        }
    }
}
