//! The one writer at work: reads the log, applies, publishes snapshots, saves checkpoints.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use feedback::Clock;
use stream::{Consumer, Event, Fetched};

use crate::apply::Writer;
use crate::checkpoint::Store;
use crate::config::{Config, Reference};
use crate::dead::DeadLetters;
use crate::error::AggregateError;
use crate::incidents::Keeper;
use crate::input::Batch;
use crate::metrics::Metrics;
use crate::progress::{Partition, Step};
use crate::snapshot::{Keepers, Snapshot};
use crate::view::WordArrays;
use crate::watermark::Activity;

/// Publishing takes at most one part in so many of the writer's time.
const PUBLISH_SHARE: u32 = 5;

/// Longest wait for enriched records: how soon a stop or an idle partition is noticed.
const MAX_POLL: Duration = Duration::from_millis(50);

/// Time between looks at the dead letters.
const DEAD_INTERVAL: Duration = Duration::from_millis(250);

/// A checkpoint that is written while the log is read rests so many times as long as it works: it would take a core from those who read
/// and answer, for seconds, and whatever comes in meanwhile would be seen late.
const CHECKPOINT_RESTS: u32 = 3;

/// Longest sleep of a checkpoint that rests: how soon it notices that somebody waits for it.
const MAX_REST: Duration = Duration::from_millis(20);

/// Time between measurements of the state's size, which walk over all cells.
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);

/// Fetches of dead letters at one look, so that a flood of them does not hold up the rest.
const MAX_DEAD_FETCHES: usize = 16;

/// Where reading of the log goes on after a restart: `(partition, offset)`, for [`stream::Log::reader`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// In `feedback.enriched`.
    pub enriched: Vec<(u32, u64)>,
    /// In `feedback.dead`.
    pub dead: Vec<(u32, u64)>,
}

/// How far the published snapshot has come; shared with whoever waits for it.
#[derive(Clone, Debug)]
pub struct Applied(Arc<[AtomicU64]>);

impl Applied {
    /// The raw offset before which everything of a partition is in the published snapshot; 0 for a partition that there is not.
    pub fn next(&self, partition: u32) -> u64 {
        self.0.get(partition as usize).map_or(0, |next| next.load(Ordering::Acquire))
    }
}

/// Keeps the tables.
pub struct Aggregator {
    config: Arc<Config>,
    reference: Arc<Reference>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    writer: Writer,
    activity: Activity,
    words: Arc<WordArrays>,
    words_known: [usize; 6],
    snapshots: Arc<ArcSwap<Snapshot>>,
    /// Incidents and trends as whoever asked last left them.
    keepers: Keepers,
    applied: Applied,
    dirty: bool,
    published: Instant,
    publish_cost: Duration,
    checkpoints: Option<Checkpoints>,
}

/// Saves snapshots on a thread of its own, one at a time.
struct Checkpoints {
    store: Option<Store>,
    saving: Option<JoinHandle<Store>>,
    due: Instant,
    /// Somebody waits for the one that is being written.
    hurry: Arc<AtomicBool>,
}

impl Aggregator {
    /// Restores the newest whole checkpoint, or starts empty. `partitions` is what [`stream::Log::partitions`] says.
    ///
    /// Fails when the configuration contradicts itself, or the checkpoint directory cannot be made or read. A checkpoint
    /// that is corrupt is passed over with a warning and counted.
    pub fn open(
        config: Config,
        reference: Reference,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        partitions: u32,
    ) -> Result<Self, AggregateError> {
        config.check()?;
        let config = Arc::new(config);
        let (mut restored, mut checkpoints) = (None, None);
        if let Some(dir) = &config.checkpoint_dir {
            let found = Store::open(dir, &config)?;
            for error in &found.refused {
                metrics.checkpoint_corrupt();
                tracing::warn!(%error, "a checkpoint is passed over");
            }
            if found.state.is_some() {
                metrics.checkpoint_restored();
            } else if !found.refused.is_empty() {
                tracing::error!("no checkpoint can be used: the enriched log is read again from its oldest record");
            }
            restored = found.state;
            let due = Instant::now() + Duration::from_micros(config.checkpoint_interval_us as u64);
            checkpoints = Some(Checkpoints { store: Some(found.store), saving: None, due, hurry: Arc::default() });
        }
        let mut writer = match restored {
            Some(state) => Writer::over(config.clone(), state),
            None => Writer::new(config.clone()),
        };
        let known = Arc::make_mut(&mut writer.state.partitions);
        for partition in 0..partitions {
            known.entry(partition).or_default();
        }
        let activity = Activity::restarted(writer.state.partitions.keys(), clock.now().micros());
        let words = Arc::new(WordArrays::new(&writer.state.words));
        let words_known = writer.state.words.each().map(|words| words.all().len());
        let reference = Arc::new(reference);
        let keepers = Keepers { incidents: Arc::new(Keeper::new(&config.incidents)), trends: Arc::default() };
        let city = (config.clone(), reference.clone());
        let empty = Snapshot::new(0, writer.state.clone(), words.clone(), BTreeSet::new(), city, keepers.clone());
        let mut aggregator = Self {
            config,
            reference,
            clock,
            metrics,
            activity,
            words,
            words_known,
            snapshots: Arc::new(ArcSwap::from_pointee(empty)),
            keepers,
            applied: Applied((0..partitions).map(|_| AtomicU64::new(0)).collect()),
            writer,
            dirty: true,
            published: Instant::now(),
            publish_cost: Duration::ZERO,
            checkpoints,
        };
        aggregator.publish();
        Ok(aggregator)
    }

    /// Where snapshots appear.
    pub fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        self.snapshots.clone()
    }

    /// How far the published snapshot has come.
    pub fn applied(&self) -> Applied {
        self.applied.clone()
    }

    /// Where to read on.
    pub fn positions(&self) -> Positions {
        let state = &self.writer.state;
        let enriched = state.partitions.iter().map(|(number, partition)| (*number, partition.enriched_next));
        let dead = state.partitions.keys().map(|number| (*number, state.dead.positions.get(number).copied().unwrap_or(0)));
        Positions { enriched: enriched.collect(), dead: dead.collect() }
    }

    /// Applies records of `feedback.enriched`. What cannot be decoded is counted and passed over; an error means that the
    /// state can no longer be trusted and the process must start again from its checkpoint.
    pub fn take_enriched(&mut self, fetched: &Fetched) -> Result<(), AggregateError> {
        if fetched.offsets.first().is_none_or(|offset| *offset > fetched.first) && fetched.next > fetched.first {
            tracing::error!(
                partition = fetched.partition,
                from = fetched.first,
                "enriched records were removed before they were read"
            );
            self.partition(fetched.partition).records_lost = true;
        }
        for (_, payload) in fetched.records() {
            self.take_payload(fetched.partition, payload)?;
        }
        self.partition(fetched.partition).enriched_next = fetched.next;
        self.activity.seen(fetched.partition, self.clock.now().micros());
        self.dirty = true;
        self.follow_watermark();
        Ok(())
    }

    fn take_payload(&mut self, enriched_partition: u32, payload: &[u8]) -> Result<(), AggregateError> {
        let started = Instant::now();
        let batch = match Batch::decode(payload, &mut self.writer.state.words) {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(partition = enriched_partition, %error, "an enriched batch is passed over");
                self.metrics.batch_skipped("undecodable");
                let partition = self.partition(enriched_partition);
                partition.undecodable_batches += 1;
                partition.records_lost = true;
                return Ok(());
            }
        };
        let coverage = batch.coverage;
        match self.partition(coverage.partition).step(&coverage) {
            Step::Replay => self.metrics.batch_skipped("replayed"),
            Step::Gap => {
                let applied = self.partition(coverage.partition).applied_next;
                tracing::error!(
                    partition = coverage.partition,
                    ?applied,
                    first = coverage.first,
                    "raw records are missing before a batch; waiting for them"
                );
                self.metrics.batch_skipped("gap");
            }
            Step::Apply(from) => {
                let outcome = self.writer.apply(&batch, from)?;
                self.activity.seen(coverage.partition, self.clock.now().micros());
                self.metrics.batch_applied(outcome.rows, outcome.late, outcome.expired, started.elapsed());
            }
        }
        Ok(())
    }

    fn partition(&mut self, number: u32) -> &mut Partition {
        Arc::make_mut(&mut self.writer.state.partitions).entry(number).or_default()
    }

    /// Takes records of `feedback.dead`.
    pub fn take_dead(&mut self, fetched: &Fetched) {
        let dead: &mut DeadLetters = Arc::make_mut(&mut self.writer.state.dead);
        fetched.records().for_each(|(_, payload)| dead.take(payload));
        dead.positions.insert(fetched.partition, fetched.next);
        self.metrics.dead_letters_read(fetched.len() as u64);
        self.dirty = true;
    }

    /// Moves windows and horizons to the watermark, which moves with events and, where partitions fall silent, with the clock.
    pub fn follow_watermark(&mut self) {
        let (state, now) = (&self.writer.state, self.clock.now().micros());
        if let Some(watermark) = self.activity.watermark(&state.partitions, state.watermark, now, &self.config) {
            self.dirty |= self.writer.advance(watermark);
        }
    }

    /// Makes what is applied visible, if anything changed.
    pub fn publish(&mut self) {
        if !self.dirty {
            return;
        }
        let started = Instant::now();
        self.writer.state.index_bytes = self.writer.index.bytes();
        let state = self.writer.state.clone();
        let words_known = state.words.each().map(|words| words.all().len());
        if words_known != self.words_known {
            (self.words, self.words_known) = (Arc::new(WordArrays::new(&state.words)), words_known);
        }
        let now = self.clock.now().micros();
        let idle =
            state.partitions.keys().copied().filter(|number| self.activity.is_idle(*number, now, &self.config)).collect();
        let sequence = self.snapshots.load().sequence() + 1;
        let city = (self.config.clone(), self.reference.clone());
        let snapshot = Arc::new(Snapshot::new(sequence, state, self.words.clone(), idle, city, self.keepers.clone()));
        self.snapshots.store(snapshot.clone());
        for (number, partition) in snapshot.state().partitions.iter() {
            if let (Some(next), Some(shown)) = (partition.applied_next, self.applied.0.get(*number as usize)) {
                shown.store(next, Ordering::Release);
                self.metrics.position(*number, next);
            }
        }
        self.metrics.snapshot_published(snapshot.state().watermark, snapshot.rows(), started.elapsed());
        (self.dirty, self.published, self.publish_cost) = (false, Instant::now(), started.elapsed());
    }

    fn publish_due(&self) -> bool {
        let interval = Duration::from_micros(self.config.publish_interval_us as u64).max(self.publish_cost * PUBLISH_SHARE);
        self.dirty && self.published.elapsed() >= interval
    }

    /// Saves a checkpoint and waits for it. Without a directory in the configuration nothing is done.
    pub fn checkpoint(&mut self) -> Result<(), AggregateError> {
        self.publish();
        self.collect_checkpoint(true);
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        let Some(store) = &mut checkpoints.store else { return Ok(()) };
        save(store, &self.snapshots.load(), &self.metrics, |_| ())
    }

    /// Starts a checkpoint on its own thread, if one is due and none is being written.
    fn checkpoint_when_due(&mut self) {
        self.collect_checkpoint(false);
        let Some(checkpoints) = &mut self.checkpoints else { return };
        if checkpoints.due > Instant::now() {
            return;
        }
        let Some(mut store) = checkpoints.store.take() else { return };
        let (snapshot, metrics) = (self.snapshots.load_full(), self.metrics.clone());
        let interval = Duration::from_micros(self.config.checkpoint_interval_us as u64);
        checkpoints.due = Instant::now() + interval;
        let hurry = checkpoints.hurry.clone();
        let work = move || {
            if let Err(error) = save(&mut store, &snapshot, &metrics, |worked| rest(worked, &hurry)) {
                tracing::error!(%error, "no checkpoint was saved; the last one stays in use");
            }
            store
        };
        checkpoints.saving = Some(std::thread::spawn(work));
    }

    fn collect_checkpoint(&mut self, wait: bool) {
        let Some(checkpoints) = &mut self.checkpoints else { return };
        checkpoints.hurry.store(wait, Ordering::Relaxed);
        if let Some(saving) = checkpoints.saving.take_if(|saving| wait || saving.is_finished()) {
            match saving.join() {
                Ok(store) => checkpoints.store = Some(store),
                Err(_) => tracing::error!("the thread that saves checkpoints stopped; no more are saved"),
            }
        }
    }

    /// Bytes that the published state holds by formula, and what is kept between snapshots.
    pub fn state_bytes(&self) -> usize {
        self.snapshots.load().state_bytes().total() + self.keepers.incidents.bytes() + self.keepers.trends.bytes()
    }

    /// Reads the log until told to stop; then publishes and saves a last time. `enriched` and `dead` are readers from
    /// [`Aggregator::positions`].
    pub fn run(
        mut self,
        mut enriched: Box<dyn Consumer>,
        mut dead: Box<dyn Consumer>,
        stop: &AtomicBool,
    ) -> Result<(), AggregateError> {
        let (mut read_dead, mut measured) = (Instant::now(), Instant::now());
        while !stop.load(Ordering::Relaxed) {
            let interval = Duration::from_micros(self.config.publish_interval_us as u64);
            let wait = if self.dirty { interval.saturating_sub(self.published.elapsed()) } else { MAX_POLL };
            if let Event::Fetched(fetched) = enriched.poll(wait.min(MAX_POLL))? {
                self.take_enriched(&fetched)?;
            } else {
                self.activity.drained();
                self.follow_watermark();
            }
            if read_dead.elapsed() >= DEAD_INTERVAL {
                for _ in 0..MAX_DEAD_FETCHES {
                    let Event::Fetched(fetched) = dead.poll(Duration::ZERO)? else { break };
                    self.take_dead(&fetched);
                }
                read_dead = Instant::now();
            }
            if measured.elapsed() >= MEASURE_INTERVAL {
                let state = &self.writer.state;
                self.metrics.state_measured(self.state_bytes(), state.pending_events, state.events_refused);
                measured = Instant::now();
            }
            if self.publish_due() {
                self.publish();
            }
            self.checkpoint_when_due();
        }
        self.checkpoint()
    }
}

fn save(store: &mut Store, snapshot: &Snapshot, metrics: &Metrics, rest: impl Fn(Duration)) -> Result<(), AggregateError> {
    let started = Instant::now();
    let written = store.save(snapshot.state(), rest).inspect_err(|_| metrics.checkpoint_failed())?;
    metrics.checkpoint_written(written, started.elapsed());
    Ok(())
}

/// Rests [`CHECKPOINT_RESTS`] times as long as was worked, or until somebody is in a hurry.
fn rest(worked: Duration, hurry: &AtomicBool) {
    let begun = Instant::now();
    while !hurry.load(Ordering::Relaxed)
        && let Some(left) = (worked * CHECKPOINT_RESTS).checked_sub(begun.elapsed())
    {
        std::thread::sleep(left.min(MAX_REST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would hang for a day if a stop had to wait for the rest.
    #[test]
    fn who_rests_gets_up_when_somebody_waits() {
        let hurry = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let resting = scope.spawn(|| rest(Duration::from_secs(8 * 60 * 60), &hurry));
            std::thread::sleep(MAX_REST);
            assert!(!resting.is_finished(), "it rests while nobody waits");
            hurry.store(true, Ordering::Relaxed);
        });
    }
}
