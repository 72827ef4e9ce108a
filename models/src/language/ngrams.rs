//! The letters of a text, and the hashed n-grams of their bytes.

use super::script::{self, LATIN, SCRIPTS, Script};

/// Bytes of letters that are looked at: some forty words, more than the classifier needs to be sure.
pub(super) const MAX_BYTES: usize = 256;

/// The last character that begins within [`MAX_BYTES`], of four bytes at most, and the space after it end within these.
const ROOM: usize = MAX_BYTES + 8;

/// Numbers that have a bit for every byte.
const SPACES: usize = ROOM.div_ceil(64);

/// Bytes of a word that can be remembered.
pub(super) const WORD_BYTES: usize = 16;

/// Buckets of the hash, as bits.
pub(super) const BITS: u32 = 15;

/// The first letters of a text in lower case, words separated and surrounded by one space, with the count of each script.
pub(super) struct Letters {
    /// As many as are read, and so many more that a word can always be looked at as [`WORD_BYTES`] bytes.
    bytes: [u8; ROOM + WORD_BYTES],
    len: usize,
    /// A bit for every byte that is a space, but the first.
    spaces: [u64; SPACES],
    counts: [u32; SCRIPTS],
}

impl Letters {
    /// Reads until the buffer is full.
    pub fn read(text: &str) -> Self {
        let mut letters = Self { bytes: [b' '; ROOM + WORD_BYTES], len: 1, spaces: [0; SPACES], counts: [0; SCRIPTS] };
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && letters.len < MAX_BYTES {
            let byte = bytes[at];
            if byte.is_ascii_alphabetic() {
                if (byte == b'h' || byte == b'w') && letters.between_words() && is_link(&bytes[at..]) {
                    at = token_end(bytes, at);
                    continue;
                }
                at += letters.push_latin(&bytes[at..]);
            } else if byte < 0x80 {
                at = match byte {
                    b'\'' if !letters.between_words() => {
                        letters.push(byte);
                        at + 1
                    }
                    b'@' => token_end(bytes, at),
                    b'<' => placeholder_end(bytes, at),
                    _ => at + 1,
                };
                if byte != b'\'' {
                    letters.end_word();
                }
            } else {
                let Some(c) = text[at..].chars().next() else { break };
                letters.push_char(c);
                at += c.len_utf8();
            }
        }
        letters.end_word();
        letters
    }

    /// The ASCII letters that `bytes` begin with, as far as there is room; gives how many.
    fn push_latin(&mut self, bytes: &[u8]) -> usize {
        let run = bytes.iter().take(MAX_BYTES - self.len).take_while(|byte| byte.is_ascii_alphabetic()).count();
        self.bytes[self.len..self.len + run].iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte | 0x20);
        self.counts[LATIN] += run as u32;
        self.len += run;
        run
    }

    /// A character beyond ASCII.
    fn push_char(&mut self, c: char) {
        match script::script_of(c) {
            Some(script) => {
                self.counts[script] += 1;
                let lower = c.to_lowercase().next().unwrap_or(c);
                let mut buffer = [0; 4];
                for byte in lower.encode_utf8(&mut buffer).bytes() {
                    self.push(byte);
                }
            }
            // Apostrophes and marks belong to the word; joiners vanish.
            None => match u32::from(c) {
                0x2019 | 0x02BC if !self.between_words() => self.push(b'\''),
                0x0300..=0x036F => {
                    let mut buffer = [0; 4];
                    c.encode_utf8(&mut buffer).bytes().for_each(|byte| self.push(byte));
                }
                0x200B..=0x200F | 0xAD | 0xFEFF => {}
                _ => self.end_word(),
            },
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes[..ROOM].get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn between_words(&self) -> bool {
        self.bytes[self.len - 1] == b' '
    }

    fn end_word(&mut self) {
        if !self.between_words() && self.len < ROOM {
            self.spaces[self.len / 64] |= 1 << (self.len % 64);
            self.push(b' ');
        }
    }

    /// The next space behind that at `at`, which ends the next word; `None` behind the last word.
    pub fn next_space(&self, at: usize) -> Option<usize> {
        let from = at + 1;
        let mut place = from / 64;
        let mut bits = self.spaces.get(place)? >> (from % 64) << (from % 64);
        while bits == 0 {
            place += 1;
            bits = *self.spaces.get(place)?;
        }
        Some(place * 64 + bits.trailing_zeros() as usize)
    }

    /// The word between two spaces as a number: its bytes, filled up with zeros; `None` for one of more than [`WORD_BYTES`].
    pub fn word(&self, from: usize, to: usize) -> Option<u128> {
        let len = to - from - 1;
        let bytes = self.bytes[from + 1..].first_chunk::<WORD_BYTES>()?;
        let mask = 1_u128.checked_shl(8 * len as u32).map_or(u128::MAX, |bit| bit - 1);
        (len <= WORD_BYTES).then(|| u128::from_le_bytes(*bytes) & mask)
    }

    /// The script of most letters and their share; `None` without letters.
    pub fn script(&self) -> Option<(Script, f32)> {
        script::dominant(&self.counts)
    }

    /// Calls `feature` with the bucket of every n-gram: two to four bytes within a word and the spaces around it, and single
    /// bytes beyond ASCII.
    #[inline]
    pub fn for_each(&self, feature: impl FnMut(usize)) {
        self.for_each_between(0, self.len - 1, feature);
    }

    /// The same for the words behind the space at `from`, up to the byte at `to` and with it.
    #[inline]
    pub fn for_each_between(&self, from: usize, to: usize, mut feature: impl FnMut(usize)) {
        let mut window = u32::from(b' ');
        let mut len = 1;
        for &byte in &self.bytes[from + 1..=to] {
            window = window << 8 | u32::from(byte);
            len += 1;
            if byte >= 0x80 {
                feature(bucket(window & 0xFF, 1));
            }
            feature(bucket(window & 0xFFFF, 2));
            if len > 2 {
                feature(bucket(window & 0xFF_FFFF, 3));
            }
            if len > 3 {
                feature(bucket(window, 4));
            }
            if byte == b' ' {
                len = 1;
            }
        }
    }
}

/// The bucket of an n-gram of `n` bytes: multiplicative hashing (Knuth, volume 3, 6.4) with the golden ratio.
fn bucket(gram: u32, n: u64) -> usize {
    ((u64::from(gram) | n << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - BITS)) as usize
}

fn is_link(bytes: &[u8]) -> bool {
    bytes.starts_with(b"http://")
        || bytes.starts_with(b"https://")
        || bytes.starts_with(b"www.")
        || bytes == b"http"
        || bytes.starts_with(b"http ")
}

fn token_end(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len() - at)
}

/// Past `<name>` and its like.
fn placeholder_end(bytes: &[u8], at: usize) -> usize {
    let word = bytes[at + 1..].iter().take(8).take_while(|byte| byte.is_ascii_lowercase()).count();
    if word > 0 && bytes.get(at + 1 + word) == Some(&b'>') { at + word + 2 } else { at + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> String {
        let letters = Letters::read(text);
        String::from_utf8_lossy(&letters.bytes[..letters.len]).into_owned()
    }

    #[test]
    fn only_letters_are_left() {
        assert_eq!(letters("Don't @user, É! https://x.org/y <email> 5th"), " don't é th ");
        assert_eq!(letters("12 😀"), " ");
    }

    #[test]
    fn the_buffer_bounds_what_is_read() {
        assert!(letters(&"ab ".repeat(1000)).len() <= MAX_BYTES + 8);
        assert!(letters(&"ж".repeat(1000)).len() <= MAX_BYTES + 8);
    }

    #[test]
    fn ngrams_stay_within_words() {
        let mut count = 0;
        Letters::read("ab").for_each(|bucket| {
            assert!(bucket < 1 << BITS);
            count += 1;
        });
        // " a", " ab", "ab", " ab ", "ab ", "b ".
        assert_eq!(count, 6);
    }

    #[test]
    fn words_give_the_same_ngrams_as_the_whole() {
        for text in ["the light at the corner of Öl Street has been out since Monday, and nobody comes", &"ж ".repeat(200), "a"]
        {
            let letters = Letters::read(text);
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            letters.for_each(|bucket| whole.push(bucket));
            let mut from = 0;
            while let Some(to) = letters.next_space(from) {
                letters.for_each_between(from, to, |bucket| parts.push(bucket));
                from = to;
            }
            assert_eq!(from, letters.len - 1, "a space is the last byte");
            assert_eq!(whole, parts);
        }
    }

    #[test]
    fn a_word_is_its_bytes() {
        let letters = Letters::read("an incomprehensibilities incomprehensible");
        let word = |text: &str| text.bytes().rev().fold(0, |word, byte| word << 8 | u128::from(byte));
        assert_eq!(letters.word(0, letters.next_space(0).unwrap()), Some(word("an")));
        let second = letters.next_space(3).unwrap();
        assert_eq!(letters.word(3, second), None);
        let third = letters.next_space(second).unwrap();
        assert_eq!(letters.word(second, third), Some(word("incomprehensible")));
    }
}
