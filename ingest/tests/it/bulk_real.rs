//! The portals' real files: what arrives equals what an independent query over the raw files counts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono_tz::America::New_York;
use feedback::Report;
use ingest::bulk::layout::Fact;
use ingest::bulk::{Format, ImportOptions, import};
use polars::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::support::{World, shared};

type Counts = BTreeMap<String, u64>;

/// Distinct ids by a key, straight from the raw files by Polars, all columns as text.
fn independent(files: &[PathBuf], id: &str, key: Expr) -> Counts {
    let mut counts = Counts::new();
    let mut frames = Vec::new();
    for file in files {
        let frame =
            LazyCsvReader::new(PlRefPath::new(file.to_str().unwrap())).with_infer_schema_length(Some(0)).finish().unwrap();
        frames.push(frame.select([col(id).alias("id"), key.clone().alias("key")]));
    }
    let frame = concat(frames, UnionArgs::default()).unwrap();
    let grouped = frame.group_by([col("key")]).agg([col("id").n_unique().cast(DataType::String)]).collect().unwrap();
    let (keys, numbers) = (grouped.column("key").unwrap().str().unwrap(), grouped.column("id").unwrap().str().unwrap());
    for (key, number) in keys.iter().zip(numbers.iter()) {
        counts.insert(key.unwrap_or("").to_owned(), number.unwrap().parse().unwrap());
    }
    counts
}

/// Reports by a key.
fn arrived(reports: &[Report], key: impl Fn(&Report) -> String) -> Counts {
    let mut ids: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for report in reports {
        ids.entry(key(report)).or_default().insert(report.id.as_str());
    }
    ids.into_iter().map(|(key, ids)| (key, ids.len() as u64)).collect()
}

fn local_month(report: &Report) -> String {
    report.created_at.to_datetime().unwrap().with_timezone(&New_York).format("%Y-%m").to_string()
}

fn blank_to_nothing(column: &str) -> Expr {
    col(column).fill_null(lit("")).str().strip_chars(lit(" "))
}

#[test]
fn boston_by_neighbourhood_status_and_month() {
    let files = shared("boston", "311_2011");
    if files.is_empty() {
        return;
    }
    let world = World::new();
    let stop = CancellationToken::new();
    let summary = import(&files, Format::Boston311, &ImportOptions::default(), &world.sink, &(), &stop).unwrap();
    assert!(summary.is_complete(), "{summary}");
    assert_eq!(summary.total().rejected, 0, "{summary}");
    let reports = world.reports();
    let id = "case_enquiry_id";
    assert_eq!(arrived(&reports, |_| String::new()), independent(&files, id, lit("")));
    assert_eq!(
        arrived(&reports, |r| r.district.clone().unwrap_or_default()),
        independent(&files, id, blank_to_nothing("neighborhood"))
    );
    let status = |r: &Report| r.status.unwrap().to_string();
    assert_eq!(arrived(&reports, status), independent(&files, id, col("case_status").str().to_lowercase()));
    assert_eq!(arrived(&reports, local_month), independent(&files, id, col("open_dt").str().slice(lit(0), lit(7))));
    let closed = reports.iter().filter(|report| report.closed_at.is_some()).count();
    assert_eq!(world.statuses().len(), closed);
    assert_eq!(
        summary.total().facts.count(Fact::PlaceholderPoint),
        4_775,
        "the default point, as counted when the data was curated"
    );

    // Again: not one new version.
    let versions = |reports: &[Report]| reports.iter().map(|r| (r.id.to_string(), r.updated_at)).collect::<BTreeSet<_>>();
    let before = versions(&reports);
    import(&files, Format::Boston311, &ImportOptions::default(), &world.sink, &(), &stop).unwrap();
    assert_eq!(versions(&world.reports()), before);
}

#[test]
fn boston_in_the_layout_of_2018() {
    let files = shared("boston", "311_2018");
    if files.is_empty() {
        return;
    }
    let world = World::new();
    let summary =
        import(&files, Format::Boston311, &ImportOptions::default(), &world.sink, &(), &CancellationToken::new()).unwrap();
    assert_eq!((summary.is_complete(), summary.total().rejected), (true, 0), "{summary}");
    let reports = world.reports();
    assert_eq!(
        arrived(&reports, |r| r.district.clone().unwrap_or_default()),
        independent(&files, "case_enquiry_id", blank_to_nothing("neighborhood"))
    );
    let first = reports.iter().find(|report| report.id.native_id() == "101002296910").unwrap();
    assert_eq!(
        first.created_at.to_string(),
        "2018-01-01T07:39:14Z",
        "the closure text of this case gives its closing in UTC, a minute later"
    );
}

#[test]
fn new_york_in_three_spellings() {
    for file in shared("nyc", "311_") {
        let world = World::new();
        let files = [file.clone()];
        let summary =
            import(&files, Format::Nyc311, &ImportOptions::default(), &world.sink, &(), &CancellationToken::new()).unwrap();
        assert_eq!((summary.is_complete(), summary.total().rejected), (true, 0), "{summary}");
        let reports = world.reports();
        let snake = has_column(&file, "unique_key");
        let name = |snake_case: &'static str, portal: &'static str| if snake { snake_case } else { portal };
        let id = name("unique_key", "Unique Key");
        assert_eq!(arrived(&reports, |_| String::new()), independent(&files, id, lit("")));
        let category = |r: &Report| r.category.clone().unwrap();
        assert_eq!(arrived(&reports, category), independent(&files, id, col(name("complaint_type", "Complaint Type"))));
        let month = |r: &Report| r.created_at.to_datetime().unwrap().with_timezone(&New_York).format("%m").to_string();
        assert_eq!(
            arrived(&reports, month),
            independent(&files, id, col(name("created_date", "Created Date")).str().slice(lit(0), lit(2)))
        );
        if snake {
            let borough = |r: &Report| r.district.clone().unwrap_or("Unspecified".into());
            assert_eq!(arrived(&reports, borough), independent(&files, id, col("borough")));
        }
        assert!(reports.iter().all(|report| report.closed_at.is_none_or(|closed| closed >= report.created_at)));
    }
}

fn has_column(file: &Path, name: &str) -> bool {
    std::fs::read_to_string(file).unwrap().lines().next().unwrap().split(',').any(|column| column == name)
}

#[test]
fn open311_of_today_and_of_2010() {
    let files = shared("open311", "sf_requests");
    if files.is_empty() {
        return;
    }
    let world = World::new();
    let options = ImportOptions {
        source: Some("sf".into()),
        time_zone: Some(chrono_tz::America::Los_Angeles),
        ..ImportOptions::default()
    };
    let summary = import(&files, Format::Open311, &options, &world.sink, &(), &CancellationToken::new()).unwrap();
    assert_eq!((summary.is_complete(), summary.total().rejected), (true, 1), "{summary}");
    assert!(
        world.dead()[0].reason.contains("no service_request_id"),
        "the file of 2010 holds one object of nothing but \"null\""
    );
    let reports = world.reports();
    assert_eq!(arrived(&reports, |_| String::new())[""], 558 + 1_000);
    let first = reports.iter().find(|report| report.id.as_str() == "sf:101002555850").unwrap();
    assert!(first.text.as_deref().unwrap().starts_with("The building has scaffolding"));
    assert_eq!(first.closed_at.unwrap().to_string(), "2025-09-05T16:00:01Z");
    let old = reports.iter().find(|report| report.id.as_str() == "sf:771970").unwrap();
    assert_eq!(old.created_at.to_string(), "2010-11-15T09:05:25.727Z");
    assert_eq!((old.lat, old.lon, old.category.as_deref()), (Some(37.7745), Some(-122.4134), Some("Lifted_sidewalk_other")));
    assert_eq!(summary.total().facts.count(Fact::PlaceholderPoint), 55);
}
