//! The DataFusion session that every query's own is copied from: our catalog, Postgres' catalog, functions, bounds.
//!
//! Nothing in it reads files or the network: no file formats, no table factories, no object stores, no URL tables.

use std::num::NonZeroUsize;
use std::sync::Arc;

use aggregate::{Asked, TableName, tables};
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::common::Result;
use datafusion::datasource::TableProvider;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::setup_pg_catalog;
use datafusion_postgres::datafusion_pg_functions;
use feedback::Clock;

use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::tables::call::CallPlanner;
use crate::tables::information_schema::InformationSchema;
use crate::tables::{FeedbackTable, SnapshotTable, comments};
use crate::{growth, pg_functions};

/// What clients call the database.
pub const DATABASE: &str = "civicpulse";

/// Builds the session that queries copy.
pub(crate) async fn template(limits: &Limits, clock: &Arc<dyn Clock>, metrics: &Metrics) -> Result<SessionState> {
    let state = SessionStateBuilder::new()
        .with_config(config(limits))
        .with_runtime_env(runtime(limits)?)
        .with_default_features()
        .with_relation_planners(vec![Arc::new(CallPlanner { clock: Arc::clone(clock) })])
        .with_table_factories(Default::default())
        .with_file_formats(Vec::new())
        .build();
    let mut context = SessionContext::new_with_state(state);
    let catalog = catalog(metrics)?;
    context.register_catalog(DATABASE, Arc::clone(&catalog));
    datafusion_pg_functions::register_all(&mut context);
    setup_pg_catalog(&context, DATABASE, EmptyContextProvider).map_err(|error| *error)?;
    for function in pg_functions::all() {
        context.register_udf(function);
    }
    for function in growth::bounded(context.state().scalar_functions().values()) {
        context.register_udf(function);
    }
    add_comments(&context, catalog.as_ref()).await?;
    catalog.register_schema("information_schema", Arc::new(InformationSchema::of(&context).await?))?;
    let mut state = context.state();
    // Off, so that the catalog's own is found instead of DataFusion's.
    state.config_mut().options_mut().catalog.information_schema = false;
    Ok(state)
}

fn config(limits: &Limits) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(DATABASE, "public")
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(limits.partitions);
    // Times are UTC wherever a text or now() becomes one.
    config.options_mut().execution.time_zone = Some("UTC".to_owned());
    config
}

fn runtime(limits: &Limits) -> Result<Arc<RuntimeEnv>> {
    const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);
    let (pool, disk): (Arc<dyn MemoryPool>, _) = if limits.spill_bytes == 0 {
        let pool = TrackConsumersPool::new(GreedyMemoryPool::new(limits.memory_bytes), CONSUMERS_NAMED);
        (Arc::new(pool), DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
    } else {
        let pool = TrackConsumersPool::new(FairSpillPool::new(limits.memory_bytes), CONSUMERS_NAMED);
        (Arc::new(pool), DiskManagerBuilder::default().with_max_temp_directory_size(limits.spill_bytes))
    };
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build_arc()?;
    // The default registry knows the local file system.
    runtime.deregister_object_store(ObjectStoreUrl::local_filesystem().as_ref())?;
    Ok(runtime)
}

fn catalog(metrics: &Metrics) -> Result<Arc<dyn CatalogProvider>> {
    let public = MemorySchemaProvider::new();
    for table in tables::ALL.iter() {
        let provider: Arc<dyn TableProvider> = match table.table {
            TableName::Feedback => Arc::new(FeedbackTable { schema: (table.schema)(), metrics: metrics.clone() }),
            small => Arc::new(SnapshotTable::new(small, Asked::default())),
        };
        public.register_table(table.name.to_owned(), provider)?;
    }
    let documentation = MemorySchemaProvider::new();
    documentation.register_table("tables".to_owned(), comments::tables_view()?)?;
    documentation.register_table("columns".to_owned(), comments::columns_view()?)?;
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema("public", Arc::new(public))?;
    catalog.register_schema(DATABASE, Arc::new(documentation))?;
    Ok(Arc::new(catalog))
}

/// Asks the catalog which object identifiers it gave our tables (they stay), and hangs the comments on them.
async fn add_comments(context: &SessionContext, catalog: &dyn CatalogProvider) -> Result<()> {
    let query = "SELECT c.relname, c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = 'public'";
    let oids = comments::oids(&context.sql(query).await?.collect().await?)?;
    let comments = Arc::new(comments::comments(&oids));
    if let Some(inner) = catalog.schema("pg_catalog") {
        catalog.register_schema("pg_catalog", Arc::new(comments::CommentedCatalog::new(inner, &comments)?))?;
    }
    for function in comments::functions(comments) {
        context.register_udf(function);
    }
    Ok(())
}
