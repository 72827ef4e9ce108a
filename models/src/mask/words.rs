//! Word lists that addresses and names are told by.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::chunks::{CHUNK, chunk_at, mask_of};

/// Types of street after the name, in English.
const STREET_TYPES: &str = "\
    st st. street ave ave. avenue av rd rd. road blvd blvd. boulevard ln ln. lane dr dr. drive ct ct. court pl pl. \
    place sq sq. square ter ter. terr terrace way pkwy parkway hwy highway cir circle close crescent cres gardens \
    grove hill mews row walk alley loop path pike trail run wharf turnpike plaza park rise view green heights quay \
    broadway crossing extension concourse esplanade parade circus causeway byway";

/// Whether a word is a type of street, with or without a dot, in any case.
pub(super) fn is_street_type(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    static TYPES: LazyLock<HashSet<&str>> = LazyLock::new(|| words_of(STREET_TYPES));
    in_lower_case(word, |word| TYPES.contains(word))
}

/// Types of street before the name: French, Spanish, Portuguese, Italian, Catalan.
const LEADING_TYPES: &str = "\
    rue avenue av av. boulevard bd bd. place allée allee impasse chemin quai route cours square passage ruelle calle \
    c c. avenida avda avda. plaza pza paseo camino carrer carretera ronda travesía callejón calzada pasaje rua r. \
    travessa praça largo estrada alameda rodovia beco via viale piazza corso vicolo strada piazzale v.le lungomare \
    contrada carrera transversal diagonal ul ulica aleja laan";

/// Whether a word is a type of street that stands before the name.
pub(super) fn is_leading_type(word: &str) -> bool {
    static TYPES: LazyLock<HashSet<&str>> = LazyLock::new(|| words_of(LEADING_TYPES));
    in_lower_case(word, |word| TYPES.contains(word))
}

/// Endings of street names in German, Dutch and the Nordic languages, joined or apart.
const STREET_ENDINGS: &str = "\
    straße strasse str. str weg platz allee gasse ring damm ufer chaussee steig stieg pfad markt hof graben berg tor \
    wall promenade straat laan plein gracht kade dreef steeg singel zeile winkel park kamp heide gatan gaten gade \
    vägen väg veien vejen vej";

/// Whether a word is, or ends in, a kind of street in German, Dutch or a Nordic language.
pub(super) fn is_street_ending(word: &str) -> bool {
    let lower = word.to_lowercase();
    STREET_ENDINGS.split(' ').any(|ending| lower.ends_with(ending))
}

/// Small words inside the names of streets and persons.
pub(super) fn is_particle(word: &str) -> bool {
    const PARTICLES: &str = "\
    de du des la le les l d del della delle dei degli di da do das dos e y von van der den zu zum zur am an auf bin \
    ben al el ibn ter ten las los san santa";
    PARTICLES.split(' ').any(|particle| particle == word)
}

/// Words that follow a number that counts.
const MEASURES: &str = "\
    minutes minute min mins blocks block miles mile km years year months month weeks days hours hour floors floor \
    feet ft meters metres doors houses people kids children am pm degrees percent stops times cars units jahre \
    jahren minuten meter años minutos ans mètres anni metri anos metros o'clock uhr euros dollars";

/// Whether a word is in a list of words with a space between, in any ASCII case. Only the words of the list that begin with the
/// same letter are looked at.
pub(super) fn is_listed(list: &str, word: &str) -> bool {
    let (list, word) = (list.as_bytes(), word.as_bytes());
    let Some(first) = word.first().map(|first| first | 0x20) else { return false };
    let stands_at = |start: usize| {
        let end = start + word.len();
        list.get(end).is_none_or(|byte| *byte == b' ')
            && list.get(start..end).is_some_and(|known| known.eq_ignore_ascii_case(word) && !known.contains(&b' '))
    };
    let mut begins = 1;
    for from in (0..list.len()).step_by(CHUNK) {
        let chunk = chunk_at(list, from);
        let spaces = mask_of(&chunk, |byte| byte == b' ');
        let mut starts = (spaces << 1 | begins) & mask_of(&chunk, |byte| byte | 0x20 == first);
        begins = spaces >> (CHUNK - 1);
        while starts != 0 {
            if stands_at(from + starts.trailing_zeros() as usize) {
                return true;
            }
            starts &= starts - 1;
        }
    }
    false
}

/// `10 minutes`, `3 blocks`, `2 years`: whether a word after a number says that it counts.
pub(super) fn is_measure(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| words_of(MEASURES));
    in_lower_case(word, |word| WORDS.contains(word))
}

/// The words of a file: lines of words with a space between, and comments.
fn words_of(file: &'static str) -> HashSet<&'static str> {
    file.lines().filter(|line| !line.starts_with("# ")).flat_map(|line| line.split(' ')).collect()
}

/// Whether a word, in any case, cannot be a part of a name.
pub(super) fn is_common(word: &str) -> bool {
    static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| words_of(include_str!("common_words.txt")));
    in_lower_case(word, |word| COMMON.contains(word))
}

/// Whether a word, in any case, is a usual first name somewhere.
pub(super) fn is_first_name(word: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| words_of(include_str!("first_names.txt")));
    in_lower_case(word, |word| NAMES.contains(word))
}

/// Asks about a word in lower case; short ASCII words, nearly all, without an allocation.
fn in_lower_case(word: &str, ask: impl Fn(&str) -> bool) -> bool {
    let mut buffer = [0; 24];
    match buffer.get_mut(..word.len()) {
        Some(lower) if word.is_ascii() => {
            lower.copy_from_slice(word.as_bytes());
            lower.make_ascii_lowercase();
            std::str::from_utf8(lower).is_ok_and(ask)
        }
        _ => ask(&word.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_found_whole() {
        assert!(is_common("City") && is_common("the") && !is_common("Jane") && !is_common("itie"));
        assert!(is_first_name("Jane") && is_first_name("DeShawn") && is_first_name("Łukasz") && !is_first_name("Street"));
        assert!(is_street_type("Ave.") && is_leading_type("Rue") && is_street_ending("Lindenstraße"));
    }

    proptest! {
        #[test]
        fn a_list_holds_its_words_and_no_other(words in proptest::collection::vec("[a-cé]{1,4}", 1..60), other in "[a-cA-Cé ]{0,5}") {
            let list = words.join(" ");
            for word in words.iter().chain([&other]) {
                let expected = list.split(' ').any(|known| known.eq_ignore_ascii_case(word));
                prop_assert_eq!(is_listed(&list, word), expected, "{}", word);
            }
        }
    }
}
