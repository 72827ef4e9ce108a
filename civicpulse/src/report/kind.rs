//! Which reports there are: what each asks, and what of it people look at first.

use aggregate::WindowSpec;
use anyhow::{Result, bail};

use super::literal;

/// Which report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// What matters most, district by topic, with how sure that is.
    Priorities,
    /// What is rising or falling.
    Trends,
    /// How long the city takes.
    ServiceLevels,
    /// Who is heard.
    Representation,
    /// What to fund under a total.
    Allocation,
}

/// What was asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which report.
    pub kind: Kind,
    /// The window as it was typed.
    pub window: String,
    /// Where the window ends; `None` is at the watermark.
    pub as_of: Option<String>,
    /// Weights in place of the configured ones.
    pub weights: Option<String>,
    /// Money that there is.
    pub total: Option<f64>,
    /// Rows at most.
    pub top: Option<u64>,
}

impl Kind {
    /// Its table in SQL.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Priorities => "priorities",
            Self::Trends => "trends",
            Self::ServiceLevels => "service_levels",
            Self::Representation => "representation",
            Self::Allocation => "allocation",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Priorities => "Priorities",
            Self::Trends => "Trends",
            Self::ServiceLevels => "Service levels",
            Self::Representation => "Representation",
            Self::Allocation => "Allocation",
        }
    }

    /// The columns that are looked at first, in this order; those that a table lacks are skipped.
    pub const fn main_columns(self) -> &'static [&'static str] {
        match self {
            Self::Priorities => &[
                "rank",
                "rank_low",
                "rank_high",
                "district",
                "topic",
                "score",
                "reports",
                "raw_rank",
                "moved_by",
                "certainly_top_k",
                "possibly_top_k",
                "holds_without_tone",
                "holds_without_votes",
                "holds_weights_varied",
            ],
            Self::Trends => &[
                "district",
                "topic",
                "direction",
                "observed",
                "expected",
                "ratio",
                "ratio_low",
                "ratio_high",
                "q_value",
                "since",
            ],
            Self::ServiceLevels => &[
                "agency",
                "topic",
                "district",
                "n",
                "open",
                "first_answer_median_h",
                "close_median_h",
                "close_low_h",
                "close_high_h",
                "overdue_share",
                "overdue_share_low",
                "overdue_share_high",
                "reopened",
                "note",
            ],
            Self::Representation => &[
                "dimension",
                "district",
                "value",
                "population",
                "reports",
                "reporters",
                "per_1000",
                "per_1000_low",
                "per_1000_high",
                "index",
                "index_low",
                "index_high",
                "need_index_assumed",
                "mean_delay_days",
                "outreach_rank",
                "note",
            ],
            Self::Allocation => &[
                "rank",
                "district",
                "topic",
                "need",
                "unit",
                "unit_cost",
                "funded_units",
                "funded_cost",
                "need_met",
                "value_per_cost",
                "shadow_price",
                "funded_in_draws",
                "units_low",
                "units_high",
                "note",
            ],
        }
    }

    /// What the report says and does not say, for its method sheet.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Priorities => "docs/methods/priorities.md",
            Self::Allocation => "docs/methods/allocation.md",
            Self::ServiceLevels => "docs/methods/service_levels.md",
            Self::Representation => "docs/methods/representation.md",
            Self::Trends => "docs/methods.md",
        }
    }

    /// Whether its table is one of windows.
    const fn has_window(self) -> bool {
        matches!(self, Self::Priorities | Self::Trends | Self::Representation | Self::Allocation)
    }

    /// Whether weights change it.
    const fn has_weights(self) -> bool {
        matches!(self, Self::Priorities | Self::Allocation)
    }

    /// What the rows are ordered by.
    const fn order(self) -> &'static str {
        match self {
            Self::Priorities | Self::Allocation => "rank NULLS LAST, district NULLS LAST, topic NULLS LAST",
            Self::Trends => "q_value NULLS LAST, district NULLS LAST, topic NULLS LAST",
            Self::ServiceLevels => "n DESC, agency NULLS LAST, topic NULLS LAST, district NULLS LAST",
            Self::Representation => "dimension, outreach_rank NULLS LAST, value",
        }
    }
}

impl Request {
    /// The query that answers it.
    ///
    /// # Errors
    /// It asks for what its report does not have.
    pub fn query(&self) -> Result<String> {
        let (kind, name) = (self.kind, self.kind.table());
        let mut arguments = Vec::new();
        if kind.has_window() {
            arguments.push(format!("window => {}", literal(&self.window_name()?)));
            arguments.extend(self.as_of.as_ref().map(|as_of| format!("as_of => {}", literal(as_of))));
        } else if self.as_of.is_some() {
            bail!("the {name} report has no --as-of: it covers everything that is kept");
        }
        if kind.has_weights() {
            arguments.extend(self.weights.as_ref().map(|weights| format!("weights => {}", literal(weights))));
        } else if self.weights.is_some() {
            bail!("the {name} report has no --weights: priorities and allocation have");
        }
        match (kind, self.total) {
            (_, Some(total)) if !(total.is_finite() && total >= 0.0) => {
                bail!("--total is {total}: give an amount of money that is 0 or more")
            }
            (Kind::Allocation, Some(total)) => arguments.push(format!("total => {total}")),
            (Kind::Allocation, None) => bail!("allocation needs the money that there is: --total 250000"),
            (_, Some(_)) => bail!("the {name} report has no --total: allocation has"),
            (_, None) => {}
        }
        let from = if arguments.is_empty() { name.to_owned() } else { format!("{name}({})", arguments.join(", ")) };
        let limit = self.top.map_or(String::new(), |top| format!(" LIMIT {top}"));
        Ok(format!("SELECT * FROM {from} ORDER BY {}{limit}", kind.order()))
    }

    fn window_name(&self) -> Result<String> {
        Ok(self.window.parse::<WindowSpec>()?.name)
    }

    /// The heading.
    ///
    /// # Errors
    /// The window is none.
    pub fn title(&self) -> Result<String> {
        let title = self.kind.title();
        Ok(if self.kind.has_window() { format!("{title}, {}", self.window_name()?) } else { title.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: Kind) -> Request {
        Request { kind, window: "28d".into(), as_of: None, weights: None, total: None, top: None }
    }

    #[test]
    fn what_is_asked_is_in_the_query_and_what_makes_no_sense_is_refused() {
        let asked = Request {
            as_of: Some("2011-09-01".into()),
            weights: Some("severity=1'; DROP".into()),
            top: Some(5),
            ..request(Kind::Priorities)
        };
        assert_eq!(
            asked.query().unwrap(),
            "SELECT * FROM priorities(window => '28 days', as_of => '2011-09-01', weights => 'severity=1''; DROP') \
             ORDER BY rank NULLS LAST, district NULLS LAST, topic NULLS LAST LIMIT 5"
        );
        assert_eq!(
            (asked.title().unwrap(), request(Kind::ServiceLevels).title().unwrap()),
            ("Priorities, 28 days".into(), "Service levels".into())
        );
        let refused = |request: Request| request.query().unwrap_err().to_string();
        assert!(refused(request(Kind::Allocation)).contains("--total"));
        assert!(refused(Request { total: Some(1.0), ..request(Kind::Trends) }).contains("allocation has"));
        assert!(refused(Request { weights: Some("severity=1".into()), ..request(Kind::Trends) }).contains("no --weights"));
        assert!(refused(Request { as_of: Some("2011".into()), ..request(Kind::ServiceLevels) }).contains("no --as-of"));
        assert!(refused(Request { window: "soon".into(), ..request(Kind::Trends) }).contains("is not a window"));
    }
}
