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
    for command in ["demo", "run", "import", "sql", "classify", "redact", "model", "check-config", "completions"] {
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
fn a_program_without_the_transformer_tier_says_how_to_get_it() {
    // A program built with the tier would look for the directory instead.
    let missing = |error: String| {
        let expected = if civicpulse::tier::HAS_TRANSFORMER { "no-such-model" } else { "--features transformer" };
        assert!(error.contains(expected), "{error}");
    };
    missing(fail(program().args(["classify", "--tier", "transformer", "--model", "no-such-model"]), 1));
    missing(fail(
        program().args(["model", "evaluate", "--tier", "transformer", "--model", "no-such-model", "--data", "none"]),
        1,
    ));
    let train = ["model", "train", "--tier", "transformer", "--base", "no-such-model", "--output", "no-such-output"];
    missing(fail(program().args(train), 1));
    let fetch = ["model", "fetch", "no-such-owner/no-such-model", "--dir", "no-such-directory"];
    missing(fail(program().args(fetch).env("HF_ENDPOINT", "http://127.0.0.1:9"), 1));
    assert!(fail(program().args(["classify", "--tier", "transformer"]), 2).contains("--model"));
    assert!(fail(program().args(["model", "train", "--tier", "transformer", "--output", "x"]), 2).contains("--base"));
}

#[test]
fn redact_masks_and_says_where() {
    assert_eq!(piped(&["redact"], "call 617-555-0134\n"), "{\"text\":\"call <phone>\",\"spans\":[[5,17,\"phone\"]]}\n");
    assert_eq!(
        piped(&["redact"], "bus 39 is late\n\n"),
        "{\"text\":\"bus 39 is late\",\"spans\":[]}\n{\"text\":\"\",\"spans\":[]}\n"
    );
}
