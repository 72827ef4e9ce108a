//! How much each component of a priority counts: the city's choice, not ours.

use serde::{Deserialize, Serialize};

use super::component::{COMPONENTS, Component};

/// Weights of the components; only their proportions matter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriorityWeights {
    /// Of distinct reporters per 1,000 residents.
    pub volume: f64,
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
}

impl Default for PriorityWeights {
    /// What residents need before what they feel.
    fn default() -> Self {
        Self { volume: 0.25, severity: 0.25, dissatisfaction: 0.1, momentum: 0.15, backlog: 0.1, unmet_promise: 0.15 }
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
}

impl PriorityWeights {
    /// The weight of a component as it was given.
    pub fn of(&self, component: Component) -> f64 {
        match component {
            Component::Volume => self.volume,
            Component::Severity => self.severity,
            Component::Dissatisfaction => self.dissatisfaction,
            Component::Momentum => self.momentum,
            Component::Backlog => self.backlog,
            Component::UnmetPromise => self.unmet_promise,
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proportions_matter() {
        let default = PriorityWeights::default();
        assert!((default.normalised().unwrap().iter().sum::<f64>() - 1.0).abs() < 1e-15);
        let only = PriorityWeights {
            volume: 7.0,
            severity: 0.0,
            dissatisfaction: 0.0,
            momentum: 0.0,
            backlog: 0.0,
            unmet_promise: 0.0,
        };
        assert_eq!(only.normalised().unwrap(), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn what_is_no_weight_is_said() {
        let refused = |weights: PriorityWeights| weights.normalised().unwrap_err().to_string();
        let default = PriorityWeights::default();
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            let message = refused(PriorityWeights { backlog: bad, ..default });
            assert_eq!(message, format!("priority weight `backlog` is {bad}: give a number that is 0 or more"));
        }
        assert!(refused(PriorityWeights { volume: f64::MAX, severity: f64::MAX, ..default }).contains("infinity"));
        let zero: PriorityWeights =
            serde_json::from_str(r#"{"volume":0,"severity":0,"dissatisfaction":0,"momentum":0,"backlog":0,"unmet_promise":0}"#)
                .unwrap();
        assert!(refused(zero).contains("at least one"));
        assert!(serde_json::from_str::<PriorityWeights>(r#"{"volumes":1}"#).is_err());
    }
}
