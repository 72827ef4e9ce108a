//! Runs queries: one snapshot each, read only, within bounds of number, time, memory and size.
//!
//! Queries run on threads of their own. A batch travels to its reader through a channel of two, so a slow reader slows its
//! query and nobody else; a reader that goes away ends the query; a panic inside a query is an error of that query.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregate::{Snapshot, tables};
use arc_swap::ArcSwap;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, ParamValues};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement as AnyStatement;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use feedback::Clock;
use futures::{StreamExt, TryStreamExt, stream};
use prometheus::Registry;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::batches::{Batches, Rows};
use crate::error::{Known, SqlError};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::pg_functions::understandable;
use crate::tables::Pinned;
use crate::{complexity, guard, row_size, session};

/// Batches that may wait between a query and its reader.
const BATCHES_AHEAD: usize = 2;

/// Stack of each thread: planning recurses. Only what is used takes memory.
const STACK_BYTES: usize = 64 << 20;

/// Answers SQL from the newest snapshot. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    snapshots: Arc<ArcSwap<Snapshot>>,
    template: SessionState,
    parser: PostgresCompatibilityParser,
    limits: Limits,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Taken only when the engine is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Dropping it here would wait, which an async caller must not.
            runtime.shutdown_background();
        }
    }
}

/// A statement that has been planned and found to only read. It holds no data: each run takes the newest snapshot.
#[derive(Clone, Debug)]
pub struct Plan {
    logical: LogicalPlan,
    schema: SchemaRef,
}

impl Plan {
    /// The columns of the result.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn logical(&self) -> &LogicalPlan {
        &self.logical
    }
}

/// How to run a plan.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Values of `$1`, `$2`, ...
    pub params: Option<ParamValues>,
    /// A tighter deadline than [`Limits::deadline_ms`].
    pub deadline: Option<Duration>,
    /// Cancels the run when its value changes.
    pub cancel: Option<watch::Receiver<u64>>,
}

impl Engine {
    /// Starts the threads. Fails when a limit makes no sense or a metric's name is taken in `registry`.
    pub fn new(
        snapshots: Arc<ArcSwap<Snapshot>>,
        limits: Limits,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Self, SqlError> {
        limits.check().map_err(|problem| SqlError::Argument(format!("sql limits: {problem}")))?;
        let metrics = Metrics::register(registry).map_err(|error| SqlError::Internal(error.to_string()))?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits.threads)
            .thread_name("sql")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()
            .map_err(|error| SqlError::Internal(format!("starting {} threads: {error}", limits.threads)))?;
        // On the engine's own threads, because the caller may stand inside another runtime, where blocking is not allowed.
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let parts = (limits.clone(), Arc::clone(&clock), metrics.clone());
        runtime.spawn(async move {
            let _ = sender.send(session::template(&parts.0, &parts.1, &parts.2).await);
        });
        let template = receiver.recv().map_err(|error| SqlError::Internal(error.to_string()))?;
        let template = template.map_err(|error| SqlError::from_datafusion(&error, &Known::default(), limits.memory_bytes))?;
        let inner = Inner {
            snapshots,
            template,
            parser: PostgresCompatibilityParser::new(),
            turns: Arc::new(Semaphore::new(limits.running)),
            waiting: Arc::new(Semaphore::new(limits.queued)),
            limits,
            clock,
            metrics,
            runtime: Some(runtime),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Splits a text into its statements.
    pub fn parse(&self, sql: &str) -> Result<Vec<Statement>, SqlError> {
        let parsed = self.parse_checked(sql);
        if let Err(error) = &parsed {
            self.inner.metrics.query_failed(error);
        }
        parsed
    }

    fn parse_checked(&self, sql: &str) -> Result<Vec<Statement>, SqlError> {
        let limit = self.inner.limits.sql_bytes;
        if sql.len() > limit {
            return Err(SqlError::TooLong { bytes: sql.len(), limit });
        }
        complexity::check_text(sql)?;
        self.inner.parser.parse(&understandable(sql)).map_err(|error| {
            // The compatible parser works on tokens without positions; a second look says where.
            let error = Parser::parse_sql(&PostgreSqlDialect {}, sql).err().unwrap_or(error);
            SqlError::from_datafusion(&DataFusionError::SQL(Box::new(error), None), &Known::default(), 0)
        })
    }

    /// Plans one statement and verifies that it only reads.
    pub async fn plan(&self, statement: Statement) -> Result<Plan, SqlError> {
        let started = Instant::now();
        let engine = self.clone();
        let planning = self.runtime().spawn(async move { engine.plan_here(statement).await });
        let limit = self.inner.limits.deadline();
        let planned = match tokio::time::timeout(limit, planning).await {
            Ok(planned) => planned.unwrap_or_else(|fault| Err(SqlError::Internal(fault.to_string()))),
            Err(_elapsed) => Err(SqlError::Deadline(limit)),
        };
        match &planned {
            Ok(_) => self.inner.metrics.query_planned(started.elapsed()),
            Err(error) => self.inner.metrics.query_failed(error),
        }
        planned
    }

    async fn plan_here(&self, statement: Statement) -> Result<Plan, SqlError> {
        guard::check_statement(&statement)?;
        complexity::check_statement(&statement)?;
        let state = self.session();
        let planned = state.statement_to_plan(AnyStatement::Statement(Box::new(statement))).await;
        let logical = planned.map_err(|error| self.explain(&error))?;
        complexity::check_plan(&logical)?;
        guard::check_plan(&logical)?;
        let schema = Arc::clone(logical.schema().inner());
        Ok(Plan { logical, schema })
    }

    /// Plans and runs one statement.
    pub async fn query(&self, sql: &str) -> Result<Batches, SqlError> {
        let mut statements = self.parse(sql)?;
        let error = match (statements.len(), statements.pop()) {
            (1, Some(statement)) => return Ok(self.run(&self.plan(statement).await?, Run::default())),
            (0, _) => SqlError::Empty,
            (count, _) => SqlError::Several { count },
        };
        self.inner.metrics.query_failed(&error);
        Err(error)
    }

    /// The result of a plan. Nothing happens until it is read: then the query waits for its turn, takes the newest snapshot
    /// and starts; its deadline covers everything up to the last row.
    pub fn run(&self, plan: &Plan, run: Run) -> Batches {
        let engine = self.clone();
        let logical = plan.logical.clone();
        let rows = stream::once(async move {
            let started = engine.start(logical, run).await;
            started.inspect_err(|error| engine.inner.metrics.query_failed(error))
        });
        Batches::new(Arc::clone(&plan.schema), rows.try_flatten().boxed())
    }

    async fn start(&self, logical: LogicalPlan, run: Run) -> Result<Rows, SqlError> {
        let waited = Instant::now();
        let turn = tokio::select! {
            turn = self.turn() => turn?,
            () = cancelled(run.cancel.clone()) => return Err(SqlError::Cancelled),
        };
        let running = self.inner.metrics.query_started(waited.elapsed());
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let engine = self.clone();
        let task = self.runtime().spawn(async move {
            let started = Instant::now();
            let limit = engine.inner.limits.deadline();
            let deadline = run.deadline.map_or(limit, |asked| asked.min(limit));
            let outcome = tokio::select! {
                outcome = engine.drive(logical, run.params, sender) => outcome,
                () = tokio::time::sleep(deadline) => Err(SqlError::Deadline(deadline)),
                () = cancelled(run.cancel) => Err(SqlError::Cancelled),
            };
            match &outcome {
                Ok(()) => engine.inner.metrics.query_finished(started.elapsed()),
                Err(error) => engine.inner.metrics.query_failed(error),
            }
            drop((turn, running));
            outcome
        });
        Ok(Rows::new(receiver, task))
    }

    /// Waits for a turn, in a queue of bounded length, for a bounded time.
    async fn turn(&self) -> Result<tokio::sync::OwnedSemaphorePermit, SqlError> {
        let inner = &self.inner;
        if let Ok(turn) = Arc::clone(&inner.turns).try_acquire_owned() {
            return Ok(turn);
        }
        let (running, queued) = (inner.limits.running, inner.limits.queued);
        let busy = |wait| SqlError::Busy { running, queued, wait };
        let _place = inner.waiting.try_acquire().map_err(|_| busy(Duration::ZERO))?;
        let _counted = inner.metrics.query_queued();
        let wait = inner.limits.queue_wait();
        match tokio::time::timeout(wait, Arc::clone(&inner.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_closed)) => Err(SqlError::Stopping),
            Err(_elapsed) => Err(busy(wait)),
        }
    }

    /// Runs a plan on the newest snapshot and sends its batches.
    async fn drive(
        &self,
        logical: LogicalPlan,
        params: Option<ParamValues>,
        sender: mpsc::Sender<RecordBatch>,
    ) -> Result<(), SqlError> {
        let mut state = self.session();
        state.config_mut().set_extension(Arc::new(Pinned(self.inner.snapshots.load_full())));
        let run = async {
            let logical = match &params {
                Some(params) => logical.replace_params_with_values(params)?,
                None => logical,
            };
            let physical = state.create_physical_plan(&logical).await?;
            let mut batches = execute_stream(physical, state.task_ctx())?;
            while let Some(batch) = batches.next().await {
                let batch = batch?;
                if batch.num_rows() == 0 {
                    continue;
                }
                row_size::check(&batch, self.inner.limits.row_bytes)?;
                self.inner.metrics.batch_sent(batch.num_rows());
                if sender.send(batch).await.is_err() {
                    // Nobody reads any more.
                    break;
                }
            }
            Ok::<(), DataFusionError>(())
        };
        run.await.map_err(|error| self.explain(&error))
    }

    /// A session of its own, with `now()` as the clock says.
    fn session(&self) -> SessionState {
        let mut state = self.inner.template.clone();
        state.mark_start_execution();
        state.execution_props_mut().query_execution_start_time = self.inner.clock.now().to_datetime();
        state
    }

    fn explain(&self, error: &DataFusionError) -> SqlError {
        let state = &self.inner.template;
        let functions =
            state.scalar_functions().keys().chain(state.aggregate_functions().keys()).chain(state.window_functions().keys());
        let known = Known {
            tables: tables::ALL.iter().map(|table| table.name).collect(),
            functions: functions.map(String::as_str).collect(),
        };
        SqlError::from_datafusion(error, &known, self.inner.limits.memory_bytes)
    }

    fn runtime(&self) -> &Runtime {
        self.inner.runtime.as_ref().expect("only Drop takes the runtime, and nobody holds the engine then")
    }
}

/// Resolves when the value changes; never without a receiver or when its sender is gone.
async fn cancelled(cancel: Option<watch::Receiver<u64>>) {
    if let Some(mut cancel) = cancel
        && cancel.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
