//! Who is heard, and whom the service reaches: on the synthetic city, whose truth is known, and on Boston, counted again from the
//! raw files.

use std::collections::{BTreeMap, HashMap};

use aggregate::tables::under_reporting::{ALL, Exposure, UnderReportingConfig, estimates};
use feedback::time::{DAY_US, HOUR_US};
use feedback::{Feedback, Signal, Timestamp, Topic};
use ingest::synthetic::{SyntheticCity, SyntheticConfig};

use crate::support::{fail, program, shared, sql, succeed};

/// What a portal would know of one incident.
#[derive(Default)]
struct Known {
    cell: Option<(usize, Topic)>,
    first: Option<Timestamp>,
    closed: Option<Timestamp>,
    later: Vec<Timestamp>,
    is_counted: bool,
}

const DAYS: i64 = 90;

/// Incidents of the synthetic city by their true links, up to `end`; those whose first report is erased or that a burst made are
/// left out, for nobody knows when they ended, or they follow another law.
fn incidents(city: &mut SyntheticCity, end: Timestamp) -> HashMap<String, Known> {
    let truth = city.truth();
    let position: HashMap<String, usize> =
        truth.districts().iter().enumerate().map(|(position, district)| (district.name.clone(), position)).collect();
    let mut seen = std::collections::HashSet::new();
    let mut incidents: HashMap<String, Known> = HashMap::new();
    while city.peek_received_at() < end.plus_micros(4 * DAY_US) {
        let Some(Feedback::Report(report)) = city.next() else { continue };
        let id = report.id.to_string();
        let Some(label) = truth.label(&id).filter(|label| label.created_at <= end) else { continue };
        if !seen.insert(id) {
            continue;
        }
        let known = incidents.entry(label.incident.clone()).or_default();
        if label.is_duplicate {
            known.later.push(label.created_at);
        } else {
            let district = position[&label.district];
            known.cell = Some((district, label.topic));
            known.first = Some(label.created_at);
            known.closed = label.closed_at;
            known.is_counted = label.signal == Signal::Problem
                && label.burst.is_none()
                && label.erased_at.is_none()
                && truth.reporting_rate_per_day(district, label.topic).is_some();
        }
    }
    incidents.retain(|_, known| known.is_counted);
    incidents
}

#[test]
fn reporting_rates_of_the_synthetic_city_are_recovered() {
    let config = SyntheticConfig { seed: 5, rate: 0.04, very_late_share: 0.0, ..SyntheticConfig::default() };
    let mut city = SyntheticCity::new(config).unwrap();
    let truth = city.truth();
    let start = city.config().start;
    let end = start.plus_micros(DAYS * DAY_US);
    let settings = UnderReportingConfig::default();
    let mut cells: BTreeMap<(usize, Topic), Exposure> = BTreeMap::new();
    for known in incidents(&mut city, end).values() {
        let (Some(cell), Some(first)) = (known.cell, known.first) else { continue };
        let gone = known.closed.unwrap_or(end).min(end);
        let one = Exposure::of(first, gone, known.later.iter().copied(), settings.max_exposure_days);
        cells.entry(cell).or_default().add(&one);
    }
    let names: Vec<String> = truth.districts().iter().map(|district| district.name.clone()).collect();
    let named =
        cells.iter().map(|((district, topic), counts)| ((Some(names[*district].as_str()), Some(topic.as_str())), *counts));
    let estimates = estimates(named, &settings);
    let (mut held, mut intervals, mut pooled_held) = (0, 0, 0);
    let (mut adjusted, mut told, mut true_incidents) = (0.0, 0.0, 0.0);
    for ((district, topic), counts) in &cells {
        let rate = truth.reporting_rate_per_day(*district, *topic).unwrap();
        let key = (Some(names[*district].as_str()), Some(topic.as_str()));
        let estimate = estimates.iter().find(|estimate| (estimate.district, estimate.topic) == key).unwrap();
        if let Some(found) = estimate.rate {
            intervals += 1;
            held += usize::from(found.interval.contains(rate));
        }
        if let Some(found) = estimate.adjustment {
            pooled_held += usize::from(found.interval.contains(rate));
        }
        told += counts.incidents as f64;
        adjusted += estimate.adjusted.map_or(0.0, |adjusted| adjusted.incidents);
        true_incidents += truth.incidents_per_hour(*district, *topic).unwrap() * (DAYS * 24) as f64;
    }
    println!("{held} of {intervals} exact intervals hold the true rate; {pooled_held} pooled ones");
    println!("incidents: {true_incidents:.0} in truth, {told:.0} told, {adjusted:.0} adjusted");
    assert!(intervals > 300, "{intervals}");
    assert!(held as f64 >= 0.95 * f64::from(intervals));
    assert!(pooled_held as f64 >= 0.9 * f64::from(intervals), "borrowed strength costs little");
    // A tenth of the reports are lost to erasure and to what cannot be counted; the assumption is that of the simulation.
    assert!((adjusted / true_incidents - 1.0).abs() < 0.1, "{}", adjusted / true_incidents);
    assert!(told / true_incidents < 0.7, "without adjustment a third is missing");

    // The districts that under-report are those that report least.
    let mut by_ratio: Vec<(f64, &str)> = estimates
        .iter()
        .filter(|estimate| estimate.topic == Some(ALL) && estimate.district != Some(ALL))
        .filter_map(|estimate| Some((estimate.against_rest?.ratio, estimate.district?)))
        .collect();
    by_ratio.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (_, name) in &by_ratio[..4] {
        let district = truth.districts().iter().find(|district| district.name == *name).unwrap();
        assert!(district.is_under_reporting, "{name} in {by_ratio:?}");
    }
}

/// What the raw files say of a case.
struct Case {
    agency: String,
    district: String,
    opened: i64,
    due: Option<i64>,
    closed: Option<i64>,
}

/// Microseconds of a local time of Boston: five hours behind UTC, four in summer (second Sunday of March to first of November, 2:00).
fn boston(text: &str) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    let utc: Timestamp = format!("{}Z", text.replace(' ', "T")).parse().ok()?;
    let year: i32 = text[..4].parse().ok()?;
    let first_sunday = |month: u32| {
        let first: Timestamp = format!("{year}-{month:02}-01T02:00:00Z").parse().unwrap();
        // 1970-01-04 was a Sunday.
        let day = first.micros().div_euclid(DAY_US);
        first.micros() + (3 - day).rem_euclid(7) * DAY_US
    };
    let summer = first_sunday(3) + 7 * DAY_US..first_sunday(11);
    Some(utc.micros() + if summer.contains(&utc.micros()) { 4 } else { 5 } * HOUR_US)
}

fn cases(files: &[std::path::PathBuf]) -> HashMap<String, Case> {
    let mut cases = HashMap::new();
    for file in files {
        let mut reader = csv::Reader::from_path(file).unwrap();
        let headers = reader.headers().unwrap().clone();
        for line in reader.records() {
            let line = line.unwrap();
            let cell = |name: &str| line[headers.iter().position(|header| header == name).unwrap()].trim().to_owned();
            let case = Case {
                agency: cell("subject"),
                district: cell("neighborhood"),
                opened: boston(&cell("open_dt")).unwrap(),
                due: boston(&cell("target_dt")),
                closed: boston(&cell("closed_dt")),
            };
            cases.entry(cell("case_enquiry_id")).or_insert(case);
        }
    }
    cases
}

/// The median by the product-limit formula, as a textbook does it: one table a moment.
fn median_h(waits: &[(i64, bool)]) -> Option<f64> {
    let mut ends: Vec<i64> = waits.iter().filter(|wait| wait.1).map(|wait| wait.0).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut survival = 1.0;
    let mut half: Option<i64> = None;
    for end in ends {
        let at_risk = waits.iter().filter(|wait| wait.0 >= end).count() as f64;
        let ended = waits.iter().filter(|wait| wait.1 && wait.0 == end).count() as f64;
        survival *= 1.0 - ended / at_risk;
        let hours = |micros: f64| micros / HOUR_US as f64;
        match half {
            Some(from) if survival < 0.5 - 1e-9 => return Some(hours((from + end) as f64 / 2.0)),
            None if survival < 0.5 - 1e-9 => return Some(hours(end as f64)),
            None if survival <= 0.5 + 1e-9 => half = Some(end),
            _ => {}
        }
    }
    let last = waits.iter().map(|wait| wait.0).max()?;
    half.map(|from| (from + last) as f64 / 2.0 / HOUR_US as f64)
}

fn lines(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.records().map(|line| line.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn boston_service_levels_districts_and_releases() {
    let Some(folder) = shared("data/boston") else { return };
    let files: Vec<std::path::PathBuf> = ["07", "08"].map(|month| folder.join(format!("311_2011-{month}.csv"))).to_vec();
    if files.iter().any(|file| !file.exists()) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let import = |files: &[std::path::PathBuf]| {
        succeed(program().args(["import", "--format", "boston311", "--data-dir"]).arg(&data).args(files));
    };
    // Most of July first, the rest after its release.
    let july = std::fs::read_to_string(&files[0]).unwrap();
    let most: Vec<&str> = july.lines().take(8_000).collect();
    let early = dir.path().join("early.csv");
    std::fs::write(&early, most.join("\n") + "\n").unwrap();
    import(&[early, files[1].clone()]);
    a_month_is_released_once(&data, || import(&files));
    service_levels_are_those_of_the_raw_files(&data, &cases(&files));
    districts_come_from_the_command_line(&data, &folder);
}

fn service_levels_are_those_of_the_raw_files(data: &std::path::Path, cases: &HashMap<String, Case>) {
    let topics: HashMap<String, String> = lines(&sql(data, "SELECT id, coalesce(topic, '') AS topic FROM feedback"))
        .into_iter()
        .map(|line| (line[0].trim_start_matches("boston311:").to_owned(), line[1].clone()))
        .collect();
    assert_eq!(topics.len(), cases.len());
    let as_of: Timestamp = lines(&sql(data, "SELECT watermark FROM pipeline LIMIT 1"))[0][0].parse().unwrap();
    let as_of = as_of.micros();
    let mut groups: BTreeMap<[String; 3], Vec<&Case>> = BTreeMap::new();
    for (id, case) in cases {
        for district in [case.district.as_str(), "*"] {
            groups.entry([case.agency.clone(), topics[id].clone(), district.to_owned()]).or_default().push(case);
        }
    }
    let query = "SELECT coalesce(agency, ''), coalesce(topic, ''), coalesce(district, ''), n, open, promised, overdue, close_median_h \
                 FROM service_levels";
    let rows = lines(&sql(data, query));
    assert_eq!(rows.len(), groups.len());
    let (mut medians, mut largest) = (0, 0);
    for row in &rows {
        let key = [row[0].clone(), row[1].clone(), row[2].clone()];
        let group = groups.get(&key).unwrap_or_else(|| panic!("{key:?} is not in the files"));
        let closed = |case: &Case| case.closed.filter(|closed| *closed <= as_of);
        let n = group.len();
        let open = group.iter().filter(|case| closed(case).is_none()).count();
        let promised: Vec<_> = group
            .iter()
            .filter_map(|case| Some((case, case.due.filter(|due| *due < as_of || closed(case).is_some())?)))
            .collect();
        let overdue = promised.iter().filter(|(case, due)| closed(case).unwrap_or(as_of) > *due).count();
        let counts = [n, open, promised.len(), overdue].map(|count| count.to_string());
        assert_eq!(row[3..7], counts, "{key:?}");
        if n < 5 {
            assert_eq!(row[7], "", "too few");
            continue;
        }
        // Ties and half a minute of microseconds agree exactly; the textbook is quadratic, so large groups are left to the small ones.
        if n <= 1500 {
            let waits: Vec<(i64, bool)> =
                group.iter().map(|case| (closed(case).unwrap_or(as_of) - case.opened, closed(case).is_some())).collect();
            match median_h(&waits) {
                None => assert_eq!(row[7], "", "{key:?}"),
                Some(expected) => {
                    let found: f64 = row[7].parse().unwrap_or_else(|_| panic!("{key:?} has no median, {expected} expected"));
                    assert!((found - expected).abs() < 1e-6 * expected.max(1.0), "{key:?}: {found}, by hand {expected}");
                    medians += 1;
                    largest = largest.max(n);
                }
            }
        }
    }
    println!("{} rows, {medians} medians recomputed, the largest of {largest} cases", rows.len());
    assert!(medians > 100);
}

fn a_month_is_released_once(data: &std::path::Path, import_the_rest: impl Fn()) {
    let publish = |month: &str| {
        let mut command = program();
        command.args(["publish", "--data-dir"]).arg(data).args(["--month", month]);
        command
    };
    let first = succeed(&mut publish("2011-07"));
    let rows = lines(&first);
    let query = "SELECT count(*) FROM feedback WHERE created_at >= '2011-07-01' AND created_at < '2011-08-01'";
    let count = || lines(&sql(data, query))[0][0].clone();
    assert_eq!(rows[0][3], count());
    let withheld = rows.iter().filter(|row| row[4] == "withheld").count();
    println!("2011-07: {} counts, {withheld} withheld", rows.len());
    assert!(withheld > 0 && withheld * 2 < rows.len());
    for row in rows.iter().filter(|row| row[4] == "shown") {
        assert!(row[3] == "0" || row[3].parse::<u64>().unwrap() >= 10, "{row:?}");
    }
    import_the_rest();
    assert_ne!(count(), rows[0][3], "the tables have moved on");
    assert_eq!(succeed(&mut publish("2011-07")), first, "the release has not");
    assert!(fail(&mut publish("2011-07-15"), 1).contains("is not a month"));
    assert!(fail(&mut publish("2999-01"), 1).contains("released once"));
}

fn districts_come_from_the_command_line(data: &std::path::Path, folder: &std::path::Path) {
    let ask = |query: &str| {
        let mut command = program();
        command.args(["sql", "--format", "csv", "--district-name", "GEOID", "--data-dir"]).arg(data);
        for file in ["boston_neighborhoods.geojson", "demographics_population.csv", "demographics_poverty.csv"] {
            command.arg("--districts").arg(folder.join(file));
        }
        succeed(command.arg(query))
    };
    let known = lines(&ask("SELECT count(*), sum(population), count(deprivation_band) FROM districts WHERE population > 0"));
    assert_eq!(known[0][..2], ["23".to_owned(), "675647.0".to_owned()], "the 2020 census");
    let shares = lines(&ask("SELECT district, population, reports, index FROM representation(as_of => '2011-09-01') \
         WHERE dimension = 'district' AND \"window\" = '28 days' AND population > 0 AND reports > 0"));
    assert!(shares.len() >= 10, "{shares:?}");
    let none = lines(&ask(
        "SELECT note FROM representation(as_of => '2011-09-01') WHERE dimension = 'district' AND \"window\" = '28 days' AND population IS NULL",
    ));
    assert!(none.iter().all(|row| !row[0].is_empty()), "no population is said: {none:?}");
}
