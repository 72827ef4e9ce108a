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

    /// Fills `counts[i]` with the reports at or after `moments[i]`, latest moment first. A series that can answer all of them in
    /// one walk from its end does so here; `trends` asks for little else.
    fn counts_since(&self, moments: &[Timestamp], counts: &mut [u64]) {
        for (count, moment) in counts.iter_mut().zip(moments) {
            *count = self.count(*moment, Timestamp::from_micros(i64::MAX));
        }
    }
}

impl<S: CountSeries + ?Sized> CountSeries for &S {
    fn count(&self, from: Timestamp, to: Timestamp) -> u64 {
        (**self).count(from, to)
    }

    fn first(&self) -> Option<Timestamp> {
        (**self).first()
    }

    fn counts_since(&self, moments: &[Timestamp], counts: &mut [u64]) {
        (**self).counts_since(moments, counts);
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
        let mut counts = [0; 3];
        series.counts_since(&[at(31), at(20), at(5)], &mut counts);
        assert_eq!(counts, [0, 3, 4]);
    }
}
