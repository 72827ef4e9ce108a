//! Clients that mean harm, or are broken, or are gone: each frees what it holds, and everybody else goes on.

use std::net::SocketAddr;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use sql::Limits;
use sql::postgres::{PostgresConfig, Secret, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls};

use crate::city::hurricane;
use crate::postgres::{anywhere, code, config, connect, start, texts};

/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(30);

async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what}: not in {PATIENCE:?}"))
}

/// A message: its kind, its length, its content.
fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind][..], &(content.len() as u32 + 4).to_be_bytes(), content].concat()
}

fn startup() -> Vec<u8> {
    let content = [&196_608u32.to_be_bytes()[..], b"user\0analyst\0database\0civicpulse\0\0"].concat();
    [&(content.len() as u32 + 4).to_be_bytes()[..], &content].concat()
}

/// Everything until the server closes.
async fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A connection that is broken off says all that it has to say.
    let _ = patiently("closing", socket.read_to_end(&mut rest)).await;
    rest
}

/// A connection that has come in, read up to its first `ReadyForQuery`.
async fn come_in(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(&startup()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"Z\0\0\0\x05I") {
        assert!(patiently("login", socket.read_buf(&mut seen)).await.unwrap() > 0, "{}", String::from_utf8_lossy(&seen));
    }
    socket
}

/// A client, as soon as there is room.
async fn connect_in_time(server: &Server) -> Client {
    let connecting = async {
        loop {
            match connect(&config(server)).await {
                Ok(client) => break client,
                Err(_full) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    patiently("connecting", connecting).await
}

async fn is_well(server: &Server) {
    let client = connect_in_time(server).await;
    assert_eq!(texts(&client, "SELECT 1").await, [[Some("1".to_owned())]]);
}

#[tokio::test]
async fn a_client_that_says_nothing_frees_its_place() {
    let city = hurricane();
    let one = PostgresConfig { connections: 1, login_timeout_ms: 300, ..anywhere() };
    let (server, _stop) = start(city.engine(Limits::default()), one.clone()).await;
    for said in [&b""[..], b"\0", &startup()[..12]] {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket.write_all(said).await.unwrap();
        assert_eq!(rest(&mut socket).await, b"", "after {said:?}");
        is_well(&server).await;
    }
    // Where a password is asked for, saying who one is is not enough.
    let asked = PostgresConfig { password: Some(Secret::new("correct horse")), ..one };
    let (server, _stop) = start(city.engine(Limits::default()), asked).await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(&startup()).await.unwrap();
    let told = rest(&mut socket).await;
    assert!(told.starts_with(b"R") && told.windows(13).any(|part| part == b"SCRAM-SHA-256"), "{told:?}");
    // Nor may it send a statement of any length in the meantime.
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(&startup()).await.unwrap();
    socket.write_all(b"Q\x3f\xff\xff\xf0SELECT").await.unwrap();
    let told = rest(&mut socket).await;
    assert!(String::from_utf8_lossy(&told).contains("54000"), "{}", String::from_utf8_lossy(&told));
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_before_it_is_read() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    for kind in [b'Q', b'P', b'B', b'd', b'?'] {
        let mut socket = come_in(server.address()).await;
        socket.write_all(&[&[kind][..], &100_000_000u32.to_be_bytes(), b"SELECT "].concat()).await.unwrap();
        let told = rest(&mut socket).await;
        let told = String::from_utf8_lossy(&told);
        assert!(told.contains("FATAL"), "{}: {told}", kind as char);
        if kind == b'Q' {
            assert!(told.contains("54000") && told.contains("a message of 100000000 bytes"), "{told}");
        }
    }
    // As a driver sees it, and a statement that is too long for the engine only.
    let client = connect(&config(&server)).await.unwrap();
    let long = |bytes: usize| format!("SELECT '{}'", "x".repeat(bytes));
    let error = client.simple_query(&long(300 << 10)).await.unwrap_err();
    assert_eq!(code(&error), "54000", "{error:?}");
    assert_eq!(texts(&client, "SELECT 1").await.len(), 1);
    assert!(patiently("refusing", client.simple_query(&long(100_000_000))).await.is_err());
    assert!(client.is_closed() || client.simple_query("SELECT 1").await.is_err());
    is_well(&server).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_frees_its_turn_and_its_place() {
    let city = hurricane();
    let limits = Limits { running: 1, queued: 4, deadline_ms: 500, queue_wait_ms: 20_000, ..Limits::default() };
    let two = PostgresConfig { connections: 2, unread_timeout_ms: 500, ..anywhere() };
    let (server, _stop) = start(city.engine(limits), two).await;
    let mut deaf = come_in(server.address()).await;
    let endless = "SELECT repeat('x', 1000) FROM generate_series(1, 100000000)\0";
    deaf.write_all(&message(b'Q', endless.as_bytes())).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Its turn ends with the deadline though nobody takes the rows.
    is_well(&server).await;
    if cfg!(target_os = "linux") {
        // Two places, one held: another comes in only where the deaf one is gone.
        let _held = connect_in_time(&server).await;
        is_well(&server).await;
    }
    drop(deaf);
}

#[tokio::test]
async fn the_sixty_fifth_is_told_that_there_is_no_room() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let mut held: Vec<Client> = Vec::new();
    for _ in 0..64 {
        held.push(connect(&config(&server)).await.unwrap());
    }
    let error = connect(&config(&server)).await.err().unwrap();
    assert_eq!(code(&error), "53300");
    assert!(error.as_db_error().unwrap().message().contains("64 connections are open"), "{error:?}");
    // Those who are in are served all at once.
    let asked = held.iter().map(|client| texts(client, "SELECT count(*) FROM feedback"));
    let answers = patiently("answers", futures::future::join_all(asked)).await;
    assert!(answers.iter().all(|answer| *answer == [[Some("12".to_owned())]]), "{answers:?}");
    held.clear();
    is_well(&server).await;
}

#[tokio::test]
async fn copying_is_refused_and_leaves_nobody_waiting() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let client = connect(&config(&server)).await.unwrap();
    for sql in ["COPY feedback FROM STDIN", "COPY feedback TO STDOUT", "COPY (SELECT 1) TO PROGRAM 'sh'"] {
        let error = patiently(sql, client.simple_query(sql)).await.unwrap_err();
        assert_eq!(code(&error), "25006", "{sql}: {error:?}");
        assert_eq!(texts(&client, "SELECT 1").await.len(), 1, "after {sql}");
    }
    let refused = patiently("copying in", client.copy_in::<_, &[u8]>("COPY feedback FROM STDIN")).await;
    assert_eq!(code(&refused.err().unwrap()), "25006");
    assert_eq!(code(&client.copy_out("COPY feedback TO STDOUT").await.err().unwrap()), "25006");
    // Nor does data help that nobody asked for.
    let mut socket = come_in(server.address()).await;
    let unasked = [message(b'd', b"1\t2\n"), message(b'c', b""), message(b'Q', b"SELECT 7\0"), message(b'X', b"")].concat();
    socket.write_all(&unasked).await.unwrap();
    let told = rest(&mut socket).await;
    assert!(told.windows(8).any(|part| part == b"SELECT 1"), "{}", String::from_utf8_lossy(&told));
}

/// Says that it is a number and is not.
#[derive(Debug)]
struct Lie(&'static [u8]);

impl ToSql for Lie {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(tokio_postgres::types::IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_an_error_of_its_statement() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let client = connect(&config(&server)).await.unwrap();
    for sql in [
        "SELECT $1::bigint + 1",
        "SELECT count(*) FROM feedback WHERE created_at >= $1",
        "SELECT count(*) FROM feedback WHERE tone_negative > $1",
        "SELECT count(*) FROM feedback WHERE urgency = $1",
        "SELECT upper($1)",
        "SELECT id FROM feedback LIMIT $1",
    ] {
        let statement = client.prepare(sql).await.unwrap();
        for lie in [&b""[..], b"\xff\xfe\xfd", b"abcdefghijklmnop", &[0xff; 8], &[0x80, 0, 0, 0, 0, 0, 0, 0]] {
            // Whatever it is taken for, or refused as: nobody falls over it.
            let answered = patiently(sql, client.query(&statement, &[&Lie(lie)])).await;
            if let Err(error) = &answered {
                assert!(error.as_db_error().is_some(), "{sql} with {lie:?}: {error:?}");
            }
            assert_eq!(texts(&client, "SELECT 1").await.len(), 1, "after {sql} with {lie:?}");
        }
    }
    let statement = client.prepare("SELECT $1::bigint + 1").await.unwrap();
    let error = client.query(&statement, &[&Lie(b"abc")]).await.unwrap_err();
    assert!(code(&error).starts_with("22"), "{error:?}");
    let error = client.query("SELECT upper($1)", &[&Lie(b"\xff\xfe")]).await.unwrap_err();
    assert!(code(&error).starts_with("22"), "{error:?}");
}

#[tokio::test]
async fn only_who_knows_the_key_cancels() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let client = connect(&config(&server)).await.unwrap();
    let slow = "SELECT count(*) FROM generate_series(1, 20000000) a(x) WHERE x % 7 = 3";
    let guess = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        for number in 0..64i32 {
            let mut socket = TcpStream::connect(server.address()).await.unwrap();
            let cancel = [80_877_102u32.to_be_bytes(), number.to_be_bytes(), 0u32.to_be_bytes()].concat();
            socket.write_all(&[&16u32.to_be_bytes()[..], &cancel].concat()).await.unwrap();
            assert_eq!(rest(&mut socket).await, b"", "neither yes nor no");
        }
    };
    let (rows, ()) = tokio::join!(client.query_one(slow, &[]), guess);
    assert_eq!(rows.unwrap().get::<_, i64>(0), 2_857_143);
    assert!(client.cancel_token().cancel_query(NoTls).await.is_ok());
}

#[tokio::test]
async fn no_bytes_whatever_bring_it_down() {
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), PostgresConfig { login_timeout_ms: 200, ..anywhere() }).await;
    let parse = message(b'P', b"s\0SELECT $1::bigint, id FROM feedback\0\0\x01\0\0\0\x14");
    let bind = message(b'B', b"p\0s\0\0\x01\0\x01\0\x01\0\0\0\x08\0\0\0\0\0\0\0\x2a\0\0");
    let rest_of_it =
        [message(b'D', b"Pp\0"), message(b'E', b"p\0\0\0\0\0"), message(b'C', b"Ss\0"), message(b'S', b"")].concat();
    let whole = [parse, bind, rest_of_it, message(b'Q', b"SELECT 1; SELECT\0"), message(b'X', b"")].concat();
    let mut dice = rand::rngs::StdRng::seed_from_u64(311);
    for round in 0..200 {
        let mut bytes = whole.clone();
        for _ in 0..dice.random_range(1..6) {
            let place = dice.random_range(0..bytes.len());
            match dice.random_range(0..4) {
                0 => bytes[place] = dice.random(),
                1 => bytes[place] ^= 1 << dice.random_range(0..8),
                2 => bytes.truncate(place.max(1)),
                _ => bytes.insert(place, dice.random()),
            }
        }
        let mut socket =
            if round % 8 == 0 { TcpStream::connect(server.address()).await.unwrap() } else { come_in(server.address()).await };
        // The server may have heard enough before the end.
        let _ = socket.write_all(&bytes).await;
        let _ = socket.shutdown().await;
        rest(&mut socket).await;
    }
    is_well(&server).await;
}
