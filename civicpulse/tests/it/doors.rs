//! The doors of a running program under senders that mean harm or are broken: each is refused or let go, and the next is served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Server, eventually, program};

fn start(dir: &tempfile::TempDir, settings: &[(&str, &str)]) -> Server {
    let mut command = program();
    command.args(["run", "--data-dir"]).arg(dir.path());
    Server::start(command.envs(settings.iter().copied()))
}

fn connect(address: &str) -> TcpStream {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.set_write_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// Everything until the other side closes, or breaks off.
fn rest(connection: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    let _ = connection.read_to_end(&mut rest);
    String::from_utf8_lossy(&rest).into_owned()
}

#[test]
fn slow_headers_are_broken_off_and_take_no_place_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("CIVICPULSE__HTTP__HEADER_TIMEOUT_MS", "500"), ("CIVICPULSE__HTTP__CONNECTIONS", "8")];
    let server = start(&dir, &settings);
    // As many as there is room for: nothing, half a line, a header that never ends, and a request that was answered.
    let mut held: Vec<TcpStream> = (0..8).map(|_| connect(&server.http)).collect();
    for (number, connection) in held.iter_mut().enumerate() {
        let said: &[u8] = [
            &b""[..],
            b"GE",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ][number % 4];
        connection.write_all(said).unwrap();
    }
    let started = Instant::now();
    assert_eq!(server.get("/healthz"), (200, "ok\n".to_owned()), "the ninth waits until there is room");
    // One byte at a time does not buy more time.
    let mut drop_by_drop = connect(&server.http);
    drop_by_drop.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
    while drop_by_drop.write_all(b"x").is_ok() {
        assert!(started.elapsed() < PATIENCE, "it may go on for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
    for connection in &mut held {
        let told = rest(connection);
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 "), "{told}");
    }
}

#[test]
fn bodies_without_end_and_headers_without_measure_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir, &[("CIVICPULSE__HTTP__MAX_BODY_BYTES", "100000")]);
    let head = "POST /api/v1/feedback HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let mut endless = connect(&server.http);
    endless.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    let chunk = format!("400\r\n{}\r\n", " ".repeat(0x400));
    let mut sent = 0;
    while sent < 10_000 && endless.write_all(chunk.as_bytes()).is_ok() {
        sent += 1;
    }
    let told = rest(&mut endless);
    assert!(sent < 10_000 || told.starts_with("HTTP/1.1 413"), "{sent} chunks were taken: {told}");

    // Refused by its announced length, whatever comes after.
    let mut announced = connect(&server.http);
    announced.write_all(format!("{head}Content-Length: 99999999999\r\n\r\n{{").as_bytes()).unwrap();
    assert!(rest(&mut announced).starts_with("HTTP/1.1 413"), "not even the rest is waited for");

    let mut long_header = connect(&server.http);
    let _ = long_header.write_all(b"GET / HTTP/1.1\r\nX: ");
    for _ in 0..1_000 {
        if long_header.write_all(&[b'x'; 4096]).is_err() {
            break;
        }
    }
    let told = rest(&mut long_header);
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 431"), "{told}");
    for nonsense in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /api/v1/feedback HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        let mut connection = connect(&server.http);
        connection.write_all(nonsense.as_bytes()).unwrap();
        let told = rest(&mut connection);
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 400"), "{nonsense:?}: {told}");
    }
    assert_eq!(server.get("/healthz").0, 200);
}

#[test]
fn what_is_wrong_in_a_body_is_told_and_the_rest_of_it_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(&dir, &[]);
    let path = "/api/v1/feedback";
    let good = |id: u32| format!(r#"{{"id":"{id}","created_at":"2026-01-05T10:00:00Z","text":"pothole {id}"}}"#);
    let lines =
        [good(1), "{\"id\":".to_owned(), good(2), "{\"id\":\"3\",\"text\":5}".to_owned(), "\u{fffd}".to_owned(), good(4)];
    let (status, answer) = server.post(path, "application/x-ndjson", lines.join("\n").as_bytes());
    assert_eq!(status, 207, "{answer}");
    assert!(answer.contains("\"accepted\":3") && answer.contains("\"rejected\":3"), "{answer}");
    for (content_type, body, expected, told) in [
        ("application/x-www-form-urlencoded", &b"text=pothole&id=9"[..], 400, "JSON"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\npothole\r\n--x--", 400, "JSON"),
        ("application/json", b"", 400, "empty"),
        ("application/json", b"\xff\xfe{}", 400, "JSON"),
        ("application/json", b"[[[[[[[[", 400, "JSON"),
        ("\u{1}", b"{\"id\":\"5\",\"created_at\":\"2026-01-05T10:00:00Z\"}", 400, ""),
    ] {
        let (status, answer) = server.post(path, content_type, body);
        assert!(status == expected && answer.contains(told), "{content_type}: {status} {answer}");
    }
    let deep = "[".repeat(200_000);
    assert_eq!(server.post(path, "application/json", deep.as_bytes()).0, 400, "no stack is deep enough");
    eventually("the good lines", &"id\napi:1\napi:2\napi:4\n".to_owned(), || server.sql("SELECT id FROM feedback ORDER BY id"));
}

#[test]
fn releases_are_named_by_months_and_by_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret.csv"), "secret").unwrap();
    let server = start(&dir, &[]);
    for month in
        ["..%2Fsecret", "%2e%2e/secret", "2011-13", "2011-8", "2011-08%00", "0000-00", "9999-12", "2011-08/../../secret", "%ff"]
    {
        let (status, answer) = server.get(&format!("/public/reports/{month}"));
        assert!((400..500).contains(&status) && !answer.contains("secret\n"), "{month}: {status} {answer}");
    }
    // A release that cannot be read is our trouble, and where our files lie is nobody's business.
    std::fs::create_dir_all(dir.path().join("public/reports-2011-08.csv")).unwrap();
    let (status, answer) = server.get("/public/reports/2011-08");
    assert!(status == 500 && !answer.contains(dir.path().to_str().unwrap()), "{status} {answer}");
    // Speaking the wrong language at a door is no more than a closed connection.
    let mut wrong = connect(&server.postgres);
    wrong.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    rest(&mut wrong);
    assert_eq!(server.sql("SELECT 1 AS one"), "one\n1\n");
}
