//! The one way into the log, shared by all doors.
//!
//! A [`Door`] takes records and rejects of one source. Records are checked and become JSON on `feedback.raw`, keyed by id, so that a
//! report's life stays in one partition in order; an erasure by author goes to every partition. What is refused becomes a dead
//! letter. A batch is one append per topic, and its [`Receipt`] resolves when the log has both. Bytes between submission and
//! acknowledgement are bounded across all doors of the process.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use feedback::{Clock, DeadLetter, Feedback, Kind, MAX_RECORD_BYTES, Stage};
use stream::{Ack, Producer, Record, StreamError, Target, Topic};

use crate::metrics::{IngestMetrics, Refusal, SourceMetrics, kind_of};
use crate::source::Rejected;

/// Bounds of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkConfig {
    /// Bytes that may be on their way to the log, over all doors. A batch larger than this goes alone.
    pub max_in_flight_bytes: usize,
    /// How long a submission waits for room before it is refused.
    pub max_wait_ms: u64,
}

impl Default for SinkConfig {
    fn default() -> Self {
        Self { max_in_flight_bytes: 64 << 20, max_wait_ms: 30_000 }
    }
}

/// The way into the log. Cheap to clone.
#[derive(Clone)]
pub struct Sink(Arc<Shared>);

struct Shared {
    producer: Arc<dyn Producer>,
    clock: Arc<dyn Clock>,
    metrics: Arc<IngestMetrics>,
    config: SinkConfig,
    /// Bytes handed to the log whose receipt is neither resolved nor dropped.
    in_flight: Mutex<usize>,
    freed: Condvar,
}

impl Sink {
    /// A sink that appends to the log of `producer`.
    pub fn new(producer: Arc<dyn Producer>, clock: Arc<dyn Clock>, metrics: Arc<IngestMetrics>, config: SinkConfig) -> Self {
        Self(Arc::new(Shared { producer, clock, metrics, config, in_flight: Mutex::new(0), freed: Condvar::new() }))
    }

    /// The door of one source, with its counters.
    pub fn door(&self, source: &str) -> Door {
        Door { source: source.into(), metrics: self.0.metrics.source(source), sink: self.clone() }
    }

    /// The clock that all doors share.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Waits until `bytes` fit; a batch larger than the bound waits until it is alone.
    fn reserve(&self, bytes: usize) -> Result<Reservation, StreamError> {
        let shared = &self.0;
        let limit = shared.config.max_in_flight_bytes;
        let wait = Duration::from_millis(shared.config.max_wait_ms);
        let is_full = |in_flight: &mut usize| *in_flight > 0 && in_flight.saturating_add(bytes) > limit;
        let in_flight = shared.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut in_flight, timeout) =
            shared.freed.wait_timeout_while(in_flight, wait, is_full).unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(StreamError::Full { limit_bytes: limit, waited_ms: shared.config.max_wait_ms });
        }
        *in_flight += bytes;
        shared.metrics.in_flight_changed(bytes as i64);
        Ok(Reservation { shared: shared.clone(), bytes })
    }
}

/// Room in the bound; given back on drop.
struct Reservation {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *self.shared.in_flight.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.shared.metrics.in_flight_changed(-(self.bytes as i64));
        self.shared.freed.notify_all();
    }
}

/// The sink as one source sees it. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    source: Arc<str>,
    metrics: SourceMetrics,
    sink: Sink,
}

/// How much of a batch went where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Records on `feedback.raw`, by `Kind` code.
    pub records: [u64; Kind::ALL.len()],
    /// Their JSON bytes.
    pub bytes: u64,
    /// Dead letters.
    pub rejected: u64,
}

impl Door {
    /// The source's name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The metrics of this source, for what a door refuses without a dead letter.
    pub fn metrics(&self) -> &SourceMetrics {
        &self.metrics
    }

    /// The bound on bytes in flight that this door shares with all others.
    pub fn max_in_flight_bytes(&self) -> usize {
        self.sink.0.config.max_in_flight_bytes
    }

    /// The clock of the sink.
    pub fn clock(&self) -> &dyn Clock {
        &**self.sink.clock()
    }

    /// Hands a batch to the log, in order. Blocks while the bound on bytes in flight is reached, or the log's own buffer is full:
    /// call it on a thread that may block, or use [`Door::deliver`].
    ///
    /// # Errors
    /// [`StreamError::Full`] when there was no room within [`SinkConfig::max_wait_ms`]; nothing was appended then.
    pub fn submit(&self, records: &[Feedback], rejected: &[Rejected]) -> Result<Receipt, StreamError> {
        let started = Instant::now();
        let mut raw = Vec::with_capacity(records.len());
        let mut dead = Vec::with_capacity(rejected.len());
        let (mut accepted, mut refusals) = (Accepted::default(), [0; Refusal::ALL.len()]);
        for record in records {
            match encode(record) {
                Ok(encoded) => {
                    accepted.records[usize::from(kind_of(record).code())] += 1;
                    accepted.bytes += encoded.payload.len() as u64;
                    raw.push(encoded);
                }
                Err(refused) => {
                    refusals[refused.class as usize] += 1;
                    dead.push(self.letter(&refused.reason, &refused.bytes));
                }
            }
        }
        refusals[Refusal::Undecodable as usize] += rejected.len() as u64;
        dead.extend(rejected.iter().map(|reject| self.letter(&reject.reason, &reject.bytes)));
        accepted.rejected = dead.len() as u64;

        let bytes = raw.iter().chain(&dead).map(|record| record.key.len() + record.payload.len()).sum();
        let reservation = self.sink.reserve(bytes).inspect_err(|_| self.metrics.append_failed())?;
        let append = |topic, records: Vec<Record>| (!records.is_empty()).then(|| self.sink.0.producer.append(topic, records));
        let acks = [append(Topic::Raw, raw), append(Topic::Dead, dead)];
        Ok(Receipt { acks, accepted, refusals, started, metrics: self.metrics.clone(), reservation: Some(reservation) })
    }

    /// [`Door::submit`] and its receipt, from async code: the blocking part runs on the runtime's blocking pool.
    ///
    /// # Errors
    /// The log did not take the batch. A part of it may be in the log: sending it again is harmless, because a record seen twice
    /// is one record.
    pub async fn deliver(&self, records: Vec<Feedback>, rejected: Vec<Rejected>) -> Result<Accepted, StreamError> {
        if records.is_empty() && rejected.is_empty() {
            return Ok(Accepted::default());
        }
        let door = self.clone();
        let submitted = tokio::task::spawn_blocking(move || door.submit(&records, &rejected)).await;
        submitted.unwrap_or(Err(StreamError::Closed))?.await
    }

    fn letter(&self, reason: &str, bytes: &[u8]) -> Record {
        let letter = DeadLetter::new(Stage::Ingest, Some(&self.source), reason, self.sink.0.clock.now(), bytes);
        Record { target: Target::ByKey, key: self.source.as_bytes().to_vec(), payload: letter.to_json() }
    }
}

struct Refused {
    class: Refusal,
    reason: String,
    bytes: Vec<u8>,
}

/// The record as the log takes it, or why it may not go there.
fn encode(record: &Feedback) -> Result<Record, Refused> {
    let mut payload = Vec::with_capacity(512);
    let written = record.write_json(&mut payload);
    if let Err(error) = written.and_then(|()| record.check()) {
        return Err(Refused { class: Refusal::Invalid, reason: error.to_string(), bytes: payload });
    }
    if payload.len() > MAX_RECORD_BYTES {
        let reason = format!("the record has {} bytes: at most {MAX_RECORD_BYTES}", payload.len());
        return Err(Refused { class: Refusal::TooLong, reason, bytes: payload });
    }
    let (target, key) = match record.key() {
        Some(id) => (Target::ByKey, id.as_str().as_bytes().to_vec()),
        None => (Target::EveryPartition, Vec::new()),
    };
    Ok(Record { target, key, payload })
}

/// Resolves when the log has the batch. Its bytes count as in flight until then, or until it is dropped.
#[must_use = "a batch is safe only when its receipt says so"]
pub struct Receipt {
    acks: [Option<Ack>; 2],
    accepted: Accepted,
    /// Dead letters by [`Refusal`]; counted with the records, so that a batch that is submitted again counts once.
    refusals: [u64; Refusal::ALL.len()],
    started: Instant,
    metrics: SourceMetrics,
    reservation: Option<Reservation>,
}

impl Receipt {
    /// Bytes that count as in flight.
    pub fn bytes(&self) -> usize {
        self.reservation.as_ref().map_or(0, |reservation| reservation.bytes)
    }

    /// Blocks until the log has the batch.
    ///
    /// # Errors
    /// [`StreamError::Timeout`] when that took longer than `timeout`; waiting again is allowed. Anything else: the log did not
    /// take it all, and sending the batch again is harmless.
    pub fn wait(&mut self, timeout: Duration) -> Result<Accepted, StreamError> {
        let started = Instant::now();
        for position in 0..self.acks.len() {
            let Some(ack) = &self.acks[position] else { continue };
            match ack.wait(timeout.saturating_sub(started.elapsed())) {
                Ok(()) => self.acks[position] = None,
                Err(error @ StreamError::Timeout { .. }) => return Err(error),
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(self.acknowledged())
    }

    fn acknowledged(&mut self) -> Accepted {
        if self.reservation.take().is_some() {
            self.metrics.acknowledged(self.accepted.records, self.accepted.bytes, self.started.elapsed());
            for (class, count) in Refusal::ALL.into_iter().zip(self.refusals) {
                self.metrics.rejected(class, count);
            }
        }
        self.accepted
    }

    fn failed(&mut self, error: StreamError) -> StreamError {
        if self.reservation.take().is_some() {
            self.metrics.append_failed();
        }
        error
    }
}

impl Future for Receipt {
    type Output = Result<Accepted, StreamError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for position in 0..self.acks.len() {
            let Some(ack) = &mut self.acks[position] else { continue };
            match Pin::new(ack).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => self.acks[position] = None,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.failed(error))),
            }
        }
        Poll::Ready(Ok(self.acknowledged()))
    }
}
