//! How far "not", "used to" and "but" reach.

use std::sync::LazyLock;

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

/// Hashes of three closed lists, sorted for binary search.
struct Lists {
    negations: Vec<u32>,
    pasts: Vec<u32>,
    contrasts: Vec<u32>,
}

static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    let mut word = Word::default();
    let mut sorted = |words: &str| {
        let mut hashes: Vec<u32> = words.split_whitespace().map(|text| word.read(text)).collect();
        hashes.sort_unstable();
        hashes
    };
    Lists { negations: sorted(NEGATIONS), pasts: sorted(PASTS), contrasts: sorted(CONTRASTS) }
});

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

    /// Takes a word in and says what covered it, as marks for its unigram. `contracted` is a word like "don't".
    pub(super) fn covers(&mut self, hash: u32, contracted: bool) -> impl Iterator<Item = u8> + use<> {
        let marks = [(self.negated > 0, b'N'), (self.past > 0, b'P'), (self.contrasted, b'B')];
        self.negated = self.negated.saturating_sub(1);
        self.past = self.past.saturating_sub(1);
        let lists = &*LISTS;
        if contracted || lists.negations.binary_search(&hash).is_ok() {
            self.negated = REACH_WORDS;
        } else if lists.contrasts.binary_search(&hash).is_ok() {
            *self = Self { contrasted: true, ..Self::default() };
        } else if lists.pasts.binary_search(&hash).is_ok() {
            self.past = REACH_WORDS;
        }
        marks.into_iter().filter(|(covered, _)| *covered).map(|(_, mark)| mark)
    }
}
