//! Time that a thread has had on a processor: what other programs take from the machine is not the model's.

use std::time::Instant;

/// Measures what the calling thread does.
#[derive(Debug)]
pub struct Stopwatch {
    on_cpu_ns: Option<u64>,
    wall: Instant,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self { on_cpu_ns: on_cpu_ns(), wall: Instant::now() }
    }

    /// Seconds on a processor since the start; where the system does not tell (it does on Linux), seconds by the clock.
    pub fn seconds(&self) -> f64 {
        match (self.on_cpu_ns, on_cpu_ns()) {
            (Some(start), Some(now)) => now.saturating_sub(start) as f64 / 1e9,
            _ => self.wall.elapsed().as_secs_f64(),
        }
    }
}

/// Nanoseconds that this thread has run, by Linux's scheduler statistics.
fn on_cpu_ns() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split_whitespace().next()?.parse().ok()
}

/// Runnable programs over the last minute, by Linux's load average; `None` elsewhere.
pub fn load_average() -> Option<String> {
    Some(std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time() {
        /// Rounds of work until the system has told the time again, at the very latest.
        const ROUNDS: u64 = 100_000;
        let watch = Stopwatch::start();
        let busy = (0..ROUNDS).find(|round| {
            std::hint::black_box((0..10_000u64).map(|number| number ^ round).max());
            watch.seconds() > 0.0
        });
        assert!(busy.is_some());
    }
}
