//! A word while it is being read: folded letter by letter, its unigram and character n-grams hashed at the end.

use std::ops::RangeInclusive;

use super::MAX_WORD_CHARS;
use super::facts::Case;
use super::hash::Hash;

/// Lengths of character n-grams, boundary marks included.
const GRAM_CHARS: RangeInclusive<usize> = 3..=5;

/// The letters of one word after folding, and what folding took away.
#[derive(Debug, Default)]
pub(super) struct Word {
    letters: Vec<char>,
    /// The unigram of each beginning of the word: of its first letter, its first two, and so on.
    beginnings: Vec<u32>,
    /// The letter before, unfolded runs counted: three or more of one letter become two.
    run: u32,
    /// Letters seen, those past the bound included.
    seen: usize,
    upper: usize,
    first_upper: bool,
    /// Whether a letter was repeated three times or more.
    pub(super) elongated: bool,
}

impl Word {
    /// Forgets the word before.
    fn clear(&mut self) {
        self.letters.clear();
        (self.run, self.seen, self.upper) = (0, 0, 0);
        (self.first_upper, self.elongated) = (false, false);
    }

    /// Appends a letter as it stands in the text.
    fn push(&mut self, c: char) {
        self.seen += 1;
        if self.letters.len() >= MAX_WORD_CHARS {
            return;
        }
        let upper = c.is_uppercase();
        self.upper += usize::from(upper);
        self.first_upper |= upper && self.seen == 1;
        let Some(c) = fold(c) else { return };
        if self.letters.last() == Some(&c) {
            self.run += 1;
            if self.run >= 2 && !c.is_ascii_digit() {
                self.elongated = true;
                return;
            }
        } else {
            self.run = 0;
        }
        self.letters.push(c);
    }

    /// Reads a whole word, apostrophes left out, and gives its unigram.
    pub(super) fn read(&mut self, text: &str) -> u32 {
        self.clear();
        text.chars().filter(|c| !matches!(c, '\'' | '’')).for_each(|c| self.push(c));
        let mut hash = Hash::salted(b'w');
        self.beginnings.clear();
        self.beginnings.extend(self.letters.iter().map(|c| {
            hash = hash.char(*c);
            hash.finish()
        }));
        hash.finish()
    }

    /// Whether nothing is left of the word.
    pub(super) fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// How the word is written.
    pub(super) fn case(&self) -> Case {
        match self.upper {
            0 => Case::Lower,
            upper if upper >= 2 && upper == self.seen.min(MAX_WORD_CHARS) => Case::Shouted,
            _ if self.first_upper && self.seen >= 2 => Case::Capital,
            _ => Case::Lower,
        }
    }

    /// Whether the folded word ends in "nt", as "don't" and "wouldn't" do once the apostrophe is gone.
    pub(super) fn ends_in_nt(&self) -> bool {
        self.letters.ends_with(&['n', 't'])
    }

    /// "http", "https" or "www", which a link begins with.
    pub(super) fn is_link(&self) -> bool {
        matches!(self.letters[..], ['h', 't', 't', 'p'] | ['h', 't', 't', 'p', 's'] | ['w', 'w', ..]) && self.seen <= 5
    }

    /// The unigrams of the word's beginnings of `letters` letters.
    pub(super) fn beginnings(&self, letters: RangeInclusive<usize>) -> &[u32] {
        let upto = self.beginnings.len().min(*letters.end());
        self.beginnings.get(letters.start() - 1..upto).unwrap_or_default()
    }

    /// Appends the character n-grams of the word with its boundaries; a word of one or two letters is its own unigram.
    pub(super) fn grams(&self, grams: &mut Vec<u32>) {
        if self.letters.len() < 3 {
            return;
        }
        let mut marked = ['$'; MAX_WORD_CHARS + 2];
        marked[0] = '^';
        marked[1..=self.letters.len()].copy_from_slice(&self.letters);
        let marked = &marked[..self.letters.len() + 2];
        for start in 0..=marked.len() - GRAM_CHARS.start() {
            let mut hash = Hash::salted(b'g');
            for (length, c) in (1..=*GRAM_CHARS.end()).zip(&marked[start..]) {
                hash = hash.char(*c);
                if length >= *GRAM_CHARS.start() {
                    grams.push(hash.finish());
                }
            }
        }
    }
}

/// Lower case without the marks that people leave out when they type in a hurry; `None` for marks that stand alone.
fn fold(c: char) -> Option<char> {
    if c.is_ascii() {
        return Some(c.to_ascii_lowercase());
    }
    let lower = c.to_lowercase().next().unwrap_or(c);
    Some(match lower {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' | 'ă' | 'ā' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' | 'ē' => 'e',
        'ì' | 'í' | 'î' | 'ï' | 'ı' | 'ī' => 'i',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' => 'o',
        'ù' | 'ú' | 'û' | 'ü' | 'ů' | 'ű' | 'ū' => 'u',
        'ý' | 'ÿ' => 'y',
        'ž' | 'ź' | 'ż' => 'z',
        'š' | 'ś' | 'ş' | 'ș' => 's',
        'ł' => 'l',
        'ř' => 'r',
        'ť' | 'ț' => 't',
        'ğ' => 'g',
        // Arabic: one alef, one ya, one ta; vowel marks and the tatweel only decorate.
        'أ' | 'إ' | 'آ' | 'ٱ' => 'ا',
        'ى' => 'ي',
        'ة' => 'ه',
        '\u{0640}' | '\u{064b}'..='\u{0652}' | '\u{0670}' => return None,
        // Combining marks of Latin and Greek, and the joiners of scripts that use them inside words.
        '\u{0300}'..='\u{036f}' | '\u{200c}' | '\u{200d}' | '\u{00ad}' | '\u{2060}' => return None,
        other => other,
    })
}
