//! Table `service_levels`: how long agencies take, by topic and district.
//!
//! Times to the first answer and to closing are medians of the Kaplan-Meier curve ([`kaplan_meier`](crate::statistics::kaplan_meier)):
//! a case that still waits counts with the time it has waited so far. The mean of the closed ones alone would flatter an agency
//! that leaves its hard cases open.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use feedback::Timestamp;
use feedback::time::HOUR_US;

use super::columns::{count, number, text};
use super::{column, schema_of};
use crate::statistics::kaplan_meier::{Curve, Duration, Median};
use crate::statistics::{Interval, LEVEL, wilson};

/// A report that the city deals with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Case<'a> {
    /// Who is responsible; `None` is unknown.
    pub agency: Option<&'a str>,
    /// The topic; `None` is unknown.
    pub topic: Option<&'a str>,
    /// The district; `None` is unknown.
    pub district: Option<&'a str>,
    /// When it was said. A case said after the moment of counting is not looked at.
    pub created_at: Timestamp,
    /// When the city first answered.
    pub first_answer_at: Option<Timestamp>,
    /// When it was closed, if it is.
    pub closed_at: Option<Timestamp>,
    /// When the city promised to be done.
    pub due_at: Option<Timestamp>,
    /// Whether it was opened again after having been closed.
    pub reopened: bool,
}

/// Fewest cases of which a median or a share is shown.
pub const DEFAULT_MIN_CASES: u64 = 5;

/// A time since creation in microseconds with, in the lowest bit, whether it ended: eight bytes a case.
#[derive(Clone, Copy)]
struct Packed(u64);

impl Packed {
    /// From creation to `end`, or to `as_of` if it has not ended by then. An end before creation is one at creation.
    fn new(created_at: Timestamp, end: Option<Timestamp>, as_of: Timestamp) -> Self {
        let ended = end.filter(|end| *end <= as_of);
        let micros = ended.unwrap_or(as_of).micros().saturating_sub(created_at.micros()).max(0);
        Self((micros as u64) << 1 | u64::from(ended.is_some()))
    }

    fn duration(self) -> Duration {
        Duration { time: (self.0 >> 1) as f64 / HOUR_US as f64, ended: self.0 & 1 == 1 }
    }
}

/// The cases of one group.
#[derive(Default)]
struct Group {
    answers: Vec<Packed>,
    closings: Vec<Packed>,
    tally: Tally,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    cases: u64,
    answered: u64,
    closed: u64,
    promised: u64,
    overdue: u64,
    reopened: u64,
}

impl Group {
    fn add(&mut self, case: &Case<'_>, as_of: Timestamp) {
        let done = |end: Option<Timestamp>| end.is_some_and(|end| end <= as_of);
        self.answers.push(Packed::new(case.created_at, case.first_answer_at, as_of));
        self.closings.push(Packed::new(case.created_at, case.closed_at, as_of));
        // A date still ahead is neither kept nor missed.
        let due = case.due_at.filter(|due| *due < as_of || done(case.closed_at));
        let late = due.is_some_and(|due| case.closed_at.filter(|end| *end <= as_of).unwrap_or(as_of) > due);
        self.tally.add(&Tally {
            cases: 1,
            answered: done(case.first_answer_at).into(),
            closed: done(case.closed_at).into(),
            promised: due.is_some().into(),
            overdue: late.into(),
            reopened: case.reopened.into(),
        });
    }

    fn absorb(&mut self, other: &Self) {
        self.answers.extend_from_slice(&other.answers);
        self.closings.extend_from_slice(&other.closings);
        self.tally.add(&other.tally);
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.answered += other.answered;
        self.closed += other.closed;
        self.promised += other.promised;
        self.overdue += other.overdue;
        self.reopened += other.reopened;
    }
}

/// A row, times in hours.
#[derive(Clone, Debug, PartialEq)]
struct Row<'a> {
    agency: Option<&'a str>,
    topic: Option<&'a str>,
    district: Option<&'a str>,
    tally: Tally,
    answer: Median,
    close: Median,
    overdue_share: Option<(f64, Interval)>,
    note: Option<String>,
}

impl<'a> Row<'a> {
    fn new((agency, topic, district): Key<'a>, group: &Group, min_cases: u64) -> Self {
        let tally = group.tally;
        let enough = tally.cases >= min_cases;
        let mut note = Vec::new();
        let mut median = |what: &str, times: &[Packed]| {
            let median =
                if enough { Curve::fit(times.iter().map(|t| t.duration()), LEVEL).median() } else { Median::default() };
            if enough && median.value.is_none() {
                note.push(format!("median time to {what} not reached"));
            }
            median
        };
        let (answer, close) = (median("first answer", &group.answers), median("close", &group.closings));
        let share = || {
            let (overdue, promised) = (tally.overdue as f64, tally.promised as f64);
            Some((overdue / promised, wilson::interval(overdue, promised, LEVEL)?))
        };
        let overdue_share = if tally.promised > 0 && tally.promised >= min_cases { share() } else { None };
        if !enough {
            note.push(format!("fewer than {min_cases} cases: no medians"));
        }
        if overdue_share.is_none() {
            note.push(if tally.promised == 0 {
                "no promised date has come".to_owned()
            } else {
                format!("fewer than {min_cases} promised dates: no share")
            });
        }
        let note = (!note.is_empty()).then(|| note.join("; "));
        Self { agency, topic, district, tally, answer, close, overdue_share, note }
    }
}

/// Agency, topic and district.
type Key<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Float64, Int64, Utf8View};
    schema_of([
        column("agency", Utf8View, true, "who is responsible; null is unknown"),
        column("topic", Utf8View, true, "topic; null is unknown"),
        column("district", Utf8View, true, "district; null is unknown, '*' the whole city"),
        column("n", Int64, false, "cases"),
        column("open", Int64, false, "cases not closed yet; they count in the medians with the time they have waited"),
        column("answered", Int64, false, "cases with a first answer"),
        column(
            "first_answer_median_h",
            Float64,
            true,
            "median hours to the first answer (Kaplan-Meier); null is not reached or too few cases, see note",
        ),
        column("first_answer_low_h", Float64, true, "lower end of its 95% interval, hours; null is without bound"),
        column("first_answer_high_h", Float64, true, "upper end of its 95% interval, hours; null is without bound"),
        column(
            "close_median_h",
            Float64,
            true,
            "median hours to closing (Kaplan-Meier); null is not reached or too few cases, see note",
        ),
        column("close_low_h", Float64, true, "lower end of its 95% interval, hours; null is without bound"),
        column("close_high_h", Float64, true, "upper end of its 95% interval, hours; null is without bound"),
        column("promised", Int64, false, "cases with a promised date that has come or that are closed"),
        column("overdue", Int64, false, "of these, closed after the date or still open"),
        column("overdue_share", Float64, true, "overdue / promised, 0 to 1; null where promised are too few"),
        column("overdue_share_low", Float64, true, "lower end of its 95% interval (Wilson)"),
        column("overdue_share_high", Float64, true, "upper end of its 95% interval (Wilson)"),
        column("reopened", Int64, false, "cases opened again after having been closed"),
        column("note", Utf8View, true, "why numbers are missing"),
    ])
});

/// The schema of [`rows`].
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The table as of a moment: a row for every agency, topic and district with cases, and one over all districts (`*`), ordered by
/// agency, topic and district. Groups of fewer than `min_cases` show counts only. The order of the cases changes no bit.
///
/// Needs 16 bytes a case while it works.
pub fn rows<'a>(
    cases: impl IntoIterator<Item = Case<'a>>,
    as_of: Timestamp,
    min_cases: u64,
) -> Result<RecordBatch, ArrowError> {
    let mut groups: BTreeMap<Key<'a>, Group> = BTreeMap::new();
    for case in cases.into_iter().filter(|case| case.created_at <= as_of) {
        groups.entry((case.agency, case.topic, case.district)).or_default().add(&case, as_of);
    }
    let groups: Vec<(Key<'a>, Group)> = groups.into_iter().collect();
    let mut table = Vec::new();
    for districts in groups.chunk_by(|(a, _), (b, _)| (a.0, a.1) == (b.0, b.1)) {
        let (agency, topic, _) = districts[0].0;
        let mut city = Group::default();
        districts.iter().for_each(|(_, group)| city.absorb(group));
        table.push(Row::new((agency, topic, Some("*")), &city, min_cases));
        table.extend(districts.iter().map(|(key, group)| Row::new(*key, group, min_cases)));
    }
    to_batch(&table)
}

fn to_batch(table: &[Row<'_>]) -> Result<RecordBatch, ArrowError> {
    let tally = |value: fn(&Tally) -> u64| count(table, |row| Some(value(&row.tally)));
    RecordBatch::try_new(
        schema(),
        vec![
            text(table, |row| row.agency),
            text(table, |row| row.topic),
            text(table, |row| row.district),
            tally(|t| t.cases),
            tally(|t| t.cases - t.closed),
            tally(|t| t.answered),
            number(table, |row| row.answer.value),
            number(table, |row| row.answer.low),
            number(table, |row| row.answer.high),
            number(table, |row| row.close.value),
            number(table, |row| row.close.low),
            number(table, |row| row.close.high),
            tally(|t| t.promised),
            tally(|t| t.overdue),
            number(table, |row| row.overdue_share.map(|(share, _)| share)),
            number(table, |row| row.overdue_share.map(|(_, interval)| interval.low)),
            number(table, |row| row.overdue_share.map(|(_, interval)| interval.high)),
            tally(|t| t.reopened),
            text(table, |row| row.note.as_deref()),
        ],
    )
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type};
    use proptest::prelude::*;

    use super::*;

    fn hours(hours: i64) -> Timestamp {
        Timestamp::from_micros(hours * HOUR_US)
    }

    fn case(created: i64, closed: Option<i64>) -> Case<'static> {
        Case {
            agency: Some("Public Works"),
            topic: Some("roads"),
            district: Some("north"),
            created_at: hours(created),
            closed_at: closed.map(hours),
            first_answer_at: closed.map(hours),
            ..Case::default()
        }
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
        let batch = rows([far, backwards], hours(9), 1).unwrap();
        assert_eq!(float(&batch, "close_median_h", 3), Some(0.0));
    }

    proptest! {
        #[test]
        fn order_changes_no_bit_and_the_city_is_the_sum(
            cases in prop::collection::vec((0u8..3, 0i64..50, prop::option::of(0i64..80), prop::option::of(0i64..80)), 1..60),
            turn in 0usize..60,
        ) {
            let names = ["north", "south", "west"];
            let mut cases: Vec<_> = cases
                .into_iter()
                .map(|(d, created, wait, due)| Case {
                    district: Some(names[usize::from(d)]),
                    due_at: due.map(|due| hours(created + due)),
                    ..case(created, wait.map(|wait| created + wait))
                })
                .collect();
            let batch = rows(cases.iter().copied(), hours(60), 2).unwrap();
            for name in ["n", "open", "answered", "promised", "overdue"] {
                let sum: i64 = (1..batch.num_rows()).map(|row| whole(&batch, name, row)).sum();
                prop_assert_eq!(whole(&batch, name, 0), sum);
            }
            let middle = cases.len();
            cases.rotate_left(turn % middle);
            prop_assert_eq!(rows(cases, hours(60), 2).unwrap(), batch);
        }
    }
}
