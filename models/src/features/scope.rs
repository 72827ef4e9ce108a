//! How far "not", "used to" and "but" reach.

use std::sync::LazyLock;

use super::listed::{Listed, earlier};
use super::word::Word;

/// Words that a negation or a past covers, counted from the word that opens it.
const REACH_WORDS: u8 = 4;

const NEGATIONS: &str = "not no never none nobody nothing nowhere neither nor cannot without hardly barely lacks \
    dont doesnt didnt isnt arent wasnt werent wont cant couldnt wouldnt shouldnt hasnt havent hadnt aint \
    nicht kein keine keinen keinem keiner keines nie niemals ohne niemand nichts weder \
    nunca jamas sin ni tampoco nadie nada ningun ninguna ne pas jamais rien sans aucun aucune \
    non mai nessun nessuna niente senza nao nem sem nenhum nenhuma ninguem niet geen nooit zonder \
    nie bez nigdy degil yok لا لم لن ليس ليست ما غير بدون नहीं नही मत nahi nahin nai не нет без";
const PASTS: &str = "used formerly previously früher damals ehemals antes avant autrefois prima outrora";
const CONTRASTS: &str = "but however although though yet still except unfortunately aber jedoch trotzdem allerdings leider \
    pero sino aunque mais cependant pourtant toutefois ma però tuttavia mas porém contudo maar echter \
    لكن ولكن lekin मगर लेकिन но однако";

/// What a word does to those after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    #[default]
    None,
    /// "not"
    Negation,
    /// "used to"
    Past,
    /// "but"
    Contrast,
}

static ROLES: LazyLock<Listed<Role>> = LazyLock::new(|| {
    let mut word = Word::default();
    let lists = [(NEGATIONS, Role::Negation), (CONTRASTS, Role::Contrast), (PASTS, Role::Past)];
    let roles = (lists.iter())
        .flat_map(|(words, role)| words.split_whitespace().map(|text| (text, *role)))
        .map(|(text, role)| (word.read(text), role))
        .collect();
    Listed::new(roles, earlier)
});

/// The role of a word by its unigram.
pub(super) fn role(unigram: u32) -> Role {
    ROLES.get(unigram).unwrap_or_default()
}

/// What covers the word that is being read.
#[derive(Debug, Default)]
pub(super) struct Scope {
    negated: u8,
    past: u8,
    contrasted: bool,
}

impl Scope {
    /// Forgets the text before.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// A clause ends: negation and past end with it; a contrast lasts to the end of the text.
    pub(super) fn clause_ends(&mut self) {
        (self.negated, self.past) = (0, 0);
    }

    /// Takes a word in and says what covered it.
    pub(super) fn covers(&mut self, role: Role) -> Cover {
        let cover = Cover { negated: self.negated > 0, past: self.past > 0, contrasted: self.contrasted };
        self.negated = self.negated.saturating_sub(1);
        self.past = self.past.saturating_sub(1);
        match role {
            Role::None => {}
            Role::Negation => self.negated = REACH_WORDS,
            Role::Past => self.past = REACH_WORDS,
            Role::Contrast => *self = Self { contrasted: true, ..Self::default() },
        }
        cover
    }
}

/// What covers one word.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cover {
    pub(super) negated: bool,
    pub(super) past: bool,
    pub(super) contrasted: bool,
}

impl Cover {
    /// A mark for each, to be written into the word's unigram.
    pub(super) fn marks(self) -> impl Iterator<Item = u8> {
        [(self.negated, b'N'), (self.past, b'P'), (self.contrasted, b'B')]
            .into_iter()
            .filter(|(covered, _)| *covered)
            .map(|(_, mark)| mark)
    }
}
