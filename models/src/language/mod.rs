//! The language of a text.
//!
//! A script that one language owns decides by itself. Latin, Cyrillic and Arabic letters go to a linear classifier over hashed
//! byte n-grams (one to four bytes, with the edges of words), a method as in `whichlang`, trained by this project for 29
//! languages from words, pairs of words and sentences. `LANGUAGE.md` beside this crate shows why not a library: measured on
//! the same lines, the fast one knows 16 languages and the others cost fifty times the time that a text has here.
//!
//! Nothing here can fail: what holds no letters, or too little to say, is [`Language::UND`].

mod ngrams;
mod script;
pub mod train;
mod weights;

use std::cell::RefCell;

use ngrams::Letters;
use script::Script;
use weights::{Weights, Words};

/// Below this confidence the answer is [`Language::UND`].
pub const MIN_CONFIDENCE: f32 = 0.3;

/// A language by its ISO 639-1 code, or `und`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language([u8; 2]);

impl Language {
    /// Undetermined.
    pub const UND: Self = Self([0, 0]);

    /// The language with this two-letter code, lower case; `None` for anything else. `und` is [`Self::UND`].
    pub fn from_code(code: &str) -> Option<Self> {
        match code.as_bytes() {
            b"und" => Some(Self::UND),
            [a @ b'a'..=b'z', b @ b'a'..=b'z'] => Some(Self([*a, *b])),
            _ => None,
        }
    }

    /// The code: two letters, or `und`.
    pub fn as_str(&self) -> &str {
        if *self == Self::UND { "und" } else { std::str::from_utf8(&self.0).unwrap_or("und") }
    }

    const fn new(code: &[u8; 2]) -> Self {
        Self(*code)
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The language of `text` and how sure that is, in [0, 1], by the weights inside the program; see [`Identifier::identify`].
pub fn identify(text: &str) -> (Language, f32) {
    thread_local! {
        /// The words that this thread has read by these weights.
        static WORDS: RefCell<Words> = RefCell::new(Words::remembering());
    }
    WORDS.with_borrow_mut(|words| identify_with(weights::shipped(), text, words))
}

/// Identification by other weights than those inside the program.
pub struct Identifier<'a>(Weights<'a>);

impl<'a> Identifier<'a> {
    /// Takes what [`train::train`] returned; `None` when the bytes are not such a file.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        Weights::parse(bytes).map(Self)
    }

    /// The language of `text` and how sure that is. Looks at the first 256 bytes of letters, so that the cost is bounded;
    /// handles, links and placeholders of masked data say nothing. [`Language::UND`] comes with 0 where there are no letters,
    /// otherwise with the confidence of the best guess, which is below [`MIN_CONFIDENCE`].
    pub fn identify(&self, text: &str) -> (Language, f32) {
        identify_with(&self.0, text, &mut Words::default())
    }
}

fn identify_with(weights: &Weights<'_>, text: &str, words: &mut Words) -> (Language, f32) {
    let letters = Letters::read(text);
    match letters.script() {
        None => (Language::UND, 0.0),
        Some((Script::One(code), share)) => (Language::new(code), share),
        Some((Script::Many(group), share)) => {
            let (lane, confidence) = weights.best(&letters, group.lanes(), words);
            let confidence = confidence * share;
            if confidence < MIN_CONFIDENCE {
                (Language::UND, confidence)
            } else {
                (Language::new(script::LANES[lane]), confidence)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_in_each_script() {
        for (text, code) in [
            ("The street light at the corner has been out for a week", "en"),
            ("Die Straßenlaterne an der Ecke ist seit einer Woche aus", "de"),
            ("La farola de la esquina lleva una semana apagada", "es"),
            ("Le lampadaire du coin est éteint depuis une semaine", "fr"),
            ("Il lampione all'angolo è spento da una settimana", "it"),
            ("O poste da esquina está apagado há uma semana", "pt"),
            ("Уличный фонарь на углу не горит уже неделю", "ru"),
            ("Вуличний ліхтар на розі не горить уже тиждень", "uk"),
            ("مصباح الشارع عند الزاوية معطل منذ أسبوع", "ar"),
            ("چراغ خیابان سر نبش یک هفته است که خاموش است", "fa"),
            ("सड़क की बत्ती एक हफ्ते से बंद है", "hi"),
            ("街角の街灯が一週間消えています", "ja"),
            ("拐角处的路灯已经坏了一个星期", "zh"),
            ("모퉁이 가로등이 일주일째 꺼져 있습니다", "ko"),
            ("Το φως στη γωνία είναι σβηστό", "el"),
            ("פנס הרחוב בפינה כבוי כבר שבוע", "he"),
            ("ไฟถนนตรงหัวมุมดับมาหนึ่งสัปดาห์แล้ว", "th"),
        ] {
            let (language, confidence) = identify(text);
            assert_eq!(language.as_str(), code, "{text}");
            assert!(confidence > 0.5, "{text}: {confidence}");
        }
    }

    #[test]
    fn nothing_to_read_is_undetermined() {
        for text in
            ["", "   ", "😡😡😡", "12:30 !!!", "@user https://example.org/de/strasse", "<email> <phone>", "\u{200d}\u{200f}"]
        {
            assert_eq!(identify(text), (Language::UND, 0.0), "{text}");
        }
    }

    #[test]
    fn codes_come_and_go() {
        assert_eq!(Language::from_code("de").unwrap().as_str(), "de");
        assert_eq!(Language::from_code("und"), Some(Language::UND));
        assert_eq!(Language::from_code("deu"), None);
        assert_eq!(Language::from_code("DE"), None);
        assert_eq!(format!("{:?} {}", Language::UND, Language::new(b"pt")), "und pt");
    }

    #[test]
    fn a_long_text_costs_what_its_beginning_costs() {
        let (language, confidence) = identify(&"straßenbeleuchtung ".repeat(50_000));
        assert_eq!(language.as_str(), "de");
        assert!(confidence.is_finite());
    }
}
