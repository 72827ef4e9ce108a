//! From a model's own labels to negative, neutral and positive.

use std::collections::BTreeMap;

use feedback::Tone;

/// For each class of a model, in order, the tone that it stands for. Several classes may stand for one tone (five stars).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToneLabels(Vec<Tone>);

impl ToneLabels {
    /// Understands `id2label` of a config.json: the tones by name, `LABEL_0` to `LABEL_2` in the order in which tweet models
    /// are trained (negative, neutral, positive), and one to five stars.
    ///
    /// # Errors
    /// What is not understood, or which tone is missing: a model without "neutral" would have to invent it.
    pub(super) fn new(id2label: &BTreeMap<i64, String>) -> Result<Self, String> {
        let shown = || id2label.iter().map(|(id, label)| format!("{id}: {label}")).collect::<Vec<_>>().join(", ");
        if !id2label.keys().copied().eq(0..id2label.len() as i64) {
            return Err(format!("id2label must number its labels from 0 without a gap, and has {}", shown()));
        }
        let tones: Option<Vec<Tone>> = id2label.values().map(|label| tone(label, id2label.len())).collect();
        let Some(tones) = tones else {
            return Err(format!(
                "cannot tell which of its labels ({}) is negative, neutral or positive: write those words into id2label",
                shown()
            ));
        };
        if let Some(absent) = Tone::ALL.iter().find(|tone| !tones.contains(tone)) {
            return Err(format!("none of its labels ({}) is {absent}: this is not a model of three tones", shown()));
        }
        Ok(Self(tones))
    }

    /// Probabilities of the tones from those of the classes.
    pub(super) fn tones(&self, classes: &[f32]) -> [f32; 3] {
        let mut tones = [0.0; 3];
        for (tone, probability) in self.0.iter().zip(classes) {
            tones[usize::from(tone.code())] += probability;
        }
        tones
    }

    /// How many classes the model has.
    pub(super) fn classes(&self) -> usize {
        self.0.len()
    }
}

fn tone(label: &str, classes: usize) -> Option<Tone> {
    let label = label.trim().to_lowercase().replace(['_', '-'], " ");
    match label.as_str() {
        "negative" | "neg" | "very negative" | "somewhat negative" | "1 star" | "2 stars" => Some(Tone::Negative),
        "neutral" | "neu" | "3 stars" => Some(Tone::Neutral),
        "positive" | "pos" | "very positive" | "somewhat positive" | "4 stars" | "5 stars" => Some(Tone::Positive),
        "label 0" if classes == 3 => Some(Tone::Negative),
        "label 1" if classes == 3 => Some(Tone::Neutral),
        "label 2" if classes == 3 => Some(Tone::Positive),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(words: &[&str]) -> Result<ToneLabels, String> {
        ToneLabels::new(&words.iter().enumerate().map(|(id, word)| (id as i64, (*word).to_owned())).collect())
    }

    #[test]
    fn names_numbers_and_stars_are_understood_in_any_order() {
        for words in [["negative", "neutral", "positive"], ["NEG", "NEU", "POS"], ["LABEL_0", "LABEL_1", "LABEL_2"]] {
            assert_eq!(labels(&words).unwrap().tones(&[0.1, 0.2, 0.7]), [0.1, 0.2, 0.7], "{words:?}");
        }
        assert_eq!(labels(&["Positive", "Negative", "Neutral"]).unwrap().tones(&[0.7, 0.1, 0.2]), [0.1, 0.2, 0.7]);
        let stars = labels(&["1 star", "2 stars", "3 stars", "4 stars", "5 stars"]).unwrap();
        assert_eq!(stars.tones(&[0.25, 0.25, 0.125, 0.25, 0.125]), [0.5, 0.125, 0.375]);
    }

    #[test]
    fn what_cannot_be_mapped_is_said() {
        let problem = |words: &[&str]| labels(words).unwrap_err();
        assert!(problem(&["NEGATIVE", "POSITIVE"]).contains("is neutral"), "{}", problem(&["NEGATIVE", "POSITIVE"]));
        assert!(problem(&["LABEL_0", "LABEL_1"]).contains("cannot tell"));
        assert!(problem(&["joy", "anger", "sadness"]).contains("2: sadness"));
        assert!(problem(&[]).contains("is negative"));
        let gap = BTreeMap::from([(0, "negative".to_owned()), (2, "positive".to_owned())]);
        assert!(ToneLabels::new(&gap).unwrap_err().contains("without a gap"));
    }
}
