//! What analysts ask, answered by the live tables and, in the same run, by plain DataFusion over the same rows in memory.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use civicpulse::node::{Node, Roles};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::{load, setup};

/// Event time that the records span, in seconds.
const SPAN_S: f64 = 60.0 * 86_400.0;
/// Times that each query is asked; the best counts.
const TIMES: usize = 7;

/// A question, as asked here and as asked of plain rows. `{end}` stands for the watermark.
struct Question {
    name: &'static str,
    here: &'static str,
    plain: &'static str,
}

const QUESTIONS: [Question; 5] = [
    Question {
        name: "reports of the last day by topic",
        here: "SELECT topic, count(*) FROM feedback WHERE created_at >= {end} - INTERVAL '1 day' GROUP BY topic",
        plain: "SELECT topic, count(*) FROM feedback WHERE created_at >= {end} - INTERVAL '1 day' GROUP BY topic",
    },
    Question {
        name: "all reports by district and topic",
        here: "SELECT district, topic, count(*), avg(tone_negative) FROM feedback GROUP BY district, topic",
        plain: "SELECT district, topic, count(*), avg(tone_negative) FROM feedback GROUP BY district, topic",
    },
    Question {
        name: "words in all texts",
        here: "SELECT count(*) FROM feedback WHERE text LIKE '%street%'",
        plain: "SELECT count(*) FROM feedback WHERE text LIKE '%street%'",
    },
    Question { name: "how many", here: "SELECT count(*) FROM feedback", plain: "SELECT count(*) FROM feedback" },
    Question {
        name: "28 days by district and topic, from the rolling window",
        here: "SELECT district, topic, reports, urgent FROM windows WHERE \"window\" = '28 days' AND district IS NOT NULL",
        plain: "SELECT district, topic, count(*), sum(CASE WHEN urgency >= 2 THEN 1 ELSE 0 END) FROM feedback \
                WHERE created_at >= {end} - INTERVAL '28 days' AND created_at < {end} GROUP BY district, topic",
    },
];

/// Asks over `records` raw records.
pub fn measure(records: usize) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let config = setup::config(dir.path(), None)?;
    let mut city = setup::city(records as f64 / SPAN_S)?;
    let node = setup::node(&config, Roles::PROCESS, &city)?;
    load::append(&mut city, &*node.log().producer()?, records)?;
    node.catch_up(|_| true)?;

    let rows = ask(&node, "SELECT * FROM feedback")?;
    let reports: usize = rows.iter().map(RecordBatch::num_rows).sum();
    let end = arrow::util::display::array_value_to_string(
        ask(&node, "SELECT max(window_end) FROM windows WHERE \"window\" = '28 days'")?
            .first()
            .context("there are windows")?
            .column(0),
        0,
    )?;
    let end = format!("TIMESTAMP '{end}'");
    let schema = rows.first().context("there are rows")?.schema();
    let plain = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(config.queries.partitions));
    let share = rows.len().div_ceil(config.queries.partitions).max(1);
    let partitions = rows.chunks(share).map(<[RecordBatch]>::to_vec).collect();
    plain.register_table("feedback", Arc::new(MemTable::try_new(schema, partitions)?))?;

    let mut answers = Vec::new();
    for question in &QUESTIONS {
        let (here, other) = (question.here.replace("{end}", &end), question.plain.replace("{end}", &end));
        let here_ms = best_ms(|| Ok(ask(&node, &here)?.len()))?;
        let plain_ms = best_ms(|| Ok(node.runtime().block_on(async { plain.sql(&other).await?.collect().await })?.len()))?;
        answers.push(json!({ "question": question.name, "here_ms": here_ms, "peer_ms": plain_ms }));
    }
    node.stop()?;
    Ok(json!({
        "bench": "queries",
        "reports": reports,
        "peer": "DataFusion over the same rows, unpacked, in a table in memory",
        "best_of": TIMES,
        "answers": answers,
    }))
}

fn ask(node: &Node, sql: &str) -> Result<Vec<RecordBatch>> {
    let engine = node.engine().context("the node serves SQL")?;
    node.runtime().block_on(async { Ok(engine.query(sql).await?.try_collect().await?) })
}

fn best_ms(mut ask: impl FnMut() -> Result<usize>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..TIMES {
        let begun = Instant::now();
        std::hint::black_box(ask()?);
        best = best.min(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(best)
}
