//! A running node: the roles of one process, put together in the order of the flow and stopped in the same order.
//!
//! sources and webhook -> log -> enrichment workers -> log -> aggregator -> snapshots -> SQL. Sockets are served on a small tokio
//! runtime; every worker and the aggregator have an OS thread of their own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use aggregate::{Aggregator, Applied, Reference, Snapshot};
use anyhow::{Context, Result, anyhow, bail};
use arc_swap::ArcSwap;
use enrich::{DistrictIndex, EnrichMetrics, Enricher, EnricherConfig, GROUP, Worker};
use feedback::Clock;
use ingest::cursor::CursorStore;
use ingest::runner::{Runner, RunnerConfig, StatusBoard};
use ingest::runner_metrics::RunnerMetrics;
use ingest::source::Source;
use ingest::{IngestMetrics, Sink, SinkConfig};
use prometheus::Registry;
use sql::Engine;
use stream::{Log, Topic};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::{Config, SourceConfig, StreamKind};
use crate::http::{self, Readiness};
use crate::lock::DataDirLock;
use crate::release::{self, Releases};
use crate::{lag, pseudonym};

/// Which parts this process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Sources and the webhook.
    pub ingest: bool,
    /// Enrichment workers.
    pub enrich: bool,
    /// Aggregation and SQL.
    pub serve: bool,
    /// Whether ports are listened on, and configured sources run.
    pub listen: bool,
}

impl Roles {
    /// Everything.
    pub const ALL: Self = Self { ingest: true, enrich: true, serve: true, listen: true };
    /// Processes what is in the log, for nobody but this process.
    pub const PROCESS: Self = Self { ingest: false, enrich: true, serve: true, listen: false };
    /// Only writes the log.
    pub const WRITE: Self = Self { ingest: false, enrich: false, serve: false, listen: false };

    fn names(self) -> Vec<&'static str> {
        let parts = [(self.ingest && self.listen, "ingest"), (self.enrich, "enrich"), (self.serve, "serve")];
        parts.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect()
    }
}

/// What the city looks like: from its files, or from a synthetic city.
#[derive(Clone, Default)]
pub struct City {
    /// Where the districts lie.
    pub districts: Arc<DistrictIndex>,
    /// Who lives there.
    pub reference: Reference,
}

impl City {
    /// As the configuration describes it.
    ///
    /// # Errors
    /// A file cannot be read or is not what it should be.
    pub fn configured(config: &Config) -> Result<Self> {
        Ok(Self { districts: config.districts()?, reference: config.reference()? })
    }
}

/// The running parts. Dropping it without [`Node::stop`] is a crash, which loses nothing and counts nothing twice.
pub struct Node {
    // In the order of the flow, which is the order of stopping.
    ingest: Ingest,
    enrich: Vec<JoinHandle<()>>,
    enrich_stop: Arc<AtomicBool>,
    aggregate: Option<JoinHandle<()>>,
    aggregate_stop: Arc<AtomicBool>,
    serve: Serve,
    log: Arc<dyn Log>,
    failure: Failure,
    runtime: Runtime,
    registry: Registry,
    _locks: Vec<DataDirLock>,
}

struct Ingest {
    sink: Sink,
    runner: Option<Runner>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    stop: CancellationToken,
}

struct Serve {
    engine: Option<Engine>,
    applied: Option<Applied>,
    snapshots: Option<Arc<ArcSwap<Snapshot>>>,
    postgres: Option<sql::postgres::Server>,
    http: Option<(SocketAddr, tokio::task::JoinHandle<()>)>,
    http_stop: CancellationToken,
    stop: CancellationToken,
}

/// The first fatal error of any thread; whoever runs the node stops it then.
#[derive(Clone, Default)]
struct Failure {
    token: CancellationToken,
    error: Arc<std::sync::Mutex<Option<anyhow::Error>>>,
}

impl Failure {
    fn report(&self, part: &str, error: anyhow::Error) {
        error!(part, error = format!("{error:#}"), "a part of this process failed; stopping");
        self.slot().get_or_insert(error.context(format!("{part} failed")));
        self.token.cancel();
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<anyhow::Error>> {
        self.error.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Node {
    /// Starts the roles. `stop` ends waiting for a log that is away.
    ///
    /// # Errors
    /// A part cannot start; nothing is left running then.
    pub fn start(config: &Config, roles: Roles, city: City, clock: Arc<dyn Clock>, stop: &dyn Fn() -> bool) -> Result<Self> {
        if config.stream.kind == StreamKind::Embedded && roles.listen && !(roles.ingest && roles.enrich && roles.serve) {
            bail!("roles in separate processes need stream.kind = \"kafka\": the embedded log belongs to one process");
        }
        let locks = lock(config, roles)?;
        let registry = Registry::new();
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("io")
            .enable_all()
            .build()
            .context("cannot start the threads for sockets")?;
        let log = stream::open(&config.stream(), clock.clone(), &registry, stop)?;
        let sink_metrics = IngestMetrics::new(&registry)?;
        let sink = Sink::new(log.producer()?, clock.clone(), sink_metrics, SinkConfig::default());
        let mut node = Self {
            ingest: Ingest { sink, runner: None, tasks: Vec::new(), stop: CancellationToken::new() },
            enrich: Vec::new(),
            enrich_stop: Arc::default(),
            aggregate: None,
            aggregate_stop: Arc::default(),
            serve: Serve {
                engine: None,
                applied: None,
                snapshots: None,
                postgres: None,
                http: None,
                http_stop: CancellationToken::new(),
                stop: CancellationToken::new(),
            },
            log,
            failure: Failure::default(),
            runtime,
            registry,
            _locks: locks,
        };
        let readiness = Readiness::of(&roles.names());
        if roles.serve {
            node.start_aggregate(config, city.reference.clone(), clock.clone())?;
        }
        if roles.enrich {
            node.start_enrich(config, city.districts.clone(), &clock)?;
            readiness.set("enrich", true);
        }
        if roles.listen {
            node.listen(config, roles, &clock, &readiness)?;
        }
        Ok(node)
    }

    fn start_aggregate(&mut self, config: &Config, reference: Reference, clock: Arc<dyn Clock>) -> Result<()> {
        let checkpoints = config.data.dir.join("checkpoint");
        let metrics = aggregate::Metrics::register(&self.registry)?;
        let settings = aggregate::Config { configuration_hash: config.hash.clone(), ..config.aggregate(Some(checkpoints)) };
        let aggregator = Aggregator::open(settings, reference, clock.clone(), metrics, self.log.partitions())?;
        let positions = aggregator.positions();
        let enriched = self.log.reader(Topic::Enriched, &positions.enriched)?;
        let dead = self.log.reader(Topic::Dead, &positions.dead)?;
        self.serve.engine = Some(Engine::new(aggregator.snapshots(), config.queries.clone(), clock, &self.registry)?);
        self.serve.applied = Some(aggregator.applied());
        self.serve.snapshots = Some(aggregator.snapshots());
        let (stop, failure) = (self.aggregate_stop.clone(), self.failure.clone());
        self.aggregate = Some(thread("aggregate", move || {
            if let Err(error) = aggregator.run(enriched, dead, &stop) {
                failure.report("aggregation", error.into());
            }
        })?);
        Ok(())
    }

    fn start_enrich(&mut self, config: &Config, districts: Arc<DistrictIndex>, clock: &Arc<dyn Clock>) -> Result<()> {
        let key_file = &config.enrich.pseudonym_key_file;
        let key_file = (!key_file.as_os_str().is_empty()).then_some(key_file.as_path());
        let tier = config.models.open()?;
        let settings = EnricherConfig { pseudonym_key: pseudonym::key(key_file, &config.data.dir)?, districts, tier };
        let metrics = EnrichMetrics::register(&self.registry)?;
        for number in 0..config.enrich.workers {
            let consumer = self.log.group_consumer(Topic::Raw, GROUP)?;
            let enricher = Enricher::new(settings.clone(), metrics.clone());
            let worker = Worker::new(consumer, self.log.producer()?, enricher, clock.clone(), metrics.clone());
            let (stop, failure) = (self.enrich_stop.clone(), self.failure.clone());
            self.enrich.push(thread(&format!("enrich-{number}"), move || {
                if let Err(error) = worker.run(&stop) {
                    failure.report("enrichment", error.into());
                }
            })?);
        }
        Ok(())
    }

    fn listen(&mut self, config: &Config, roles: Roles, clock: &Arc<dyn Clock>, readiness: &Readiness) -> Result<()> {
        if let (true, Some(engine)) = (roles.serve, self.serve.engine.clone()) {
            let server = sql::postgres::serve(config.postgres()?, engine, self.serve.stop.clone());
            let server = self.runtime.block_on(server)?;
            info!(address = %server.address(), "Postgres wire is served");
            self.serve.postgres = Some(server);
            readiness.set("serve", true);
        }
        let webhook = if roles.ingest {
            let cursors = CursorStore::open(&config.data.dir)?;
            self.ingest.runner = Some(Runner {
                config: RunnerConfig::default(),
                sink: Arc::new(self.ingest.sink.clone()),
                cursors,
                clock: clock.clone(),
                metrics: RunnerMetrics::register(&self.registry)?,
                board: StatusBoard::default(),
                stop: self.ingest.stop.clone(),
            });
            for source in &config.sources {
                self.add_source(build_source(source, &config.data.dir.join("cursors"), clock)?)?;
            }
            readiness.set("ingest", true);
            let settings = config.webhook()?;
            let has_token = settings.bearer_token.is_some();
            Some((ingest::webhook::router(settings, &self.ingest.sink), has_token))
        } else {
            None
        };
        let stop = self.serve.http_stop.clone();
        let public = self.serve.snapshots.clone().map(|snapshots| release::router(Releases::of(config), snapshots));
        let served = http::serve(
            (config.http.listen, config.http.bounds()),
            webhook,
            public,
            self.registry.clone(),
            readiness.clone(),
            stop,
        );
        let (address, task) = self.runtime.block_on(served)?;
        info!(%address, "HTTP is served");
        self.serve.http = Some((address, task));
        if let Some(applied) = self.serve.applied.clone() {
            let lag = lag::Lag::register(&self.registry)?;
            self.runtime.spawn(lag::follow(lag, self.log.clone(), applied, self.serve.stop.clone()));
        }
        Ok(())
    }

    /// Runs one more source.
    ///
    /// # Errors
    /// This node has no ingest role, or the name is taken.
    pub fn add_source(&mut self, source: Box<dyn Source>) -> Result<()> {
        let runner = self.ingest.runner.as_ref().context("this process has no ingest role")?;
        let _on_runtime = self.runtime.enter();
        self.ingest.tasks.push(runner.spawn(source)?);
        Ok(())
    }

    /// The way into the log.
    pub fn sink(&self) -> &Sink {
        &self.ingest.sink
    }

    /// SQL over the snapshots; only with the serve role.
    pub fn engine(&self) -> Option<&Engine> {
        self.serve.engine.as_ref()
    }

    /// The newest snapshot; only with the serve role.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.serve.snapshots.as_ref().map(|snapshots| snapshots.load_full())
    }

    /// The log.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// Where the metrics are.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The runtime that serves sockets, for work of the caller's own.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Where HTTP and Postgres are served.
    pub fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        (self.serve.http.as_ref().map(|(address, _)| *address), self.serve.postgres.as_ref().map(|server| server.address()))
    }

    /// Cancelled when a part has failed for good.
    pub fn failed(&self) -> CancellationToken {
        self.failure.token.clone()
    }

    /// Waits until everything that is in the log now is in the tables, dead letters included. `proceed` is told how many records
    /// are still to come, and ends the wait by answering false.
    ///
    /// # Errors
    /// A part failed, or the log does not answer.
    pub fn catch_up(&self, mut proceed: impl FnMut(u64) -> bool) -> Result<bool> {
        let applied = self.serve.applied.as_ref().context("this process has no serve role")?;
        let raw = self.log.bounds(Topic::Raw)?;
        if !self.wait_for(&mut proceed, || Ok(missing(&raw, |partition| applied.next(partition))))? {
            return Ok(false);
        }
        // A worker commits once the log has its rows and its dead letters; then the dead letters' end is known.
        let committed = || {
            let committed = self.log.committed(Topic::Raw, GROUP)?;
            Ok(missing(&raw, |partition| committed.get(partition as usize).copied().flatten().unwrap_or(0)))
        };
        if !self.wait_for(&mut proceed, committed)? {
            return Ok(false);
        }
        let dead = self.log.bounds(Topic::Dead)?;
        self.wait_for(&mut proceed, || {
            let snapshot = self.snapshot().context("this process has no serve role")?;
            Ok(missing(&dead, |partition| snapshot.dead_next(partition)))
        })
    }

    fn wait_for(&self, proceed: &mut impl FnMut(u64) -> bool, missing: impl Fn() -> Result<u64>) -> Result<bool> {
        loop {
            let missing = missing()?;
            let proceeds = proceed(missing);
            if missing == 0 {
                return Ok(true);
            }
            if self.failure.token.is_cancelled() {
                return Err(self.failure.slot().take().unwrap_or_else(|| anyhow!("a part of this process failed")));
            }
            if !proceeds {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops in the order of the flow: sources and webhook, enrichment, aggregation (with a last checkpoint), SQL.
    ///
    /// # Errors
    /// The first fatal error of a part, if there was one.
    pub fn stop(mut self) -> Result<()> {
        self.ingest.stop.cancel();
        self.serve.http_stop.cancel();
        let tasks = std::mem::take(&mut self.ingest.tasks);
        let http = self.serve.http.take();
        self.runtime.block_on(async {
            for task in tasks {
                // A source that was aborted has left its batch unacknowledged: it is asked for again.
                let _ = task.await;
            }
            if let Some((_, task)) = http {
                let _ = task.await;
            }
        });
        self.enrich_stop.store(true, Ordering::Relaxed);
        self.enrich.drain(..).for_each(|worker| join(worker, &self.failure));
        self.aggregate_stop.store(true, Ordering::Relaxed);
        self.aggregate.take().into_iter().for_each(|aggregate| join(aggregate, &self.failure));
        self.serve.stop.cancel();
        if let Some(postgres) = self.serve.postgres.take() {
            self.runtime.block_on(postgres.stopped());
        }
        let failed = self.failure.slot().take();
        failed.map_or(Ok(()), Err)
    }
}

/// Records between a position and the end, over all partitions. What retention has removed is not missed.
fn missing(bounds: &[std::ops::Range<u64>], position: impl Fn(u32) -> u64) -> u64 {
    let behind = |(partition, bounds): (usize, &std::ops::Range<u64>)| {
        if bounds.is_empty() { 0 } else { bounds.end.saturating_sub(position(partition as u32).max(bounds.start)) }
    };
    bounds.iter().enumerate().map(behind).sum()
}

fn lock(config: &Config, roles: Roles) -> Result<Vec<DataDirLock>> {
    let owns = [(roles.ingest && roles.listen, "ingest"), (roles.serve, "serve")];
    owns.iter().filter(|(on, _)| *on).map(|(_, role)| DataDirLock::take(&config.data.dir, role)).collect()
}

fn build_source(config: &SourceConfig, state_dir: &Path, clock: &Arc<dyn Clock>) -> Result<Box<dyn Source>> {
    Ok(match config {
        SourceConfig::Open311(config) => Box::new(ingest::open311::Open311Source::new(config.clone(), clock.clone())?),
        SourceConfig::Bluesky(config) => {
            Box::new(ingest::bluesky::BlueskySource::new(config.clone(), state_dir, clock.clone())?)
        }
    })
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).with_context(|| format!("cannot start the thread {name}"))
}

fn join(thread: JoinHandle<()>, failure: &Failure) {
    let name = thread.thread().name().unwrap_or("a thread").to_owned();
    if thread.join().is_err() {
        failure.report(&name, anyhow!("it panicked, which is a defect in civicpulse; see the log"));
    }
}
