//! What every table and column means, where people look for it: `civicpulse.tables`, `civicpulse.columns`, and the places
//! where Postgres keeps comments, so that `\d+` and graphical clients show them.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use aggregate::tables;
use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::catalog::SchemaProvider;
use datafusion::common::Result;
use datafusion::common::cast::{as_int64_array, as_string_array};
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::pg_functions::PG_CLASS_OID;

/// Every comment by the table's object identifier and the column's number; 0 is the table itself.
pub(crate) type Comments = HashMap<(i64, i64), String>;

/// Comments of our tables, given the identifiers that the catalog handed out.
pub(crate) fn comments(oids: &HashMap<String, i64>) -> Comments {
    let mut comments = Comments::new();
    for table in tables::ALL.iter() {
        let Some(&oid) = oids.get(table.name) else { continue };
        comments.insert((oid, 0), table.description.to_owned());
        for (position, field) in (table.schema)().fields().iter().enumerate() {
            if let Some(description) = description(field) {
                comments.insert((oid, position as i64 + 1), description.to_owned());
            }
        }
    }
    comments
}

/// What a column means.
pub(crate) fn description(field: &Field) -> Option<&str> {
    field.metadata().get(feedback::schema::DOC).map(String::as_str)
}

/// `civicpulse.tables`: name and description.
pub(crate) fn tables_view() -> Result<Arc<dyn TableProvider>> {
    let names = StringArray::from_iter_values(tables::ALL.iter().map(|table| table.name));
    let descriptions = StringArray::from_iter_values(tables::ALL.iter().map(|table| table.description));
    memory(vec![("table_name", Arc::new(names) as ArrayRef, false), ("description", Arc::new(descriptions), false)])
}

/// `civicpulse.columns`: one row per column of every table, in order.
pub(crate) fn columns_view() -> Result<Arc<dyn TableProvider>> {
    let mut table_names = StringBuilder::new();
    let mut positions = Vec::new();
    let mut names = StringBuilder::new();
    let mut types = StringBuilder::new();
    let mut descriptions = StringBuilder::new();
    for table in tables::ALL.iter() {
        for (position, field) in (table.schema)().fields().iter().enumerate() {
            table_names.append_value(table.name);
            positions.push(position as i32 + 1);
            names.append_value(field.name());
            types.append_value(sql_type(field.data_type()));
            descriptions.append_option(description(field));
        }
    }
    memory(vec![
        ("table_name", Arc::new(table_names.finish()) as ArrayRef, false),
        ("position", Arc::new(Int32Array::from(positions)), false),
        ("column_name", Arc::new(names.finish()), false),
        ("data_type", Arc::new(types.finish()), false),
        ("description", Arc::new(descriptions.finish()), true),
    ])
}

/// What an analyst calls a type.
pub(crate) fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::UInt8 | DataType::Int8 | DataType::Int16 => "smallint".to_owned(),
        DataType::UInt16 | DataType::Int32 => "integer".to_owned(),
        DataType::UInt32 | DataType::Int64 => "bigint".to_owned(),
        DataType::UInt64 => "numeric(20)".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Dictionary(_, value) => sql_type(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            format!("{}[]", sql_type(item.data_type()))
        }
        other => other.to_string().to_lowercase(),
    }
}

fn memory(columns: Vec<(&str, ArrayRef, bool)>) -> Result<Arc<dyn TableProvider>> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
    Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
}

/// `pg_catalog` with its `pg_description` replaced by ours.
#[derive(Debug)]
pub(crate) struct CommentedCatalog {
    inner: Arc<dyn SchemaProvider>,
    descriptions: Arc<dyn TableProvider>,
}

impl CommentedCatalog {
    pub(crate) fn new(inner: Arc<dyn SchemaProvider>, comments: &Comments) -> Result<Self> {
        let mut sorted: Vec<_> = comments.iter().collect();
        sorted.sort_unstable();
        let objects: Int32Array = sorted.iter().map(|((oid, _), _)| i32::try_from(*oid).ok()).collect();
        let classes = Int32Array::from(vec![PG_CLASS_OID; sorted.len()]);
        let columns: Int32Array = sorted.iter().map(|((_, column), _)| i32::try_from(*column).ok()).collect();
        let texts = StringArray::from_iter_values(sorted.iter().map(|(_, text)| text.as_str()));
        let descriptions = memory(vec![
            ("objoid", Arc::new(objects) as ArrayRef, false),
            ("classoid", Arc::new(classes), false),
            ("objsubid", Arc::new(columns), false),
            ("description", Arc::new(texts), false),
        ])?;
        Ok(Self { inner, descriptions })
    }
}

#[async_trait]
impl SchemaProvider for CommentedCatalog {
    fn table_names(&self) -> Vec<String> {
        self.inner.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if name.eq_ignore_ascii_case("pg_description") {
            return Ok(Some(Arc::clone(&self.descriptions)));
        }
        self.inner.table(name).await
    }

    fn table_exist(&self, name: &str) -> bool {
        self.inner.table_exist(name)
    }
}

/// `obj_description(table, 'pg_class')` and `col_description(table, column)`.
#[derive(Debug)]
struct Description {
    name: &'static str,
    /// Whether the second argument is a column's number.
    of_column: bool,
    signature: Signature,
    comments: Arc<Comments>,
}

impl PartialEq for Description {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Description {}

impl Hash for Description {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// The functions by which Postgres clients ask for comments.
pub(crate) fn functions(comments: Arc<Comments>) -> [ScalarUDF; 2] {
    ["obj_description", "col_description"].map(|name| {
        ScalarUDF::from(Description {
            name,
            of_column: name == "col_description",
            signature: Signature::variadic_any(Volatility::Stable),
            comments: Arc::clone(&comments),
        })
    })
}

impl ScalarUDFImpl for Description {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = args.args.iter().map(|argument| argument.to_array(args.number_rows)).collect::<Result<Vec<_>>>()?;
        let Some(objects) = columns.first() else {
            return Ok(ColumnarValue::Array(Arc::new(StringArray::new_null(args.number_rows))));
        };
        let objects = numbers(objects)?;
        let subobjects = match (self.of_column, columns.get(1)) {
            (true, Some(column)) => numbers(column)?,
            _ => Int64Array::from(vec![0; objects.len()]),
        };
        let texts: StringArray = objects
            .iter()
            .zip(subobjects.iter())
            .map(|(object, column)| self.comments.get(&(object?, column?)).map(String::as_str))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

fn numbers(column: &ArrayRef) -> Result<Int64Array> {
    Ok(as_int64_array(&cast(column, &DataType::Int64)?)?.clone())
}

/// Reads `(relname, oid)` rows.
pub(crate) fn oids(batches: &[RecordBatch]) -> Result<HashMap<String, i64>> {
    let mut oids = HashMap::new();
    for batch in batches {
        let names = cast(batch.column(0), &DataType::Utf8)?;
        let names = as_string_array(&names)?;
        let numbers = numbers(batch.column(1))?;
        for (name, number) in names.iter().zip(numbers.iter()) {
            if let (Some(name), Some(number)) = (name, number) {
                oids.insert(name.to_owned(), number);
            }
        }
    }
    Ok(oids)
}
