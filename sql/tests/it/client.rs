//! A result from a server is the result from the engine, in every format.

use arrow::compute::{cast, concat_batches};
use sql::client::{Client, ClientError};
use sql::postgres::{PostgresConfig, Secret};
use sql::{Engine, Format, Limits, SqlError};

use crate::city::hurricane;
use crate::postgres::{anywhere, start};

const QUERIES: &[&str] = &[
    "SELECT * FROM feedback ORDER BY id",
    "SELECT * FROM windows ORDER BY \"window\", district, topic",
    "SELECT * FROM trends ORDER BY \"window\", district, topic",
    "SELECT * FROM priorities ORDER BY \"window\", rank, district, topic",
    "SELECT * FROM dead_letters",
    "SELECT district, count(*) AS n, row_number() OVER (ORDER BY district) AS place, sum(votes) AS votes FROM feedback GROUP BY district ORDER BY district",
    "SELECT arrow_cast(18446744073709551615, 'UInt64') AS big, 12.34::decimal(10, 2) AS price, -0.05::decimal(10, 2) AS small, date '2011-08-28' AS day, timestamp '2011-08-28 12:00:00' AS at, true AS yes, NULL AS none",
    "SELECT 1 AS n WHERE false",
];

async fn exported(engine: &Engine, sql: &str, format: Format) -> Vec<u8> {
    let mut output = Vec::new();
    sql::export::write(engine.query(sql).await.unwrap(), format, &mut output).await.unwrap();
    output
}

#[tokio::test]
async fn remote_and_local_results_are_the_same() {
    let city = hurricane();
    let engine = city.engine(Limits::default());
    let (server, _stop) = start(engine.clone(), anywhere()).await;
    let client = Client::connect(&format!("postgres://{}", server.address()), None).await.unwrap();
    for sql in QUERIES {
        let local = engine.query(sql).await.unwrap();
        let (schema, local) = (local.schema().clone(), local.collect().await.unwrap());
        let remote = client.query(sql).await.unwrap();
        let remote_schema = remote.schema().clone();
        let types = |schema: &arrow::datatypes::Schema| {
            schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect::<Vec<_>>()
        };
        assert_eq!(types(&remote_schema), types(&schema), "{sql}");
        let remote = concat_batches(&remote_schema, &remote.collect().await.unwrap()).unwrap();
        let local: Vec<_> = local
            .iter()
            .map(|batch| {
                arrow::array::RecordBatch::try_new(
                    remote_schema.clone(),
                    batch.columns().iter().zip(remote_schema.fields()).map(|(c, f)| cast(c, f.data_type()).unwrap()).collect(),
                )
                .unwrap()
            })
            .collect();
        assert_eq!(remote, concat_batches(&remote_schema, &local).unwrap(), "{sql}");
        for format in [Format::Csv, Format::Json, Format::Table] {
            let mut output = Vec::new();
            sql::export::write(client.query(sql).await.unwrap(), format, &mut output).await.unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            assert_eq!(text(output), text(exported(&engine, sql, format).await), "{format}: {sql}");
        }
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_said_in_its_words() {
    let city = hurricane();
    let engine = city.engine(Limits::default());
    let (server, _stop) = start(engine.clone(), PostgresConfig { password: Some(Secret::new("s3cret")), ..anywhere() }).await;
    let url = format!("postgres://{}", server.address());
    let client = Client::connect(&url, Some(&Secret::new("s3cret"))).await.unwrap();
    let remote = client.query("SELECT * FROM feedbak").await.unwrap_err();
    let local = engine.query("SELECT * FROM feedbak").await.unwrap_err();
    assert_eq!((remote.to_string(), remote.code()), (local.to_string(), local.code()));
    assert!(matches!(remote, SqlError::Remote { .. }));
    let error = Client::connect(&url, Some(&Secret::new("wrong"))).await.err().unwrap();
    assert!(matches!(error, ClientError::Connect { .. }) && !error.to_string().contains("wrong"), "{error}");
    assert!(matches!(Client::connect("postgres//", None).await.err().unwrap(), ClientError::Url { .. }));
    assert!(Client::connect("postgres://127.0.0.1:1", None).await.err().unwrap().to_string().contains("127.0.0.1:1"));
}
