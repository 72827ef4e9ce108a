//! Every panel of both dashboards is asked what it asks, of a real server and a real Prometheus.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{Server, eventually, program, root, succeed};

/// Title, and the queries of every panel.
fn panels(file: &str, field: &str) -> Vec<(String, Vec<String>)> {
    let path = root().join("deploy/grafana/dashboards").join(file);
    let board: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let panels: Vec<(String, Vec<String>)> = board["panels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|panel| {
            let targets = panel["targets"].as_array().unwrap();
            let queries = targets.iter().map(|target| target[field].as_str().expect("a query").to_owned());
            (panel["title"].as_str().unwrap().to_owned(), queries.collect())
        })
        .collect();
    assert!(!panels.is_empty());
    panels
}

fn demo(dir: &Path) -> Server {
    let server = Server::start(
        program()
            .args(["demo", "--rate", "0.05", "--history-days", "35", "--data-dir"])
            .arg(dir)
            .env("CIVICPULSE__LOG__FILTER", "info"),
    );
    eventually("the history", &true, || {
        server.sql("SELECT count(*) > 0 AS there FROM trends WHERE direction <> 'unknown'").contains("true")
    });
    server
}

#[test]
fn every_panel_of_city_pulse_has_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = demo(dir.path());
    // Nothing has to be rising, and everything may have been understood.
    let may_be_empty = ["Rising", "Not understood"];
    for (title, queries) in panels("city-pulse.json", "rawSql") {
        for query in queries {
            let rows = server.sql(&query).lines().count() - 1;
            assert!(rows > 0 || may_be_empty.contains(&title.as_str()), "`{title}` has no rows");
        }
    }
}

/// A Prometheus that ends with the test.
struct Prometheus {
    child: Child,
    port: u16,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn start(binary: &str, dir: &Path, target: &str) -> Self {
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: civicpulse\n    static_configs: [{{targets: ['{target}']}}]\n"
        );
        let file = dir.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(binary)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("prometheus").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    fn ask(&self, query: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.port);
        let said =
            Command::new("curl").args(["--silent", "--get", &url, "--data-urlencode", &format!("query={query}")]).output();
        serde_json::from_slice(&said.expect("curl is there").stdout).unwrap_or(Value::Null)
    }
}

#[test]
fn every_panel_of_operations_has_an_answer() {
    let Some(binary) = std::env::var("CIVICPULSE_PROMETHEUS").ok() else {
        println!("skipped: CIVICPULSE_PROMETHEUS is not set");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let server = demo(dir.path());
    succeed(program().args(["sql", "--url", &format!("postgres://{}", server.postgres), "SELECT 1"]));
    let prometheus = Prometheus::start(&binary, dir.path(), &server.http);
    let answered = |query: &str| prometheus.ask(query)["data"]["result"].as_array().is_some_and(|rows| !rows.is_empty());
    eventually("two scrapes", &true, || answered("rate(civicpulse_stream_appended_records_total[1m])"));
    // Series that begin with the first event of their kind.
    let may_be_empty = ["Source errors"];
    for (title, queries) in panels("operations.json", "expr") {
        let mut rows = 0;
        for query in queries {
            let answer = prometheus.ask(&query);
            assert_eq!(answer["status"], "success", "`{title}`: {query}: {answer}");
            rows += answer["data"]["result"].as_array().map_or(0, Vec::len);
        }
        assert!(rows > 0 || may_be_empty.contains(&title.as_str()), "`{title}` has no series");
    }
}
