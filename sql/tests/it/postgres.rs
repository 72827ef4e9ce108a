//! The wire, as a driver sees it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use feedback::Timestamp;
use sql::postgres::{PostgresConfig, PostgresError, Secret, Server, TlsFiles, serve};
use sql::{Engine, Limits};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

use crate::city::{Record, hurricane, time};

/// A free port on loopback.
pub fn anywhere() -> PostgresConfig {
    PostgresConfig { listen: "127.0.0.1:0".parse().unwrap(), ..PostgresConfig::default() }
}

pub async fn start(engine: Engine, config: PostgresConfig) -> (Server, CancellationToken) {
    let stop = CancellationToken::new();
    (serve(config, engine, stop.clone()).await.unwrap(), stop)
}

pub fn config(server: &Server) -> Config {
    let mut config = Config::new();
    config.host(server.address().ip().to_string()).port(server.address().port()).user("analyst").dbname("civicpulse");
    config
}

pub async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

pub fn code(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("", SqlState::code)
}

pub async fn texts(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap();
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()),
        _ => None,
    });
    rows.collect()
}

/// Microseconds of a `timestamptz`, without a date crate.
#[derive(Debug, PartialEq)]
struct Micros(i64);

impl<'a> FromSql<'a> for Micros {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(i64::from_be_bytes(raw.try_into()?) + 946_684_800_000_000))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }
}

impl ToSql for Micros {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&(self.0 - 946_684_800_000_000).to_be_bytes());
        Ok(tokio_postgres::types::IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }

    tokio_postgres::types::to_sql_checked!();
}

#[tokio::test]
async fn types_come_out_right_as_text_and_as_bytes() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let client = connect(&config(&server)).await.unwrap();
    let sql = "SELECT id, created_at, closed_at, votes, urgency, lat, tone_negative, closed_at IS NULL AS open, count(*) OVER () AS n, \
               district FROM feedback WHERE id IN ('boston311:004', 'boston311:006') \
               ORDER BY id";

    let rows = texts(&client, sql).await;
    let text = |values: [Option<&str>; 10]| values.map(|value| value.map(str::to_owned)).to_vec();
    assert_eq!(
        rows[0],
        text([
            Some("boston311:004"),
            Some("2011-08-28 13:20:00+00"),
            None,
            Some("4"),
            Some("2"),
            Some("42.34"),
            Some("0.75"),
            Some("t"),
            Some("2"),
            Some("Dorchester")
        ])
    );
    assert_eq!(
        rows[1],
        text([
            Some("boston311:006"),
            Some("2011-08-28 14:00:00+00"),
            None,
            None,
            Some("2"),
            Some("42.36"),
            Some("0.75"),
            Some("t"),
            Some("2"),
            None
        ])
    );
    let rows = client.query(sql, &[]).await.unwrap();
    let types: Vec<&str> = rows[0].columns().iter().map(|column| column.type_().name()).collect();
    assert_eq!(types, ["text", "timestamptz", "timestamptz", "int8", "int2", "float8", "float4", "bool", "int8", "text"]);
    let row = &rows[0];
    assert_eq!(row.get::<_, &str>(0), "boston311:004");
    assert_eq!(row.get::<_, Micros>(1), Micros(time("2011-08-28T13:20:00Z").micros()));
    assert_eq!(row.get::<_, Option<Micros>>(2), None);
    assert_eq!((row.get::<_, Option<i64>>(3), row.get::<_, i16>(4)), (Some(4), 2));
    assert_eq!((row.get::<_, f64>(5), row.get::<_, f32>(6)), (42.34, 0.75));
    assert_eq!((row.get::<_, bool>(7), row.get::<_, i64>(8)), (true, 2));
    assert_eq!(rows[1].get::<_, Option<&str>>(9), None);
}

#[tokio::test]
async fn prepared_statements_take_parameters_and_see_the_newest_snapshot() {
    let mut city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let client = connect(&config(&server)).await.unwrap();
    let statement = client
        .prepare("SELECT count(*) FROM feedback WHERE district = $1 AND created_at >= $2 AND tone_negative > $3")
        .await
        .unwrap();
    let types: Vec<&str> = statement.params().iter().map(Type::name).collect();
    assert_eq!(types, ["text", "timestamptz", "float4"]);
    let since = |text: &str| Micros(time(text).micros());
    let count =
        async |since: Micros| client.query_one(&statement, &[&"Roxbury", &since, &0.5f32]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count(since("2011-08-28T00:00:00Z")).await, 3);
    assert_eq!(count(since("2011-08-28T20:00:00Z")).await, 1);
    let more = Record {
        district: Some("Roxbury"),
        tone: Some([1.0, 0.0, 0.0]),
        ..Record::report("x:1", "2011-08-28T23:00:00Z", "dark")
    };
    city.take(&[more]);
    assert_eq!(count(since("2011-08-28T20:00:00Z")).await, 2);
    // A type that only a cast tells, one that nothing tells, a limit, and a list.
    let row = client.query_one("SELECT $1::bigint + 1, $2, upper($3)", &[&41i64, &"as text", &"abc"]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1), row.get::<_, &str>(2)), (42, "as text", "ABC"));
    let rows = client.query("SELECT id FROM feedback ORDER BY id LIMIT $1", &[&2i64]).await.unwrap();
    assert_eq!(rows.len(), 2);
    let none = client.query("SELECT id FROM feedback WHERE district = $1", &[&None::<&str>]).await.unwrap();
    assert!(none.is_empty());
    let error = client.query("SELECT * FROM windows(as_of => $1)", &[&"2011-08-28"]).await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("is not a constant"), "{error:?}");
}

#[tokio::test]
async fn a_large_result_streams_and_can_be_read_in_pieces() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let mut client = connect(&config(&server)).await.unwrap();
    let rows = client.query("SELECT * FROM generate_series(1, 200000)", &[]).await.unwrap();
    assert_eq!((rows.len(), rows[199_999].get::<_, i64>(0)), (200_000, 200_000));
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT * FROM generate_series(1, 25000)", &[]).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let piece = transaction.query_portal(&portal, 10_000).await.unwrap();
        if piece.is_empty() {
            break;
        }
        seen.push(piece.len());
    }
    assert_eq!(seen, [10_000, 10_000, 5_000]);
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn cursors_read_forward_and_end_with_their_transaction() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let client = connect(&config(&server)).await.unwrap();
    client.batch_execute("BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT id FROM feedback ORDER BY id").await.unwrap();
    assert_eq!(texts(&client, "FETCH FORWARD 2 FROM c").await.len(), 2);
    assert_eq!(texts(&client, "FETCH NEXT FROM c").await, [[Some("boston311:003".to_owned())]]);
    assert_eq!(client.query("FETCH ALL FROM c", &[]).await.unwrap().len(), 9);
    assert!(texts(&client, "FETCH 5 FROM c").await.is_empty());
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(code(&client.simple_query("FETCH 1 FROM c").await.unwrap_err()), "34000");
    let error = client.simple_query("DECLARE c CURSOR FOR DELETE FROM feedback").await.unwrap_err();
    assert_eq!(code(&error), "25006", "{error:?}");
}

#[tokio::test]
async fn errors_carry_their_codes_and_the_connection_goes_on() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let client = connect(&config(&server)).await.unwrap();
    for (sql, expected) in [
        ("SELECT * FROM nowhere", "42P01"),
        ("SELECT nothing FROM feedback", "42703"),
        ("SELECT nothing()", "42883"),
        ("SELEC 1", "42601"),
        ("INSERT INTO feedback (id) VALUES ('a')", "25006"),
        ("COPY feedback TO '/tmp/x'", "25006"),
        ("CREATE TABLE t (a int)", "25006"),
        ("SET datafusion.runtime.memory_limit = '100G'", "42704"),
        ("SET server_version = '9'", "55P02"),
        ("SELECT * FROM windows(as_of => 'x')", "22023"),
        ("SELECT 1 / (votes - votes) FROM feedback WHERE votes > 0", "22000"),
    ] {
        assert_eq!(code(&client.simple_query(sql).await.unwrap_err()), expected, "simple: {sql}");
        assert_eq!(code(&client.query(sql, &[]).await.unwrap_err()), expected, "extended: {sql}");
        assert_eq!(texts(&client, "SELECT 1").await, [[Some("1".to_owned())]], "after {sql}");
    }
    // What came before the mistake is answered.
    let messages = client.simple_query("SELECT 1; SELECT 2; SELECT * FROM nowhere; SELECT 3").await;
    assert_eq!(code(&messages.unwrap_err()), "42P01");
    assert_eq!(texts(&client, "SELECT 1; SELECT 2; SELECT 3").await.len(), 3);
    assert_eq!(code(&client.prepare("SELECT 1; SELECT 2").await.unwrap_err()), "42601");
    assert!(client.simple_query("").await.unwrap().len() <= 1);
    assert!(client.query("", &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn transactions_are_accepted_and_fail_as_a_whole() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let mut client = connect(&config(&server)).await.unwrap();
    let transaction = client.build_transaction().read_only(true).start().await.unwrap();
    assert_eq!(transaction.query("SELECT 1", &[]).await.unwrap().len(), 1);
    assert_eq!(code(&transaction.query("SELECT nope", &[]).await.unwrap_err()), "42703");
    assert_eq!(code(&transaction.query("SELECT 1", &[]).await.unwrap_err()), "25P02");
    transaction.rollback().await.unwrap();
    assert_eq!(client.query("SELECT 1", &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn settings_are_kept_and_shown() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let client = connect(&config(&server)).await.unwrap();
    client.batch_execute("SET application_name = 'Grafana'; SET extra_float_digits TO 3; SET TIME ZONE 'UTC'").await.unwrap();
    client.batch_execute("SET statement_timeout = '200ms'; SET client_encoding TO 'UTF8'; SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY").await.unwrap();
    for (name, value) in [
        ("application_name", "Grafana"),
        ("statement_timeout", "200ms"),
        ("server_version", "16.6"),
        ("TimeZone", "UTC"),
        ("transaction_read_only", "on"),
        ("TRANSACTION ISOLATION LEVEL", "read committed"),
    ] {
        assert_eq!(texts(&client, &format!("SHOW {name}")).await, [[Some(value.to_owned())]], "{name}");
    }
    let endless = "SELECT count(*) FROM generate_series(1, 10000000000) a(x) WHERE x % 7 = 8";
    let started = Instant::now();
    assert_eq!(code(&client.simple_query(endless).await.unwrap_err()), "57014");
    assert_eq!(code(&client.query(endless, &[]).await.unwrap_err()), "57014");
    assert!(started.elapsed() < Duration::from_secs(10));
    client.batch_execute("DISCARD ALL").await.unwrap();
    assert_eq!(texts(&client, "SHOW statement_timeout").await, [[Some("0".to_owned())]]);
}

#[tokio::test]
async fn a_client_cancels_its_own_query() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let client = connect(&config(&server)).await.unwrap();
    client.simple_query("SELECT 1").await.unwrap();
    let token = client.cancel_token();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        token.cancel_query(NoTls).await.unwrap();
    };
    let endless = "SELECT count(*) FROM generate_series(1, 10000000000) a(x) WHERE x % 7 = 8";
    let (outcome, ()) = tokio::join!(client.query(endless, &[]), cancel);
    let error = outcome.unwrap_err();
    assert_eq!(code(&error), "57014");
    assert!(error.as_db_error().unwrap().message().contains("cancelled"), "{error:?}");
    assert_eq!(texts(&client, "SELECT 2").await.len(), 1);
}

#[tokio::test]
async fn a_password_is_asked_for_and_checked() {
    let city = hurricane();
    let engine = city.engine(Limits::default());
    let asked = PostgresConfig { password: Some(Secret::new("correct horse")), ..anywhere() };
    let (server, _stop) = start(engine, asked).await;
    let mut known = config(&server);
    known.user("civicpulse").password("correct horse");
    let client = connect(&known).await.unwrap();
    assert_eq!(texts(&client, "SELECT session_user").await.len(), 1);
    known.password("wrong");
    assert_eq!(code(&connect(&known).await.err().unwrap()), "28P01");
    known.user("somebody").password("correct horse");
    assert_eq!(code(&connect(&known).await.err().unwrap()), "28P01");
    assert!(connect(&config(&server)).await.is_err(), "no password at all");
}

#[tokio::test]
async fn what_would_be_open_or_plain_by_mistake_does_not_start() {
    let city = hurricane();
    let engine = city.engine(Limits::default());
    let refused = async |config| serve(config, engine.clone(), CancellationToken::new()).await.err().unwrap();
    let open = PostgresConfig { listen: "0.0.0.0:0".parse().unwrap(), ..PostgresConfig::default() };
    assert!(matches!(refused(open).await, PostgresError::Open(_)));
    let directory = tempfile::tempdir().unwrap();
    let files = |certificate: PathBuf| Some(TlsFiles { certificate, key: directory.path().join("key.pem") });
    let missing = PostgresConfig { tls: files(directory.path().join("none.pem")), ..anywhere() };
    assert!(matches!(refused(missing).await, PostgresError::Tls { .. }));
    let nonsense = directory.path().join("nonsense.pem");
    std::fs::write(&nonsense, "not a certificate").unwrap();
    let error = refused(PostgresConfig { tls: files(nonsense), ..anywhere() }).await;
    assert!(error.to_string().contains("holds no certificate"), "{error}");
    let (taken, _stop) = start(engine.clone(), anywhere()).await;
    let same = PostgresConfig { listen: taken.address(), ..PostgresConfig::default() };
    assert!(matches!(refused(same).await, PostgresError::Listen { .. }));
}

#[tokio::test]
async fn connections_are_limited_and_told_so() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), PostgresConfig { connections: 2, ..anywhere() }).await;
    let first = connect(&config(&server)).await.unwrap();
    let _second = connect(&config(&server)).await.unwrap();
    let error = connect(&config(&server)).await.err().unwrap();
    assert_eq!(code(&error), "53300", "{error:?}");
    drop(first);
    let again = async {
        while connect(&config(&server)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.unwrap();
}

#[tokio::test]
async fn a_connection_holds_a_bounded_number_of_statements() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let client = connect(&config(&server)).await.unwrap();
    let mut held = Vec::new();
    let error = loop {
        match client.prepare(&format!("SELECT {}", held.len())).await {
            Ok(statement) => held.push(statement),
            Err(error) => break error,
        }
        assert!(held.len() <= 256);
    };
    assert_eq!(code(&error), "54000");
    held.clear();
    client.simple_query("SELECT 1").await.unwrap();
    assert!(client.prepare("SELECT 1").await.is_ok(), "closing makes room");
}

#[tokio::test]
async fn stopping_lets_running_queries_finish() {
    let city = hurricane();
    let (server, stop) = start(city.engine(Limits::default()), anywhere()).await;
    let address = config(&server);
    let client = connect(&address).await.unwrap();
    client.simple_query("SELECT 1").await.unwrap();
    let slow = "SELECT count(*) FROM generate_series(1, 40000000) a(x) WHERE x % 7 = 3";
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        stop.cancel();
        server.stopped().await;
    };
    let (rows, ()) = tokio::join!(client.query_one(slow, &[]), stopping);
    assert_eq!(rows.unwrap().get::<_, i64>(0), 5_714_286);
    assert!(connect(&address).await.is_err());
}

#[tokio::test]
async fn what_graphical_clients_ask_is_answered() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let client = connect(&config(&server)).await.unwrap();
    for sql in [
        "SELECT current_schema(), session_user",
        "SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass ORDER BY nspname",
        "SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE datname = 'civicpulse'",
        "SELECT c.oid, c.*, d.description FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass WHERE c.relnamespace = 11 AND c.relkind NOT IN ('i', 'I', 'c')",
        "SELECT t.oid, t.typname FROM pg_catalog.pg_type t WHERE t.typname = 'text'",
        "SELECT quote_ident(table_name) FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog') ORDER BY 1",
        "SELECT quote_ident(column_name) AS \"column\", data_type AS \"type\" FROM information_schema.columns WHERE quote_ident(table_name) = 'feedback'",
        "SELECT current_setting('server_version_num')::int / 100 AS version",
        "SELECT pg_catalog.version()",
        "SELECT pg_is_in_recovery()",
        "SHOW standard_conforming_strings",
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
    ] {
        assert!(!texts(&client, sql).await.is_empty(), "{sql}");
    }
    let comments = "SELECT d.description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid WHERE c.relname = 'feedback' AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass";
    assert_eq!(texts(&client, comments).await, [[Some("a report, masked text and all enrichments".to_owned())]]);
    assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00Z");
}
