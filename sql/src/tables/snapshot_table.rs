//! The tables that a snapshot holds or computes whole: windows, trends, priorities, cells and the health of the system.

use std::sync::Arc;

use aggregate::{Asked, TableName};
use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use crate::error::SqlError;
use crate::tables::pinned;

/// One small table, as it stands or as it is asked for. It holds no data: a scan asks the snapshot that its query is pinned to.
#[derive(Debug)]
pub(crate) struct SnapshotTable {
    table: TableName,
    schema: SchemaRef,
    asked: Asked,
}

impl SnapshotTable {
    pub(crate) fn new(table: TableName, asked: Asked) -> Self {
        Self { table, schema: (table.def().schema)(), asked }
    }
}

#[async_trait]
impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let snapshot = pinned(session)?;
        let batch = snapshot.table_asked(self.table, &self.asked).map_err(|error| SqlError::Argument(error.to_string()))?;
        let partitions = cut(&batch, session.config().batch_size(), session.config().target_partitions());
        let scan = MemorySourceConfig::try_new_exec(&partitions, self.schema(), projection.cloned())?;
        Ok(scan)
    }
}

/// Slices a table into batches of `rows`, and deals them out to as many partitions as are worth it.
fn cut(table: &RecordBatch, rows: usize, partitions: usize) -> Vec<Vec<RecordBatch>> {
    let batches: Vec<RecordBatch> =
        (0..table.num_rows()).step_by(rows).map(|from| table.slice(from, rows.min(table.num_rows() - from))).collect();
    // A partition costs a task: one is enough until there are a few batches for each.
    let partitions = partitions.min(batches.len() / 4).max(1);
    let mut dealt = vec![Vec::new(); partitions];
    for (index, batch) in batches.into_iter().enumerate() {
        dealt[index % partitions].push(batch);
    }
    dealt
}
