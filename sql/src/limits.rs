//! What a query may cost. Every bound of this crate that is not a constant is here.

use std::time::Duration;

/// Bounds on queries. The defaults suit two cores.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Queries that run at the same time; more wait.
    pub running: usize,
    /// Queries that may wait; more are refused at once.
    pub queued: usize,
    /// How long a query waits for its turn before it is refused.
    pub queue_wait_ms: u64,
    /// From a query's turn to its last row, the client's reading included.
    pub deadline_ms: u64,
    /// Memory for sorting, joining and grouping, of all running queries together.
    pub memory_bytes: usize,
    /// Disk that sorting, joining and grouping may spill to; 0: none, a query that needs more memory fails.
    pub spill_bytes: u64,
    /// Longest statement.
    pub sql_bytes: usize,
    /// Largest row of a result.
    pub row_bytes: usize,
    /// Threads on which queries run, apart from everybody else's.
    pub threads: usize,
    /// Pieces into which one query's work is cut.
    pub partitions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            running: 8,
            queued: 64,
            queue_wait_ms: 5_000,
            deadline_ms: 30_000,
            memory_bytes: 256 << 20,
            spill_bytes: 0,
            sql_bytes: 256 << 10,
            row_bytes: 16 << 20,
            threads: 2,
            partitions: 2,
        }
    }
}

impl Limits {
    pub(crate) fn queue_wait(&self) -> Duration {
        Duration::from_millis(self.queue_wait_ms)
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// Refuses bounds under which nothing could run.
    pub(crate) fn check(&self) -> Result<(), String> {
        let least = [
            ("running", self.running as u64, 1),
            ("deadline_ms", self.deadline_ms, 1),
            ("memory_bytes", self.memory_bytes as u64, 1 << 20),
            ("sql_bytes", self.sql_bytes as u64, 64),
            ("row_bytes", self.row_bytes as u64, 1 << 10),
            ("threads", self.threads as u64, 1),
            ("partitions", self.partitions as u64, 1),
        ];
        match least.iter().find(|(_, value, least)| value < least) {
            Some((name, value, least)) => Err(format!("{name} is {value}: set it to at least {least}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_under_which_nothing_could_run_are_refused() {
        assert_eq!(Limits::default().check(), Ok(()));
        let error = Limits { running: 0, ..Limits::default() }.check().unwrap_err();
        assert_eq!(error, "running is 0: set it to at least 1");
    }
}
