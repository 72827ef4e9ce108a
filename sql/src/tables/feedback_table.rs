//! `feedback`: every report, read segment by segment from the query's snapshot.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use crate::metrics::Metrics;
use crate::tables::pinned;
use crate::tables::segment_scan::SegmentScan;

/// The provider of `feedback`. It holds no data: a scan reads the snapshot that its query is pinned to.
pub(crate) struct FeedbackTable {
    pub(crate) schema: SchemaRef,
    pub(crate) metrics: Metrics,
}

impl std::fmt::Debug for FeedbackTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FeedbackTable")
    }
}

#[async_trait]
impl TableProvider for FeedbackTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // The scan evaluates whatever depends on the row alone; the rest stays above it.
        Ok(filters
            .iter()
            .map(|filter| match depends_on_row_alone(filter) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let snapshot = pinned(session)?;
        let row = DFSchema::try_from(Arc::clone(&self.schema))?;
        let filters = filters.iter().map(|filter| session.create_physical_expr(filter.clone(), &row)).collect::<Result<_>>()?;
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let scan = SegmentScan::new(
            Arc::clone(&self.schema),
            projection,
            snapshot.segments().to_vec(),
            filters,
            limit,
            session.config().target_partitions(),
            &self.metrics,
        )?;
        Ok(Arc::new(scan))
    }
}

/// No subquery, outer column or random function.
fn depends_on_row_alone(filter: &Expr) -> bool {
    let mut alone = !filter.is_volatile();
    let visited = filter.apply(|expr| {
        if matches!(
            expr,
            Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::ScalarSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
        ) {
            alone = false;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    alone && visited.is_ok()
}
