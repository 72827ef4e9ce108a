//! Tables as sorted lines of text, to compare.

use aggregate::{Snapshot, TableName};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int16Type, Int64Type, TimestampMicrosecondType};

/// One value; times as microseconds, floating point with every bit.
fn value(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "-".into();
    }
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => format!("{:?}", array.as_primitive::<Float32Type>().value(row)),
        DataType::Timestamp(_, _) => array.as_primitive::<TimestampMicrosecondType>().value(row).to_string(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        other => panic!("{other} is not a type that tables use"),
    }
}

/// The rows of a batch, columns by name (all if none are named), sorted.
pub fn lines(batch: &RecordBatch, columns: &[&str]) -> Vec<String> {
    let schema = batch.schema();
    let all: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let columns = if columns.is_empty() { &all } else { columns };
    let row = |row: usize| {
        let values = columns.iter().map(|name| value(batch.column_by_name(name).unwrap_or_else(|| panic!("{name}")), row));
        values.collect::<Vec<_>>().join("|")
    };
    let mut lines: Vec<String> = (0..batch.num_rows()).map(row).collect();
    lines.sort();
    lines
}

/// The table `feedback`, columns by name (all if none are named).
pub fn feedback(snapshot: &Snapshot, columns: &[&str]) -> Vec<String> {
    let schema = aggregate::tables::feedback::schema();
    let names = if columns.is_empty() { schema.fields().iter().map(|f| f.name().as_str()).collect() } else { columns.to_vec() };
    let projection: Vec<usize> = names.iter().map(|name| schema.index_of(name).unwrap()).collect();
    let mut all = Vec::new();
    for segment in snapshot.segments() {
        let batch = segment.read(&projection).unwrap();
        assert_eq!(batch.num_rows(), segment.rows());
        all.extend(lines(&batch, &names));
    }
    all.sort();
    all
}

/// Every table that is a function of the set of records, as one text a line.
pub fn everything(snapshot: &Snapshot) -> Vec<String> {
    let mut all = vec![format!("watermark {:?}", snapshot.watermark().map(|w| w.micros()))];
    all.extend(feedback(snapshot, &[]).into_iter().map(|line| format!("feedback {line}")));
    let sets = [
        TableName::StatusEvents,
        TableName::Cells,
        TableName::Windows,
        TableName::Trends,
        TableName::ToneShifts,
        TableName::Priorities,
        TableName::ServiceLevels,
        TableName::Incidents,
        TableName::EmergingTerms,
        TableName::ServiceLevelsByBand,
        TableName::UnderReporting,
        TableName::UnderReportingModel,
        TableName::Representation,
    ];
    for table in sets {
        let batch = snapshot.table(table).unwrap();
        all.extend(lines(&batch, &[]).into_iter().map(|line| format!("{} {line}", table.as_str())));
    }
    let sources = snapshot.table(TableName::Sources).unwrap();
    let counts =
        ["source", "reports", "report_records", "status_records", "erase_records", "last_event_at", "last_received_at"];
    all.extend(lines(&sources, &counts).into_iter().map(|line| format!("sources {line}")));
    all
}
