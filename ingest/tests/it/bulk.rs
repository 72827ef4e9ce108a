//! Bulk files of every kind, sound and broken, into a real log.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use feedback::{Channel, Report, Status};
use ingest::bulk::{Format, ImportOptions, ImportSummary, Mapping, Progress, import};
use tokio_util::sync::CancellationToken;

use crate::support::World;

fn run(world: &World, files: &[PathBuf], format: Format, options: &ImportOptions) -> ImportSummary {
    import(files, format, options, &world.sink, &(), &CancellationToken::new()).unwrap()
}

fn mapped(text: &str) -> ImportOptions {
    ImportOptions { mapping: Some(Mapping::parse(text).unwrap()), ..ImportOptions::default() }
}

fn by_id(reports: Vec<Report>) -> BTreeMap<String, Report> {
    reports.into_iter().map(|report| (report.id.to_string(), report)).collect()
}

const OLD_BOSTON: &str = "case_enquiry_id,open_dt,target_dt,closed_dt,ontime,case_status,closure_reason,case_title,subject,type,neighborhood,latitude,longitude,source\n";

fn boston_row(id: &str) -> String {
    format!(
        "{id},2011-07-01 01:32:33,,,ONTIME,Open,,Street Light Outages,Public Works,Street Lights, ,42.2715,-71.0772,Self Service\n"
    )
}

#[test]
fn the_present_boston_layout_carries_offsets_and_new_names() {
    let world = World::new();
    let text = "case_id,open_date,case_topic,service_name,assigned_department,case_status,closure_reason,closure_comments,close_date,target_close_date,on_time,report_source,neighborhood,longitude,latitude\n\
        BCS-17,2025-10-20 09:00:00+00,Trash,Missed Trash,Public Works Department,Closed,Resolved,Picked up,2025-10-21 10:00:00+00,2025-10-22 09:00:00+00,true,BOS:311 App,Dorchester,-71.06,42.30\n";
    let summary = run(&world, &[world.file("new.csv", text)], Format::Boston311, &ImportOptions::default());
    assert!(summary.is_complete(), "{summary}");
    let reports = world.reports();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!(report.id.as_str(), "boston311:BCS-17");
    assert_eq!(report.created_at.to_string(), "2025-10-20T09:00:00Z");
    assert_eq!(report.closed_at.unwrap().to_string(), "2025-10-21T10:00:00Z");
    assert_eq!((report.title.as_deref(), report.category.as_deref()), (Some("Trash"), Some("Missed Trash")));
    assert_eq!((report.channel, report.district.as_deref()), (Some(Channel::App), Some("Dorchester")));
    assert_eq!(world.statuses()[0].reason.as_deref(), Some("Resolved: Picked up"));
}

#[test]
fn rows_that_cannot_be_understood_are_dead_letters_and_all_others_go_on() {
    let world = World::new();
    let mut text = OLD_BOSTON.as_bytes().to_vec();
    let good = ["101000000001", "101000000002"];
    text.extend(boston_row(good[0]).bytes());
    text.extend(boston_row("").bytes());
    text.extend(boston_row("101000000003").replace("2011-07-01 01:32:33", "yesterday").bytes());
    text.extend(boston_row("101000000004").replace("2011-07-01", "9999-12-31").bytes());
    text.extend(boston_row("101000000005").replace("42.2715", "912").bytes());
    text.extend(boston_row("101000000006").replace("Outages", "caf\u{e9}").chars().map(|c| c as u8));
    text.extend(boston_row("101000000007").replace("Street Light Outages", &"x".repeat(10 << 20)).bytes());
    text.extend(b"only,three,fields\n");
    text.extend(boston_row(good[1]).bytes());
    let summary = run(&world, &[world.file("cases.csv", &text)], Format::Boston311, &ImportOptions::default());
    assert!(summary.is_complete(), "{summary}");
    assert_eq!((summary.total().rows, summary.total().rejected, summary.total().records), (9, 7, [2, 0, 0]));
    let reports = by_id(world.reports());
    assert_eq!(reports.keys().collect::<Vec<_>>(), ["boston311:101000000001", "boston311:101000000002"]);
    assert_eq!(reports["boston311:101000000001"].district, None, "a blank neighbourhood is none");

    let dead = world.dead();
    let letter = |row: u64| dead.iter().find(|letter| letter.reason.starts_with(&format!("row {row} of cases.csv:"))).unwrap();
    for (row, reason) in [
        (2, "no case id"),
        (3, "`yesterday`"),
        (4, "no real date"),
        (5, "latitude `912`"),
        (6, "not UTF-8"),
        (7, "262144"),
        (8, "3 fields"),
    ] {
        assert!(letter(row).reason.contains(reason), "{row}: {}", letter(row).reason);
    }
    assert_eq!(letter(8).bytes, b"only,three,fields");
    assert!(letter(6).bytes.contains(&0xe9), "the original bytes");
    assert!(letter(7).truncated && letter(7).length > 10 << 20 && letter(7).bytes.len() == 1 << 20);
}

#[test]
fn files_that_are_no_tables_are_named_and_the_others_imported() {
    let world = World::new();
    let good = format!("{OLD_BOSTON}{}", boston_row("101000000001"));
    let gz = |bytes: &[u8]| {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    };
    let many: String = (0..20_000).map(|n| boston_row(&format!("1010001{n:05}"))).collect();
    let packed = gz(format!("{OLD_BOSTON}{many}").as_bytes());
    let files = [
        world.file("empty.csv", ""),
        world.file("binary.csv", (0..=255_u8).cycle().take(5_000).collect::<Vec<_>>()),
        world.file("missing_column.csv", "case_enquiry_id,opened\n1,2\n"),
        world.file("cut.csv.gz", &packed[..packed.len() / 2]),
        world.file("sheet.csv", b"PK\x03\x04 and so on"),
        world.dir.path().join("absent.csv"),
        world.file("cut.parquet", b"PAR1 and nothing more"),
        world.file("good.csv.gz", gz(good.as_bytes())),
    ];
    let summary = run(&world, &files, Format::Boston311, &ImportOptions::default());
    assert!(!summary.is_complete());
    let problems: Vec<&str> = summary.files.iter().map(|file| file.problem.as_deref().unwrap_or("fine")).collect();
    let expected =
        ["is empty", "binary", "no column `open_date`", "cut off", "Excel", "No such file", "damaged or cut off", "fine"];
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.contains(expected), "{expected}: {problem}");
    }
    let whole = summary.files[3].counts.rows;
    assert!(whole > 1_000 && whole < 20_000, "what was whole before the cut is imported: {whole}");
    assert_eq!(world.reports().len() as u64, whole + 1);
}

const MAPPING: &str = r#"
    source = "town"
    time_zone = "Europe/Berlin"
    time_formats = ["iso", "%d.%m.%Y %H:%M"]
    [columns]
    id = "Nr"
    created_at = "Eingang"
    text = "Text"
    lat = "Lat"
    lon = "Lon"
    closed_at = "Erledigt"
    closed_reason = "Grund"
    [constants]
    language = "de"
"#;

fn expect_town(world: &World) {
    let reports = by_id(world.reports());
    assert_eq!(reports.keys().collect::<Vec<_>>(), ["town:1", "town:2"]);
    let first = &reports["town:1"];
    assert_eq!((first.text.as_deref(), first.language.as_deref()), (Some("Laterne; aus"), Some("de")));
    assert_eq!((first.created_at.to_string().as_str(), first.lat), ("2024-03-20T08:00:00Z", Some(51.5)));
    assert_eq!(reports["town:2"].status, Some(Status::Closed));
    let statuses = world.statuses();
    assert_eq!((statuses.len(), statuses[0].reason.as_deref()), (1, Some("repariert")));
}

#[test]
fn a_mapping_reads_csv_tsv_jsonl_and_parquet_alike() {
    let world = World::new();
    let csv = "Nr;Eingang;Text;Lat;Lon;Erledigt;Grund\n1;20.03.2024 09:00;\"Laterne; aus\";51.5;7.5;;\n2;20.03.2024 10:00;Loch;;;21.03.2024 10:00;repariert\n";
    let options = mapped(&format!("separator = ';'\n{MAPPING}"));
    assert!(run(&world, &[world.file("t.csv", csv)], Format::Csv, &options).is_complete());
    expect_town(&world);

    let world = World::new();
    let tsv = "Nr\tEingang\tText\tLat\tLon\tErledigt\tGrund\n1\t20.03.2024 09:00\tLaterne; aus\t51.5\t7.5\t\t\n2\t20.03.2024 10:00\t\"Loch\t\t\t21.03.2024 10:00\trepariert\n";
    assert!(run(&world, &[world.file("t.tsv", tsv)], Format::Tsv, &mapped(MAPPING)).is_complete());
    expect_town(&world);
    assert_eq!(by_id(world.reports())["town:2"].text.as_deref(), Some("\"Loch"), "a quotation mark is text in TSV");

    let world = World::new();
    let jsonl = r#"{"Nr":1,"Eingang":"2024-03-20T09:00:00+01:00","Text":"Laterne; aus","Lat":51.5,"Lon":"7.5"}
        {"broken
        {"Nr":"2","Eingang":"20.03.2024 10:00","Text":"Loch","Erledigt":"21.03.2024 10:00","Grund":"repariert","extra":{"x":[1]}}"#;
    let summary = run(&world, &[world.file("t.jsonl", jsonl)], Format::Jsonl, &mapped(MAPPING));
    assert_eq!((summary.is_complete(), summary.total().rejected), (true, 1));
    expect_town(&world);
}

#[test]
fn parquet_with_typed_columns_is_read_and_a_cut_one_is_refused() {
    use polars::prelude::*;
    let world = World::new();
    let micros = |text: &str| text.parse::<feedback::Timestamp>().unwrap().micros();
    let naive = Int64Chunked::new("Eingang".into(), [micros("2024-03-20T09:00:00Z"), micros("2024-03-20T10:00:00Z")])
        .into_datetime(TimeUnit::Microseconds, None);
    let mut frame = df!(
        "Nr" => [1.0_f64, 2.0], "Text" => ["Laterne; aus", "Loch"], "Lat" => [Some(51.5), None], "Lon" => [Some(7.5_f32), None],
        "Erledigt" => [None, Some("21.03.2024 10:00")], "Grund" => [None, Some("repariert")],
    )
    .unwrap();
    frame.with_column(naive.into_column()).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Uncompressed).finish(&mut frame).unwrap();
    let files = [world.file("t.parquet", &bytes), world.file("cut.parquet", &bytes[..bytes.len() / 2])];
    let summary = run(&world, &files, Format::Parquet, &mapped(MAPPING));
    assert_eq!(summary.files[0].problem, None);
    assert!(summary.files[1].problem.as_deref().unwrap().contains("damaged or cut off"), "{summary}");
    expect_town(&world);
    let misspelt = mapped("source = 'x'\n[columns]\ncreated_at = 'Eingan'");
    let summary = run(&world, &files[..1], Format::Parquet, &misspelt);
    assert!(summary.files[0].problem.as_deref().unwrap().contains("did you mean `Eingang`?"), "{summary}");
}

#[test]
fn own_records_come_back_as_they_are() {
    let world = World::new();
    let text = format!(
        "{OLD_BOSTON}{}{}",
        boston_row("1"),
        boston_row("2").replace(",Open,", ",Closed,").replace(",,,ONTIME", ",,2011-07-02,ONTIME")
    );
    run(&world, &[world.file("cases.csv", text)], Format::Boston311, &ImportOptions::default());
    let records = world.records();
    assert_eq!(records.len(), 3);
    let mut jsonl = Vec::new();
    for record in &records {
        record.write_json(&mut jsonl).unwrap();
        jsonl.push(b'\n');
    }
    jsonl.extend_from_slice(b"{\"kind\":\"report\"}\n");
    let other = World::new();
    let summary = run(&other, &[other.file("dump.jsonl", jsonl)], Format::Jsonl, &ImportOptions::default());
    assert_eq!((summary.total().rejected, summary.total().records), (1, [2, 1, 0]));
    assert_eq!(other.records().len(), 3);
    assert!(other.records().iter().all(|record| records.contains(record)));
}

#[test]
fn options_that_do_not_fit_are_refused_before_anything_is_read() {
    let world = World::new();
    let error = |format, options: &ImportOptions| {
        import(&[], format, options, &world.sink, &(), &CancellationToken::new()).unwrap_err().to_string()
    };
    assert!(error(Format::Csv, &ImportOptions::default()).contains("needs a mapping"));
    assert!(error(Format::Boston311, &mapped(MAPPING)).contains("knows its own columns"));
    assert!(
        error(Format::Nyc311, &ImportOptions { source: Some("New York".into()), ..Default::default() }).contains("lower-case")
    );
    assert_eq!("boston".parse::<Format>().unwrap_err().to_string(), "`boston` is not a format; did you mean boston311?");
}

#[tokio::test]
async fn an_import_runs_on_a_blocking_thread_of_an_async_program() {
    let world = World::new();
    let files = [world.file("cases.csv", format!("{OLD_BOSTON}{}", boston_row("101000000001")))];
    let sink = world.sink.clone();
    let work = move || import(&files, Format::Boston311, &ImportOptions::default(), &sink, &(), &CancellationToken::new());
    assert!(tokio::task::spawn_blocking(work).await.unwrap().unwrap().is_complete());
    assert_eq!(world.reports().len(), 1);
}

/// Stops the import once something of the file is on its way.
struct StopSoon(CancellationToken);

impl Progress for StopSoon {
    fn advanced(&self, _bytes_read: u64, rows: u64) {
        if rows > 0 {
            self.0.cancel();
        }
    }
}

#[test]
fn a_stopped_import_says_so_and_the_next_one_completes_it() {
    let world = World::new();
    let rows: String = (0..100_000).map(|n| boston_row(&format!("101000{n:06}"))).collect();
    let files = [world.file("cases.csv", format!("{OLD_BOSTON}{rows}"))];
    let stop = CancellationToken::new();
    let options = ImportOptions::default();
    let summary = import(&files, Format::Boston311, &options, &world.sink, &StopSoon(stop.clone()), &stop).unwrap();
    assert!(summary.stopped && !summary.is_complete());
    assert!(summary.total().rows < 100_000, "{summary}");
    assert!(run(&world, &files, Format::Boston311, &options).is_complete());
    assert_eq!(by_id(world.reports()).len(), 100_000);
}
