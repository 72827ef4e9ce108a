//! Table `incidents`: one row is what its reports tell of together. How reports are joined is told in `crate::incidents`.

use std::sync::{Arc, LazyLock};

use ::feedback::schema::timestamp_type;
use ::feedback::{Channel, Status, Topic};
use arrow::array::{
    ArrayRef, AsArray, Int16Builder, Int64Array, Int64Builder, RecordBatch, StringViewArray, TimestampMicrosecondArray,
    TimestampMicrosecondBuilder, UInt8Builder, UInt32Array, UInt32Builder, new_null_array,
};
use arrow::compute::{interleave, take};
use arrow::datatypes::{DataType, SchemaRef};

use super::{column, schema_of};
use crate::cow::FastMap;
use crate::dictionary::NULL;
use crate::error::AggregateError;
use crate::incidents::{Incident, List, Summary};
use crate::life::NO_TIME;
use crate::rows::{Column, NO_CODE};
use crate::segment::{Place, Segment};
use crate::state::State;
use crate::view::VOCABULARIES;

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

/// A column of the reports at these places. Texts are views into the segments: nothing is copied.
fn column_of(state: &State, column: Column, places: &[(usize, usize)]) -> Result<ArrayRef, AggregateError> {
    let held = |segment: &Option<Arc<Segment>>| segment.as_ref().and_then(|segment| segment.rows.column(column).cloned());
    let data_type = match Column::all()[column as usize].2.clone() {
        DataType::Utf8 => DataType::Utf8View,
        other => other,
    };
    let held: Vec<Option<ArrayRef>> = state.segments.iter().map(held).collect();
    if held.iter().all(Option::is_none) {
        return Ok(new_null_array(&data_type, places.len()));
    }
    let arrays = held.into_iter().zip(&state.segments).map(|(array, segment)| match array {
        Some(array) => match array.as_string_opt::<i32>() {
            Some(texts) => Arc::new(StringViewArray::from(texts)),
            None => array,
        },
        None => new_null_array(&data_type, segment.as_ref().map_or(0, |segment| segment.rows.len())),
    });
    let arrays: Vec<ArrayRef> = arrays.collect();
    Ok(interleave(&arrays.iter().map(|array| &**array).collect::<Vec<_>>(), places)?)
}

/// Every set of channels that occurs, in words.
#[derive(Default)]
struct Channels {
    places: FastMap<u16, u32>,
    words: Vec<Option<String>>,
    /// The set asked for last, and its place: mostly the next one is the same.
    last: Option<(u16, u32)>,
}

impl Channels {
    /// The place of a set in `words`: its channels in alphabetical order, separated by commas; `None` for no channel.
    fn place(&mut self, channels: u16) -> u32 {
        if let Some((_, place)) = self.last.filter(|(known, _)| *known == channels) {
            return place;
        }
        let place = *self.places.entry(channels).or_insert_with(|| {
            let mut words: Vec<&str> =
                Channel::ALL.iter().filter(|c| channels >> c.code() & 1 == 1).map(|c| c.as_str()).collect();
            words.sort_unstable();
            self.words.push((!words.is_empty()).then(|| words.join(",")));
            self.words.len() as u32 - 1
        });
        self.last = Some((channels, place));
        place
    }
}

/// Places as [`interleave`] takes them.
type Places = Vec<(usize, usize)>;

fn position(place: Place) -> (usize, usize) {
    (place.segment as usize, place.row as usize)
}

/// The columns on their way. Filled in one pass, because there may be millions of incidents; words are codes until the end.
#[derive(Default)]
struct Columns {
    firsts: Places,
    titles: Places,
    texts: Places,
    topic: UInt8Builder,
    district: UInt32Builder,
    first_us: Vec<i64>,
    last_us: Vec<i64>,
    reports: Vec<i64>,
    reporters: Int64Builder,
    channels: (Channels, Vec<u32>),
    status: UInt8Builder,
    closed_us: TimestampMicrosecondBuilder,
    urgency: Int16Builder,
    linked: Vec<i64>,
    exposure_end_us: TimestampMicrosecondBuilder,
    further: Int64Builder,
    further_by_others: Int64Builder,
}

impl Columns {
    fn add(&mut self, list: &List<'_>, incident: &Incident<'_>, summary: &Summary) {
        let (title, text) = list.words(incident);
        self.firsts.push(position(incident.first()));
        self.titles.push(position(title));
        self.texts.push(position(text));
        self.topic.append_option(Topic::from_code(incident.topic()).map(Topic::code));
        self.district.append_option((summary.district != NULL).then_some(summary.district));
        self.first_us.push(incident.first_us());
        self.last_us.push(list.last_us(incident));
        self.reports.push(list.reports(incident) as i64);
        self.reporters.append_option((summary.reporters > 0).then_some(summary.reporters.into()));
        self.channels.1.push(self.channels.0.place(summary.channels));
        self.status.append_option(Status::from_code(summary.status).map(Status::code));
        self.closed_us.append_option((summary.closed_us != NO_TIME).then_some(summary.closed_us));
        self.urgency.append_option((summary.urgency != NO_CODE).then_some(summary.urgency.into()));
        self.linked.push(summary.linked.into());
        if incident.can_be_joined() {
            let (further, by_others) = list.further(incident);
            self.exposure_end_us.append_value(incident.exposure_end_us);
            self.further.append_value(further as i64);
            self.further_by_others.append_value(by_others as i64);
        } else {
            self.exposure_end_us.append_null();
            self.further.append_null();
            self.further_by_others.append_null();
        }
    }

    fn finish(mut self, state: &State) -> Result<RecordBatch, AggregateError> {
        let time = |times: TimestampMicrosecondArray| -> ArrayRef { Arc::new(times.with_timezone("UTC")) };
        let count = |counts: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(counts)) };
        let channels = StringViewArray::from_iter(self.channels.0.words.iter().map(Option::as_deref));
        let columns: Vec<ArrayRef> = vec![
            column_of(state, Column::Id, &self.firsts)?,
            take(&VOCABULARIES.topic, &self.topic.finish(), None)?,
            take(&state.words.district.to_array(), &self.district.finish(), None)?,
            column_of(state, Column::Lat, &self.firsts)?,
            column_of(state, Column::Lon, &self.firsts)?,
            time(self.first_us.into()),
            time(self.last_us.into()),
            count(self.reports),
            Arc::new(self.reporters.finish()),
            take(&channels, &UInt32Array::from(self.channels.1), None)?,
            take(&VOCABULARIES.status, &self.status.finish(), None)?,
            time(self.closed_us.finish()),
            Arc::new(self.urgency.finish()),
            column_of(state, Column::Title, &self.titles)?,
            column_of(state, Column::Text, &self.texts)?,
            count(self.linked),
            time(self.exposure_end_us.finish()),
            Arc::new(self.further.finish()),
            Arc::new(self.further_by_others.finish()),
        ];
        Ok(RecordBatch::try_new(schema(), columns)?)
    }
}

pub(crate) fn table(list: &List<'_>) -> Result<RecordBatch, AggregateError> {
    let mut columns = Columns::default();
    for incident in list.iter() {
        if let Some(summary) = list.summary(&incident) {
            columns.add(list, &incident, &summary);
        }
    }
    columns.finish(list.state)
}
