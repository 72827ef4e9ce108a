//! Incidents against what is known: the synthetic city, whose incidents are known, and Boston, whose clerks marked some duplicates.
//!
//! The figures of `docs/methods/incidents.md` are these, and must stay these: `CIVICPULSE_BLESS=1 cargo test --release -p civicpulse --test
//! it -- incidents` writes them into the page, and without it the page is compared with what is found.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use aggregate::{Aggregator, Config, Metrics, TableName};
use arrow::array::{Array, AsArray};
use civicpulse::demo;
use enrich::tier::Tier;
use enrich::{EnrichMetrics, Enricher, EnricherConfig};
use feedback::time::DAY_US;
use feedback::{Clock, Feedback, ManualClock};
use ingest::synthetic::{SyntheticCity, SyntheticConfig, Truth};
use prometheus::Registry;
use stream::Fetched;

use crate::support::{program, root, shared, sql, succeed};

/// A share on the page may be off by so much, a count by so many or this part of it: other processors round otherwise.
const SHARE_OFF: f64 = 0.01;
const COUNT_OFF: f64 = 3.0;
const COUNT_PART_OFF: f64 = 0.02;

/// Checks the lines of the page between the marks of `name`, or writes them where CIVICPULSE_BLESS is set.
fn figures(name: &str, lines: &[String]) {
    // Several tests write the same page.
    static PAGE: Mutex<()> = Mutex::new(());
    let _one_at_a_time = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = root().join("docs/methods/incidents.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- figures: {name} -->\n"), "<!-- end of figures -->");
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin}"));
    let (known, after) = rest.split_once(end).unwrap();
    if std::env::var_os("CIVICPULSE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{}\n{end}{after}", lines.join("\n"))).unwrap();
        return;
    }
    let known: Vec<&str> = known.lines().collect();
    let stale = known.len() != lines.len() || known.iter().zip(lines).any(|(known, found)| !agrees(known, found));
    assert!(!stale, "docs/methods/incidents.md is stale: set CIVICPULSE_BLESS=1. It should say\n{}", lines.join("\n"));
}

/// Whether two lines of a table say the same, numbers within their tolerance.
fn agrees(known: &str, found: &str) -> bool {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let (known, found) = (cells(known), cells(found));
    let same = |a: &String, b: &String| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) if a.contains('.') => (x - y).abs() <= SHARE_OFF,
        (Ok(x), Ok(y)) => (x - y).abs() <= COUNT_OFF.max(COUNT_PART_OFF * y),
        _ => a == b,
    };
    known.len() == found.len() && known.iter().zip(&found).all(|(a, b)| same(a, b))
}

#[test]
fn figures_that_are_off_are_noticed() {
    assert!(agrees("| roads | 1000 | 0.50 |", "| roads | 1015 | 0.509 |"));
    for stale in ["| roads | 1000 | 0.52 |", "| roads | 970 | 0.50 |", "| road | 1000 | 0.50 |", "| roads | 1000 |"] {
        assert!(!agrees(stale, "| roads | 1000 | 0.50 |"), "{stale}");
    }
}

/// How well a grouping agrees with the true one.
#[derive(Clone, Copy, Debug)]
struct Agreement {
    /// Of the pairs that were put together, those that belong together.
    pair_precision: f64,
    /// Of the pairs that belong together, those that were put together.
    pair_recall: f64,
    /// Of the reports put together with a report, the share that belongs there; mean over reports (Bagga & Baldwin 1998).
    b3_precision: f64,
    /// Of the reports that belong with a report, the share put together with it; mean over reports.
    b3_recall: f64,
}

impl Agreement {
    fn of(found: &[(String, String)]) -> Self {
        let mut together: HashMap<(&str, &str), u64> = HashMap::new();
        let (mut groups, mut truths): (HashMap<&str, u64>, HashMap<&str, u64>) = (HashMap::new(), HashMap::new());
        for (group, truth) in found {
            *together.entry((group, truth)).or_default() += 1;
            *groups.entry(group).or_default() += 1;
            *truths.entry(truth).or_default() += 1;
        }
        let pairs = |n: u64| (n * n.saturating_sub(1) / 2) as f64;
        let right: f64 = together.values().map(|n| pairs(*n)).sum();
        let mean = |of: &dyn Fn(&str, &str) -> u64| {
            let sum: f64 = together.iter().map(|((group, truth), n)| (n * n) as f64 / of(group, truth) as f64).sum();
            sum / found.len() as f64
        };
        Self {
            pair_precision: right / groups.values().map(|n| pairs(*n)).sum::<f64>(),
            pair_recall: right / truths.values().map(|n| pairs(*n)).sum::<f64>(),
            b3_precision: mean(&|group, _| groups[group]),
            b3_recall: mean(&|_, truth| truths[truth]),
        }
    }

    fn line(&self, name: &str) -> String {
        let f1 = |p: f64, r: f64| 2.0 * p * r / (p + r);
        format!(
            "| {name} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |",
            self.pair_precision,
            self.pair_recall,
            f1(self.pair_precision, self.pair_recall),
            self.b3_precision,
            self.b3_recall,
            f1(self.b3_precision, self.b3_recall)
        )
    }
}

/// The city's records of `days`, enriched and counted, with the links of the portal or without.
fn city(rate: f64, days: i64, with_links: bool) -> (Aggregator, Truth) {
    let mut records = SyntheticCity::new(SyntheticConfig { rate, ..SyntheticConfig::default() }).unwrap();
    let truth = records.truth();
    let city = demo::city(&truth).unwrap();
    let config = EnricherConfig { pseudonym_key: [7; 32], districts: Arc::clone(&city.districts), tier: Tier::Compact };
    let mut enricher = Enricher::new(config, EnrichMetrics::register(&Registry::new()).unwrap());
    let end = records.config().start.plus_micros(days * DAY_US);
    let clock = Arc::new(ManualClock::at(end));
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let mut aggregator = Aggregator::open(Config::default(), city.reference, clock.clone(), metrics, 1).unwrap();
    let (mut raw, mut enriched) = (0, 0);
    while records.peek_received_at() < end {
        let mut batch = Fetched { first: raw, ..Fetched::default() };
        while batch.len() < 8192 && records.peek_received_at() < end {
            let mut record = records.next().unwrap();
            if let (false, Feedback::Report(report)) = (with_links, &mut record) {
                report.duplicate_of = None;
            }
            record.write_json(&mut batch.payloads).unwrap();
            batch.ends.push(batch.payloads.len());
            batch.offsets.push(raw);
            raw += 1;
        }
        batch.next = raw;
        for payload in enricher.enrich(&batch, clock.now()).unwrap().payloads {
            let ends = vec![payload.len()];
            let one =
                Fetched { partition: 0, first: enriched, next: enriched + 1, ends, payloads: payload, offsets: vec![enriched] };
            aggregator.take_enriched(&one).unwrap();
            enriched += 1;
        }
    }
    aggregator.follow_watermark();
    aggregator.publish();
    (aggregator, truth)
}

/// `(id, incident_id)` of every report that has an incident.
fn incident_ids(aggregator: &Aggregator) -> Vec<(String, String)> {
    let schema = aggregate::tables::feedback::schema();
    let columns = ["id", "incident_id"].map(|name| schema.index_of(name).unwrap());
    let mut found = Vec::new();
    for segment in aggregator.snapshots().load().segments() {
        let batch = segment.read(&columns).unwrap();
        let (ids, incidents) = (batch.column(0).as_string_view(), batch.column(1).as_string_view());
        let rows = (0..batch.num_rows()).filter(|row| incidents.is_valid(*row));
        found.extend(rows.map(|row| (ids.value(row).to_owned(), incidents.value(row).to_owned())));
    }
    found
}

#[test]
fn incidents_of_the_synthetic_city_are_those_that_there_were() {
    let mut lines = vec![
        "| reports/s | days | portal's links | reports | pairs: precision | recall | F1 | B-cubed: precision | recall | F1 |"
            .to_owned(),
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    let mut found_out: Vec<Agreement> = Vec::new();
    for (rate, days, with_links) in [(0.02, 60, true), (0.02, 60, false), (0.2, 14, true), (0.2, 14, false)] {
        let (aggregator, truth) = city(rate, days, with_links);
        let found: Vec<(String, String)> = incident_ids(&aggregator)
            .into_iter()
            .map(|(id, incident)| (incident, truth.label(&id).unwrap().incident))
            .collect();
        let agreement = Agreement::of(&found);
        let links = if with_links { "yes" } else { "no" };
        lines.push(agreement.line(&format!("{rate} | {days} | {links} | {}", found.len())));
        found_out.push(agreement);
    }
    figures("city", &lines);
    let holds = |agreement: &Agreement, b3: f64, pairs: f64| {
        agreement.b3_precision > b3
            && agreement.b3_recall > 0.9
            && agreement.pair_precision > pairs
            && agreement.pair_recall > 0.4
    };
    assert!(found_out[..2].iter().all(|usual| holds(usual, 0.94, 0.7)), "{found_out:?}");
    // Ten times as dense as any real city: neighbours within 40 m by chance.
    assert!(found_out[2..].iter().all(|dense| holds(dense, 0.8, 0.45)), "{found_out:?}");
}

#[test]
fn a_synthetic_city_has_incidents_and_emerging_terms_to_show() {
    let (aggregator, truth) = city(0.05, 35, true);
    let snapshot = aggregator.snapshots().load_full();
    let incidents = snapshot.table(TableName::Incidents).unwrap();
    let reports: i64 = incidents
        .column_by_name("reports")
        .unwrap()
        .as_primitive::<arrow::datatypes::Int64Type>()
        .iter()
        .flatten()
        .filter(|reports| *reports > 1)
        .sum();
    assert!(reports > 10_000, "{reports} reports share an incident");
    let terms = snapshot.table(TableName::EmergingTerms).unwrap();
    let text = |name: &str, row: usize| terms.column_by_name(name).unwrap().as_string_view().value(row).to_owned();
    let end = snapshot.watermark().unwrap();
    let bursts = truth.bursts(end.plus_micros(-7 * DAY_US), end);
    for row in 0..terms.num_rows().min(40) {
        println!("{}", ["window", "district", "language", "phrase", "topic"].map(|name| text(name, row)).join(" | "));
    }
    // What stands out most in a district in a week is from where many told of one incident.
    let clearest = (0..terms.num_rows()).find(|row| text("window", *row) == "7 days" && text("district", *row) != "*").unwrap();
    let district = text("district", clearest);
    let position = truth.districts().iter().position(|known| known.name == district).unwrap() as u32;
    let told = bursts.iter().filter(|burst| burst.is_one_incident).any(|burst| burst.districts.contains(&position));
    assert!(told, "{district}: {bursts:?}");
}

/// Boston's files with what clerks wrote on closing taken out, so that incidents must be found without the portal's links; and the links.
fn boston_without_links(dir: &std::path::Path) -> Option<(Vec<std::path::PathBuf>, BTreeMap<String, String>)> {
    let folder = shared("data/boston")?;
    let (mut files, mut links) = (Vec::new(), BTreeMap::new());
    for month in 7..=12 {
        let mut reader = csv::Reader::from_path(folder.join(format!("311_2011-{month:02}.csv"))).unwrap();
        let header = reader.headers().unwrap().clone();
        let column = |name: &str| header.iter().position(|known| known == name).unwrap();
        let (id, reason) = (column("case_enquiry_id"), column("closure_reason"));
        let path = dir.join(format!("{month}.csv"));
        let mut writer = csv::Writer::from_path(&path).unwrap();
        writer.write_record(&header).unwrap();
        for record in reader.records() {
            let record = record.unwrap();
            if let Some(target) = link(&record[id], &record[reason]) {
                links.insert(format!("boston311:{}", &record[id]), format!("boston311:{target}"));
            }
            writer.write_record(record.iter().enumerate().map(|(at, cell)| if at == reason { "" } else { cell })).unwrap();
        }
        writer.flush().unwrap();
        files.push(path);
    }
    Some((files, links))
}

/// The case that a clerk names as the one that this one repeats: its number or the last digits of it.
fn link(id: &str, reason: &str) -> Option<String> {
    let (_, rest) = reason.split_once("Duplicate of Existing Case")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).find(|digits| (6..=id.len()).contains(&digits.len()))?;
    let whole = format!("{}{digits}", &id[..id.len() - digits.len()]);
    (whole != id).then_some(whole)
}

/// Reports of a topic from which on the page shows it.
const SHOWN_FROM: usize = 500;

#[test]
fn boston_clerks_marked_what_is_joined() {
    let dir = tempfile::tempdir().unwrap();
    let Some((files, links)) = boston_without_links(dir.path()) else { return };
    let data = dir.path().join("data");
    succeed(program().args(["import", "--format", "boston311", "--data-dir"]).arg(&data).args(&files));
    let rows = sql(&data, "SELECT id, incident_id, topic, lat FROM feedback WHERE incident_id IS NOT NULL");
    // Of a report: its incident, its topic, and whether it has a place.
    type Joined<'a> = (&'a str, &'a str, bool);
    let mut of: HashMap<&str, Joined<'_>> = HashMap::new();
    for line in rows.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        of.insert(cells[0], (cells[1], cells[2], !cells[3].is_empty()));
    }
    let known: Vec<_> = links.iter().filter_map(|(a, b)| Some((of.get(&**a)?, of.get(&**b)?))).collect();
    let found = |pairs: &[&(&Joined<'_>, &Joined<'_>)]| pairs.iter().filter(|(a, b)| a.0 == b.0).count();
    let all: Vec<_> = known.iter().collect();
    let placed: Vec<_> = known.iter().filter(|(a, b)| a.1 == b.1 && a.2 && b.2).collect();
    let share = |of: &[_]| found(of) as f64 / of.len() as f64;
    let further = of.iter().filter(|(id, report)| report.0 != **id).count();
    let joined = further as f64 / of.len() as f64;
    let line =
        |what: &str, found: usize, all: usize| format!("| {what} | {found} | {all} | {:.3} |", found as f64 / all as f64);
    figures(
        "boston",
        &[
            "| | found | of | share |".to_owned(),
            "| --- | --- | --- | --- |".to_owned(),
            line("pairs that clerks marked", found(&all), all.len()),
            line("of these, those of one topic and with a place", found(&placed), placed.len()),
            line("reports joined to an earlier one", further, of.len()),
        ],
    );
    let mut by_topic: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for (id, report) in &of {
        let counts = by_topic.entry(report.1).or_default();
        let is_further = report.0 != *id;
        counts.0 += 1;
        counts.1 += usize::from(is_further);
        counts.2 += usize::from(is_further && links.contains_key(*id));
    }
    let mut lines = vec![
        "| topic | reports | joined to an earlier one | of those marked |".to_owned(),
        "| --- | --- | --- | --- |".to_owned(),
    ];
    let shown = by_topic.iter().filter(|(_, (reports, ..))| *reports >= SHOWN_FROM);
    lines.extend(shown.map(|(topic, (reports, joined, marked))| format!("| {topic} | {reports} | {joined} | {marked} |")));
    figures("boston topics", &lines);
    assert!(share(&placed) > 0.7, "most of what clerks marked is found without them");
    assert!(joined < 0.2, "and not much is joined that they did not mark");
}
