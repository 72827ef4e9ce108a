//! The watermark: before it, no more events are expected.
//!
//! It is the minimum over live partitions of the highest event time seen, less the allowed disorder, and never goes back. A partition that has
//! brought nothing for a while stops holding it back; when all have, the highest of them decides, so that where it ends does not depend on
//! which fell silent first. A partition that has brought nothing yet holds it too, until the reader has found nothing more to read: the
//! first partition that is read of a full log must not make the others late. When a partition was last active is not saved: after a
//! restart every partition counts as active again, which can only hold the watermark, so that a restart makes no row late that was not.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::progress::Partition;

/// When each partition last brought something, by the injected clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity {
    seen: BTreeMap<u32, i64>,
    /// Whether the reader has once read all there was.
    drained: bool,
}

impl Activity {
    /// Every known partition is active now: how a restart begins.
    pub(crate) fn restarted<'a>(partitions: impl Iterator<Item = &'a u32>, now: i64) -> Self {
        Self { seen: partitions.map(|partition| (*partition, now)).collect(), drained: false }
    }

    pub(crate) fn seen(&mut self, partition: u32, now: i64) {
        self.seen.insert(partition, now);
    }

    /// There was nothing more to read.
    pub(crate) fn drained(&mut self) {
        self.drained = true;
    }

    pub(crate) fn is_idle(&self, partition: u32, now: i64, config: &Config) -> bool {
        self.seen.get(&partition).is_none_or(|seen| now.saturating_sub(*seen) > config.idle_after_us)
    }

    /// The watermark now, given what it was.
    pub(crate) fn watermark(
        &self,
        partitions: &BTreeMap<u32, Partition>,
        before: Option<i64>,
        now: i64,
        config: &Config,
    ) -> Option<i64> {
        let awaited =
            |(number, partition): (&u32, &Partition)| partition.highest_event.is_none() && !self.is_idle(*number, now, config);
        if !self.drained && partitions.iter().any(awaited) {
            return before;
        }
        let events = || partitions.iter().filter_map(|(number, partition)| Some((*number, partition.highest_event?)));
        let live = events().filter(|(number, _)| !self.is_idle(*number, now, config)).map(|(_, event)| event).min();
        let highest = live.or_else(|| events().map(|(_, event)| event).max());
        highest.map(|event| event.saturating_sub(config.allowed_disorder_us)).max(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_live_partition_decides_and_silence_ends_its_say() {
        let config = Config { allowed_disorder_us: 10, idle_after_us: 100, ..Config::default() };
        let event = |highest| Partition { highest_event: Some(highest), ..Partition::default() };
        let partitions = BTreeMap::from([(0, event(1000)), (1, event(500)), (2, Partition::default())]);
        let mut activity = Activity::restarted(partitions.keys(), 0);
        assert_eq!(activity.watermark(&partitions, None, 50, &config), None, "the third may still bring something");
        activity.drained();
        assert_eq!(activity.watermark(&partitions, None, 50, &config), Some(490));
        activity.seen(0, 150);
        assert_eq!(activity.watermark(&partitions, Some(490), 150, &config), Some(990));
        assert_eq!(Activity::restarted(partitions.keys(), 151).watermark(&partitions, Some(990), 151, &config), Some(990));
        // All silent, whichever first: the highest decides.
        assert_eq!(activity.watermark(&partitions, Some(490), 10_000, &config), Some(990));
    }
}
