//! What the model says about one message.

use feedback::{Signal, Tone, Topic, Urgency};

use super::network::{HEADS, OUTPUTS};

/// What a missed emergency costs, in false alarms: somebody looks in vain at three messages rather than miss one. Chosen on the
/// project's own messages that are kept aside; `models/REPORT.md` shows what other costs would give.
pub const MISSED_EMERGENCY_COST: f32 = 3.0;

/// The probability from which on acting as in an emergency has the smaller expected cost (Elkan 2001).
pub const EMERGENCY_FROM: f32 = emergency_from(MISSED_EMERGENCY_COST);

/// The same for any cost of a missed emergency in false alarms.
pub(crate) const fn emergency_from(missed_cost: f32) -> f32 {
    1.0 / (1.0 + missed_cost)
}

/// The urgency code to act on.
pub(crate) fn urgency_decision(urgency: &[f32]) -> usize {
    let emergency = urgency.len() - 1;
    if urgency[emergency] >= EMERGENCY_FROM { emergency } else { argmax(&urgency[..emergency]) }
}

/// How likely each [`Signal`] is where a portal opens a case by category and hands over no words, against what it is in texts: such a
/// case asks for something to be done. An assumption about portals, applied as a shift of the prior (Saerens, Latinne & Decaestecker
/// 2002); a category that clearly says otherwise, as "Compliment", still does.
const WITHOUT_WORDS: [f32; 5] = [1.0, 1.0, 0.2, 0.2, 0.2];

/// Calibrated probabilities, each array in the order of its vocabulary's codes and summing to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Of [`Tone`].
    pub tone: [f32; 3],
    /// Of [`Signal`].
    pub signal: [f32; 5],
    /// Of [`Topic`].
    pub topic: [f32; 33],
    /// Of [`Urgency`].
    pub urgency: [f32; 4],
}

impl Reading {
    /// From logits and a calibration per head.
    pub(crate) fn new(logits: &[f32; OUTPUTS], calibrations: &[Calibration; HEADS.len()]) -> Self {
        let mut reading = Self { tone: [0.0; 3], signal: [0.0; 5], topic: [0.0; 33], urgency: [0.0; 4] };
        let heads: [&mut [f32]; HEADS.len()] =
            [&mut reading.tone, &mut reading.signal, &mut reading.topic, &mut reading.urgency];
        for ((head, probabilities), calibration) in HEADS.iter().zip(heads).zip(calibrations) {
            calibration.apply(&logits[head.range()], probabilities);
        }
        reading
    }

    /// The same for a message of which only title and category are known.
    pub(crate) fn without_words(mut self) -> Self {
        self.signal.iter_mut().zip(WITHOUT_WORDS).for_each(|(probability, shift)| *probability *= shift);
        let sum: f32 = self.signal.iter().sum();
        self.signal.iter_mut().for_each(|probability| *probability /= sum);
        self
    }

    /// The probabilities of every head: tone, signal, topic, urgency.
    pub(crate) fn heads(&self) -> [&[f32]; HEADS.len()] {
        [&self.tone, &self.signal, &self.topic, &self.urgency]
    }

    /// The most probable tone.
    pub fn tone_label(&self) -> Tone {
        Tone::ALL[argmax(&self.tone)]
    }

    /// The most probable signal.
    pub fn signal_label(&self) -> Signal {
        Signal::ALL[argmax(&self.signal)]
    }

    /// The most probable topic.
    pub fn topic_label(&self) -> Topic {
        Topic::ALL[argmax(&self.topic)]
    }

    /// The probability of [`Self::topic_label`].
    pub fn topic_score(&self) -> f32 {
        self.topic[argmax(&self.topic)]
    }

    /// The `N` most probable topics with their probabilities, best first; at equal probability the lower code.
    pub fn top_topics<const N: usize>(&self) -> [(Topic, f32); N] {
        let mut left = self.topic;
        std::array::from_fn(|_| {
            let best = argmax(&left);
            let probability = std::mem::replace(&mut left[best], f32::NEG_INFINITY);
            (Topic::ALL[best], probability)
        })
    }

    /// The urgency to act on: an emergency from a probability of [`EMERGENCY_FROM`] on, otherwise the most probable of the
    /// other levels.
    pub fn urgency_label(&self) -> Urgency {
        Urgency::ALL[urgency_decision(&self.urgency)]
    }

    /// The expected urgency in [0, 1]: 0 is certainly routine, 1 certainly an emergency.
    pub fn urgency_score(&self) -> f32 {
        let expected: f32 = self.urgency.iter().enumerate().map(|(level, p)| level as f32 * p).sum();
        (expected / 3.0).clamp(0.0, 1.0)
    }
}

/// The position of the largest value; the first of equals.
pub(crate) fn argmax(values: &[f32]) -> usize {
    let (mut best, mut largest) = (0, values.first().copied().unwrap_or(f32::NEG_INFINITY));
    for (position, value) in values.iter().enumerate() {
        // Chosen without a branch: which is larger nobody can foresee.
        let larger = *value > largest;
        best = if larger { position } else { best };
        largest = if larger { *value } else { largest };
    }
    best
}

/// What makes the logits of a head mean what they say: a temperature for all classes (Guo et al. 2017), then a straight line for the
/// log odds of the most probable one (Platt 1999), which of thirty-three classes is too sure where it is sure and not sure enough where it
/// is not, whatever the temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Calibration {
    pub(crate) temperature: f32,
    pub(crate) slope: f32,
    pub(crate) shift: f32,
}

impl Calibration {
    /// Probabilities are softmax.
    pub(crate) const NONE: Self = Self { temperature: 1.0, slope: 1.0, shift: 0.0 };
    /// Nothing but a temperature.
    #[cfg(feature = "transformer")]
    pub(crate) fn of_temperature(temperature: f32) -> Self {
        Self { temperature, ..Self::NONE }
    }

    /// How many numbers there are.
    pub(crate) const NUMBERS: usize = 3;

    /// In the order of a weights file.
    pub(crate) fn numbers(&self) -> [f32; Self::NUMBERS] {
        [self.temperature, self.slope, self.shift]
    }

    /// `None` if numbers are not those of a calibration: a class that is more probable stays so.
    pub(crate) fn from_numbers([temperature, slope, shift]: [f32; Self::NUMBERS]) -> Option<Self> {
        (temperature > 0.0 && slope > 0.0).then_some(Self { temperature, slope, shift })
    }

    /// Calibrated probabilities.
    pub(crate) fn apply(&self, logits: &[f32], probabilities: &mut [f32]) {
        let others = against_top(logits, self.temperature, probabilities);
        let wanted = others.powf(self.slope) * (-self.shift).exp();
        let factor = if others > 0.0 { wanted / others } else { 0.0 };
        let top = argmax(logits);
        let mut sum = 1.0;
        for (position, probability) in probabilities.iter_mut().enumerate() {
            if position != top {
                // No class overtakes the most probable one.
                *probability = (*probability * factor).min(1.0);
                sum += *probability;
            }
        }
        probabilities.iter_mut().for_each(|probability| *probability /= sum);
    }
}

/// exp(logit / temperature) of every class over that of the most probable one, and their sum without it: the odds against it.
pub(crate) fn against_top(logits: &[f32], temperature: f32, terms: &mut [f32]) -> f32 {
    let top = argmax(logits);
    let mut others = 0.0;
    for (position, (term, logit)) in terms.iter_mut().zip(logits).enumerate() {
        *term = ((logit - logits[top]) / temperature).exp();
        others += if position == top { 0.0 } else { *term };
    }
    others
}

/// exp(logit / temperature), normalised.
pub(crate) fn softmax(logits: &[f32], temperature: f32, probabilities: &mut [f32]) {
    let sum = 1.0 + against_top(logits, temperature, probabilities);
    probabilities.iter_mut().for_each(|probability| *probability /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emergency_is_told_before_it_is_likely() {
        let label = |urgency| Reading { tone: [0.0; 3], signal: [0.0; 5], topic: [0.0; 33], urgency }.urgency_label();
        assert_eq!(label([0.5, 0.2, 0.05, 0.25]), Urgency::Emergency);
        assert_eq!(label([0.5, 0.3, 0.05, 0.15]), Urgency::Routine);
        assert_eq!(label([0.1, 0.3, 0.45, 0.15]), Urgency::Urgent);
    }

    #[test]
    fn a_case_without_words_asks_for_something_unless_it_clearly_does_not() {
        let label =
            |signal| Reading { tone: [0.0; 3], signal, topic: [0.0; 33], urgency: [1.0, 0.0, 0.0, 0.0] }.without_words();
        assert_eq!(label([0.3, 0.1, 0.1, 0.0, 0.5]).signal_label(), Signal::Problem);
        assert_eq!(label([0.05, 0.05, 0.1, 0.75, 0.05]).signal_label(), Signal::Praise);
        assert!((label([0.2; 5]).signal.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_calibration_moves_the_odds_of_the_most_probable_class_along_a_line() {
        let logits = [1.0f32, 3.0, -2.0, 2.5];
        let of = |calibration: Calibration| {
            let mut probabilities = [0.0; 4];
            calibration.apply(&logits, &mut probabilities);
            assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{probabilities:?}");
            assert!(probabilities.iter().all(|p| *p <= probabilities[1]), "{probabilities:?}");
            probabilities
        };
        let log_odds = |p: f32| (p / (1.0 - p)).ln();
        let plain = of(Calibration::NONE);
        let mut softmaxed = [0.0; 4];
        softmax(&logits, 1.0, &mut softmaxed);
        assert!(plain.iter().zip(softmaxed).all(|(a, b)| (a - b).abs() < 1e-6));
        let moved = of(Calibration { temperature: 1.0, slope: 0.7, shift: 0.2 });
        assert!((log_odds(moved[1]) - (0.7 * log_odds(plain[1]) + 0.2)).abs() < 1e-5);
        assert!((moved[0] / moved[3] - plain[0] / plain[3]).abs() < 1e-6, "the others keep their proportions");
        // Not even where the line says that the most probable class is nearly impossible.
        assert!(of(Calibration { temperature: 1.0, slope: 1.0, shift: -9.0 })[1] >= 0.25);
        let mut certain = [0.0; 2];
        Calibration::NONE.apply(&[200.0, 0.0], &mut certain);
        assert_eq!(certain, [1.0, 0.0]);
    }

    #[test]
    fn helpers_agree_with_the_probabilities() {
        let mut logits = [0.0; OUTPUTS];
        logits[0] = 2.0;
        logits[HEADS[2].start + 5] = 3.0;
        logits[HEADS[2].start + 9] = 2.0;
        logits[HEADS[3].start + 3] = 50.0;
        let reading = Reading::new(&logits, &[Calibration::NONE; 4]);
        assert_eq!(reading.tone_label(), Tone::Negative);
        assert_eq!(reading.topic_label(), Topic::PublicTransport);
        let top = reading.top_topics::<3>();
        assert_eq!((top[0].0, top[1].0, top[2].0), (Topic::PublicTransport, Topic::Graffiti, Topic::Roads));
        assert!(top[0].1 > top[1].1 && top[1].1 > top[2].1);
        assert_eq!(reading.urgency_label(), Urgency::Emergency);
        assert!(reading.urgency_score() > 0.99);
        assert_eq!(reading.signal_label(), Signal::Problem, "the first of equals");
    }
}
