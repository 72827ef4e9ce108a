//! Table `incidents`: one row is what its reports tell of together. How reports are joined is told in `crate::incidents`.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use ::feedback::schema::timestamp_type;
use ::feedback::{Channel, Status, Topic};
use arrow::array::{
    ArrayRef, Float64Array, Int16Array, Int64Array, RecordBatch, StringViewArray, StringViewBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, SchemaRef};

use super::{append_word, column, schema_of};
use crate::error::AggregateError;
use crate::incidents::{Incident, Incidents};
use crate::life::{Life, NO_STATUS};
use crate::rows::{Column, Rows};
use crate::segment::Place;
use crate::state::State;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str, nullable, doc: &str| column(name, DataType::Utf8View, nullable, doc);
    let count = |name: &str, nullable, doc: &str| column(name, DataType::Int64, nullable, doc);
    let time = |name: &str, nullable, doc: &str| column(name, timestamp_type(), nullable, doc);
    let degrees = |name: &str, doc: &str| column(name, DataType::Float64, true, doc);
    schema_of([
        text("incident_id", false, "id of its first report; feedback.incident_id names it"),
        text("topic", true, "topic of the first report; see table topics"),
        text("district", true, "district of the first report that has one; null is unknown"),
        degrees("lat", "degrees north of the first report, WGS 84; null if it has no place"),
        degrees("lon", "degrees east of the first report, WGS 84; null if it has no place"),
        time("first_report_at", false, "when it was first reported; UTC"),
        time("last_report_at", false, "when it was last reported; UTC"),
        count("reports", false, "reports of it"),
        count("reporters", true, "distinct authors of its reports, each counted once; null where no report has an author"),
        text("channels", true, "doors by which its reports came, in alphabetical order, separated by commas"),
        text(
            "status",
            true,
            "closed if all its reports are; else what those not closed have come to at most: reopened, in_progress, acknowledged \
             or open; null is unknown",
        ),
        time("closed_at", true, "when the last of its reports was closed, if it is closed; UTC"),
        column("urgency", DataType::Int16, true, "highest urgency of its reports: 0 routine, 1 soon, 2 urgent, 3 emergency"),
        text("title", true, "headline of the first report that has one, personal data masked"),
        text("text", true, "words of the first report that has some, personal data masked"),
        count("duplicates_linked", false, "its reports that the source itself says repeat another"),
        time(
            "exposure_end_at",
            true,
            "until when further reports were joined to it: its closing, the end of its topic's span, or the watermark, whichever \
             comes first; null where its topic or place lets only the source's links join reports; UTC",
        ),
        count("further_reports", true, "reports after the first until exposure_end_at; null where that is"),
        count(
            "further_reporters",
            true,
            "of further_reports, those by authors who had not reported it before; a report without an author counts as one",
        ),
    ])
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// How far a case has come, for the words of [`Status`]: the greatest of those not closed is shown.
const COME: [Status; 4] = [Status::Open, Status::Acknowledged, Status::InProgress, Status::Reopened];

/// What a row says beside what the incident holds.
#[derive(Default)]
struct Summary<'a> {
    authors: HashSet<(u32, u64)>,
    channels: u16,
    come: Option<usize>,
    closed: u32,
    closed_us: Option<i64>,
    urgency: Option<u8>,
    title: Option<&'a str>,
    text: Option<&'a str>,
}

impl<'a> Summary<'a> {
    fn add(&mut self, rows: &'a Rows, row: usize, life: &Life) {
        if let Some(author) = rows.author(row) {
            self.authors.insert((rows.word(Column::Source, row), author));
        }
        if let Some(channel) = Channel::from_code(rows.code(Column::Channel, row)) {
            self.channels |= 1 << channel.code();
        }
        if life.is_closed() {
            self.closed += 1;
            self.closed_us = self.closed_us.max(life.closed_at());
        } else if life.status != NO_STATUS {
            self.come = self.come.max(COME.iter().position(|status| status.code() == life.status));
        }
        let urgency = rows.code(Column::Urgency, row);
        if usize::from(urgency) < ::feedback::Urgency::ALL.len() {
            self.urgency = self.urgency.max(Some(urgency));
        }
        self.title = self.title.or_else(|| rows.text(Column::Title, row));
        self.text = self.text.or_else(|| rows.text(Column::Text, row));
    }

    /// Its status, and when it was closed if it is.
    fn status(&self) -> (Option<Status>, Option<i64>) {
        match self.come {
            Some(come) => (Some(COME[come]), None),
            None if self.closed > 0 => (Some(Status::Closed), self.closed_us),
            None => (None, None),
        }
    }

    fn channels(&self) -> Option<String> {
        let mut words: Vec<&str> =
            Channel::ALL.iter().filter(|c| self.channels >> c.code() & 1 == 1).map(|c| c.as_str()).collect();
        words.sort_unstable();
        (!words.is_empty()).then(|| words.join(","))
    }
}

fn row_of(state: &State, place: Place) -> Option<(&Rows, usize, Life)> {
    let segment = state.segments.get(place.segment as usize)?.as_ref()?;
    Some((&segment.rows, place.row as usize, segment.lives.get(place.row as usize)))
}

pub(crate) fn table(state: &State, incidents: &Incidents) -> Result<RecordBatch, AggregateError> {
    let all = &incidents.all;
    let summarise = |incident: &Incident| {
        let mut summary = Summary::default();
        for member in incidents.members(incident) {
            if let Some((rows, row, life)) = row_of(state, member.place) {
                summary.add(rows, row, &life);
            }
        }
        summary
    };
    let summaries: Vec<Summary<'_>> = all.iter().map(summarise).collect();
    let firsts: Vec<Option<(&Rows, usize, Life)>> = all.iter().map(|incident| row_of(state, incident.first)).collect();
    let ids = firsts.iter().map(|first| first.as_ref().map_or("", |(rows, row, _)| rows.id(*row)));
    let place = |of: fn((f64, f64)) -> f64| -> ArrayRef {
        let position = |first: &Option<(&Rows, usize, Life)>| first.as_ref().and_then(|(rows, row, _)| rows.position(*row));
        Arc::new(firsts.iter().map(|first| position(first).map(of)).collect::<Float64Array>())
    };
    let mut district = StringViewBuilder::with_capacity(all.len());
    all.iter().for_each(|incident| append_word(&mut district, &state.words.district, incident.district));
    let time = |times: TimestampMicrosecondArray| -> ArrayRef { Arc::new(times.with_timezone("UTC")) };
    let counts = |of: &dyn Fn(&Incident) -> Option<u32>| -> ArrayRef {
        Arc::new(all.iter().map(|incident| of(incident).map(i64::from)).collect::<Int64Array>())
    };
    let words = |of: &dyn Fn(&Summary<'_>) -> Option<&'static str>| -> ArrayRef {
        Arc::new(summaries.iter().map(of).collect::<StringViewArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringViewArray::from_iter_values(ids)),
        Arc::new(all.iter().map(|i| Topic::from_code(i.topic).map(Topic::as_str)).collect::<StringViewArray>()),
        Arc::new(district.finish()),
        place(|position| position.0),
        place(|position| position.1),
        time(all.iter().map(|incident| Some(incident.first_us)).collect()),
        time(all.iter().map(|incident| Some(incident.last_us)).collect()),
        counts(&|incident| Some(incident.members.len() as u32)),
        Arc::new(summaries.iter().map(|s| (!s.authors.is_empty()).then_some(s.authors.len() as i64)).collect::<Int64Array>()),
        Arc::new(summaries.iter().map(Summary::channels).collect::<StringViewArray>()),
        words(&|summary| summary.status().0.map(Status::as_str)),
        time(summaries.iter().map(|summary| summary.status().1).collect()),
        Arc::new(summaries.iter().map(|summary| summary.urgency.map(i16::from)).collect::<Int16Array>()),
        Arc::new(summaries.iter().map(|summary| summary.title).collect::<StringViewArray>()),
        Arc::new(summaries.iter().map(|summary| summary.text).collect::<StringViewArray>()),
        counts(&|incident| Some(incident.linked)),
        time(all.iter().map(|incident| incident.can_be_joined.then_some(incident.exposure_end_us)).collect()),
        counts(&|incident| incident.can_be_joined.then_some(incident.further)),
        counts(&|incident| incident.can_be_joined.then_some(incident.further_by_others)),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
