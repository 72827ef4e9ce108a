//! What can go wrong with the log, whose fault it is and whether trying again helps.

use std::path::PathBuf;

use crate::Topic;

/// Why the log refused or failed. Cheap to clone: one failure can be told to everybody who waits for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The configuration cannot work.
    #[error("stream configuration: `{field}` {problem}")]
    Config {
        /// The field as written in the configuration file.
        field: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A topic exists and does not fit the configuration.
    #[error("topic `{topic}` {problem}")]
    TopicMismatch {
        /// The topic's full name.
        topic: String,
        /// What differs and what to do.
        problem: String,
    },
    /// Another process has the embedded log open.
    #[error("the log {} is open in another process: stop that one, or choose another directory", path.display())]
    Locked {
        /// The log's file.
        path: PathBuf,
    },
    /// Reading or writing the embedded log failed; nothing was half-written.
    #[error("the log {}: {problem}", path.display())]
    Storage {
        /// The log's file.
        path: PathBuf,
        /// What the system said, and what to do.
        problem: String,
    },
    /// What is stored is not what was written.
    #[error("the log {} is damaged at {place}: {problem}; restore the file from a backup, or move it away to start empty", path.display())]
    Corrupt {
        /// The log's file.
        path: PathBuf,
        /// Topic, partition and offset.
        place: String,
        /// What was found.
        problem: String,
    },
    /// A payload or an encoded batch is too large for the log.
    #[error("a record of {bytes} bytes is larger than the log's limit of {limit}: cut it into smaller ones")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A partition that the topic does not have.
    #[error("{topic} has no partition {partition}: it has {partitions}, counted from 0")]
    UnknownPartition {
        /// The topic.
        topic: Topic,
        /// The partition asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// The partition is no longer (or not yet) this consumer's: its work must not be committed.
    #[error(
        "{topic} partition {partition} is not assigned to this consumer: drop the work in hand, its new owner does it again"
    )]
    Revoked {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: u32,
    },
    /// A commit by a reader that is in no group.
    #[error("a reader of {topic} has no group to commit for: keep the offset with the work, or use a group consumer")]
    NoGroup {
        /// The topic.
        topic: Topic,
    },
    /// Reading should start behind the end: the log is not the one that the offset came from.
    #[error(
        "{topic} partition {partition} ends at offset {end}, before offset {offset} where reading should continue: \
         the log was replaced or cut; restore it, or remove the state that remembers the offset"
    )]
    BeyondEnd {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: u32,
        /// The offset asked for.
        offset: u64,
        /// The next offset that will be written.
        end: u64,
    },
    /// The bounded buffer stayed full for as long as an append may wait.
    #[error(
        "the log's buffer of {limit_bytes} bytes stayed full for {waited_ms} ms: the log is slow or away; append again later"
    )]
    Full {
        /// The buffer's bound in bytes.
        limit_bytes: usize,
        /// How long the append waited.
        waited_ms: u64,
    },
    /// Not done within the wait; it may still be done later.
    #[error("{what} was not done within {waited_ms} ms: it may still happen; wait again")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        waited_ms: u64,
    },
    /// The broker did not do what was asked, after bounded retries.
    #[error("Kafka could not {what}: {problem}; check that the brokers are reachable, then try again")]
    Broker {
        /// What was asked of it.
        what: &'static str,
        /// What it, or the client, said.
        problem: String,
    },
    /// The log was closed, or opening it was stopped.
    #[error("the log was closed before this was done")]
    Closed,
}

impl StreamError {
    /// Whether doing the same again, later, can succeed.
    pub fn is_retriable(&self) -> bool {
        matches!(
            self,
            Self::Storage { .. } | Self::Full { .. } | Self::Timeout { .. } | Self::Broker { .. } | Self::Locked { .. }
        )
    }
}

/// The result of everything that can fail here.
pub type Result<T, E = StreamError> = std::result::Result<T, E>;
