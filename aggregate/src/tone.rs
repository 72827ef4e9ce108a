//! Tones of windows and of the same phase of earlier periods, from the cells.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use feedback::Timestamp;

use crate::cells::Width;
use crate::derived::{district_of, first_report, topic_of};
use crate::dictionary::CITY;
use crate::error::AggregateError;
use crate::measures::Measures;
use crate::snapshot::Snapshot;
use crate::statistics::same_phase::{Phase, WEEK_US};
use crate::tables::tone_shifts::{self, ToneCell, Tones};
use crate::windows::{Group, Window};

/// The table `tone_shifts` for these windows.
///
/// Earlier periods are those of `trends`, as far as cells still reach: hours for windows shorter than a week, days from a week on. Their
/// ends are floored to those.
pub(crate) fn tone_shifts(snapshot: &Snapshot, windows: &[Window]) -> Result<RecordBatch, AggregateError> {
    let first = first_report(snapshot);
    let mut inputs = Vec::with_capacity(windows.len());
    for window in windows {
        let phase = Phase::new(Timestamp::from_micros(window.range.end), window.spec.length_us, first);
        let width = if window.spec.length_us < WEEK_US { Width::Hour } else { Width::Day };
        let tier = snapshot.state().cells.tier(width);
        let mut groups: BTreeMap<Group, (Tones, Tones)> = BTreeMap::new();
        for (group, measures) in window.totals.iter() {
            add(&mut groups.entry(*group).or_default().0, measures);
        }
        let mut periods = 0;
        for period in 1..=phase.periods as i64 {
            let back_us = phase.shift_us.saturating_mul(period);
            let start = width.floor(window.range.start.saturating_sub(back_us));
            if start < tier.horizon {
                break;
            }
            periods += 1;
            for (key, measures) in tier.cells(start..width.floor(window.range.end.saturating_sub(back_us))) {
                for group in [(key.district, key.topic), (CITY, key.topic)] {
                    add(&mut groups.entry(group).or_default().1, &measures);
                }
            }
        }
        let cell = |(group, (now, before)): (&Group, &(Tones, Tones))| ToneCell {
            district: district_of(snapshot, group.0),
            topic: topic_of(group.1),
            now: *now,
            before: *before,
        };
        inputs.push((window.spec.name.as_str(), periods, groups.iter().map(cell).collect()));
    }
    Ok(tone_shifts::rows(&inputs)?)
}

fn add(tones: &mut Tones, measures: &Measures) {
    tones.texts += u64::from(measures.toned);
    tones.negative_millionths += measures.tones[0];
}
