//! How much each component of a priority counts: the city's choice, not ours.

use serde::{Deserialize, Serialize};

use super::component::{COMPONENTS, Component};
use crate::suggest::nearest;

/// Weights of the components; only their proportions matter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriorityWeights {
    /// Of people who report per 1,000 residents, corrected for reports that are not made.
    pub adjusted_incidence: f64,
    /// Of mean urgency.
    pub severity: f64,
    /// Of negative tone and problems.
    pub dissatisfaction: f64,
    /// Of the trend.
    pub momentum: f64,
    /// Of the share still open.
    pub backlog: f64,
    /// Of the share of missed dates.
    pub unmet_promise: f64,
    /// Of deprivation where much goes unreported.
    pub equity: f64,
}

impl Default for PriorityWeights {
    /// What residents need before what they feel.
    fn default() -> Self {
        Self {
            adjusted_incidence: 0.25,
            severity: 0.25,
            dissatisfaction: 0.1,
            momentum: 0.1,
            backlog: 0.1,
            unmet_promise: 0.1,
            equity: 0.1,
        }
    }
}

/// Weights that make no score.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WeightError {
    /// A weight that is negative or no number.
    #[error("priority weight `{component}` is {weight}: give a number that is 0 or more")]
    Value {
        /// The component.
        component: &'static str,
        /// Its weight.
        weight: f64,
    },
    /// Nothing counts.
    #[error("every priority weight is 0: give at least one component a weight above 0")]
    AllZero,
    /// A sum that is not a number.
    #[error("priority weights add up to infinity: give smaller ones, only their proportions matter")]
    TooLarge,
    /// A name that is no component.
    #[error("there is no priority component `{name}`{hint}")]
    Unknown {
        /// As written.
        name: String,
        /// The nearest component, or all.
        hint: String,
    },
    /// A component that is named twice.
    #[error("priority weight `{component}` is given twice: give it once")]
    Twice {
        /// The component.
        component: &'static str,
    },
    /// A part of a text that is no weight.
    #[error(
        "`{part}` is not a priority weight: write component=number, separated by commas, for example 'severity=2, backlog=1'"
    )]
    Syntax {
        /// What was written.
        part: String,
    },
}

/// Stands for the configured weights at the head of a text, so that the rest changes single ones.
const CONFIGURED: &str = "configured";

/// Most characters of a text that an error repeats.
const SHOWN: usize = 60;

impl PriorityWeights {
    /// Nothing counts: where texts start from.
    pub const ZERO: Self = Self {
        adjusted_incidence: 0.0,
        severity: 0.0,
        dissatisfaction: 0.0,
        momentum: 0.0,
        backlog: 0.0,
        unmet_promise: 0.0,
        equity: 0.0,
    };

    /// The weight of a component as it was given.
    pub fn of(&self, component: Component) -> f64 {
        let mut copy = *self;
        *copy.of_mut(component)
    }

    /// The same, to change it.
    pub fn of_mut(&mut self, component: Component) -> &mut f64 {
        match component {
            Component::AdjustedIncidence => &mut self.adjusted_incidence,
            Component::Severity => &mut self.severity,
            Component::Dissatisfaction => &mut self.dissatisfaction,
            Component::Momentum => &mut self.momentum,
            Component::Backlog => &mut self.backlog,
            Component::UnmetPromise => &mut self.unmet_promise,
            Component::Equity => &mut self.equity,
        }
    }

    /// The weights in the order of [`Component::ALL`], adding up to 1.
    pub fn normalised(&self) -> Result<[f64; COMPONENTS], WeightError> {
        let weights = Component::ALL.map(|component| self.of(component));
        for (component, weight) in Component::ALL.iter().zip(weights) {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(WeightError::Value { component: component.as_str(), weight });
            }
        }
        let sum: f64 = weights.iter().sum();
        if sum == 0.0 {
            return Err(WeightError::AllZero);
        }
        if sum.is_infinite() {
            return Err(WeightError::TooLarge);
        }
        Ok(weights.map(|weight| weight / sum))
    }

    /// Reads `severity=2, backlog=1` (`:` for `=` and a JSON object are understood too). What is not named counts nothing, except
    /// after the word `configured`, which stands for `configured`: `configured, equity=0.3` changes one weight.
    pub fn parse(text: &str, configured: &Self) -> Result<Self, WeightError> {
        let inner = text.trim();
        let inner = inner.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(inner);
        let mut parts = inner.split(',').map(str::trim).peekable();
        let mut weights = Self::ZERO;
        if parts.peek().is_some_and(|first| first.eq_ignore_ascii_case(CONFIGURED)) {
            parts.next();
            weights = *configured;
        }
        let mut given = [false; COMPONENTS];
        for part in parts {
            let syntax = || WeightError::Syntax { part: part.chars().take(SHOWN).collect() };
            let (name, number) = part.split_once(['=', ':']).ok_or_else(syntax)?;
            let name = name.trim().trim_matches('"');
            let component = Component::from_name(name).ok_or_else(|| WeightError::Unknown {
                name: name.chars().take(SHOWN).collect(),
                hint: nearest(name, &Component::ALL.map(Component::as_str)),
            })?;
            if std::mem::replace(&mut given[component as usize], true) {
                return Err(WeightError::Twice { component: component.as_str() });
            }
            *weights.of_mut(component) = number.trim().parse().map_err(|_| syntax())?;
        }
        weights.normalised()?;
        Ok(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proportions_matter() {
        let default = PriorityWeights::default();
        assert!((default.normalised().unwrap().iter().sum::<f64>() - 1.0).abs() < 1e-15);
        let only = PriorityWeights { severity: 7.0, ..PriorityWeights::ZERO };
        assert_eq!(only.normalised().unwrap(), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn what_is_no_weight_is_said() {
        let refused = |weights: PriorityWeights| weights.normalised().unwrap_err().to_string();
        let default = PriorityWeights::default();
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            let message = refused(PriorityWeights { backlog: bad, ..default });
            assert_eq!(message, format!("priority weight `backlog` is {bad}: give a number that is 0 or more"));
        }
        assert!(refused(PriorityWeights { equity: f64::MAX, severity: f64::MAX, ..default }).contains("infinity"));
        assert!(refused(PriorityWeights::ZERO).contains("at least one"));
        assert!(serde_json::from_str::<PriorityWeights>(r#"{"volumes":1}"#).is_err());
        let partial: PriorityWeights = serde_json::from_str(r#"{"severity":1}"#).unwrap();
        assert_eq!(partial, PriorityWeights { severity: 1.0, ..default });
    }

    #[test]
    fn texts_say_all_or_change_some() {
        let configured = PriorityWeights::default();
        let parse = |text: &str| PriorityWeights::parse(text, &configured).unwrap();
        let two = PriorityWeights { severity: 2.0, backlog: 1.0, ..PriorityWeights::ZERO };
        for text in [
            "severity=2,backlog=1",
            " severity = 2 , backlog : 1 ",
            r#"{"severity": 2, "backlog": 1}"#,
            "SEVERITY=2, backlog=1e0",
        ] {
            assert_eq!(parse(text), two, "{text}");
        }
        assert_eq!(parse("configured"), configured);
        assert_eq!(parse("configured, equity=0.5"), PriorityWeights { equity: 0.5, ..configured });
    }

    #[test]
    fn texts_that_make_no_sense_are_refused_with_the_way_out() {
        let refused = |text: &str| PriorityWeights::parse(text, &PriorityWeights::default()).unwrap_err().to_string();
        for (text, expected) in [
            ("", "`` is not a priority weight: write component=number"),
            ("severity", "`severity` is not a priority weight"),
            ("severity=much", "`severity=much` is not a priority weight"),
            ("severity=1,", "`` is not a priority weight"),
            ("severty=1", "there is no priority component `severty`: did you mean `severity`?"),
            ("votes=1", "there is no priority component `votes`: there are adjusted_incidence, severity,"),
            ("severity=1, severity=2", "`severity` is given twice"),
            ("severity=-1", "priority weight `severity` is -1: give a number that is 0 or more"),
            ("severity=nan", "priority weight `severity` is NaN"),
            ("severity=inf", "priority weight `severity` is inf"),
            ("severity=0, equity=0", "every priority weight is 0"),
        ] {
            assert!(refused(text).contains(expected), "{text}: {}", refused(text));
        }
        assert!(refused(&"x".repeat(100_000)).len() < 250);
    }
}
