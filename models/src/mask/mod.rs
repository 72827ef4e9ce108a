//! Personal data out of a text, before anything else sees it.
//!
//! One cheap pass over the bytes says what a text could hold at all; most texts end there or after one pass for cue words.
//! Scanners then look only around candidate positions, each in time linear in the text, whatever the text is.
//! What is found is replaced by its kind in angle brackets; everything that planners need (case numbers, dates, prices,
//! coordinates, bus lines, intersections, plain links) stays.
//!
//! | kind | what is masked | what decides |
//! | --- | --- | --- |
//! | `email` | addresses, also `jane (at) example dot org` | shape |
//! | `phone` | international and local numbers | grouping, or a cue such as "call"; never after "case", "bus" ... |
//! | `card` | payment cards | issuer prefix, length and Luhn checksum (ISO/IEC 7812-1) |
//! | `iban` | bank accounts | length per country and mod 97 (ISO 13616) |
//! | `ssn` | national ids, passports | shape and checksum, or a cue that names the id |
//! | `plate` | vehicle plates | unmistakable shapes, or a cue such as "plate" or "Kennzeichen" |
//! | `url` | links that carry a user, a token, an address or a profile | parts of the link |
//! | `handle` | `@user`, `@user@host`, `u/user` | shape |
//! | `address` | where a person lives: house number and street | a cue such as "I live at", or an apartment |
//! | `name` | a person's name | a cue such as "my name is", a title, a signature |
//!
//! Masking what is masked changes nothing: the text is scanned again until a pass finds nothing new, at most [`MAX_PASSES`]
//! times.

mod address;
mod claims;
mod cues;
mod digits;
mod email;
mod fold;
mod handle;
mod iban;
mod name;
mod national;
mod phone;
mod plate;
mod scan;
mod url;
mod words;

use std::cell::RefCell;

use self::claims::{Claim, Claims};
use self::cues::{Cue, Cues};
use self::fold::Folded;

/// Passes over one text: the first finds, a later one finds what the placeholders of an earlier one uncovered.
pub const MAX_PASSES: usize = 8;

/// What kind of personal data was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A payment card number.
    Card,
    /// An international bank account number.
    Iban,
    /// A national identity, social security, tax or passport number.
    Ssn,
    /// A vehicle plate.
    Plate,
    /// A link that identifies a person.
    Url,
    /// A user name in a social network.
    Handle,
    /// The address at which a person lives.
    Address,
    /// A person's name.
    Name,
}

impl Kind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::Email,
        Self::Phone,
        Self::Card,
        Self::Iban,
        Self::Ssn,
        Self::Plate,
        Self::Url,
        Self::Handle,
        Self::Address,
        Self::Name,
    ];

    /// The word for it: `email`, `phone`, `card`, `iban`, `ssn`, `plate`, `url`, `handle`, `address` or `name`.
    pub const fn as_str(self) -> &'static str {
        let placeholder = self.placeholder();
        let (_, inner) = placeholder.split_at(1);
        let (word, _) = inner.split_at(inner.len() - 1);
        word
    }

    /// What stands in the masked text: the word in angle brackets.
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Email => "<email>",
            Self::Phone => "<phone>",
            Self::Card => "<card>",
            Self::Iban => "<iban>",
            Self::Ssn => "<ssn>",
            Self::Plate => "<plate>",
            Self::Url => "<url>",
            Self::Handle => "<handle>",
            Self::Address => "<address>",
            Self::Name => "<name>",
        }
    }
}

/// Where personal data stood: code points `[start, end)` of the original text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First code point.
    pub start: u32,
    /// One past the last code point.
    pub end: u32,
    /// What stood there.
    pub kind: Kind,
}

/// As `[start, end, "kind"]`.
impl serde::Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.start, self.end, self.kind.as_str()).serialize(serializer)
    }
}

/// Finds and replaces personal data. Build once, share between threads.
pub struct Masker {
    cues: Cues,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masker").finish_non_exhaustive()
    }
}

impl Default for Masker {
    fn default() -> Self {
        Self::new()
    }
}

/// Buffers that live as long as their thread, so that masking allocates next to nothing.
#[derive(Default)]
struct Scratch {
    folded: Folded,
    cues: Vec<Cue>,
    claims: Claims,
    masked: String,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What the scanners of one pass look at: the folded text and the cue words in it.
struct Page<'a> {
    text: &'a str,
    bytes: &'a [u8],
    cues: &'a [Cue],
}

impl Masker {
    /// Builds the table of cue words.
    pub fn new() -> Self {
        Self { cues: Cues::new() }
    }

    /// Masks `text`. Returns false, leaving `out` and `spans` as they are, when there is nothing to mask. Otherwise replaces
    /// what they hold: `out` by the masked text, `spans` by where the personal data stood, ordered and without overlap.
    pub fn mask(&self, text: &str, out: &mut String, spans: &mut Vec<Span>) -> bool {
        SCRATCH.with_borrow_mut(|scratch| {
            if !self.find(text, scratch) {
                return false;
            }
            let mut found = scratch.claims.sorted();
            claims::render(text, &found, out);
            for _ in 1..MAX_PASSES {
                scratch.masked.clone_from(out);
                let masked = std::mem::take(&mut scratch.masked);
                let more = self.find(&masked, scratch);
                scratch.masked = masked;
                if !more {
                    break;
                }
                found = claims::merge(&found, &scratch.claims.sorted());
                claims::render(text, &found, out);
            }
            to_code_points(text, &found, spans);
            true
        })
    }

    /// One pass: leaves in the scratch the claims in bytes of `text`. False when there are none.
    fn find(&self, text: &str, scratch: &mut Scratch) -> bool {
        let traits = scan::traits(text.as_bytes());
        let folded = traits.high && scratch.folded.fold(text);
        let Scratch { folded: copy, cues, claims, .. } = scratch;
        let (page_text, traits) = if folded { (copy.text(), scan::traits(copy.text().as_bytes())) } else { (text, traits) };
        self.cues.find(page_text, cues);
        if !traits.digit && !traits.at && !traits.slash && cues.is_empty() {
            return false;
        }
        claims.reset(page_text.len());
        let page = Page { text: page_text, bytes: page_text.as_bytes(), cues };
        // From the least mistakable to the most: what an earlier scanner claims, a later one does not look at.
        if traits.slash {
            url::find(&page, claims);
        }
        if traits.at || page.has_cue(|kind| matches!(kind, cues::CueKind::SpelledAt)) {
            email::find(&page, claims);
        }
        if traits.at || traits.slash || page.has_cue(|kind| matches!(kind, cues::CueKind::Network)) {
            handle::find(&page, claims);
        }
        if traits.digit {
            iban::find(&page, claims);
            digits::find(&page, claims);
            plate::find(&page, claims);
            address::find(&page, claims);
        }
        if !cues.is_empty() {
            let page = Page { text: page_text, bytes: page_text.as_bytes(), cues };
            name::find(&page, claims);
        }
        if claims.is_empty() {
            return false;
        }
        if folded {
            claims.map(|offset| copy.origin(offset));
        }
        true
    }
}

impl Page<'_> {
    fn has_cue(&self, wanted: impl Fn(cues::CueKind) -> bool) -> bool {
        self.cues.iter().any(|cue| wanted(cue.kind))
    }
}

/// Byte claims of `text` as spans of code points; one pass over the text.
fn to_code_points(text: &str, found: &[Claim], spans: &mut Vec<Span>) {
    spans.clear();
    let (mut byte, mut point) = (0, 0);
    let mut advance = |to: usize| {
        point += text.as_bytes()[byte..to].iter().filter(|b| (**b & 0xC0) != 0x80).count() as u32;
        byte = to;
        point
    };
    for claim in found {
        let start = advance(claim.start);
        let end = advance(claim.end);
        spans.push(Span { start, end, kind: claim.kind });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let (mut out, mut spans) = (String::new(), Vec::new());
        if Masker::new().mask(text, &mut out, &mut spans) { out } else { text.to_owned() }
    }

    #[test]
    fn spans_are_code_points_of_the_original() {
        let (mut out, mut spans) = (String::new(), Vec::new());
        assert!(Masker::new().mask("çall 617-555-0123 now", &mut out, &mut spans));
        assert_eq!(out, "çall <phone> now");
        assert_eq!(spans, [Span { start: 5, end: 17, kind: Kind::Phone }]);
        assert_eq!(serde_json::to_string(&spans).unwrap(), r#"[[5,17,"phone"]]"#);
    }

    #[test]
    fn nothing_found_leaves_the_buffers_alone() {
        let (mut out, mut spans) = ("before".to_owned(), vec![Span { start: 0, end: 1, kind: Kind::Url }]);
        assert!(!Masker::new().mask("The light at 5th and Main is out", &mut out, &mut spans));
        assert_eq!((out.as_str(), spans.len()), ("before", 1));
    }

    #[test]
    fn digits_of_any_script_and_invisible_characters_do_not_hide_a_number() {
        assert_eq!(masked("call ６１７-５５５-０１２３"), "call <phone>");
        assert_eq!(masked("اتصل +٤٩ ١٧١ ٢٣٤٥٦٧٨"), "اتصل <phone>");
        assert_eq!(masked("card 4111\u{200b}1111\u{200d}1111 1111!"), "card <card>!");
        assert_eq!(masked("mail jane＠example．org"), "mail <email>");
    }

    #[test]
    fn every_word_is_its_placeholder_without_brackets() {
        for kind in Kind::ALL {
            assert_eq!(kind.placeholder(), format!("<{}>", kind.as_str()));
        }
    }
}
