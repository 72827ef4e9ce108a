//! Table `status_events`: one row something that happened to a report.

use std::sync::{Arc, LazyLock};

use ::feedback::schema::timestamp_type;
use arrow::array::{ArrayRef, RecordBatch, StringViewBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::{DataType, SchemaRef};

use super::{append_word, column, schema_of};
use crate::error::AggregateError;
use crate::events::{Event, NO_EVENT};
use crate::state::State;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema_of([
        column("id", DataType::Utf8View, false, "the report, source:native-id"),
        column("at", timestamp_type(), false, "when it happened: event time; UTC"),
        column(
            "status",
            DataType::Utf8View,
            false,
            "what the report became: open, acknowledged, in_progress, closed or reopened",
        ),
        column("reason", DataType::Utf8View, true, "what the city said about it, personal data masked"),
        column("agency", DataType::Utf8View, true, "who did it"),
        column("received_at", timestamp_type(), false, "when civicpulse first had it; UTC"),
    ])
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

pub(crate) fn table(state: &State) -> Result<RecordBatch, AggregateError> {
    let mut rows = Rows::default();
    for segment in state.segments() {
        for (row, (live, life)) in segment.lives.iter().enumerate() {
            if live && life.events != NO_EVENT {
                let id = segment.rows.id(row);
                state.events.chain(life.events).for_each(|event| rows.push(id, event, state));
            }
        }
    }
    rows.finish()
}

#[derive(Default)]
struct Rows {
    id: StringViewBuilder,
    at: TimestampMicrosecondBuilder,
    status: StringViewBuilder,
    reason: StringViewBuilder,
    agency: StringViewBuilder,
    received_at: TimestampMicrosecondBuilder,
}

impl Rows {
    fn push(&mut self, id: &str, event: &Event, state: &State) {
        self.id.append_value(id);
        self.at.append_value(event.at);
        self.status.append_value(::feedback::Status::from_code(event.status()).map_or("", ::feedback::Status::as_str));
        self.reason.append_option(event.reason.as_ref());
        append_word(&mut self.agency, &state.words.agency, event.agency());
        self.received_at.append_value(event.received_at);
    }

    fn finish(mut self) -> Result<RecordBatch, AggregateError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.id.finish()),
            Arc::new(self.at.finish().with_timezone("UTC")),
            Arc::new(self.status.finish()),
            Arc::new(self.reason.finish()),
            Arc::new(self.agency.finish()),
            Arc::new(self.received_at.finish().with_timezone("UTC")),
        ];
        Ok(RecordBatch::try_new(schema(), columns)?)
    }
}
