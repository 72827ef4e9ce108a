//! `civicpulse report`: every report in every format, traceable, with honest answers to questions that make no sense.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{fail, program, shared, sql, succeed};

/// A town with three districts: potholes and graffiti, some voted for, some late.
fn town(dir: &Path) -> PathBuf {
    let mut lines = String::new();
    let mut id = 0;
    for (district, potholes, graffiti) in [("North", 60, 10), ("South", 25, 40), ("West", 8, 5)] {
        let texts =
            [("huge pothole in the road, it broke my wheel", potholes), ("please remove the graffiti from the wall", graffiti)];
        for (text, count) in texts {
            for n in 0..count {
                id += 1;
                let at = format!("2026-03-{:02}T{:02}:00:00Z", 1 + n % 27, n % 24);
                let mut report = serde_json::json!({
                    "kind": "report", "id": format!("town:{id}"), "created_at": at, "updated_at": at, "received_at": at,
                    "text": text, "district": district, "author": format!("a{}", id % 50), "votes": n % 4, "agency": "Works",
                    "due_at": "2026-03-28T00:00:00Z", "status": "open",
                });
                if n % 3 == 0 {
                    report["status"] = "closed".into();
                    report["closed_at"] = "2026-03-28T12:00:00Z".into();
                    report["updated_at"] = "2026-03-28T12:00:00Z".into();
                }
                lines.push_str(&format!("{report}\n"));
            }
        }
    }
    fs::write(dir.join("town.jsonl"), lines).unwrap();
    fs::write(dir.join("population.csv"), "district,population,deprivation\nNorth,9000,0.2\nSouth,7000,0.9\nWest,3000,0.5\n")
        .unwrap();
    fs::write(
        dir.join("budgets.csv"),
        "topic,district,unit,unit_cost,capacity,fixed_minimum\nroads,,pothole,120,50,5\ngraffiti,,wall,45,,\n",
    )
    .unwrap();
    fs::write(dir.join("city.toml"), "[city]\npopulation_file = 'population.csv'\nbudgets_file = 'budgets.csv'\n").unwrap();
    succeed(program().current_dir(dir).args([
        "import",
        "--format",
        "jsonl",
        "--data-dir",
        "data",
        "--config",
        "city.toml",
        "town.jsonl",
    ]));
    dir.join("data")
}

fn report(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command.current_dir(dir).args(["report", "--data-dir", "data", "--config", "city.toml"]).args(arguments);
    command
}

#[test]
fn a_report_in_every_format_says_the_same_and_where_it_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    town(path);

    let table = succeed(&mut report(path, &["priorities"]));
    assert!(table.starts_with("Priorities, 28 days\n"), "{table}");
    for named in [
        "rank_low",
        "North",
        "configuration_hash: ",
        "watermark: 2026-03-2",
        "model_versions: ",
        "method: docs/methods/priorities.md",
    ] {
        assert!(table.contains(named), "{named} is not in\n{table}");
    }

    let json: Value = serde_json::from_str(&succeed(&mut report(path, &["priorities", "--format", "json"]))).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    assert_eq!(json["provenance"]["reports"], "148");
    assert!(json["columns"].as_array().unwrap().iter().all(|column| !column["meaning"].as_str().unwrap().is_empty()));
    for row in rows {
        let weighted: f64 =
            ["adjusted_incidence", "severity", "dissatisfaction", "momentum", "backlog", "unmet_promise", "equity"]
                .iter()
                .filter_map(|component| row[format!("{component}_weighted")].as_f64())
                .sum();
        assert!((weighted - row["score"].as_f64().unwrap()).abs() < 1e-9, "the parts add up to the score: {row}");
    }

    let csv = succeed(&mut report(path, &["priorities", "--format", "csv"]));
    assert!(csv.starts_with("window,rank,") && csv.lines().count() == 7, "{csv}");
    let commented = succeed(&mut report(path, &["priorities", "--format", "csv", "--comments"]));
    let facts: Vec<&str> = commented.lines().take_while(|line| line.starts_with("# ")).collect();
    assert!(facts.iter().any(|fact| fact.starts_with("# query: SELECT * FROM priorities(")), "{facts:?}");
    assert!(commented.ends_with(&csv), "the same below its comments");

    succeed(&mut report(path, &["priorities", "--format", "xlsx", "--output", "p.xlsx"]));
    let mut archive = zip::ZipArchive::new(Cursor::new(fs::read(path.join("p.xlsx")).unwrap())).unwrap();
    let mut words = String::new();
    archive.by_name("xl/sharedStrings.xml").unwrap().read_to_string(&mut words).unwrap();
    for word in ["North", "configuration hash", "rank_without_tone", "SELECT * FROM priorities("] {
        assert!(words.contains(word), "{word}");
    }
    assert!(archive.by_name("xl/charts/chart2.xml").is_ok(), "rank intervals, and reports a day");

    succeed(&mut report(path, &["priorities", "--format", "parquet", "--output", "p.parquet"]));
    let bytes = fs::read(path.join("p.parquet")).unwrap();
    let metadata = String::from_utf8_lossy(&bytes);
    assert!(metadata.contains("civicpulse.configuration_hash") && metadata.contains("civicpulse.watermark"));
}

#[test]
fn every_report_answers_and_takes_its_arguments() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let data = town(path);
    assert!(succeed(&mut report(path, &["trends", "--window", "7d"])).starts_with("Trends, 7 days\n"));
    assert!(succeed(&mut report(path, &["service-levels"])).contains("Works"));
    let heard = succeed(&mut report(path, &["representation"]));
    assert!(heard.starts_with("Representation, 28 days\n") && heard.contains("outreach_rank"), "{heard}");
    let by = |weights: &str| {
        let csv = succeed(&mut report(path, &["priorities", "--format", "json", "--weights", weights, "--top", "1"]));
        let json: Value = serde_json::from_str(&csv).unwrap();
        (json["rows"][0]["severity_weight"].as_f64().unwrap(), json["rows"][0]["backlog_weight"].as_f64().unwrap())
    };
    assert_eq!(by("severity=3, backlog=1"), (0.75, 0.25));
    assert_eq!(sql(&data, "SELECT count(*) AS n FROM budgets"), "n\n0\n", "no configuration names any here");

    let plan: Value =
        serde_json::from_str(&succeed(&mut report(path, &["allocation", "--total", "3000", "--format", "json"]))).unwrap();
    let rows = plan["rows"].as_array().unwrap();
    let sum = |column: &str| rows.iter().filter_map(|row| row[column].as_f64()).sum::<f64>();
    assert!(sum("funded_cost") <= 3000.0 && sum("funded_cost") > 3000.0 - 120.0, "{}", sum("funded_cost"));
    let potholes =
        rows.iter().filter(|row| row["topic"] == "roads").filter_map(|row| row["funded_units"].as_u64()).sum::<u64>();
    assert!((5..=50).contains(&potholes), "{potholes} potholes: the minimum is 5, the capacity 50");
}

#[test]
fn questions_that_make_no_sense_are_answered_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    // Refused before anything is opened.
    for (arguments, expected) in [
        (&["allocation"][..], "--total 250000"),
        (&["trends", "--total", "5"], "allocation has"),
        (&["service-levels", "--weights", "severity=1"], "no --weights"),
        (&["priorities", "--window", "soon"], "is not a window"),
        (&["priorities", "--comments"], "--comments belongs to --format csv"),
    ] {
        let error = fail(program().current_dir(path).arg("report").args(arguments), 1);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    assert!(fail(program().args(["report", "wishes"]), 2).contains("invalid value"));
    assert!(
        fail(program().current_dir(path).args(["report", "priorities", "--data-dir", "none"]), 1)
            .contains("there is no data directory")
    );

    town(path);
    for (arguments, expected) in [
        (&["priorities", "--weights", "severity=-1"][..], "priority weight `severity` is -1"),
        (&["priorities", "--weights", "severty=1"], "did you mean `severity`?"),
        (&["priorities", "--weights", "severity=much"], "is not a priority weight"),
        (&["priorities", "--weights", "severity=0"], "every priority weight is 0"),
        (&["priorities", "--as-of", "tomorrow"], "is not a time"),
        (&["allocation", "--total", "100"], "the fixed minimums of `budgets` cost 600.00, and the total is 100.00"),
        (&["allocation", "--total=-5"], "0 or more"),
        (&["allocation", "--total", "NaN"], "0 or more"),
    ] {
        let error = fail(&mut report(path, arguments), 1);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    fs::write(path.join("none.csv"), "topic,unit_cost\n").unwrap();
    let nothing = succeed(&mut report(path, &["allocation", "--total", "100", "--budgets", "none.csv"]));
    assert!(nothing.contains("no budgets: name a file"), "{nothing}");
    fs::write(path.join("bad.csv"), "topic,unit_cost\npotholes,5\n").unwrap();
    let error = fail(&mut report(path, &["allocation", "--total", "100", "--budgets", "bad.csv"]), 1);
    assert!(error.contains("there is no such topic"), "{error}");
}

/// Boston's second half of 2011 in its 23 neighbourhoods with the residents of 2020: a row for each neighbourhood and topic that had a
/// report, with intervals, as an independent count says.
#[test]
fn boston_by_neighbourhood_with_residents() {
    let Some(folder) = shared("data/boston") else { return };
    let files: Vec<PathBuf> = (7..=12).map(|month| folder.join(format!("311_2011-{month:02}.csv"))).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let mut population = "district,population\n".to_owned();
    let mut known = 0;
    for line in fs::read_to_string(folder.join("demographics_population.csv")).unwrap().lines() {
        let fields: Vec<&str> = line.split(',').collect();
        if let ["2020", name, "total", count] = fields[..] {
            population.push_str(&format!("{name},{count}\n"));
            known += 1;
        }
    }
    assert!(known >= 23, "{known} neighbourhoods with residents");
    fs::write(path.join("population.csv"), population).unwrap();
    let polygons = folder.join("boston_neighborhoods.geojson");
    let config = format!(
        "[city]\npopulation_file = 'population.csv'\ndistricts_file = '{}'\ndistricts_name_property = 'GEOID'\n",
        polygons.display()
    );
    fs::write(path.join("city.toml"), config).unwrap();
    succeed(
        program()
            .current_dir(path)
            .args(["import", "--format", "boston311", "--data-dir", "data", "--config", "city.toml"])
            .args(&files),
    );

    let ask = |query: &str| {
        let output = succeed(program().current_dir(path).args([
            "sql",
            "--data-dir",
            "data",
            "--config",
            "city.toml",
            "--format",
            "json",
            query,
        ]));
        serde_json::from_str::<Vec<Value>>(&output).unwrap()
    };
    // Cases of 2011 are closed for years: the watermark is where the last closing is.
    let rows = ask("SELECT * FROM priorities(window => '28 days', as_of => '2012-01-01') ORDER BY rank");
    let counted = ask("SELECT district, topic, count(*) AS n FROM feedback WHERE created_at < timestamp '2012-01-01' \
         AND created_at >= timestamp '2011-12-04' GROUP BY 1, 2");
    assert_eq!(rows.len(), counted.len());
    for row in &counted {
        let same = |p: &&Value| (&p["district"], &p["topic"]) == (&row["district"], &row["topic"]);
        assert_eq!(rows.iter().find(same).unwrap()["reports"], row["n"], "{row}");
    }
    let ranked: Vec<&Value> = rows.iter().filter(|row| !row["rank"].is_null()).collect();
    assert!(ranked.len() > 200, "{} cells are ranked", ranked.len());
    let cells = ranked.len() as u64;
    for row in &ranked {
        let [low, rank, high] = ["rank_low", "rank", "rank_high"].map(|column| row[column].as_u64().unwrap());
        assert!(1 <= low && low <= rank && rank <= high && high <= cells, "{row}");
    }
    let with_residents = ranked.iter().filter(|row| row["adjusted_incidence"].is_number()).count();
    assert!(with_residents * 10 > ranked.len() * 9, "{with_residents} of {} have residents", ranked.len());
    let per_1000 = ask(
        "SELECT p.adjusted_incidence AS shown, p.reports * 1000.0 / d.population AS expected FROM priorities(window => '28 days', as_of => '2012-01-01') p JOIN districts d \
         USING (district) WHERE p.note LIKE '%authors unknown%' AND p.note LIKE '%not adjusted%' AND p.votes = 0",
    );
    for row in &per_1000 {
        let [shown, expected] = ["shown", "expected"].map(|column| row[column].as_f64().unwrap());
        assert!((shown - expected).abs() < 1e-9 * expected, "{row}");
    }
    let wide = ranked.iter().filter(|row| row["rank_high"].as_u64() > row["rank_low"].as_u64()).count();
    assert!(wide * 2 > ranked.len(), "few reports leave most places open");
}
