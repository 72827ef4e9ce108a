//! Small questions about bytes that every scanner asks.

/// What a text could hold, from one pass over its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    /// An ASCII digit.
    pub digit: bool,
    /// A commercial at.
    pub at: bool,
    /// A slash.
    pub slash: bool,
    /// Something beyond ASCII.
    pub high: bool,
}

/// Looks once at every byte. No branch in the loop, so that it runs on vectors of bytes.
pub(super) fn traits(bytes: &[u8]) -> Traits {
    let mut traits = Traits::default();
    for &byte in bytes {
        traits.digit |= byte.wrapping_sub(b'0') < 10;
        traits.at |= byte == b'@';
        traits.slash |= byte == b'/';
        traits.high |= byte >= 0x80;
    }
    traits
}

/// The first ASCII digit at or after `from`.
pub(super) fn next_digit(bytes: &[u8], from: usize) -> Option<usize> {
    bytes[from..].iter().position(u8::is_ascii_digit).map(|ahead| from + ahead)
}

/// A byte of a word: an ASCII letter or digit, or part of a character beyond ASCII.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Whether no word runs into position `at` from the left.
pub(super) fn starts_word(bytes: &[u8], at: usize) -> bool {
    at == 0 || !is_word(bytes[at - 1])
}

/// Whether no word runs on from position `at` to the right.
pub(super) fn ends_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_none_or(|byte| !is_word(*byte))
}

/// The next character boundary at or after `at`.
pub(super) fn ceil_boundary(text: &str, at: usize) -> usize {
    (at..text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len())
}

/// The next character boundary at or before `at`.
pub(super) fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// The word that starts at or after `from`, skipping spaces: its byte range. A word is letters and digits with apostrophes
/// and hyphens inside.
pub(super) fn word_at(text: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let start = from + bytes[from..].iter().take_while(|byte| **byte == b' ').count();
    let end = word_end(bytes, start);
    (end > start).then_some((start, end))
}

/// Where the word that starts at `start` ends.
pub(super) fn word_end(bytes: &[u8], start: usize) -> usize {
    let mut end = start;
    while let Some(byte) = bytes.get(end) {
        let joins = matches!(byte, b'\'' | b'-') && end > start && bytes.get(end + 1).is_some_and(|next| is_word(*next));
        if !is_word(*byte) && !joins {
            break;
        }
        end += 1;
    }
    end
}

/// Whether the first character is an upper-case letter.
pub(super) fn is_capitalised(word: &str) -> bool {
    word.chars().next().is_some_and(|c| if c.is_ascii() { c.is_ascii_uppercase() } else { c.is_uppercase() })
}

/// Whether the first character is a letter of a script without case.
pub(super) fn is_caseless(word: &str) -> bool {
    word.chars().next().is_some_and(|c| !c.is_ascii() && c.is_alphabetic() && !c.is_lowercase() && !c.is_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_apostrophes_and_hyphens() {
        let text = "  O'Neill-Smith, ok";
        assert_eq!(word_at(text, 0), Some((2, 15)));
        assert_eq!(word_at(text, 15), None);
        assert!(is_capitalised("Élan") && !is_capitalised("élan") && is_caseless("दीपक"));
    }

    #[test]
    fn traits_of_a_text() {
        let seen = traits("é 5".as_bytes());
        assert!(seen.high && seen.digit && !seen.at && !seen.slash);
    }
}
