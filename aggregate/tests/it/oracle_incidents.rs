//! The plain meaning of the tables `incidents` and `feedback.incident_id`: everybody compared with everybody, from scratch.

use std::collections::{BTreeMap, BTreeSet};

use aggregate::{IncidentClass, IncidentConfig};
use feedback::time::DAY_US;
use feedback::{Signal, Status, Topic};

use crate::oracle::{Oracle, Settled};

/// A report and its id.
type Report<'a> = (&'a String, &'a Settled);

fn created(report: &Report<'_>) -> i64 {
    report.1.version.created_at.unwrap()
}

/// The class of a topic.
fn class(rule: &IncidentConfig, topic: Option<Topic>) -> Option<&IncidentClass> {
    rule.classes.values().find(|class| topic.is_some_and(|topic| class.topics.contains(&topic)))
}

fn tells_of_a_thing(report: &Settled) -> bool {
    !matches!(report.version.signal, Some(Signal::Question | Signal::Praise | Signal::Other))
}

fn class_of<'a>(rule: &'a IncidentConfig, report: &Settled) -> Option<&'a IncidentClass> {
    class(rule, report.version.topic).filter(|_| report.version.place.is_some() && tells_of_a_thing(report))
}

/// On the sphere, by the haversine formula.
fn metres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let rad = f64::to_radians;
    let h = (rad(a.0 - b.0) / 2.0).sin().powi(2) + rad(a.0).cos() * rad(b.0).cos() * (rad(a.1 - b.1) / 2.0).sin().powi(2);
    2.0 * 6_371_000.0 * h.sqrt().asin()
}

/// How badly two reports of one class fit; `None` if not at all.
fn cost(rule: &IncidentConfig, class: &IncidentClass, first: &Settled, other: &Settled) -> Option<f64> {
    let (a, b) = (&first.version, &other.version);
    let metres = metres(a.place?, b.place?);
    let words = |r: &crate::support::Row| r.text.as_ref().and(r.fingerprint).unwrap_or(0);
    if metres > class.far_m {
        return None;
    }
    if words(a) == 0 || words(b) == 0 {
        let category = a.category.is_none() || b.category.is_none() || a.category == b.category;
        return (metres <= class.near_m && a.topic == b.topic && category).then_some(metres / class.far_m + 0.5);
    }
    let angle = f64::from((words(a) ^ words(b)).count_ones()) / 64.0 * std::f64::consts::PI;
    let alike = angle.cos().max(0.0);
    let known = |r: &crate::support::Row| r.language.as_deref().filter(|language| *language != "und").map(str::to_owned);
    let one_language = known(a).is_some() && known(a) == known(b);
    let needed = match (metres <= class.near_m, a.topic == b.topic) {
        (true, true) => {
            if one_language {
                f64::from(rule.words_fit)
            } else {
                0.0
            }
        }
        (true, false) | (false, true) => f64::from(rule.words_alike),
        (false, false) => return None,
    };
    (alike >= needed).then_some(metres / class.far_m + 1.0 - alike)
}

/// Reports that links hold together, those with the same unknown target included.
fn told_together<'a>(reports: &'a BTreeMap<String, Settled>) -> Vec<Vec<Report<'a>>> {
    let mut group: BTreeMap<&str, usize> = BTreeMap::new();
    let names = reports.iter().flat_map(|(id, r)| std::iter::once(id).chain(&r.version.duplicate_of));
    for name in names {
        let fresh = group.len();
        group.entry(name).or_insert(fresh);
    }
    let links: Vec<(&str, &str)> =
        reports.iter().filter_map(|(id, r)| Some((&**id, r.version.duplicate_of.as_deref()?))).collect();
    loop {
        let apart = links.iter().find(|(a, b)| group[a] != group[b]);
        let Some((a, b)) = apart else { break };
        let (from, to) = (group[a], group[b]);
        group.values_mut().filter(|g| **g == from).for_each(|g| *g = to);
    }
    let mut together: BTreeMap<usize, Vec<Report<'a>>> = BTreeMap::new();
    for (id, report) in reports {
        together.entry(group[&**id]).or_default().push((id, report));
    }
    let mut together: Vec<Vec<Report<'a>>> = together.into_values().collect();
    together.iter_mut().for_each(|told| told.sort_by_key(|report| (created(report), report.0.clone())));
    together.sort_by_key(|told| (created(&told[0]), told[0].0.clone()));
    together
}

/// Every incident: until when it could be joined, and its reports by time.
fn incidents<'a>(rule: &IncidentConfig, reports: &'a BTreeMap<String, Settled>) -> Vec<(i64, Vec<Report<'a>>)> {
    let mut incidents: Vec<(i64, Vec<Report<'a>>)> = Vec::new();
    for told in told_together(reports) {
        let speaker = told[0];
        let span_us = class_of(rule, speaker.1).map_or(0, |class| i64::from(class.span_days) * DAY_US);
        let closings: Option<Vec<i64>> =
            told.iter().map(|(_, r)| r.closed_at.filter(|_| r.status == Some(Status::Closed))).collect();
        let end = (created(&speaker) + span_us).min(closings.map_or(i64::MAX, |moments| *moments.iter().max().unwrap()));
        let fitting = incidents.iter().enumerate().filter_map(|(position, (end, members))| {
            let first = members[0];
            let class = class_of(rule, speaker.1).filter(|class| class_of(rule, first.1) == Some(*class));
            let open = class.filter(|class| {
                let span_us = i64::from(class.span_days) * DAY_US;
                created(&speaker) <= *end && created(&speaker) - created(&first) <= span_us
            });
            let cost = open.and_then(|class| cost(rule, class, first.1, speaker.1));
            // Rounded, because the sphere is not the plane.
            cost.map(|cost| ((cost * 1e4).round() as i64, position))
        });
        match fitting.min() {
            Some((_, position)) => incidents[position].1.extend(told),
            None => incidents.push((end, told)),
        }
    }
    incidents.retain(|(_, members)| members.len() > 1 || tells_of_a_thing(members[0].1));
    incidents.iter_mut().for_each(|(_, members)| members.sort_by_key(|report| (created(report), report.0.clone())));
    incidents
}

fn show<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}

/// The columns that [`Oracle::incidents`] shows.
pub const COLUMNS: [&str; 16] = [
    "incident_id",
    "topic",
    "district",
    "first_report_at",
    "last_report_at",
    "reports",
    "reporters",
    "channels",
    "status",
    "closed_at",
    "urgency",
    "text",
    "duplicates_linked",
    "exposure_end_at",
    "further_reports",
    "further_reporters",
];

impl Oracle {
    /// The table `incidents`, in [`COLUMNS`].
    pub fn incidents(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            incidents(&self.rule, &self.reports).iter().map(|(end, members)| self.line(*end, members)).collect();
        lines.sort();
        lines
    }

    fn line(&self, end: i64, members: &[Report<'_>]) -> String {
        let first = members[0].1;
        let all = || members.iter().map(|(_, report)| report);
        let authors: BTreeSet<(&String, u64)> = all().filter_map(|r| Some((&r.version.source, r.version.author?))).collect();
        let channels: BTreeSet<&str> = all().filter_map(|r| r.version.channel).map(|channel| channel.as_str()).collect();
        let channels: Vec<&str> = channels.into_iter().collect();
        let come = |status: Status| match status {
            Status::Closed => 0,
            Status::Open => 1,
            Status::Acknowledged => 2,
            Status::InProgress => 3,
            Status::Reopened => 4,
        };
        let status = all().filter_map(|r| r.status).max_by_key(|status| come(*status));
        let closed_at = all().filter_map(|r| r.closed_at).max().filter(|_| status == Some(Status::Closed));
        let exposed = class_of(&self.rule, first).map(|_| end.min(self.watermark.unwrap()).max(created(&members[0])));
        let further: Vec<&Report<'_>> =
            members.iter().skip(1).filter(|report| exposed.is_some_and(|end| created(report) <= end)).collect();
        let mut known: BTreeSet<(&String, u64)> = BTreeSet::new();
        known.extend(first.version.author.map(|author| (&first.version.source, author)));
        let fresh = further
            .iter()
            .filter(|(_, r)| r.version.author.is_none_or(|author| known.insert((&r.version.source, author))))
            .count();
        [
            members[0].0.clone(),
            show(first.version.topic.map(Topic::as_str)),
            show(all().find_map(|r| r.version.district.clone())),
            created(&members[0]).to_string(),
            created(&members[members.len() - 1]).to_string(),
            members.len().to_string(),
            show((!authors.is_empty()).then_some(authors.len())),
            show((!channels.is_empty()).then(|| channels.join(","))),
            show(status.map(Status::as_str)),
            show(closed_at),
            show(all().filter_map(|r| r.version.urgency).max()),
            show(all().find_map(|r| r.version.text.clone())),
            all().filter(|r| r.version.duplicate_of.is_some()).count().to_string(),
            show(exposed),
            show(exposed.map(|_| further.len())),
            show(exposed.map(|_| fresh)),
        ]
        .join("|")
    }

    /// `id|incident_id` of every report.
    pub fn incident_ids(&self) -> Vec<String> {
        let mut of: BTreeMap<&String, &String> = BTreeMap::new();
        let all = incidents(&self.rule, &self.reports);
        for (_, members) in &all {
            of.extend(members.iter().map(|(id, _)| (*id, members[0].0)));
        }
        self.reports.keys().map(|id| format!("{id}|{}", show(of.get(id)))).collect()
    }
}
