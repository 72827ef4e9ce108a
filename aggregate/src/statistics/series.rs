//! How the statistics see a history: as counts over half-open stretches of event time.

use feedback::Timestamp;

/// The event-time history of one cell (a district and a topic, or a sum over them).
///
/// Implementations must be exact and free of side effects: tables computed from a series are compared bit for bit with
/// those of a recomputation from scratch.
pub trait CountSeries {
    /// Reports with `from <= created_at < to`. Zero where `to <= from`.
    fn count(&self, from: Timestamp, to: Timestamp) -> u64;

    /// The earliest report of this cell, if there is any.
    fn first(&self) -> Option<Timestamp>;

    /// Fills `since[i]` with the reports at or after `moments[i]`, latest moment first. A series that can answer all of them in
    /// one walk from its end does so here; `trends` asks for little else.
    fn counts_since(&self, moments: &[Timestamp], since: &mut [Since]) {
        for (since, moment) in since.iter_mut().zip(moments) {
            *since = Since { count: self.count(*moment, END_OF_TIME), next: *moment };
        }
    }

    /// Says that nothing has changed: two series of one cell with the same version hold the same reports. `None` where nobody
    /// counts versions, and a series must be looked at again each time.
    fn version(&self) -> Option<u64> {
        None
    }
}

/// Where a series that has no more reports has its next one.
pub const END_OF_TIME: Timestamp = Timestamp::from_micros(i64::MAX);

/// The reports at or after a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// How many there are.
    pub count: u64,
    /// The first of them, or whatever is known to be before it: counted from any moment up to here they are as many.
    pub next: Timestamp,
}

impl Since {
    /// Not asked yet: before every moment.
    pub const UNKNOWN: Self = Self { count: 0, next: Timestamp::from_micros(i64::MIN) };
}

impl<S: CountSeries + ?Sized> CountSeries for &S {
    fn count(&self, from: Timestamp, to: Timestamp) -> u64 {
        (**self).count(from, to)
    }

    fn first(&self) -> Option<Timestamp> {
        (**self).first()
    }

    fn counts_since(&self, moments: &[Timestamp], since: &mut [Since]) {
        (**self).counts_since(moments, since);
    }

    fn version(&self) -> Option<u64> {
        (**self).version()
    }
}

/// A series held as sorted moments: for tests, benches and as the plain meaning of [`CountSeries`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moments(Vec<Timestamp>);

impl FromIterator<Timestamp> for Moments {
    fn from_iter<I: IntoIterator<Item = Timestamp>>(moments: I) -> Self {
        let mut moments: Vec<_> = moments.into_iter().collect();
        moments.sort_unstable();
        Self(moments)
    }
}

impl CountSeries for Moments {
    fn count(&self, from: Timestamp, to: Timestamp) -> u64 {
        let before = |moment: Timestamp| self.0.partition_point(|m| *m < moment);
        before(to).saturating_sub(before(from)) as u64
    }

    fn first(&self) -> Option<Timestamp> {
        self.0.first().copied()
    }

    fn counts_since(&self, moments: &[Timestamp], since: &mut [Since]) {
        for (since, moment) in since.iter_mut().zip(moments) {
            let place = self.0.partition_point(|m| m < moment);
            let next = self.0.get(place).copied().unwrap_or(END_OF_TIME);
            *since = Since { count: (self.0.len() - place) as u64, next };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_half_open() {
        let at = Timestamp::from_secs;
        let series: Moments = [30, 10, 20, 20].into_iter().map(at).collect();
        assert_eq!(series.first(), Some(at(10)));
        assert_eq!((series.count(at(10), at(20)), series.count(at(20), at(31)), series.count(at(31), at(10))), (1, 3, 0));
        let mut since = [Since::default(); 3];
        series.counts_since(&[at(31), at(20), at(5)], &mut since);
        let expected = [(0, END_OF_TIME), (3, at(20)), (4, at(10))];
        assert_eq!(since, expected.map(|(count, next)| Since { count, next }));
    }
}
