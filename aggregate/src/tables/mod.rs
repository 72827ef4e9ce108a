//! Every table: its name, what one row is, its schema with a documentation line a column. One file a table.
//!
//! Types are those that every SQL client knows: text as `Utf8View`, times as UTC microseconds, counts as `Int64`.

pub mod allocation;
pub mod budgets;
pub mod cells;
mod columns;
pub mod dead_letters;
pub mod districts;
pub mod emerging_terms;
pub mod feedback;
pub mod incidents;
mod measures;
pub mod pipeline;
pub mod priorities;
pub mod provenance;
pub mod representation;
pub mod service_levels;
pub mod sources;
pub mod status_events;
pub mod tone_shifts;
pub mod topics;
pub mod trends;
pub mod under_reporting;
pub mod windows;

use std::collections::HashMap;
use std::sync::Arc;

use ::feedback::schema::DOC;
use arrow::array::StringViewBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::dictionary::{CITY, Words};

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TableName {
    /// A report.
    Feedback,
    /// Something that happened to a report.
    StatusEvents,
    /// An additive cell.
    Cells,
    /// Window x district x topic.
    Windows,
    /// What is rising or falling.
    Trends,
    /// Where people have become angrier or calmer.
    ToneShifts,
    /// What matters most.
    Priorities,
    /// How long the city takes.
    ServiceLevels,
    /// Health by source.
    Sources,
    /// What could not be understood.
    DeadLetters,
    /// Health by partition.
    Pipeline,
    /// Reference data: districts.
    Districts,
    /// Reference data: topics.
    Topics,
    /// Reports about the same thing.
    Incidents,
    /// Phrases that are said much more than before.
    EmergingTerms,
    /// How long the city takes, by deprivation.
    ServiceLevelsByBand,
    /// How often people report what they see.
    UnderReporting,
    /// What that goes with.
    UnderReportingModel,
    /// Who is heard.
    Representation,
    /// Reference data: what it costs to meet a need.
    Budgets,
    /// What to fund.
    Allocation,
    /// Where figures come from.
    Provenance,
}

/// A table as the catalog shows it.
#[derive(Clone, Copy, Debug)]
pub struct TableDef {
    /// Which.
    pub table: TableName,
    /// Its name in SQL.
    pub name: &'static str,
    /// What one row is.
    pub description: &'static str,
    /// Its columns, each documented under [`DOC`].
    pub schema: fn() -> SchemaRef,
}

/// Every table, in the order of the documentation.
pub const ALL: &[TableDef] = &[
    def(TableName::Feedback, "feedback", "a report, masked text and all enrichments", feedback::schema),
    def(TableName::StatusEvents, "status_events", "something that happened to a report", status_events::schema),
    def(TableName::Cells, "cells", "an additive cell: bucket x district x topic x channel x language", cells::schema),
    def(
        TableName::Windows,
        "windows",
        "a rolling window x district x topic: counts, shares, urgency, reporters",
        windows::schema,
    ),
    def(TableName::Trends, "trends", "a rolling window x district x topic: observed against expected", trends::schema),
    def(
        TableName::ToneShifts,
        "tone_shifts",
        "a rolling window x district x topic: negative tone against earlier",
        tone_shifts::schema,
    ),
    def(TableName::Priorities, "priorities", "a district x topic: components, score and rank", priorities::schema),
    def(
        TableName::ServiceLevels,
        "service_levels",
        "an agency x topic x district: times to answer and to close",
        service_levels::schema,
    ),
    def(TableName::Sources, "sources", "a source: what came, when last, what was late", sources::schema),
    def(TableName::DeadLetters, "dead_letters", "something that could not be understood, newest 10,000", dead_letters::schema),
    def(TableName::Pipeline, "pipeline", "a partition of the log: positions, event time, gaps, late rows", pipeline::schema),
    def(TableName::Districts, "districts", "a district as the city describes it", districts::schema),
    def(TableName::Topics, "topics", "a topic that reports are labelled with", topics::schema),
    def(
        TableName::Incidents,
        "incidents",
        "what its reports tell of together: joined by the source's links, or by place, time, topic and words",
        incidents::schema,
    ),
    def(
        TableName::EmergingTerms,
        "emerging_terms",
        "a phrase that is said much more in a rolling window than before it, where, with examples",
        emerging_terms::schema,
    ),
    def(
        TableName::ServiceLevelsByBand,
        "service_levels_by_band",
        "an agency x topic x deprivation band: times to answer and to close",
        service_levels::band_schema,
    ),
    def(
        TableName::UnderReporting,
        "under_reporting",
        "a district x topic: how often people report what they see",
        under_reporting::schema,
    ),
    def(
        TableName::UnderReportingModel,
        "under_reporting_model",
        "a covariate: what the reporting rate of districts goes with",
        under_reporting::model_schema,
    ),
    def(
        TableName::Representation,
        "representation",
        "a rolling window x district, language or channel: who is heard, against who lives there and who needs it",
        representation::schema,
    ),
    def(TableName::Budgets, "budgets", "what it costs to meet a need of a topic, and how much can be done", budgets::schema),
    def(
        TableName::Allocation,
        "allocation",
        "a district x topic: what to fund of it under a total, given as allocation(total => ...)",
        allocation::schema,
    ),
    def(TableName::Provenance, "provenance", "a fact by which figures can be traced back", provenance::schema),
];

const fn def(table: TableName, name: &'static str, description: &'static str, schema: fn() -> SchemaRef) -> TableDef {
    TableDef { table, name, description, schema }
}

impl TableName {
    /// The table's definition.
    pub fn def(self) -> &'static TableDef {
        &ALL[self as usize]
    }

    /// Its name in SQL.
    pub fn as_str(self) -> &'static str {
        self.def().name
    }

    /// The table of a name in SQL.
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.iter().find(|def| def.name == name).map(|def| def.table)
    }
}

/// A documented column.
pub(crate) fn column(name: &str, data_type: DataType, nullable: bool, doc: &str) -> Field {
    Field::new(name, data_type, nullable).with_metadata(HashMap::from([(DOC.to_owned(), doc.to_owned())]))
}

/// A schema of documented columns.
pub(crate) fn schema_of(columns: impl IntoIterator<Item = Field>) -> SchemaRef {
    Arc::new(Schema::new(columns.into_iter().collect::<Vec<_>>()))
}

/// Appends the word of a code: `*` for the whole city, null for none.
pub(crate) fn append_word(builder: &mut StringViewBuilder, words: &Words, code: u32) {
    if code == CITY {
        builder.append_value("*");
    } else {
        builder.append_option(words.word(code));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_column_is_documented() {
        for (position, def) in ALL.iter().enumerate() {
            assert_eq!(def.table as usize, position, "{}", def.name);
            assert_eq!(TableName::from_name(def.name), Some(def.table));
            for field in (def.schema)().fields() {
                assert!(field.metadata().get(DOC).is_some_and(|doc| !doc.is_empty()), "{}.{}", def.name, field.name());
            }
        }
    }
}
