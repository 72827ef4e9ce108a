//! The plain meaning of a set of records: no order, no increments, no state. Written to be obvious, not fast.

use std::collections::{BTreeMap, BTreeSet};

use aggregate::{Config, IncidentConfig};
use feedback::time::{DAY_US, HOUR_US, MINUTE_US};
use feedback::{Kind, Status};

use crate::support::Row;

/// What a report is in the end.
#[derive(Clone, Debug)]
pub struct Settled {
    pub version: Row,
    pub status: Option<Status>,
    pub first_answer_at: Option<i64>,
    pub closed_at: Option<i64>,
}

/// The answer to everything.
pub struct Oracle {
    pub reports: BTreeMap<String, Settled>,
    pub events: Vec<(String, Row)>,
    pub watermark: Option<i64>,
    pub rule: IncidentConfig,
}

fn floor(moment: i64, width: i64) -> i64 {
    moment - moment.rem_euclid(width)
}

impl Oracle {
    pub fn new(records: &[Row], config: &Config) -> Self {
        let watermark = records.iter().map(|row| row.at).max().map(|at| at - config.allowed_disorder_us);
        let horizon = watermark.map_or(i64::MIN, |watermark| floor(watermark - config.retention_us, HOUR_US));
        let ids: BTreeSet<&String> = records.iter().map(|row| &row.id).filter(|id| !id.is_empty()).collect();
        let (mut reports, mut events) = (BTreeMap::new(), Vec::new());
        for id in ids {
            let of = |kind: Kind| records.iter().filter(move |row| row.kind == kind && row.id == *id);
            let by_author = records.iter().filter(|erase| erase.kind == Kind::Erase && erase.id.is_empty()).filter(|erase| {
                let by_then = |r: &Row| r.updated_at.min(r.created_at).unwrap() <= erase.at;
                let wrote = |r: &Row| r.author == erase.author && r.source == erase.source && by_then(r);
                of(Kind::Report).any(wrote)
            });
            let erased = of(Kind::Erase).chain(by_author).map(|row| row.at).max().unwrap_or(i64::MIN);

            let mut set: BTreeMap<(i64, Status, Option<String>), Row> = BTreeMap::new();
            for row in of(Kind::Status).filter(|row| row.at > erased) {
                let known = set.entry((row.at, row.status.unwrap(), row.reason.clone())).or_insert_with(|| row.clone());
                if (row.received_at, &row.agency) < (known.received_at, &known.agency) {
                    *known = row.clone();
                }
            }
            let set: Vec<Row> = set.into_values().collect();
            let living = of(Kind::Report).filter(|row| row.updated_at.unwrap() > erased && row.created_at.unwrap() >= horizon);
            let newest = living.max_by_key(|row| (row.updated_at, row.content_key, std::cmp::Reverse(row.received_at)));
            if let Some(version) = newest {
                reports.insert(id.clone(), settle(version.clone(), &set));
            }
            // An event is shown once its report is there, and no longer than it.
            let shown = set.into_iter().filter(|_| newest.is_some());
            events.extend(shown.map(|event| (id.clone(), event)));
        }
        Self { reports, events, watermark, rule: config.incidents.clone() }
    }

    /// The table `feedback`, in the columns `id, created_at, updated_at, received_at, status, first_answer_at, closed_at, district,
    /// topic, text`.
    pub fn feedback(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (id, report) in &self.reports {
            let v = &report.version;
            lines.push(
                [
                    id.clone(),
                    time(v.created_at),
                    time(v.updated_at),
                    v.received_at.to_string(),
                    word(report.status.map(Status::as_str)),
                    time(report.first_answer_at),
                    time(report.closed_at),
                    word(v.district.as_deref()),
                    word(v.topic.map(|topic| topic.as_str())),
                    word(v.text.as_deref()),
                ]
                .join("|"),
            );
        }
        lines.sort();
        lines
    }

    /// The table `status_events`, all columns.
    pub fn status_events(&self) -> Vec<String> {
        let line = |(id, event): &(String, Row)| {
            let (status, reason, agency) =
                (event.status.unwrap(), word(event.reason.as_deref()), word(event.agency.as_deref()));
            format!("{id}|{}|{status}|{reason}|{agency}|{}", event.at, event.received_at)
        };
        let mut lines: Vec<String> = self.events.iter().map(line).collect();
        lines.sort();
        lines
    }

    /// The table `windows`, in the columns `window, district, topic, window_start, window_end, reports, reporters, tracked, closed,
    /// problems, urgent, answered, answer_ms_sum, close_n, close_ms_sum, negative_share, per_1000`.
    pub fn windows(&self, config: &Config, population: &BTreeMap<&str, f64>) -> Vec<String> {
        let Some(watermark) = self.watermark else { return Vec::new() };
        let mut lines = Vec::new();
        for window in &config.windows {
            let width = if window.length_us <= DAY_US {
                MINUTE_US
            } else if window.length_us <= 28 * DAY_US {
                HOUR_US
            } else {
                DAY_US
            };
            let end = floor(watermark, width);
            let start = end - window.length_us;
            let mut groups: BTreeMap<(String, String), Vec<&Settled>> = BTreeMap::new();
            for report in self.reports.values().filter(|r| (start..end).contains(&r.version.created_at.unwrap())) {
                let topic = word(report.version.topic.map(|topic| topic.as_str()));
                groups.entry((word(report.version.district.as_deref()), topic.clone())).or_default().push(report);
                groups.entry(("*".into(), topic)).or_default().push(report);
            }
            for ((district, topic), reports) in groups {
                let residents =
                    if district == "*" { Some(population.values().sum()) } else { population.get(&*district).copied() };
                let per_1000 = residents.map(|residents: f64| reports.len() as f64 * 1000.0 / residents);
                lines.push(format!(
                    "{}|{district}|{topic}|{start}|{end}|{}|{}",
                    window.name,
                    measures(&reports),
                    number(per_1000)
                ));
            }
        }
        lines.sort();
        lines
    }

    /// The table `cells`, in the columns `width, bucket_start, district, topic, channel, language` and as [`measures`].
    pub fn cells(&self, config: &Config) -> Vec<String> {
        let widths = [
            ("minute", MINUTE_US, config.minute_cells_us),
            ("hour", HOUR_US, config.hour_cells_us),
            ("day", DAY_US, config.day_cells_us),
        ];
        let mut lines = Vec::new();
        for (name, width, kept) in widths {
            let horizon = self.watermark.map_or(i64::MIN, |watermark| floor(watermark - kept, width));
            let mut groups: BTreeMap<String, Vec<&Settled>> = BTreeMap::new();
            for report in self.reports.values() {
                let (v, start) = (&report.version, floor(report.version.created_at.unwrap(), width));
                if start >= horizon {
                    let (topic, channel) = (word(v.topic.map(|t| t.as_str())), word(v.channel.map(|c| c.as_str())));
                    let (district, language) = (word(v.district.as_deref()), word(v.language.as_deref()));
                    groups.entry(format!("{name}|{start}|{district}|{topic}|{channel}|{language}")).or_default().push(report);
                }
            }
            lines.extend(groups.into_iter().map(|(key, reports)| format!("{key}|{}", measures_without_share(&reports))));
        }
        lines.sort();
        lines
    }
}

fn settle(version: Row, events: &[Row]) -> Settled {
    let own_status = version.status.or(version.closed_at.map(|_| Status::Closed));
    // Everything that says where it stands, by time; at one moment the later word of the vocabulary counts.
    let mut story: Vec<(i64, Status, i64)> = events.iter().map(|event| (event.at, event.status.unwrap(), event.at)).collect();
    story.extend(
        own_status.map(|status| (version.updated_at.unwrap(), status, version.closed_at.or(version.updated_at).unwrap())),
    );
    story.sort();
    let status = story.last().map(|(_, status, _)| *status);
    let closings = story.iter().rev().take_while(|(_, status, _)| *status == Status::Closed);
    let closed_at = closings.map(|(_, _, closed_at)| *closed_at).min();
    let answers = events.iter().filter(|event| event.status.unwrap().is_answer()).map(|event| event.at);
    let first_answer_at = answers.chain(version.first_answer_at).min();
    Settled { version, status, first_answer_at, closed_at }
}

fn measures(reports: &[&Settled]) -> String {
    let tones: Vec<i64> =
        reports.iter().filter_map(|r| r.version.tones).map(|t| (f64::from(t[0]) * 1e6).round() as i64).collect();
    let share = (!tones.is_empty()).then(|| tones.iter().sum::<i64>() as f64 / 1e6 / tones.len() as f64);
    format!("{}|{}", measures_without_share(reports), number(share))
}

fn measures_without_share(reports: &[&Settled]) -> String {
    let count = |test: &dyn Fn(&Settled) -> bool| reports.iter().filter(|report| test(report)).count();
    let authors: BTreeSet<u64> = reports.iter().filter_map(|report| report.version.author).collect();
    let since = |moment: i64, report: &Settled| (moment - report.version.created_at.unwrap()).max(0) / 1000;
    let answer: i64 = reports.iter().filter_map(|report| report.first_answer_at.map(|moment| since(moment, report))).sum();
    let close: i64 = reports.iter().filter_map(|report| report.closed_at.map(|moment| since(moment, report))).sum();
    [
        reports.len().to_string(),
        if authors.is_empty() { "-".into() } else { authors.len().to_string() },
        count(&|r| r.status.is_some()).to_string(),
        count(&|r| r.status == Some(Status::Closed)).to_string(),
        count(&|r| r.version.signal == Some(feedback::Signal::Problem)).to_string(),
        count(&|r| r.version.urgency.is_some_and(|level| level >= 2)).to_string(),
        count(&|r| r.first_answer_at.is_some()).to_string(),
        answer.to_string(),
        count(&|r| r.closed_at.is_some()).to_string(),
        close.to_string(),
    ]
    .join("|")
}

fn time(moment: Option<i64>) -> String {
    moment.map_or("-".into(), |moment| moment.to_string())
}

fn word(word: Option<&str>) -> String {
    word.unwrap_or("-").into()
}

fn number(number: Option<f64>) -> String {
    number.map_or("-".into(), |number| format!("{number:?}"))
}
