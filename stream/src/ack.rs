//! The receipt of an append or a commit: one small allocation for the whole call, however many records it held.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::error::{Result, StreamError};

/// Resolves once every record of one append, or one commit, is durable, or tells why it is not.
///
/// Block on it with [`Ack::wait`], or await it (it is a `Future`; bound the wait with a timeout of your runtime).
/// Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "an append or a commit is done only when its ack says so"]
pub struct Ack(Arc<Shared>);

/// The other end of an [`Ack`]: whoever makes the records durable shares it, and the ack resolves when the last share
/// is dropped. Silence is a failure: parts that nobody reported done make it [`StreamError::Closed`].
#[derive(Debug)]
pub(crate) struct Pending {
    shared: Arc<Shared>,
    expected: usize,
    /// An atomic and no lock: Kafka reports every message by itself.
    done: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    failure: Option<StreamError>,
    settled: bool,
    waker: Option<Waker>,
}

impl Ack {
    /// An ack that waits for `expected` parts, and the end that reports them.
    pub(crate) fn pending(expected: usize) -> (Self, Pending) {
        let shared = Arc::<Shared>::default();
        (Self(shared.clone()), Pending { shared, expected, done: AtomicUsize::new(0) })
    }

    /// An ack of what is durable already.
    pub(crate) fn resolved() -> Self {
        Self::pending(0).0
    }

    /// An ack that has failed already.
    pub(crate) fn failed(error: StreamError) -> Self {
        let (ack, pending) = Self::pending(0);
        pending.fail(error);
        ack
    }

    /// Waits at most `timeout`. [`StreamError::Timeout`] means "not yet": waiting again is allowed, and so is asking
    /// again after the answer.
    pub fn wait(&self, timeout: Duration) -> Result<()> {
        let started = Instant::now();
        let mut state = self.0.lock();
        while !state.settled {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                let waited_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                return Err(StreamError::Timeout { what: "making an append or a commit durable", waited_ms });
            }
            state = self.0.settled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.result()
    }

    /// Whether the answer is there.
    pub fn is_settled(&self) -> bool {
        self.0.lock().settled
    }
}

impl Future for Ack {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        if state.settled {
            return Poll::Ready(state.result());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Pending {
    /// `parts` more of the append are durable.
    pub(crate) fn done(&self, parts: usize) {
        self.done.fetch_add(parts, Ordering::Relaxed);
    }

    /// Whether every part is durable.
    pub(crate) fn is_complete(&self) -> bool {
        self.done.load(Ordering::Relaxed) == self.expected
    }

    /// A part has failed for good. The first reason is the one that is told.
    pub(crate) fn fail(&self, error: StreamError) {
        self.shared.lock().failure.get_or_insert(error);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let complete = self.is_complete();
        let mut state = self.shared.lock();
        if !complete {
            state.failure.get_or_insert(StreamError::Closed);
        }
        state.settled = true;
        let waker = state.waker.take();
        drop(state);
        self.shared.settled.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that hold the lock, so a poisoned one is as good as new.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn result(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOT_YET: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn it_resolves_when_all_parts_are_done_and_not_before() {
        let (ack, pending) = Ack::pending(3);
        let pending = Arc::new(pending);
        let other = pending.clone();
        pending.done(2);
        drop(pending);
        assert!(matches!(ack.wait(NOT_YET), Err(StreamError::Timeout { .. })));
        other.done(1);
        drop(other);
        assert_eq!(ack.wait(NOT_YET), Ok(()));
        assert_eq!(ack.wait(NOT_YET), Ok(()), "asking again is allowed");
    }

    #[test]
    fn silence_is_a_failure_and_the_first_reason_is_told() {
        let (ack, pending) = Ack::pending(2);
        pending.done(1);
        drop(pending);
        assert_eq!(ack.wait(NOT_YET), Err(StreamError::Closed));
        let (ack, pending) = Ack::pending(1);
        pending.fail(StreamError::TooLarge { bytes: 2, limit: 1 });
        pending.fail(StreamError::Closed);
        drop(pending);
        assert_eq!(ack.wait(NOT_YET), Err(StreamError::TooLarge { bytes: 2, limit: 1 }));
    }

    #[test]
    fn a_blocked_and_an_awaiting_caller_are_woken() {
        let (ack, pending) = Ack::pending(1);
        let blocked = std::thread::spawn(move || ack.wait(LONG));
        pending.done(1);
        drop(pending);
        assert_eq!(blocked.join().unwrap(), Ok(()));

        let (ack, pending) = Ack::pending(1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let other = std::thread::spawn(move || {
            std::thread::yield_now();
            pending.done(1);
        });
        assert_eq!(runtime.block_on(ack), Ok(()));
        other.join().unwrap();
    }
}
