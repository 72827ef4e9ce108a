//! Whether a closing text says that nothing was done.
//!
//! A short list of phrases, in six languages, as cities write them; no model. It knows what it lists: a text that says the same in
//! other words is missed, an upper-case accented letter is not folded, and a text that also speaks of work that was done ("noted:
//! the tree was removed") does not count. The number is a lower bound, and the documentation of the column says so.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Nothing was done: not found, not valid, not ours, only noted.
const NOTHING_DONE: &[&str] = &[
    // English
    "no action",
    "no further action",
    "not actionable",
    "no work was needed",
    "no work is needed",
    "no work needed",
    "no work required",
    "nothing found",
    "nothing was found",
    "nothing there",
    "nothing to be done",
    "unable to locate",
    "could not locate",
    "could not be located",
    "cannot be located",
    "unable to find",
    "could not find",
    "could not be found",
    "not found at",
    "unfounded",
    "no violation",
    "no evidence of",
    "case invalid",
    "invalid request",
    "not valid",
    "case noted",
    "duly noted",
    "administratively closed",
    "insufficient information",
    "not enough information",
    "out of jurisdiction",
    "not within the jurisdiction",
    "not within our jurisdiction",
    "not our jurisdiction",
    "not the responsibility of",
    "not a city ",
    "on private property",
    "was not home",
    "gone on arrival",
    "opened in error",
    // Spanish
    "sin acción",
    "sin accion",
    "sin actuación",
    "sin actuacion",
    "no procede",
    "no se encontró",
    "no se encontro",
    "no localizado",
    "no localizada",
    "no requiere intervención",
    "información insuficiente",
    "no es competencia",
    // French
    "sans suite",
    "aucune action",
    "aucune intervention",
    "non fondé",
    "rien constaté",
    "introuvable",
    "hors compétence",
    // German
    "keine maßnahme",
    "keine massnahme",
    "kein handlungsbedarf",
    "nicht zuständig",
    "nicht zustaendig",
    "nicht gefunden",
    "nicht vorgefunden",
    "nichts festgestellt",
    "nichts vorgefunden",
    // Italian
    "nessun intervento",
    "nessuna azione",
    "non di competenza",
    "non trovato",
    "non trovata",
    "nulla riscontrato",
    // Portuguese
    "sem ação",
    "nenhuma ação",
    "não encontrado",
    "não encontrada",
    "nao encontrado",
    "não procede",
    "improcedente",
    "sem providências",
];

/// Something was done after all.
const SOMETHING_DONE: &[&str] = &[
    "was removed",
    "were removed",
    "has been removed",
    "removed by",
    "repaired",
    "replaced",
    "picked up",
    "completed",
    "delivered",
    "cleaned up",
    "has been cleaned",
    "was cleaned",
    "reparado",
    "reparada",
    "retirado",
    "réparé",
    "nettoyé",
    "repariert",
    "behoben",
    "beseitigt",
    "riparat",
    "rimosso",
    "consertado",
    "removido",
];

/// Both lists in one automaton: a text is read once.
static PHRASES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let all = NOTHING_DONE.iter().chain(SOMETHING_DONE);
    AhoCorasick::builder().ascii_case_insensitive(true).build(all).ok()
});

/// Whether the text says so by the rule above.
pub fn says_nothing_done(text: &str) -> bool {
    let Some(phrases) = &*PHRASES else { return false };
    let mut nothing = false;
    for found in phrases.find_overlapping_iter(text) {
        if found.pattern().as_usize() >= NOTHING_DONE.len() {
            return false;
        }
        nothing = true;
    }
    nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_cities_write_it() {
        assert!(PHRASES.is_some());
        for text in [
            "Case Closed Case Noted nothing found at the time of inspection.",
            "Case Closed Case Invalid test",
            "Case Closed NOVIO: No Violation Found",
            "Case Closed ADCLSD: Administratively Closed",
            "observed no evidence of the violation at that time",
            "Der Meldung wurde nachgegangen: kein Handlungsbedarf.",
            "Dossier classé sans suite",
            "Tras la inspección no se encontró el bache",
        ] {
            assert!(says_nothing_done(text), "{text}");
        }
        for text in [
            "",
            "Case Closed Case Resolved completed",
            "Case Closed Duplicate of Existing Case 101000309897.",
            "Case Closed Case Noted tree was removed by Royer Tree Service.",
            "Case Closed VIOISS: Violation Filed",
            "Schaden behoben",
        ] {
            assert!(!says_nothing_done(text), "{text}");
        }
    }
}
