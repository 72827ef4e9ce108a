//! The columns that `cells` and `windows` share: what is counted of a set of reports.

use std::borrow::Borrow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder};
use arrow::datatypes::{DataType, Field};

use super::column;
use crate::measures::Measures;

/// Name, documentation and value of every plain count, in order.
type Count = (&'static str, &'static str, fn(&Measures) -> Option<i64>);

const COUNTS: [Count; 17] = [
    ("reports", "reports, each counted in its newest version", |m| Some(m.reports.into())),
    ("reporters", "different authors, estimated (standard error 0.6 % up to 10,000); null where no report names one", |m| {
        m.reporters().and_then(|n| i64::try_from(n).ok())
    }),
    ("tracked", "reports of which a status is known", |m| Some(m.tracked.into())),
    ("closed", "reports that are closed now", |m| Some(m.closed.into())),
    ("problems", "reports whose signal is problem", |m| Some(m.signals[0].into())),
    ("requests", "reports whose signal is request", |m| Some(m.signals[1].into())),
    ("questions", "reports whose signal is question", |m| Some(m.signals[2].into())),
    ("praises", "reports whose signal is praise", |m| Some(m.signals[3].into())),
    ("other_signals", "reports whose signal is other", |m| Some(m.signals[4].into())),
    ("routine", "reports of urgency 0", |m| Some(m.urgencies[0].into())),
    ("soon", "reports of urgency 1", |m| Some(m.urgencies[1].into())),
    ("urgent", "reports of urgency 2 or 3", |m| Some(m.urgent().into())),
    ("emergencies", "reports of urgency 3", |m| Some(m.urgencies[3].into())),
    ("answered", "reports that the city has answered", |m| Some(m.answered.into())),
    ("answer_ms_sum", "sum over the answered of the time from report to first answer; milliseconds", |m| Some(m.answer_ms)),
    ("close_n", "reports with a known moment of closing", |m| Some(m.closings.into())),
    ("close_ms_sum", "sum over those of the time from report to closing; milliseconds", |m| Some(m.close_ms)),
];

/// The shared columns.
pub(crate) fn columns() -> impl Iterator<Item = Field> {
    COUNTS.iter().map(|(name, doc, _)| column(name, DataType::Int64, *name == "reporters", doc))
}

/// The shared columns' values.
pub(crate) fn arrays(rows: impl Iterator<Item = impl Borrow<Measures>>) -> Vec<ArrayRef> {
    let mut builders: [Int64Builder; COUNTS.len()] = Default::default();
    for measures in rows {
        for ((_, _, value), builder) in COUNTS.iter().zip(&mut builders) {
            builder.append_option(value(measures.borrow()));
        }
    }
    builders.map(|mut builder| Arc::new(builder.finish()) as ArrayRef).into()
}
