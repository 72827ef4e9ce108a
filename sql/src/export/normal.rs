//! Results in types that every reader of every format knows: views and dictionaries become plain, intervals become text.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// The columns in plain types; names that repeat get a number, because JSON and Parquet need distinct ones.
pub(super) fn schema(schema: &Schema) -> SchemaRef {
    let mut names: Vec<String> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut number = 2;
        while names.contains(&name) {
            name = format!("{}_{number}", field.name());
            number += 1;
        }
        names.push(name);
    }
    let fields = schema.fields().iter().zip(names).map(|(field, name)| Field::new(name, plain(field.data_type()), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => plain(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            DataType::List(Arc::new(Field::new_list_field(plain(item.data_type()), true)))
        }
        DataType::Struct(fields) => DataType::Struct(
            fields.iter().map(|field| Field::new(field.name(), plain(field.data_type()), true)).collect::<Vec<_>>().into(),
        ),
        DataType::Interval(_)
        | DataType::Duration(_)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::Map(..) => DataType::Utf8,
        other => other.clone(),
    }
}

/// A batch as [`schema`] says.
pub(super) fn batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| to(column, field.data_type()));
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}

fn to(column: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        same if same == target => Ok(Arc::clone(column)),
        DataType::Interval(_)
        | DataType::Duration(_)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::Map(..) => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
            let texts = (0..column.len()).map(|row| column.is_valid(row).then(|| formatter.value(row).to_string()));
            Ok(Arc::new(texts.collect::<StringArray>()))
        }
        _ => cast(column, target),
    }
}
