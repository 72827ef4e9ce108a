//! Generated documentation: written by this test when CIVICPULSE_BLESS is 1, compared with otherwise.

use std::fmt::Write as _;

use crate::support::{Server, program, root};

fn is_current(path: &str, content: &str) {
    let path = root().join(path);
    if std::env::var_os("CIVICPULSE_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, content).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    assert!(written == content, "docs/{name} is stale: write it again with `just docs`");
}

#[test]
fn docs_config() {
    let mut page = "# Configuration\n\nEvery setting with its default. Generated from `civicpulse/src/config/default.toml`.\n\n\
        A file named with `--config` lies over these, and the environment over that: `CIVICPULSE__STREAM__KIND=kafka`. Secrets come from \
        files or from `CIVICPULSE_API_TOKEN`, `CIVICPULSE_POSTGRES_PASSWORD` and `CIVICPULSE_PSEUDONYM_KEY`. `civicpulse check-config` \
        tells whether a configuration can work.\n\n```toml\n"
        .to_owned();
    page.push_str(civicpulse::config::DEFAULTS);
    page.push_str("```\n");
    is_current("docs/config.md", &page);
}

#[test]
fn docs_tables() {
    let mut page =
        "# Tables\n\nWhat analysts see, column by column. Generated from `aggregate/src/tables/`. Times are UTC.\n".to_owned();
    for table in aggregate::tables::ALL {
        let _ = write!(
            page,
            "\n## {}\n\nOne row is {}.\n\n| column | type | null | what it is |\n| --- | --- | --- | --- |\n",
            table.name, table.description
        );
        for field in (table.schema)().fields() {
            let doc = field.metadata().get(feedback::schema::DOC).expect("every column is documented");
            let null = if field.is_nullable() { "yes" } else { "" };
            let _ =
                writeln!(page, "| `{}` | {} | {null} | {} |", field.name(), kind(field.data_type()), doc.replace('|', "\\|"));
        }
    }
    is_current("docs/tables.md", &page);
}

fn kind(data_type: &arrow::datatypes::DataType) -> &'static str {
    use arrow::datatypes::DataType;
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Float32 | DataType::Float64 => "number",
        DataType::Timestamp(..) => "time",
        data_type if data_type.is_integer() => "integer",
        _ => "text",
    }
}

#[test]
fn docs_records() {
    let schema = schemars::schema_for!(feedback::Feedback);
    let json = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    is_current("docs/feedback.raw.schema.json", &json);
}

#[test]
fn docs_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(program().args(["run", "--data-dir"]).arg(dir.path()));
    let text = server.get("/metrics").1;
    let described: std::collections::BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' ')).collect();
    let mut page =
        "# Metrics\n\nWhat `/metrics` shows at the start; families with labels appear with their first event. Generated.\n\n\
        | metric | what it is |\n| --- | --- |\n"
            .to_owned();
    for (name, help) in described.iter().filter(|(name, _)| name.starts_with("civicpulse_")) {
        let _ = writeln!(page, "| `{name}` | {} |", help.replace('|', "\\|"));
    }
    is_current("docs/metrics.md", &page);
}
