//! A log line for something that goes on and on: the first at once, then one every while, with how many were left out.

use std::time::{Duration, Instant};

/// Shortest time between two lines.
const EVERY: Duration = Duration::from_secs(10);

/// Remembers the last line. One for each kind of complaint.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    last: Option<Instant>,
    silent: u64,
}

impl Throttle {
    /// How many lines were left out since the last, if it is time for another one.
    pub(crate) fn may_speak(&mut self) -> Option<u64> {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            self.silent += 1;
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_written_and_the_next_ones_are_counted() {
        let mut throttle = Throttle::default();
        assert_eq!((throttle.may_speak(), throttle.may_speak(), throttle.may_speak()), (Some(0), None, None));
        throttle.last = None;
        assert_eq!(throttle.may_speak(), Some(2));
    }
}
