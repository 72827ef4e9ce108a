//! Boston's 311 cases, in the portal's layouts from 2011 to today.
//!
//! A row is a case: it holds no resident's words, so the title is the case title and the category the case type. Times are local
//! until 2025, with an offset since. Columns: <https://data.boston.gov/dataset/311-service-requests>.

use feedback::{FeedbackId, Report};

use super::case::{Case, EASTERN, case_id, channel, portal_times, status};
use super::layout::{Cells, Column, Conversion, Layout, RowError};
use super::time::TimeReader;

/// Where the portal puts a case whose place is unknown.
const DEFAULT_POINT: (f64, f64) = (42.3594, -71.0587);

const ID: usize = 0;
const OPENED: usize = 1;
const DUE: usize = 2;
const CLOSED: usize = 3;
const STATUS: usize = 4;
const REASON: usize = 5;
const COMMENTS: usize = 6;
const TITLE: usize = 7;
const CATEGORY: usize = 8;
const AGENCY: usize = 9;
const NEIGHBORHOOD: usize = 10;
const LAT: usize = 11;
const LON: usize = 12;
const CHANNEL: usize = 13;

/// The layout `boston311`.
pub struct Boston {
    source: String,
    columns: Vec<Column>,
    times: TimeReader,
}

impl Boston {
    /// The layout, writing ids of `source`.
    pub fn new(source: &str) -> Self {
        let columns = vec![
            Column::portal("the case id", &["case_id", "case_enquiry_id"], true),
            Column::portal("when it was opened", &["open_date", "open_dt"], true),
            Column::portal("when it should be done", &["target_close_date", "sla_target_dt", "target_dt"], false),
            Column::portal("when it was closed", &["close_date", "closed_dt"], false),
            Column::portal("the status", &["case_status"], true),
            Column::portal("why it was closed", &["closure_reason"], false),
            Column::portal("what was said on closing", &["closure_comments"], false),
            Column::portal("the title", &["case_title", "case_topic"], false),
            Column::portal("the category", &["service_name", "type"], true),
            Column::portal("the department", &["assigned_department", "subject", "department"], false),
            Column::portal("the neighbourhood", &["neighborhood"], false),
            Column::portal("the latitude", &["latitude"], false),
            Column::portal("the longitude", &["longitude"], false),
            Column::portal("the channel", &["report_source", "source"], false),
        ];
        Self { source: source.into(), columns, times: portal_times(EASTERN) }
    }
}

impl Layout for Boston {
    fn source(&self) -> &str {
        &self.source
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn convert(&self, cells: &dyn Cells, conversion: &mut Conversion) -> Result<(), RowError> {
        let id = case_id(&self.source, cells.get(ID), "case id")?;
        let reason = match (cells.get(REASON), cells.get(COMMENTS)) {
            (Some(reason), Some(comments)) => Some(format!("{reason}: {comments}")),
            (reason, comments) => reason.or(comments).map(str::to_owned),
        };
        let duplicate_of = reason.as_deref().and_then(|reason| duplicate_link(&id, reason));
        let status = cells.get(STATUS).and_then(|word| status(word, &mut conversion.facts));
        let channel = cells.get(CHANNEL).and_then(|word| channel(word, &mut conversion.facts));
        let case = Case {
            id,
            opened: cells.get(OPENED),
            due: cells.get(DUE),
            closed: cells.get(CLOSED),
            updated: None,
            answered: None,
            status,
            reason,
            lat: cells.get(LAT),
            lon: cells.get(LON),
            default_point: Some(DEFAULT_POINT),
        };
        case.into_records(&self.times, conversion, |report: &mut Report| {
            report.channel = channel;
            report.category = cells.get(CATEGORY).map(str::to_owned);
            report.title = cells.get(TITLE).map(str::to_owned);
            report.agency = cells.get(AGENCY).map(str::to_owned);
            report.district = cells.get(NEIGHBORHOOD).map(str::to_owned);
            report.duplicate_of = duplicate_of;
        })
    }
}

/// The case that a closure names as the one it repeats. Clerks write the number whole, or only its last six to nine digits
/// ("CRM # 308960" for 101000308960); the rest is then this case's own beginning.
fn duplicate_link(id: &FeedbackId, reason: &str) -> Option<String> {
    let (_, rest) = reason.split_once("Duplicate of Existing Case")?;
    let own = id.native_id();
    let written = rest.split(|c: char| !c.is_ascii_digit()).find(|digits| (6..=own.len()).contains(&digits.len()))?;
    let whole = format!("{}{written}", own.get(..own.len() - written.len())?);
    (whole != own && whole.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("{}:{whole}", id.source()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_linked_where_a_clerk_left_the_number() {
        let id: FeedbackId = "boston311:101000309999".parse().unwrap();
        let link = |reason: &str| duplicate_link(&id, reason);
        assert_eq!(link("Case Closed Duplicate of Existing Case 101000309897.").as_deref(), Some("boston311:101000309897"));
        assert_eq!(link("Case Closed Duplicate of Existing Case CRM # 308960").as_deref(), Some("boston311:101000308960"));
        assert_eq!(link("Case Closed Duplicate of Existing Case See # 2732"), None);
        assert_eq!(link("Case Closed Duplicate of Existing Case 309999"), None, "itself");
        assert_eq!(link("Case Closed Case Resolved 101000309897"), None);
    }
}
