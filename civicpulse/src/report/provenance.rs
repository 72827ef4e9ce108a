//! Where a report comes from, so that a printout can be traced back: data, model, program, configuration, question.

use anyhow::Result;
use feedback::Timestamp;

use super::{Request, table, texts};
use crate::commands::answerer::Answerer;

/// Facts in the order in which they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    facts: Vec<(String, String)>,
}

/// What the table `provenance` says.
pub(super) type Facts = Vec<(String, Option<String>)>;

/// Asks for them.
pub(super) async fn facts(answerer: &Answerer<'_>) -> Result<Facts> {
    let batch = table(answerer, "SELECT name, value FROM provenance").await?;
    let (names, values) = (texts(batch.column(0))?, texts(batch.column(1))?);
    Ok(names.into_iter().zip(values).filter_map(|(name, value)| Some((name?, value))).collect())
}

impl Provenance {
    pub(super) fn new(request: &Request, query: &str, generated_at: Timestamp, facts: Facts, consistent: bool) -> Self {
        let mut all = vec![
            ("report".to_owned(), request.kind.table().to_owned()),
            ("generated_at".to_owned(), generated_at.to_string()),
            ("report_program_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("query".to_owned(), query.to_owned()),
        ];
        all.extend(facts.into_iter().map(|(name, value)| (name, value.unwrap_or_else(|| "unknown".to_owned()))));
        if !consistent {
            let warning = "the tables moved while they were read: parts of this report come from neighbouring snapshots";
            all.push(("warning".to_owned(), warning.to_owned()));
        }
        all.push(("method".to_owned(), request.kind.method().to_owned()));
        Self { facts: all }
    }

    /// Every fact.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One fact; empty where it is not known.
    pub fn get(&self, name: &str) -> &str {
        self.facts().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// What fits below every page.
    pub fn footer(&self) -> String {
        format!(
            "civicpulse {}, configuration {}, data to {}, models {}",
            self.get("civicpulse_version"),
            self.get("configuration_hash").get(..12).unwrap_or("unknown"),
            self.get("watermark"),
            self.get("model_versions")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn every_fact_is_there_and_a_moving_table_is_said() {
        let request = Request { kind: Kind::Trends, window: "7d".into(), as_of: None, weights: None, total: None, top: None };
        let facts =
            vec![("watermark".to_owned(), None), ("configuration_hash".to_owned(), Some("0123456789abcdef".to_owned()))];
        let of = |consistent| Provenance::new(&request, "SELECT 1", Timestamp::from_micros(0), facts.clone(), consistent);
        assert_eq!((of(true).get("watermark"), of(true).get("query"), of(true).get("warning")), ("unknown", "SELECT 1", ""));
        assert!(of(false).get("warning").contains("moved"));
        assert!(of(true).footer().contains("configuration 0123456789ab,"), "{}", of(true).footer());
    }
}
