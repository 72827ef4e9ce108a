//! New York's 311 requests, as the portal, its API and spreadsheets write them.
//!
//! Columns: <https://data.cityofnewyork.us/Social-Services/311-Service-Requests-from-2010-to-Present/erm2-nwe9>. Times are local.
//! The district is the community board, or the borough where no board is named.

use feedback::Report;

use super::case::{Case, EASTERN, case_id, channel, portal_times, status};
use super::layout::{Cells, Column, Conversion, Layout, RowError};
use super::time::TimeReader;

const ID: usize = 0;
const OPENED: usize = 1;
const DUE: usize = 2;
const CLOSED: usize = 3;
const UPDATED: usize = 4;
const STATUS: usize = 5;
const REASON: usize = 6;
const CATEGORY: usize = 7;
const TITLE: usize = 8;
const AGENCY: usize = 9;
const BOARD: usize = 10;
const BOROUGH: usize = 11;
const LAT: usize = 12;
const LON: usize = 13;
const CHANNEL: usize = 14;

/// The layout `nyc311`.
pub struct Nyc {
    source: String,
    columns: Vec<Column>,
    times: TimeReader,
}

impl Nyc {
    /// The layout, writing ids of `source`.
    pub fn new(source: &str) -> Self {
        let category = ["Complaint Type", "Problem", "Problem (formerly Complaint Type)"];
        let descriptor = ["Descriptor", "Problem Detail", "Problem Detail (formerly Descriptor)"];
        let columns = vec![
            Column::portal("the request's key", &["Unique Key"], true),
            Column::portal("when it was opened", &["Created Date"], true),
            Column::portal("when it should be done", &["Due Date"], false),
            Column::portal("when it was closed", &["Closed Date"], false),
            Column::portal("when the resolution changed", &["Resolution Action Updated Date"], false),
            Column::portal("the status", &["Status"], true),
            Column::portal("what was done", &["Resolution Description"], false),
            Column::portal("the category", &category, true),
            Column::portal("what it is about", &descriptor, false),
            Column::portal("the agency", &["Agency"], false),
            Column::portal("the community board", &["Community Board"], false),
            Column::portal("the borough", &["Borough"], false),
            Column::portal("the latitude", &["Latitude"], false),
            Column::portal("the longitude", &["Longitude"], false),
            Column::portal("the channel", &["Open Data Channel Type"], false),
        ];
        Self { source: source.into(), columns, times: portal_times(EASTERN) }
    }
}

impl Layout for Nyc {
    fn source(&self) -> &str {
        &self.source
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn convert(&self, cells: &dyn Cells, conversion: &mut Conversion) -> Result<(), RowError> {
        let id = case_id(&self.source, cells.get(ID), "unique key")?;
        let status = cells.get(STATUS).and_then(|word| status(word, &mut conversion.facts));
        let channel = cells.get(CHANNEL).and_then(|word| channel(word, &mut conversion.facts));
        let named = |column| cells.get(column).filter(|name| !name.contains("Unspecified"));
        let case = Case {
            id,
            opened: cells.get(OPENED),
            due: cells.get(DUE),
            closed: cells.get(CLOSED),
            updated: cells.get(UPDATED),
            answered: None,
            status,
            reason: cells.get(REASON).map(str::to_owned),
            lat: cells.get(LAT),
            lon: cells.get(LON),
            default_point: None,
        };
        case.into_records(&self.times, conversion, |report: &mut Report| {
            report.channel = channel;
            report.category = cells.get(CATEGORY).map(str::to_owned);
            report.title = cells.get(TITLE).map(str::to_owned);
            report.agency = cells.get(AGENCY).map(str::to_owned);
            report.district = named(BOARD).or(named(BOROUGH)).map(str::to_owned);
        })
    }
}
