//! Tables `service_levels` and `service_levels_by_band`: how long agencies take, by topic and district or deprivation band.
//!
//! Times to the first answer and to closing are medians of the Kaplan-Meier curve
//! ([`kaplan_meier`]): a case that still waits counts with the time it has waited so far. The mean of
//! the closed ones alone would flatter an agency that leaves its hard cases open. Whether a district waits longer than the rest of
//! the city for the same agency and topic is a log-rank test ([`log_rank`](crate::statistics::log_rank)).

mod again;
mod case;
mod reasons;
mod table;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use feedback::Timestamp;

use super::columns::Columns;
use crate::statistics::benjamini_hochberg::q_values;
use crate::statistics::kaplan_meier::{self, Duration, Median};
use crate::statistics::log_rank::{Everybody, LogRank};
use crate::statistics::special::two_sided_z;
use crate::statistics::{Interval, LEVEL, wilson};

pub use again::{RADIUS_M, Sighting, came_up_again};
pub use case::{Again, Case};
use case::{Group, Tally, hours};
pub use reasons::says_nothing_done;
pub use table::{band_schema, schema};

/// Fewest cases of which a median or a share is shown.
pub const DEFAULT_MIN_CASES: u64 = 5;

/// Days after its closing in which a case can come up again.
pub const DEFAULT_AGAIN_WITHIN_DAYS: u32 = 30;

/// Agency, topic, and district or band.
pub type Key<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

/// The whole city where a district is expected.
const CITY: &str = "*";

/// How a group's times compare with those of everybody else of the same agency and topic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Compared {
    answer: Option<LogRank>,
    close: Option<LogRank>,
}

/// Mean negative tone before and after, and the mean difference.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ToneChange {
    before: f64,
    after: f64,
    change: f64,
    interval: Interval,
}

/// A row, times in hours.
#[derive(Clone, Debug, PartialEq)]
struct Row<'a> {
    key: Key<'a>,
    tally: Tally,
    answer: Median,
    close: Median,
    compared: Compared,
    close_q_value: Option<f64>,
    overdue: Option<(f64, Interval)>,
    nothing_done: Option<(f64, Interval)>,
    again: Option<(f64, Interval)>,
    tone: Option<ToneChange>,
    note: Option<String>,
}

impl<'a> Row<'a> {
    fn new(
        key: Key<'a>,
        tally: Tally,
        answers: &[Duration],
        closings: &[Duration],
        compared: Compared,
        min_cases: u64,
    ) -> Self {
        let enough = tally.cases >= min_cases;
        let mut note = Vec::new();
        let mut median = |what: &str, times: &[Duration]| {
            let median = if enough { kaplan_meier::sorted_median(times, LEVEL) } else { Median::default() };
            if enough && median.value.is_none() {
                note.push(format!("median time to {what} not reached"));
            }
            median
        };
        let (answer, close) = (median("first answer", answers), median("close", closings));
        let share = |part: u64, of: u64| {
            let (part, of) = (part as f64, of as f64);
            if of == 0.0 || of < min_cases as f64 { None } else { Some((part / of, wilson::interval(part, of, LEVEL)?)) }
        };
        let overdue = share(tally.overdue, tally.promised);
        if !enough {
            note.push(format!("fewer than {min_cases} cases: no medians"));
        }
        if overdue.is_none() {
            note.push(if tally.promised == 0 {
                "no promised date has come".to_owned()
            } else {
                format!("fewer than {min_cases} promised dates: no share")
            });
        }
        let note = (!note.is_empty()).then(|| note.join("; "));
        let (nothing_done, again) = (share(tally.nothing_done, tally.explained), share(tally.again, tally.watched));
        let tone = (tally.pairs >= min_cases.max(2)).then(|| tone_change(&tally));
        Self { key, tally, answer, close, compared, close_q_value: None, overdue, nothing_done, again, tone, note }
    }
}

/// The paired difference with its normal interval.
fn tone_change(tally: &Tally) -> ToneChange {
    let n = tally.pairs as f64;
    let mean = |sum: i128| sum as f64 / 1e6 / n;
    let (before, after) = (mean(tally.before), mean(tally.after));
    let change = after - before;
    let variance = ((tally.squares as f64 / 1e12 - n * change * change) / (n - 1.0)).max(0.0);
    let half = two_sided_z(LEVEL) * (variance / n).sqrt();
    ToneChange { before, after, change, interval: Interval { low: change - half, high: change + half } }
}

/// The table as of a moment: a row for every agency, topic and district with cases, and one over all districts (`*`), ordered by
/// agency, topic and district. Each case comes with the position of its key in `keys`; keys that are equal are one group. Groups of
/// fewer than `min_cases` show counts only. The order of the cases changes no bit.
///
/// Needs 16 bytes a case while it works, and 32 more for those of the largest agency and topic.
pub fn rows<'a>(
    keys: &[Key<'a>],
    cases: impl IntoIterator<Item = (usize, Case)>,
    as_of: Timestamp,
    min_cases: u64,
) -> Result<RecordBatch, ArrowError> {
    let rows = compare(keys, cases, as_of, min_cases, true);
    table::measured(Columns::of(&rows).text(|row| row.key.0).text(|row| row.key.1).text(|row| row.key.2)).batch(schema())
}

/// The same by deprivation band: the third part of a key is the band's number, and there is no row over all bands.
pub fn band_rows<'a>(
    keys: &[Key<'a>],
    cases: impl IntoIterator<Item = (usize, Case)>,
    as_of: Timestamp,
    min_cases: u64,
) -> Result<RecordBatch, ArrowError> {
    let rows = compare(keys, cases, as_of, min_cases, false);
    let band = |row: &Row<'a>| row.key.2.and_then(|band| band.parse().ok());
    table::measured(Columns::of(&rows).text(|row| row.key.0).text(|row| row.key.1).count(band)).batch(band_schema())
}

/// Every row, with its comparisons.
fn compare<'a>(
    keys: &[Key<'a>],
    cases: impl IntoIterator<Item = (usize, Case)>,
    as_of: Timestamp,
    min_cases: u64,
    with_city: bool,
) -> Vec<Row<'a>> {
    let mut of_key: Vec<Group> = keys.iter().map(|_| Group::default()).collect();
    for (key, case) in cases.into_iter().filter(|(_, case)| case.created_at <= as_of) {
        of_key[key].add(&case, as_of);
    }
    let mut groups: BTreeMap<Key<'a>, Group> = BTreeMap::new();
    for (key, group) in keys.iter().zip(of_key).filter(|(_, group)| group.tally.cases > 0) {
        groups.entry(*key).or_default().absorb(&group);
    }
    groups.values_mut().for_each(Group::sort);
    let groups: Vec<(Key<'a>, Group)> = groups.into_iter().collect();
    let mut table: Vec<Row<'a>> = Vec::with_capacity(groups.len());
    for parts in groups.chunk_by(|(a, _), (b, _)| (a.0, a.1) == (b.0, b.1)) {
        let (agency, topic, _) = parts[0].0;
        let mut city = Group::default();
        parts.iter().for_each(|(_, group)| city.absorb(group));
        city.sort();
        let (answers, closings) = (hours(&city.answers), hours(&city.closings));
        let (everybody_answers, everybody_closings) = (Everybody::new(&answers), Everybody::new(&closings));
        if with_city {
            let key = (agency, topic, Some(CITY));
            table.push(Row::new(key, city.tally, &answers, &closings, Compared::default(), min_cases));
        }
        for (key, group) in parts {
            let (answers, closings) = (hours(&group.answers), hours(&group.closings));
            let rest = city.tally.cases - group.tally.cases;
            let enough = group.tally.cases >= min_cases && rest >= min_cases.max(1);
            let compared = Compared {
                answer: enough.then(|| everybody_answers.compare(&answers)),
                close: enough.then(|| everybody_closings.compare(&closings)),
            };
            table.push(Row::new(*key, group.tally, &answers, &closings, compared, min_cases));
        }
    }
    let p_values: Vec<f64> = table.iter().map(|row| row.compared.close.and_then(|c| c.p_value).unwrap_or(f64::NAN)).collect();
    for (row, q_value) in table.iter_mut().zip(q_values(&p_values)) {
        row.close_q_value = Some(q_value).filter(|q| !q.is_nan());
    }
    table
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type};
    use feedback::time::HOUR_US;
    use proptest::prelude::*;

    use super::*;

    fn hours(hours: i64) -> Timestamp {
        Timestamp::from_micros(hours * HOUR_US)
    }

    const NORTH: Key<'static> = (Some("Public Works"), Some("roads"), Some("north"));
    const SOUTH: Key<'static> = (Some("Public Works"), Some("roads"), Some("south"));
    const WEST: Key<'static> = (Some("Public Works"), Some("roads"), Some("west"));

    fn rows(cases: impl IntoIterator<Item = Case>, as_of: Timestamp, min_cases: u64) -> Result<RecordBatch, ArrowError> {
        super::rows(&[NORTH], cases.into_iter().map(|case| (0, case)), as_of, min_cases)
    }

    fn case(created: i64, closed: Option<i64>) -> Case {
        Case { created_at: hours(created), closed_at: closed.map(hours), first_answer_at: closed.map(hours), ..Case::default() }
    }

    fn float(batch: &RecordBatch, name: &str, row: usize) -> Option<f64> {
        let column = batch.column_by_name(name).unwrap().as_primitive::<Float64Type>();
        column.is_valid(row).then(|| column.value(row))
    }

    fn whole(batch: &RecordBatch, name: &str, row: usize) -> i64 {
        batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().value(row)
    }

    fn note(batch: &RecordBatch, row: usize) -> Option<String> {
        batch.column_by_name("note").unwrap().as_string_view().iter().nth(row).unwrap().map(str::to_owned)
    }

    #[test]
    fn what_is_open_counts_as_waiting() {
        // Closed after 1 to 5 hours, and five open for 100: the median of the closed would be 3.
        let closed = (1..=5).map(|h| case(0, Some(h)));
        let batch = rows(closed.chain((0..5).map(|_| case(0, None))), hours(100), 5).unwrap();
        assert_eq!(batch.num_rows(), 2, "the city and the district");
        assert_eq!(float(&batch, "close_median_h", 1), Some(52.5), "half are closed from 5 hours on, to the end");
        assert_eq!((whole(&batch, "n", 0), whole(&batch, "open", 0), whole(&batch, "answered", 0)), (10, 5, 5));
    }

    #[test]
    fn too_few_or_never_is_said() {
        let few = rows([case(0, Some(1))], hours(9), 5).unwrap();
        assert_eq!(float(&few, "close_median_h", 0), None);
        assert_eq!(note(&few, 0).unwrap(), "fewer than 5 cases: no medians; no promised date has come");
        let open = rows((0..8).map(|_| case(0, None)), hours(9), 5).unwrap();
        assert!(
            note(&open, 0).unwrap().starts_with("median time to first answer not reached; median time to close not reached")
        );
        assert_eq!(rows([], hours(9), 5).unwrap().num_rows(), 0);
        assert_eq!(rows([case(10, None)], hours(9), 5).unwrap().num_rows(), 0, "not said yet");
    }

    #[test]
    fn overdue_by_hand() {
        let due = |closed| Case { due_at: Some(hours(10)), reopened: true, ..case(0, closed) };
        let cases = [due(Some(9)), due(Some(10)), due(Some(11)), due(None), due(Some(50))];
        let batch = rows(cases, hours(20), 1).unwrap();
        assert_eq!((whole(&batch, "promised", 0), whole(&batch, "overdue", 0), whole(&batch, "reopened", 0)), (5, 3, 5));
        assert_eq!((float(&batch, "overdue_share", 0), whole(&batch, "open", 0)), (Some(0.6), 2), "one closes later than now");
        let ahead = rows([due(None)], hours(5), 1).unwrap();
        assert_eq!(whole(&ahead, "promised", 0), 0);
    }

    #[test]
    fn times_that_cannot_be_do_no_harm() {
        let far = Case { created_at: Timestamp::MIN, closed_at: Some(hours(1)), ..Case::default() };
        let backwards = case(5, Some(1));
        let keys = [(None, None, None), NORTH];
        let batch = super::rows(&keys, [(0, far), (1, backwards)], hours(9), 1).unwrap();
        assert_eq!(float(&batch, "close_median_h", 3), Some(0.0));
    }

    /// The worked example of docs/methods/service_levels.md.
    #[test]
    fn a_district_against_the_rest_of_the_city() {
        // North closes after 1 to 10 hours; south after 3 to 30, two of them still open after 40.
        let north = (1..=10).map(|h| (0, case(0, Some(h))));
        let south = (1..=10).map(|h| (1, case(0, (h <= 8).then_some(3 * h))));
        let batch = super::rows(&[NORTH, SOUTH], north.chain(south), hours(40), 5).unwrap();
        assert_eq!((float(&batch, "close_median_h", 1), float(&batch, "close_median_h", 2)), (Some(5.5), Some(16.5)));
        let (expected, p) = (float(&batch, "close_expected", 2).unwrap(), float(&batch, "close_p_value", 2).unwrap());
        assert!((expected - 13.45).abs() < 0.01 && (p - 8.8e-4).abs() < 1e-5, "8 closings, expected {expected}, p {p}");
        assert_eq!(float(&batch, "close_p_value", 0), None, "the city has no rest");
        let sum = expected + float(&batch, "close_expected", 1).unwrap();
        assert!((sum - 18.0).abs() < 1e-9, "as many as there are");
        assert!(float(&batch, "close_q_value", 2).unwrap() >= p);
        let few = super::rows(&[NORTH, SOUTH], [(0, case(0, Some(1))), (1, case(0, Some(9)))], hours(40), 5).unwrap();
        assert_eq!(float(&few, "close_p_value", 1), None);
    }

    #[test]
    fn what_closing_came_to() {
        let told = |nothing_done, again, negative| Case { nothing_done, again, negative, ..case(0, Some(1)) };
        let cases = [
            told(Some(true), Again::Reported, Some((200_000, 600_000))),
            told(Some(false), Again::Reported, Some((400_000, 400_000))),
            told(Some(false), Again::Quiet, None),
            told(None, Again::Unknown, None),
            told(Some(true), Again::Quiet, None),
            Case { nothing_done: Some(true), ..case(0, None) },
        ];
        let batch = rows(cases, hours(9), 2).unwrap();
        let whole = |name| whole(&batch, name, 1);
        assert_eq!((whole("closed_with_text"), whole("no_action")), (4, 2), "an open case has no closing text");
        assert_eq!((whole("watched"), whole("reported_again"), whole("tone_pairs")), (4, 2, 2));
        assert_eq!((float(&batch, "no_action_share", 1), float(&batch, "reported_again_share", 1)), (Some(0.5), Some(0.5)));
        let change = float(&batch, "negative_change", 1).unwrap();
        assert!((change - 0.2).abs() < 1e-12 && (float(&batch, "negative_before", 1).unwrap() - 0.3).abs() < 1e-12);
        // Differences 0.4 and 0: standard error 0.2.
        assert!((float(&batch, "negative_change_high", 1).unwrap() - 0.2 - 1.96 * 0.2).abs() < 1e-3);
    }

    #[test]
    fn bands_are_compared_with_the_other_bands() {
        let keys = [(Some("Public Works"), Some("roads"), Some("1")), (Some("Public Works"), Some("roads"), Some("5"))];
        let cases = (1..=10).flat_map(|h| [(0, case(0, Some(h))), (1, case(0, Some(4 * h)))]);
        let batch = band_rows(&keys, cases, hours(90), 5).unwrap();
        assert_eq!((batch.num_rows(), whole(&batch, "deprivation_band", 1)), (2, 5));
        assert!(float(&batch, "close_p_value", 0).unwrap() < 0.01);
        assert!(float(&batch, "close_expected", 1).unwrap() > 10.0, "slower");
    }

    proptest! {
        #[test]
        fn order_changes_no_bit_and_the_city_is_the_sum(
            cases in prop::collection::vec((0u8..3, 0i64..50, prop::option::of(0i64..80), prop::option::of(0i64..80)), 1..60),
            turn in 0usize..60,
        ) {
            let keys = [NORTH, SOUTH, WEST];
            let mut cases: Vec<(usize, Case)> = cases
                .into_iter()
                .map(|(d, created, wait, due)| {
                    let due_at = due.map(|due| hours(created + due));
                    (usize::from(d), Case { due_at, ..case(created, wait.map(|wait| created + wait)) })
                })
                .collect();
            let batch = super::rows(&keys, cases.iter().copied(), hours(60), 2).unwrap();
            for name in ["n", "open", "answered", "promised", "overdue"] {
                let sum: i64 = (1..batch.num_rows()).map(|row| whole(&batch, name, row)).sum();
                prop_assert_eq!(whole(&batch, name, 0), sum);
            }
            let middle = cases.len();
            cases.rotate_left(turn % middle);
            prop_assert_eq!(super::rows(&keys, cases, hours(60), 2).unwrap(), batch);
        }
    }
}
