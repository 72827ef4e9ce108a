//! `information_schema` with the types that Postgres clients know, and what every column means.
//!
//! DataFusion names Arrow's types there; Grafana's query builder, for one, looks for `timestamp with time zone` to find the
//! time column.

use std::collections::HashMap;
use std::sync::Arc;

use aggregate::tables;
use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::SchemaProvider;
use datafusion::catalog::information_schema::{INFORMATION_SCHEMA_TABLES, InformationSchemaProvider};
use datafusion::common::cast::as_string_array;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::prelude::SessionContext;

use crate::tables::comments::{description, sql_type};

/// DataFusion's schema with its `columns` replaced.
#[derive(Debug)]
pub(crate) struct InformationSchema {
    inner: InformationSchemaProvider,
    columns: Arc<dyn TableProvider>,
}

impl InformationSchema {
    /// Takes the columns of every table that `context` has now; none is added later.
    pub(crate) async fn of(context: &SessionContext) -> Result<Self> {
        let state = context.state();
        let inner = InformationSchemaProvider::new(Arc::clone(state.catalog_list()));
        let listed = context.sql("SELECT * FROM information_schema.columns").await?.collect().await?;
        let batches = listed.iter().map(documented).collect::<Result<Vec<_>>>()?;
        let Some(schema) = batches.first().map(RecordBatch::schema) else {
            return Err(DataFusionError::Internal("information_schema.columns is empty".to_owned()));
        };
        let columns = Arc::new(MemTable::try_new(schema, vec![batches])?);
        Ok(Self { inner: inner.with_table_functions(state.table_functions().clone()), columns })
    }
}

/// Replaces Arrow's names of types, and appends the descriptions.
fn documented(listed: &RecordBatch) -> Result<RecordBatch> {
    let schema = listed.schema();
    let text = |name: &str| -> Result<ArrayRef> { Ok(cast(listed.column(schema.index_of(name)?), &DataType::Utf8)?) };
    let (owners, names, types) = (text("table_name")?, text("column_name")?, text("data_type")?);
    let (owners, names, types) = (as_string_array(&owners)?, as_string_array(&names)?, as_string_array(&types)?);
    let known: HashMap<&str, SchemaRef> = tables::ALL.iter().map(|table| (table.name, (table.schema)())).collect();
    let shown: StringArray = types
        .iter()
        .map(|written| {
            let written = written?;
            Some(written.parse::<DataType>().map_or_else(|_| written.to_owned(), |known| sql_type(&known)))
        })
        .collect();
    let descriptions: StringArray = owners
        .iter()
        .zip(names)
        .map(|(owner, name)| description(known.get(owner?)?.field_with_name(name?).ok()?).map(str::to_owned))
        .collect();
    let mut fields = schema.fields().to_vec();
    let mut columns = listed.columns().to_vec();
    let position = schema.index_of("data_type")?;
    fields[position] = Arc::new(Field::new("data_type", DataType::Utf8, false));
    columns[position] = Arc::new(shown);
    fields.push(Arc::new(Field::new("description", DataType::Utf8, true)));
    columns.push(Arc::new(descriptions));
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

#[async_trait]
impl SchemaProvider for InformationSchema {
    fn table_names(&self) -> Vec<String> {
        INFORMATION_SCHEMA_TABLES.iter().map(|name| (*name).to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if name.eq_ignore_ascii_case("columns") {
            return Ok(Some(Arc::clone(&self.columns)));
        }
        self.inner.table(name).await
    }

    fn table_exist(&self, name: &str) -> bool {
        self.inner.table_exist(name)
    }
}
