//! One way to write a digit, a space, a hyphen: what disguises a number in another script is taken off before the scanners
//! look, and every byte of the folded text remembers where it came from.

/// A folded copy of a text and the way back.
#[derive(Default)]
pub(super) struct Folded {
    text: String,
    /// For every byte of `text`, and for its end, the byte in the original.
    origin: Vec<u32>,
}

/// What becomes of a character.
enum Fold {
    Keep,
    To(char),
    Drop,
}

impl Folded {
    /// Folds `text`. False when that changes nothing, and then no copy is made.
    pub fn fold(&mut self, text: &str) -> bool {
        let Some(first) = text.char_indices().find(|(_, c)| !matches!(fold_char(*c), Fold::Keep)).map(|(at, _)| at) else {
            return false;
        };
        self.text.clear();
        self.origin.clear();
        self.text.push_str(&text[..first]);
        self.origin.extend(0..first as u32);
        for (at, c) in text[first..].char_indices() {
            let kept = match fold_char(c) {
                Fold::Keep => c,
                Fold::To(other) => other,
                Fold::Drop => continue,
            };
            self.text.push(kept);
            self.origin.resize(self.text.len(), (first + at) as u32);
        }
        self.origin.push(text.len() as u32);
        true
    }

    /// The folded text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The byte of the original at which byte `at` of the folded text stood.
    pub fn origin(&self, at: usize) -> usize {
        self.origin[at] as usize
    }
}

/// The value of a decimal digit beyond ASCII.
const fn digit_value(code: u32) -> u32 {
    let zero = match code {
        0x0660..=0x0669 => 0x0660,
        0x06F0..=0x06F9 => 0x06F0,
        0x07C0..=0x07C9 => 0x07C0,
        0x1D7CE..=0x1D7FF => return (code - 0x1D7CE) % 10,
        // The Indic scripts keep their digits at the same place of their blocks.
        0x0966..=0x0DEF => code & !0x7F | if code & 0x7F >= 0x66 { 0x66 } else { return NO_DIGIT },
        0x0E50..=0x0E59 => 0x0E50,
        0x0ED0..=0x0ED9 => 0x0ED0,
        0x0F20..=0x0F29 => 0x0F20,
        0x1040..=0x1049 => 0x1040,
        0x17E0..=0x17E9 => 0x17E0,
        0x1810..=0x1819 => 0x1810,
        _ => return NO_DIGIT,
    };
    if code - zero < 10 { code - zero } else { NO_DIGIT }
}

/// Not a digit.
const NO_DIGIT: u32 = 10;

fn fold_char(c: char) -> Fold {
    let code = u32::from(c);
    match code {
        0..0x80 => Fold::Keep,
        // No-break and other spaces; soft hyphen, zero-width characters and marks of direction.
        0xA0 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Fold::To(' '),
        0xAD | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x2064 | 0x2066..=0x2069 | 0xFEFF | 0xFE0E | 0xFE0F | 0x20E3 => {
            Fold::Drop
        }
        0x2010..=0x2015 | 0x2212 | 0xFE63 => Fold::To('-'),
        0x2018 | 0x2019 | 0x02BC => Fold::To('\''),
        // The full-width forms of ASCII.
        0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).map_or(Fold::Keep, Fold::To),
        0x0660..=0x1D7FF => char::from_digit(digit_value(code), 10).map_or(Fold::Keep, Fold::To),
        _ => Fold::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script() {
        for (text, digits) in [("٠٩", "09"), ("०९", "09"), ("௦௯", "09"), ("๐๙", "09"), ("𝟎𝟡", "09"), ("०৯௭", "097")]
        {
            let mut folded = Folded::default();
            assert!(folded.fold(text));
            assert_eq!(folded.text(), digits);
        }
        assert!(!Folded::default().fold("पॠ"));
    }

    #[test]
    fn folds_and_finds_its_way_back() {
        let mut folded = Folded::default();
        assert!(!folded.fold("Straße, naïve, 東京"));
        let text = "é ６\u{200d}٣ z";
        assert!(folded.fold(text));
        assert_eq!(folded.text(), "é 63 z");
        let three = folded.text().find('3').unwrap();
        assert_eq!(&text[folded.origin(three)..folded.origin(three + 1)], "٣");
        assert_eq!(folded.origin(folded.text().len()), text.len());
    }
}
