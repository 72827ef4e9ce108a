//! Open311 GeoReport v2 requests in bulk: JSON arrays, wrapped lists, and the early dialect of 2010 (`lon`, `"null"` and `"true"` as
//! text, numbers as ids).
//!
//! Source: GeoReport v2, <https://wiki.open311.org/GeoReport_v2/>. Residents' descriptions are the text.

use chrono_tz::Tz;
use feedback::Report;

use super::case::{Case, case_id, channel, portal_times, status};
use super::layout::{Cells, Column, Conversion, Layout, RowError};
use super::time::TimeReader;

const ID: usize = 0;
const OPENED: usize = 1;
const DUE: usize = 2;
const UPDATED: usize = 3;
const STATUS: usize = 4;
const NOTES: usize = 5;
const SERVICE_NAME: usize = 6;
const SERVICE_CODE: usize = 7;
const DESCRIPTION: usize = 8;
const AGENCY: usize = 9;
const LAT: usize = 10;
const LON: usize = 11;
const CHANNEL: usize = 12;
const TITLE: usize = 13;
const VOTES: usize = 14;

/// The layout `open311`.
pub struct Open311 {
    source: String,
    columns: Vec<Column>,
    times: TimeReader,
}

impl Open311 {
    /// The layout, writing ids of `source`; times without offset are local to `zone`.
    pub fn new(source: &str, zone: Tz) -> Self {
        let columns = vec![
            Column::portal("the request's id", &["service_request_id"], true),
            Column::portal("when it was made", &["requested_datetime"], true),
            Column::portal("when it should be done", &["expected_datetime"], false),
            Column::portal("when it changed", &["updated_datetime"], false),
            Column::portal("the status", &["status"], false),
            Column::portal("what the city said", &["status_notes"], false),
            Column::portal("the service", &["service_name"], false),
            Column::portal("the service's code", &["service_code"], false),
            Column::portal("what was said", &["description"], false),
            Column::portal("the agency", &["agency_responsible"], false),
            Column::portal("the latitude", &["lat", "latitude"], false),
            Column::portal("the longitude", &["long", "lon", "lng", "longitude"], false),
            Column::portal("the channel", &["interface_used", "source"], false),
            Column::portal("the title", &["title", "summary"], false),
            Column::portal("the votes", &["upvotes", "votes"], false),
        ];
        Self { source: source.into(), columns, times: portal_times(zone) }
    }
}

impl Layout for Open311 {
    fn source(&self) -> &str {
        &self.source
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn convert(&self, cells: &dyn Cells, conversion: &mut Conversion) -> Result<(), RowError> {
        // Early servers wrote "null", and "true" where a time exists that they do not tell.
        let get = |column| cells.get(column).filter(|text| *text != "null");
        let time = |column| get(column).filter(|text| !matches!(*text, "true" | "false"));
        let id = case_id(&self.source, get(ID), "service_request_id")?;
        let status = get(STATUS).and_then(|word| status(word, &mut conversion.facts));
        let channel = get(CHANNEL).and_then(|word| channel(word, &mut conversion.facts));
        let updated = time(UPDATED);
        let case = Case {
            id,
            opened: time(OPENED),
            due: time(DUE),
            // GeoReport has no closing time: a closed request changed last when it was closed.
            closed: updated.filter(|_| status == Some(feedback::Status::Closed)),
            updated,
            answered: None,
            status,
            reason: get(NOTES).map(str::to_owned),
            lat: get(LAT),
            lon: get(LON),
            default_point: None,
        };
        case.into_records(&self.times, conversion, |report: &mut Report| {
            report.channel = channel;
            report.category = get(SERVICE_NAME).or(get(SERVICE_CODE)).map(str::to_owned);
            report.title = get(TITLE).map(str::to_owned);
            report.text = get(DESCRIPTION).map(str::to_owned);
            report.agency = get(AGENCY).map(str::to_owned);
            report.votes = get(VOTES).and_then(|votes| votes.parse().ok());
        })
    }
}
