//! The one pass over a text: words, numbers, handles, links, masks, emoji and emoticons become features as they end.

use std::iter::Peekable;
use std::str::Chars;

use super::Bags;
use super::context::Answer;
use super::hash::Hash;
use super::names;
use super::scope::Scope;
use super::word::Word;

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
    fn hash(self, size: usize) -> u32 {
        Hash::salted(b't').number(self as u32).number(size as u32).finish()
    }
}

/// State of a pass.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    word: Word,
    scope: Scope,
    /// The token before, for bigrams; 0 at the beginning of a text.
    before: u32,
    tokens: usize,
}

impl Scanner {
    /// Appends the features of `text`, which answers a question of the kind `answer`; gives the number of tokens.
    pub(super) fn text(&mut self, text: &str, answer: Option<Answer>, bags: &mut Bags) -> usize {
        self.scope.clear();
        (self.before, self.tokens) = (0, 0);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '@' if chars.peek().is_some_and(|c| is_handle(*c)) => {
                    skip(&mut chars, is_handle);
                    self.token(Token::Handle.hash(0), bags);
                }
                '#' if chars.peek().is_some_and(|c| c.is_alphanumeric()) => bags.words.push(Token::Hashtag.hash(0)),
                '<' if chars.peek().is_some_and(char::is_ascii_lowercase) => self.mask(&mut chars, bags),
                _ if is_ideograph(c) => {
                    self.word.clear();
                    self.word.push(c);
                    self.word_ends(false, answer, bags);
                }
                _ if c.is_alphabetic() => self.word(c, &mut chars, answer, bags),
                _ if c.is_ascii_digit() => self.number(c, &mut chars, bags),
                _ if c.is_whitespace() || c.is_control() || is_joiner(c) => {}
                _ if c.is_ascii_punctuation() || matches!(c, '…' | '“' | '”' | '¡' | '¿' | '‘' | '’' | '–' | '—') =>
                {
                    self.punctuation(c, &mut chars, bags);
                }
                // Emoji, symbols and everything that Unicode still invents: each character a word, runs read once.
                _ => {
                    let run = skip(&mut chars, |next| next == c || is_joiner(next));
                    let hash = Hash::salted(b'e').char(c).finish();
                    if run > 0 {
                        bags.words.push(Token::Elongated.hash(1));
                    }
                    self.token(hash, bags);
                }
            }
        }
        self.tokens
    }

    fn word(&mut self, first: char, chars: &mut Peekable<Chars<'_>>, answer: Option<Answer>, bags: &mut Bags) {
        self.word.clear();
        self.word.push(first);
        let mut apostrophe = false;
        while let Some(&c) = chars.peek() {
            if c.is_alphanumeric() && !is_ideograph(c) || is_mark(c) {
                self.word.push(c);
            } else if matches!(c, '\'' | '’') && first.is_alphabetic() {
                apostrophe = true;
            } else {
                break;
            }
            chars.next();
        }
        if self.word.is_link() {
            skip(chars, |c| !c.is_whitespace());
            self.token(Token::Link.hash(0), bags);
        } else {
            self.word_ends(apostrophe && self.word.ends_in_nt(), answer, bags);
        }
    }

    fn word_ends(&mut self, contracted: bool, answer: Option<Answer>, bags: &mut Bags) {
        if self.word.is_empty() {
            return;
        }
        let hash = self.word.hash();
        if self.word.is_capitalised() && names::is_name(hash) {
            let _ = self.scope.covers(hash, false);
            self.token(Token::Name.hash(0), bags);
            return;
        }
        if self.word.is_shouted() {
            bags.words.push(Token::Shouted.hash(0));
        }
        if self.word.elongated {
            bags.words.push(Token::Elongated.hash(0));
        }
        for mark in self.scope.covers(hash, contracted) {
            bags.words.push(Hash::salted(mark).and(hash).finish());
        }
        if let Some(answer) = answer {
            bags.words.push(Hash::salted(b'A').number(answer as u32).and(hash).finish());
        }
        self.word.grams(&mut bags.grams);
        self.token(hash, bags);
    }

    fn number(&mut self, first: char, chars: &mut Peekable<Chars<'_>>, bags: &mut Bags) {
        let mut hash = Hash::salted(b'd').char(first);
        let mut digits = 1;
        while let Some(c) = chars.next_if(char::is_ascii_digit) {
            digits += 1;
            if digits <= EXACT_DIGITS {
                hash = hash.char(c);
            }
        }
        self.token(if digits <= EXACT_DIGITS { hash.finish() } else { Token::LongNumber.hash(digits.min(12)) }, bags);
    }

    /// `<name>`, `<phone>` and the like, left by masking: one token each, so that a person's name changes nothing.
    fn mask(&mut self, chars: &mut Peekable<Chars<'_>>, bags: &mut Bags) {
        let mut hash = Hash::salted(b'm');
        while let Some(c) = chars.next_if(char::is_ascii_lowercase) {
            hash = hash.char(c);
        }
        chars.next_if_eq(&'>');
        let name = hash == "name".chars().fold(Hash::salted(b'm'), Hash::char);
        self.token(if name { Token::Name.hash(0) } else { hash.finish() }, bags);
    }

    /// A run of punctuation: an emoticon, a "!!!", or the end of a clause.
    fn punctuation(&mut self, first: char, chars: &mut Peekable<Chars<'_>>, bags: &mut Bags) {
        let mut hash = Hash::salted(b'p').char(first);
        let (mut kept, mut length, mut last) = (1, 1, first);
        while let Some(c) = chars.next_if(|c| c.is_ascii_punctuation() && !matches!(c, '@' | '#' | '<') || *c == '…') {
            length += 1;
            // "!!!!!!" is "!!": runs say intensity once.
            if kept < MAX_RUN && !(c == last && length > 2) {
                hash = hash.char(c);
                kept += 1;
            }
            last = c;
        }
        if matches!(first, ':' | ';' | '=') && matches!(last, ':' | ';' | '=' | '-') && length <= 2 {
            let mut ahead = chars.clone();
            if let (Some(mouth @ ('D' | 'P' | 'p' | 'o' | 'O' | 's' | 'S' | 'c' | 'd')), end) = (ahead.next(), ahead.next())
                && !end.is_some_and(char::is_alphanumeric)
            {
                chars.next();
                hash = hash.char(mouth);
                length = 2;
            }
        }
        let says_something = length > 1 || matches!(first, '!' | '?' | '…');
        if says_something {
            bags.words.push(hash.finish());
        }
        if first != '-' && first != '/' && first != '\'' {
            self.scope.clause_ends();
        }
    }

    /// A token that takes part in bigrams.
    fn token(&mut self, hash: u32, bags: &mut Bags) {
        self.tokens += 1;
        bags.words.push(hash);
        bags.words.push(Hash::salted(b'2').and(self.before).and(hash).finish());
        self.before = hash;
    }
}

/// Skips while `wanted`; gives how many.
fn skip(chars: &mut Peekable<Chars<'_>>, wanted: impl Fn(char) -> bool) -> usize {
    let mut skipped = 0;
    while chars.next_if(|c| wanted(*c)).is_some() {
        skipped += 1;
    }
    skipped
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
