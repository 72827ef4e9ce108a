//! Reads `feedback` segment by segment: filters first, on the columns they need, then the other columns of those segments
//! in which a row passed.
//!
//! A filter that DataFusion refines while the query runs (the worst of the ten best rows so far, the keys of a join) is
//! taken too, and compared with a segment's time range before the segment is read: the newest ten of a million reports
//! cost one segment, not all.

use std::fmt;
use std::sync::Arc;

use aggregate::SegmentView;
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::compute::{filter_record_batch, prep_null_mask_filter};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, ColumnStatistics, DataFusionError, Result, ScalarValue, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::utils::{collect_columns, conjunction_opt, reassign_expr_columns};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_expr_common::physical_expr::{snapshot_generation, snapshot_physical_expr};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::sort_pushdown::SortOrderPushdownResult;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
};
use futures::stream;

use crate::metrics::Metrics;

/// The column by which segments are pruned.
pub(crate) const TIME: &str = "created_at";

/// A scan of some segments, filtered and projected.
#[derive(Clone)]
pub(crate) struct SegmentScan {
    table: SchemaRef,
    projection: Vec<usize>,
    /// One list per partition.
    partitions: Vec<Vec<Arc<SegmentView>>>,
    /// On the table's columns; a row is kept when all hold.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    limit: Option<usize>,
    pruned: usize,
    properties: Arc<PlanProperties>,
}

impl SegmentScan {
    /// A scan of those of `segments` whose time range does not contradict `filters`, cut into at most `partitions` pieces.
    pub(crate) fn new(
        table: SchemaRef,
        projection: Vec<usize>,
        segments: Vec<Arc<SegmentView>>,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
        partitions: usize,
        metrics: &Metrics,
    ) -> Result<Self> {
        let total = segments.len();
        let segments = match conjunction_opt(filters.iter().cloned()) {
            Some(predicate) => prune(segments, predicate, &table)?,
            None => segments,
        };
        let pruned = total - segments.len();
        metrics.segments_chosen(segments.len(), pruned);
        let partitions = split(segments, partitions);
        let output = Arc::new(table.project(&projection)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(output),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self { table, projection, partitions, filters, limit, pruned, properties: Arc::new(properties) })
    }

    fn segments(&self) -> usize {
        self.partitions.iter().map(Vec::len).sum()
    }

    fn statistics(&self, partition: Option<usize>) -> Statistics {
        let chosen = || match partition {
            Some(partition) => self.partitions[partition..=partition].iter().flatten(),
            None => self.partitions.iter().flatten(),
        };
        let rows: usize = chosen().map(|segment| segment.rows()).sum();
        let range = chosen().filter(|segment| segment.rows() > 0).map(|segment| segment.created_at_range());
        let range = range.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)));
        let columns = self.projection.iter().map(|&index| {
            let field = self.table.field(index);
            let mut column = ColumnStatistics::new_unknown();
            if !field.is_nullable() {
                column.null_count = Precision::Exact(0);
            }
            if let (TIME, Some((first, last))) = (field.name().as_str(), range) {
                // Not exact: rows that were erased or replaced may have set the bounds.
                let value = |at: feedback::Timestamp| {
                    Precision::Inexact(ScalarValue::TimestampMicrosecond(Some(at.micros()), Some("UTC".into())))
                };
                column.min_value = value(first);
                column.max_value = value(last);
            }
            column
        });
        let statistics = Statistics {
            num_rows: Precision::Exact(rows),
            total_byte_size: Precision::Absent,
            column_statistics: columns.collect(),
        };
        if self.filters.is_empty() && self.limit.is_none() { statistics } else { statistics.to_inexact() }
    }
}

impl ExecutionPlan for SegmentScan {
    fn name(&self) -> &'static str {
        "SegmentScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        datafusion::physical_plan::execution_plan::apply_expression_roots(&self.filters, f)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let reader = Reader {
            table: Arc::clone(&self.table),
            projection: self.projection.clone(),
            filters: self.filters.clone(),
            segments: self.partitions[partition].clone().into_iter(),
            rest: None,
            left: self.limit.unwrap_or(usize::MAX),
            batch_rows: context.session_config().batch_size(),
        };
        let batches = RecordBatchStreamAdapter::new(self.schema(), stream::iter(reader));
        Ok(Box::pin(cooperative(batches)))
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(Arc::new(self.statistics(args.partition())))
    }

    fn supports_limit_pushdown(&self) -> bool {
        false
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self { limit, ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        if result.parent_filters.is_empty() || self.limit.is_some() {
            // A filter above a limit must not move below it.
            return Ok(FilterPushdownPropagation::all_unsupported(result));
        }
        let mut scan = self.clone();
        let mut answers = Vec::with_capacity(result.parent_filters.len());
        for parent in result.parent_filters {
            let known = collect_columns(&parent.filter).iter().all(|column| self.table.index_of(column.name()).is_ok());
            answers.push(if known { PushedDown::Yes } else { PushedDown::No });
            if known {
                scan.filters.push(reassign_expr_columns(parent.filter, &self.table)?);
            }
        }
        let propagation = FilterPushdownPropagation::with_parent_pushdown_result(answers);
        Ok(propagation.with_updated_node(Arc::new(scan)))
    }

    fn try_pushdown_sort(&self, order: &[PhysicalSortExpr]) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        use datafusion::physical_expr::expressions::Column as ColumnExpr;
        let Some(first) = order.first() else { return Ok(SortOrderPushdownResult::Unsupported) };
        if first.expr.downcast_ref::<ColumnExpr>().is_none_or(|column| column.name() != TIME) {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        let mut scan = self.clone();
        for segments in &mut scan.partitions {
            if first.options.descending {
                segments.sort_by_key(|segment| std::cmp::Reverse(segment.created_at_range().1));
            } else {
                segments.sort_by_key(|segment| segment.created_at_range().0);
            }
        }
        Ok(SortOrderPushdownResult::Inexact { inner: Arc::new(scan) })
    }
}

impl fmt::Debug for SegmentScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Default, f)
    }
}

impl DisplayAs for SegmentScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SegmentScan: segments={}, pruned={}", self.segments(), self.pruned)?;
        if let Some(predicate) = conjunction_opt(self.filters.iter().cloned()) {
            write!(f, ", filter={predicate}")?;
        }
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

/// Cuts `segments` into at most `pieces` lists of about equal rows, each in the given order.
fn split(segments: Vec<Arc<SegmentView>>, pieces: usize) -> Vec<Vec<Arc<SegmentView>>> {
    let pieces = pieces.min(segments.len()).max(1);
    let mut lists: Vec<(usize, Vec<Arc<SegmentView>>)> = (0..pieces).map(|_| (0, Vec::new())).collect();
    for segment in segments {
        if let Some((rows, list)) = lists.iter_mut().min_by_key(|(rows, _)| *rows) {
            *rows += segment.rows().max(1);
            list.push(segment);
        }
    }
    lists.into_iter().map(|(_, list)| list).collect()
}

/// Drops segments in which `predicate` cannot hold for any moment of their range.
fn prune(
    segments: Vec<Arc<SegmentView>>,
    predicate: Arc<dyn PhysicalExpr>,
    table: &SchemaRef,
) -> Result<Vec<Arc<SegmentView>>> {
    let predicate = PruningPredicateBuilder::new().with_file_schema(Arc::clone(table)).try_build(predicate)?;
    if predicate.always_true() {
        return Ok(segments);
    }
    let keep = predicate.prune(&Ranges(&segments))?;
    Ok(segments.into_iter().zip(keep).filter_map(|(segment, keep)| keep.then_some(segment)).collect())
}

/// What is known of segments without reading them.
struct Ranges<'a>(&'a [Arc<SegmentView>]);

impl Ranges<'_> {
    fn times(&self, column: &Column, pick: impl Fn((feedback::Timestamp, feedback::Timestamp)) -> i64) -> Option<ArrayRef> {
        if column.name() != TIME {
            return None;
        }
        let times: TimestampMicrosecondArray =
            self.0.iter().map(|segment| (segment.rows() > 0).then(|| pick(segment.created_at_range()))).collect();
        Some(Arc::new(times.with_timezone("UTC")))
    }
}

impl PruningStatistics for Ranges<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.times(column, |(first, _)| first.micros())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.times(column, |(_, last)| last.micros())
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        (column.name() == TIME).then(|| Arc::new(UInt64Array::from(vec![0; self.0.len()])) as ArrayRef)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.0.iter().map(|segment| Some(segment.rows() as u64)).collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &std::collections::HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Yields the batches of one partition.
struct Reader {
    table: SchemaRef,
    projection: Vec<usize>,
    filters: Vec<Arc<dyn PhysicalExpr>>,
    segments: std::vec::IntoIter<Arc<SegmentView>>,
    /// What is left of the segment in hand.
    rest: Option<RecordBatch>,
    /// Rows still wanted.
    left: usize,
    batch_rows: usize,
}

impl Iterator for Reader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        loop {
            if let Some(batch) = self.rest.take() {
                let rows = batch.num_rows().min(self.batch_rows).min(self.left);
                self.left -= rows;
                if rows < batch.num_rows() {
                    self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
                }
                return Some(Ok(batch.slice(0, rows)));
            }
            let segment = self.segments.next()?;
            match self.read(&segment) {
                Ok(batch) => self.rest = batch.filter(|batch| batch.num_rows() > 0),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Reader {
    fn read(&self, segment: &Arc<SegmentView>) -> Result<Option<RecordBatch>> {
        let Some(predicate) = conjunction_opt(self.filters.iter().cloned()) else {
            return Ok(Some(read(segment, &self.projection)?));
        };
        let refined = snapshot_generation(&predicate) != 0;
        let predicate = snapshot_physical_expr(predicate)?;
        // What a refined filter says now may exclude the segment unread; the others have been asked while planning.
        if refined && prune(vec![Arc::clone(segment)], Arc::clone(&predicate), &self.table)?.is_empty() {
            return Ok(None);
        }
        let mut needed: Vec<usize> = collect_columns(&predicate).iter().map(|column| column.index()).collect();
        needed.sort_unstable();
        let columns = read(segment, &needed)?;
        let schema: Schema = self.table.project(&needed)?;
        let mask = reassign_expr_columns(predicate, &schema)?.evaluate(&columns)?.into_array(columns.num_rows())?;
        let mask = datafusion::common::cast::as_boolean_array(&mask)?;
        let mask = if mask.nulls().is_some() { prep_null_mask_filter(mask) } else { mask.clone() };
        match mask.true_count() {
            0 => Ok(None),
            all if all == mask.len() => Ok(Some(read(segment, &self.projection)?)),
            _ => Ok(Some(filter_record_batch(&read(segment, &self.projection)?, &mask)?)),
        }
    }
}

/// Some columns of a segment; none is a batch that still knows its rows, for `count(*)`.
fn read(segment: &SegmentView, projection: &[usize]) -> Result<RecordBatch> {
    if projection.is_empty() {
        let rows = RecordBatchOptions::new().with_row_count(Some(segment.rows()));
        return Ok(RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &rows)?);
    }
    segment.read(projection).map_err(|error| DataFusionError::External(Box::new(error)))
}
