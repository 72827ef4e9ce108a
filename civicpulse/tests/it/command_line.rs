//! The command line: exit codes, help, and the two commands that read texts.

use std::io::Write;
use std::process::Stdio;

use crate::support::{fail, program, succeed};

#[test]
fn wrong_usage_is_2_and_failure_is_1() {
    assert!(fail(program().arg("fly"), 2).contains("unrecognized subcommand"));
    assert!(fail(program().args(["import", "--format", "bosten311", "x.csv"]), 1).contains("did you mean boston311"));
    assert!(
        fail(program().args(["sql", "SELECT 1", "--data-dir", "no-such-directory"]), 1).contains("there is no data directory")
    );
    let help = succeed(program().arg("--help"));
    for command in ["demo", "run", "import", "sql", "classify", "redact", "shares", "model", "check-config", "completions"] {
        assert!(help.contains(command), "{command} is not in the help");
    }
    assert!(succeed(program().args(["completions", "bash"])).contains("civicpulse"));
}

#[test]
fn check_config_says_what_would_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("city.toml");
    std::fs::write(&file, "[enrich]\nworkers = 3\n").unwrap();
    assert!(succeed(program().args(["check-config", "--config"]).arg(&file)).contains("workers          3"));
    std::fs::write(&file, "[enrich]\nwrokers = 3\n").unwrap();
    assert!(fail(program().args(["check-config", "--config"]).arg(&file), 1).contains("did you mean `workers`?"));
    let deployed = crate::support::root().join("deploy/civicpulse.toml");
    let error = fail(program().args(["check-config", "--config"]).arg(deployed), 1);
    assert!(error.contains("/run/secrets/"), "the deployed configuration is fine but for its secrets: {error}");
}

fn piped(arguments: &[&str], input: &str) -> String {
    let mut child =
        program().args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn classify_prints_a_line_a_text_in_order() {
    let input = "{\"text\":\"The street light on our corner has been out for a week\"}\n{\"text\":\"\"}\n{\"text\":\"🙂\"}\n";
    let output = piped(&["classify"], input);
    let lines: Vec<serde_json::Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    for (row, line) in lines.iter().enumerate() {
        assert_eq!(line["row"], row);
        let tone: f64 = ["negative", "neutral", "positive"].iter().map(|tone| line["tone"][tone].as_f64().unwrap()).sum();
        assert!((tone - 1.0).abs() < 1e-3, "{line}");
        assert_eq!(line["topics"].as_array().unwrap().len(), 3);
        assert!((0..=3).contains(&line["urgency"].as_i64().unwrap()));
    }
    assert_eq!(lines[0]["topic"], "street_lighting");
    assert_eq!(lines[0]["language"], "en");
    let csv = piped(&["classify", "--format", "csv"], input);
    assert_eq!(csv.lines().count(), 4);
}

#[test]
fn broken_texts_have_an_answer() {
    let input = "{\"text\":\"cut \\ud83d\"}\n{\"text\":\"\\udc00\\ud800\"}\n{\"text\":\"\u{200d}\u{200d}\"}\n";
    let output = piped(&["classify"], input);
    assert_eq!(output.lines().count(), 3);
    for line in output.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        let topics = line["topics"].as_array().unwrap();
        assert!(topics[0][1].as_f64().unwrap() < 0.99, "nothing was said, and nothing is certain: {line}");
    }
    let mut child = program().arg("redact").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // UTF-8 of a surrogate, a byte order mark, and half a character.
    child.stdin.take().unwrap().write_all(b"call \xed\xa0\x80617-555-0134\n\xef\xbb\xbf\n\xc3\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && lines.lines().count() == 3 && lines.contains("<phone>"), "{lines}");
}

#[test]
fn redact_masks_and_says_where() {
    assert_eq!(piped(&["redact"], "call 617-555-0134\n"), "{\"text\":\"call <phone>\",\"spans\":[[5,17,\"phone\"]]}\n");
    assert_eq!(
        piped(&["redact"], "bus 39 is late\n\n"),
        "{\"text\":\"bus 39 is late\",\"spans\":[]}\n{\"text\":\"\",\"spans\":[]}\n"
    );
}

#[test]
fn shares_are_printed_by_group_with_intervals() {
    let mut input = String::new();
    for number in 0..60 {
        let (topic, text) = match number % 3 {
            0 => ("library", "I love the new reading room, thank you so much!"),
            1 => ("buses", "Awful. The bus was late again and the driver was rude."),
            _ => ("buses", "Terrible service, I am so angry about this line!!!"),
        };
        input.push_str(&serde_json::json!({"topic": topic, "text": text}).to_string());
        input.push('\n');
    }
    let csv = piped(&["shares"], &input);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines[0],
        "group,n,method,negative,negative_low,negative_high,neutral,neutral_low,neutral_high,positive,positive_low,\
         positive_high,counted_negative,counted_neutral,counted_positive"
    );
    let row = |line: &str| -> (Vec<String>, Vec<f64>) {
        let fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        let numbers = fields[3..].iter().map(|field| field.parse().unwrap()).collect();
        (fields, numbers)
    };
    let ((buses, of_buses), (library, of_library)) = (row(lines[1]), row(lines[2]));
    assert_eq!((buses[0].as_str(), buses[1].as_str(), buses[2].as_str()), ("buses", "40", "posterior"));
    assert_eq!((library[0].as_str(), library[1].as_str()), ("library", "20"));
    for numbers in [&of_buses, &of_library] {
        assert!(
            (numbers[0] + numbers[3] + numbers[6] - 1.0).abs() < 1e-5 && (numbers[9..].iter().sum::<f64>() - 1.0).abs() < 1e-5
        );
        for share in numbers[..9].as_chunks::<3>().0 {
            assert!(share[1] <= share[0] && share[0] <= share[2], "{share:?}");
        }
    }
    assert!(of_buses[0] > 0.6 && of_library[6] > 0.6 && of_buses[9] > 0.9, "{csv}");

    let json: serde_json::Value = serde_json::from_str(&piped(&["shares", "--format", "json"], &input)).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert!((json[0]["negative"].as_f64().unwrap() - of_buses[0]).abs() < 1e-6);
    assert_eq!(json[1]["methods"].as_object().unwrap().len(), 6);
}

#[test]
fn shares_read_tables_and_say_which_column_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("texts.csv");
    std::fs::write(&file, "district,words\n\"Back Bay, north\",nice park\n,the light is out\n").unwrap();
    let shares = |extra: &[&str]| {
        let mut command = program();
        command.args(["shares", "--input"]).arg(&file).args(extra);
        command
    };
    let csv = succeed(&mut shares(&["--text-column", "words", "--group-column", "district"]));
    let rows: Vec<&str> = csv.lines().skip(1).collect();
    assert!(rows[0].starts_with(",1,mean,") && rows[1].starts_with("\"Back Bay, north\",1,mean,"), "{csv}");
    let error = fail(&mut shares(&["--text-column", "words", "--group-column", "distrct"]), 1);
    assert!(error.contains("no column `distrct`: did you mean `district`?") && error.contains("--group-column"), "{error}");
    let error = fail(&mut shares(&["--text-column", "text", "--group-column", "district"]), 1);
    assert!(error.contains("it has district, words; name the right one with --text-column"), "{error}");
    std::fs::write(&file, "topic,text\n").unwrap();
    assert_eq!(succeed(&mut shares(&[])).lines().count(), 1, "no row, no group");
}
