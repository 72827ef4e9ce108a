//! The thread that a model lives on, and the bounded mailbox in front of it.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use super::error::TransformerError;
use super::model::Model;
use crate::cascade::{Heads, Message, Pending, Refused, SecondReader, SecondReading};

/// Jobs that may wait for the thread, beside the one that it works on.
pub const MAILBOX_JOBS: usize = 4;
/// Most texts of one job. With [`MAILBOX_JOBS`] the bound on what waits.
pub const MAX_JOB_TEXTS: usize = 1024;

struct Job {
    messages: Vec<Message>,
    reply: SyncSender<Result<Vec<SecondReading>, String>>,
}

/// A model on its own thread. Shared by all who ask; dropping it lets the thread finish what is in the mailbox and end.
pub struct Transformer {
    version: String,
    heads: Heads,
    /// `None` only while it is dropped.
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Transformer {
    /// Loads the model in `dir` on a new thread, which uses `threads` cores for a batch (0: as many as there are; the number is
    /// libtorch's, so the last call in a process sets it). The same number of threads gives the same probabilities, bit for bit.
    ///
    /// # Errors
    /// The directory does not hold a model that can be read here; the error says what is wrong with which file.
    pub fn start(dir: &Path, threads: usize) -> Result<Self, TransformerError> {
        let (jobs, mailbox) = sync_channel(MAILBOX_JOBS);
        let (loaded, load) = sync_channel(1);
        let dir = dir.to_owned();
        let work = move || {
            if threads > 0 {
                tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
            }
            match Model::load(&dir) {
                Ok(model) => {
                    // Nobody waits any more only when `start` itself was ended.
                    let _ = loaded.send(Ok((model.version().to_owned(), model.heads())));
                    work(model, &mailbox);
                }
                Err(error) => {
                    let _ = loaded.send(Err(error));
                }
            }
        };
        let thread = std::thread::Builder::new().name("transformer".to_owned()).spawn(work);
        let thread = thread.map_err(TransformerError::torch("starting its thread"))?;
        match load.recv() {
            Ok(Ok((version, heads))) => Ok(Self { version, heads, jobs: Some(jobs), thread: Some(thread) }),
            Ok(Err(error)) => Err(error),
            // The thread panicked: libtorch's bindings do that where memory ends.
            Err(_) => Err(TransformerError::torch("loading the model")("its thread ended; the reason is above")),
        }
    }

    /// Reads messages of any number: one reading each, in their order. Waits for its turn and for the answer.
    ///
    /// # Errors
    /// libtorch failed, or the thread has ended.
    pub fn read(&self, messages: &[Message]) -> Result<Vec<SecondReading>, TransformerError> {
        let mut readings = Vec::with_capacity(messages.len());
        for part in messages.chunks(MAX_JOB_TEXTS) {
            let (reply, answer) = sync_channel(1);
            let job = Job { messages: part.to_vec(), reply };
            let gone = || TransformerError::torch("reading texts")("its thread has ended; the reason is above");
            self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
            readings.extend(answer.recv().map_err(|_| gone())?.map_err(TransformerError::torch("reading texts"))?);
        }
        Ok(readings)
    }

    fn job(messages: Vec<Message>) -> Result<(Job, Pending), Refused> {
        if messages.len() > MAX_JOB_TEXTS {
            return Err(Refused::TooMany { texts: messages.len(), most: MAX_JOB_TEXTS });
        }
        let (reply, answer) = sync_channel(1);
        Ok((Job { messages, reply }, Pending::new(answer)))
    }
}

fn work(mut model: Model, mailbox: &Receiver<Job>) {
    for Job { messages, reply } in mailbox {
        // Who asked may have stopped waiting.
        let _ = reply.send(model.read(&messages).map_err(|error| error.to_string()));
    }
}

impl SecondReader for Transformer {
    fn version(&self) -> &str {
        &self.version
    }

    fn heads(&self) -> Heads {
        self.heads
    }

    fn most_texts(&self) -> usize {
        MAX_JOB_TEXTS
    }

    fn offer(&self, messages: Vec<Message>) -> Result<Pending, Refused> {
        let (job, pending) = Self::job(messages)?;
        match self.jobs.as_ref().ok_or(Refused::Gone)?.try_send(job) {
            Ok(()) => Ok(pending),
            Err(TrySendError::Full(_)) => Err(Refused::Busy),
            Err(TrySendError::Disconnected(_)) => Err(Refused::Gone),
        }
    }

    fn hand(&self, messages: Vec<Message>) -> Result<Pending, Refused> {
        let (job, pending) = Self::job(messages)?;
        self.jobs.as_ref().ok_or(Refused::Gone)?.send(job).map_err(|_| Refused::Gone)?;
        Ok(pending)
    }
}

impl Drop for Transformer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told why on standard error.
            let _ = thread.join();
        }
    }
}
