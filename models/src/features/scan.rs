//! The one pass over a text: words, numbers, handles, links, masks, emoji and emoticons become features as they end.

use super::Sink;
use super::context::Answer;
use super::danger;
use super::facts::{Case, Memory, key};
use super::hash::Hash;
use super::polarity::{self, Tally};
use super::scope::{Cover, Role, Scope};
use crate::chunks::{CHUNK, chunk_at, mask_of};

/// Numbers of up to this many digits are kept as they are: 911, 311, 24, 7.
const EXACT_DIGITS: usize = 3;
/// Punctuation marks of one run that are looked at.
const MAX_RUN: usize = 4;

/// Stand-ins for what is not a word. Numbers, so that no word of a text can be mistaken for one.
#[derive(Clone, Copy)]
enum Token {
    Handle = 1,
    Link,
    LongNumber,
    Shouted,
    Elongated,
    Hashtag,
    /// A person's name, whoever's: nothing may follow from which one it is.
    Name,
}

impl Token {
    const fn hash(self, size: usize) -> u32 {
        Hash::salted(b't').number(self as u32).number(size as u32).finish()
    }
}

const NAME: u32 = Token::Name.hash(0);

/// State of a pass.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    pub(super) memory: Memory,
    scope: Scope,
    tally: Tally,
    danger: danger::Tally,
    /// The token before, for bigrams; 0 at the beginning of a text.
    before: u32,
    tokens: usize,
    /// Nothing of the sentence has been read.
    sentence_begins: bool,
    ahead: Vec<Ahead>,
    /// The first of `ahead` that may still come.
    next: usize,
    /// Bytes of the text.
    len: usize,
    /// The word before has a capital, as every word of a title may have.
    after_capital: bool,
}

/// A word that was found before the pass: of ASCII, and followed by ASCII.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    start: usize,
    end: usize,
    key: u64,
}

impl Scanner {
    /// Remembers up to `slots` words.
    pub(super) fn new(slots: usize) -> Self {
        Self { memory: Memory::new(slots), ..Self::default() }
    }

    /// Gives the features of `text`, which answers a question of the kind `answer`, to `sink`; returns the number of tokens.
    pub(super) fn text<S: Sink>(&mut self, text: &str, answer: Option<Answer>, sink: &mut S) -> usize {
        self.scope.clear();
        (self.tally, self.danger) = (Tally::default(), danger::Tally::default());
        (self.before, self.tokens) = (0, 0);
        (self.sentence_begins, self.after_capital) = (true, false);
        self.look_ahead(text);
        let mut rest = text;
        let mut tag = false;
        while let Some(c) = rest.chars().next() {
            let start = rest;
            rest = &rest[c.len_utf8()..];
            let next = rest.chars().next();
            match c {
                _ if c.is_ascii_alphabetic() => self.word(start, &mut rest, tag, answer, sink),
                ' ' => {}
                '@' if next.is_some_and(is_handle) => {
                    skip(&mut rest, is_handle);
                    self.token(Token::Handle.hash(0), sink);
                }
                '#' if next.is_some_and(char::is_alphanumeric) => {
                    sink.word(Token::Hashtag.hash(0));
                    tag = true;
                    continue;
                }
                '<' if next.is_some_and(|c| c.is_ascii_lowercase()) => self.mask(&mut rest, sink),
                _ if is_ideograph(c) => {
                    let word = &start[..c.len_utf8()];
                    self.read(word, key(word.as_bytes()), false, answer, sink);
                }
                _ if c.is_alphabetic() => self.word(start, &mut rest, tag, answer, sink),
                _ if c.is_ascii_digit() => self.number(c, &mut rest, sink),
                _ if c.is_whitespace() || c.is_control() || is_joiner(c) => {}
                _ if c.is_ascii_punctuation()
                    || matches!(c, '…' | '“' | '”' | '¡' | '¿' | '‘' | '’' | '–' | '—' | '،' | '؟' | '।') =>
                {
                    self.punctuation(c, &mut rest, sink);
                }
                // Emoji, symbols and everything that Unicode still invents: each character a word, runs read once.
                _ => {
                    let run = skip(&mut rest, |next| next == c || is_joiner(next));
                    let hash = polarity::emoji(c);
                    self.polar(polarity::of_token(hash), Cover::default(), sink);
                    if run > 0 {
                        sink.word(Token::Elongated.hash(1));
                    }
                    self.token(hash, sink);
                }
            }
            tag = false;
        }
        for feature in self.tally.features().into_iter().chain(self.danger.features()) {
            sink.word(feature);
        }
        self.tokens
    }

    /// Finds the words of `text` that are ASCII, as [`Self::word`] will find them, and touches what is remembered of them: that
    /// many at once are waited for as long as one is.
    fn look_ahead(&mut self, text: &str) {
        self.ahead.clear();
        (self.next, self.len) = (0, text.len());
        let bytes = text.as_bytes();
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'\'';
        let (mut runs_on, mut touched) = (0, 0);
        for from in (0..bytes.len()).step_by(CHUNK) {
            let parts = mask_of(&chunk_at(bytes, from), is_part);
            let mut starts = parts & !(parts << 1 | runs_on);
            runs_on = parts >> (CHUNK - 1);
            while starts != 0 {
                let bit = starts.trailing_zeros() as usize;
                starts &= starts - 1;
                let mut end = from + bit + (!(parts >> bit)).trailing_zeros().min((CHUNK - bit) as u32) as usize;
                if end == from + CHUNK {
                    end += bytes.get(end..).unwrap_or_default().iter().take_while(|byte| is_part(**byte)).count();
                }
                // Digits and quotation marks in front are read by themselves.
                let front = bytes[from + bit..end].iter().take_while(|byte| !byte.is_ascii_alphabetic()).count();
                let start = from + bit + front;
                if start < end && bytes.get(end).is_none_or(u8::is_ascii) {
                    let key = key(&bytes[start..end]);
                    touched ^= self.memory.touch(key);
                    self.ahead.push(Ahead { start, end, key });
                }
            }
        }
        std::hint::black_box(touched);
    }

    /// A word that begins at `start`; `rest` is what follows its first letter.
    fn word<'t, S: Sink>(&mut self, start: &'t str, rest: &mut &'t str, tag: bool, answer: Option<Answer>, sink: &mut S) {
        let at = self.len - start.len();
        while self.ahead.get(self.next).is_some_and(|ahead| ahead.start < at) {
            self.next += 1;
        }
        let (word, key) = match self.ahead.get(self.next) {
            Some(ahead) if ahead.start == at => {
                let (word, after) = start.split_at(ahead.end - at);
                *rest = after;
                (word, ahead.key)
            }
            _ => {
                skip(rest, |c| {
                    c.is_ascii_alphanumeric()
                        || matches!(c, '\'' | '’')
                        || !c.is_ascii() && (c.is_alphanumeric() && !is_ideograph(c) || is_mark(c))
                });
                let word = &start[..start.len() - rest.len()];
                (word, key(word.as_bytes()))
            }
        };
        if self.read(word, key, tag, answer, sink) {
            skip(rest, |c| !c.is_whitespace());
        }
    }

    /// Takes a word in; true where it begins a link.
    fn read<S: Sink>(&mut self, text: &str, key: u64, tag: bool, answer: Option<Answer>, sink: &mut S) -> bool {
        let found = self.memory.find(text, key, |unigram| sink.is_common(unigram));
        let facts = found.facts;
        if facts.empty {
            return false;
        }
        if facts.link {
            self.token(Token::Link.hash(0), sink);
            return true;
        }
        let name = facts.is_name(self.sentence_begins || self.after_capital, tag);
        // What may be a name has its letters read for everything but tone.
        if facts.has_letters() {
            sink.grams(found.slot, found.grams, !name);
        }
        self.after_capital = facts.case == Case::Capital;
        if name {
            self.scope.covers(Role::None);
            // First and last name, or any number of them, are one name.
            if self.before != NAME {
                self.token(NAME, sink);
            }
            self.sentence_begins = false;
            return false;
        }
        if facts.case == Case::Shouted {
            sink.word(Token::Shouted.hash(0));
        }
        if facts.elongated {
            sink.word(Token::Elongated.hash(0));
        }
        let cover = self.scope.covers(facts.role);
        for mark in cover.marks() {
            sink.word(Hash::salted(mark).and(facts.unigram).finish());
        }
        self.polar(facts.strength, cover, sink);
        self.danger.add(facts.signs, cover);
        if facts.alarm {
            let kind = Hash::salted(b'!').number(u32::from(cover.negated) * 2 + u32::from(cover.past));
            sink.word(kind.finish());
            sink.word(Hash::salted(b'?').and(self.before).finish());
            if !cover.negated && !cover.past {
                self.tally.alarm();
            }
        }
        if let Some(answer) = answer {
            sink.word(Hash::salted(b'A').number(answer as u32).and(facts.unigram).finish());
        }
        self.token(facts.unigram, sink);
        false
    }

    /// Gives what is common to words of one strength.
    fn polar<S: Sink>(&mut self, strength: i8, cover: Cover, sink: &mut S) {
        if strength == 0 {
            return;
        }
        self.tally.add(strength, cover.negated);
        let kind = Hash::salted(b'l').number(strength as u32).number(u32::from(cover.negated));
        sink.word(kind.finish());
        sink.word(Hash::salted(b'x').and(self.before).number(strength as u32).finish());
        if cover.contrasted {
            sink.word(kind.number(1).finish());
        }
        if cover.past {
            sink.word(kind.number(2).finish());
        }
    }

    fn number<S: Sink>(&mut self, first: char, rest: &mut &str, sink: &mut S) {
        let mut hash = Hash::salted(b'd').char(first);
        let mut digits = 1;
        skip(rest, |c| {
            if !c.is_ascii_digit() {
                return false;
            }
            digits += 1;
            if digits <= EXACT_DIGITS {
                hash = hash.char(c);
            }
            true
        });
        self.token(if digits <= EXACT_DIGITS { hash.finish() } else { Token::LongNumber.hash(digits.min(12)) }, sink);
    }

    /// `<name>`, `<phone>` and the like, left by masking: one token each, so that a person's name changes nothing.
    fn mask<S: Sink>(&mut self, rest: &mut &str, sink: &mut S) {
        let inner = *rest;
        skip(rest, |c| c.is_ascii_lowercase());
        let kind = &inner[..inner.len() - rest.len()];
        *rest = rest.strip_prefix('>').unwrap_or(rest);
        if kind == "name" {
            self.scope.covers(Role::None);
            if self.before == NAME {
                return;
            }
        }
        self.token(if kind == "name" { NAME } else { kind.chars().fold(Hash::salted(b'm'), Hash::char).finish() }, sink);
    }

    /// A run of punctuation: an emoticon, a "!!!", or the end of a clause.
    fn punctuation<S: Sink>(&mut self, first: char, rest: &mut &str, sink: &mut S) {
        let mut hash = Hash::salted(b'p').char(first);
        let (mut kept, mut length, mut last) = (1, 1, first);
        skip(rest, |c| {
            if !(c.is_ascii_punctuation() && !matches!(c, '@' | '#' | '<') || c == '…') {
                return false;
            }
            length += 1;
            // "!!!!!!" is "!!": runs say intensity once.
            if kept < MAX_RUN && !(c == last && length > 2) {
                hash = hash.char(c);
                kept += 1;
            }
            last = c;
            true
        });
        if matches!(first, ':' | ';' | '=') && matches!(last, ':' | ';' | '=' | '-') && length <= 2 {
            let mut ahead = rest.chars();
            if let (Some(mouth @ ('D' | 'P' | 'p' | 'o' | 'O' | 's' | 'S' | 'c' | 'd')), end) = (ahead.next(), ahead.next())
                && !end.is_some_and(char::is_alphanumeric)
            {
                *rest = &rest[1..];
                hash = hash.char(mouth);
                (length, last) = (2, mouth);
            }
        }
        if first == '<' && length == 1 && rest.starts_with('3') && !rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            *rest = &rest[1..];
            hash = hash.char('3');
            (length, last) = (2, '3');
        }
        let emotion = match (first, last) {
            _ if length < 2 => 0,
            ('<', '3') => 2,
            (':' | ';' | '=', ')' | ']' | '}' | 'D' | 'P' | 'p' | 'd') => 1,
            (':' | ';' | '=', '(' | '[' | '{' | '/' | '\\' | 's' | 'S' | 'c') => -1,
            _ => 0,
        };
        self.polar(emotion, Cover::default(), sink);
        if matches!(last, '?' | '؟') {
            self.danger.asks();
        }
        if length > 1 || matches!(first, '!' | '?' | '…' | '؟') {
            sink.word(hash.finish());
        }
        if first != '-' && first != '/' && first != '\'' {
            self.scope.clause_ends();
        }
        self.sentence_begins |= matches!(last, '.' | '!' | '?' | ':' | '…' | '"' | '”');
    }

    /// A token that takes part in bigrams.
    fn token<S: Sink>(&mut self, hash: u32, sink: &mut S) {
        self.tokens += 1;
        self.sentence_begins = false;
        sink.word(hash);
        sink.word(Hash::salted(b'2').and(self.before).and(hash).finish());
        self.before = hash;
    }
}

/// Skips while `wanted`; gives how many.
fn skip(rest: &mut &str, mut wanted: impl FnMut(char) -> bool) -> usize {
    let mut skipped = 0;
    let mut chars = rest.chars();
    loop {
        let at = chars.as_str();
        match chars.next() {
            Some(c) if wanted(c) => skipped += 1,
            _ => {
                *rest = at;
                return skipped;
            }
        }
    }
}

fn is_handle(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// Variation selectors, skin tones and joiners: they change how an emoji looks, seldom what it says.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{2060}' | '\u{feff}' | '\u{202a}'..='\u{202e}')
}

/// Marks that belong to the letter before: Latin, Hebrew, Arabic, Indic, Thai.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0591}'..='\u{05c7}' | '\u{0610}'..='\u{061a}' | '\u{064b}'..='\u{065f}' | '\u{0670}'
        | '\u{0900}'..='\u{0903}' | '\u{093a}'..='\u{094f}' | '\u{0962}'..='\u{0963}' | '\u{0980}'..='\u{0d7f}' | '\u{0e31}'..='\u{0e4e}'
        | '\u{200c}' | '\u{200d}')
}

/// Scripts written without spaces, whose characters are words.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}')
}
