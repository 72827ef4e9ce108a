//! The psql that analysts have.

use std::process::Command;

use sql::Limits;
use sql::postgres::{PostgresConfig, Secret, TlsFiles};

use crate::city::hurricane;
use crate::postgres::{anywhere, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_shows_tables_and_rows() {
    if Command::new("psql").arg("--version").output().is_err() {
        println!("skipped: psql is not installed");
        return;
    }
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), anywhere()).await;
    let port = server.address().port().to_string();
    let psql = async |arguments: &[&str]| -> (String, String) {
        let mut command = tokio::process::Command::new("psql");
        command
            .args(["-X", "-h", "127.0.0.1", "-p", &port, "-U", "analyst", "-d", "civicpulse", "-v", "ON_ERROR_STOP=1"])
            .args(arguments);
        let output = command.output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    };
    let (rows, errors) = psql(&["--csv", "-c", "SELECT id, created_at, votes FROM feedback WHERE votes > 0 ORDER BY id"]).await;
    let expected = "id,created_at,votes\nboston311:004,2011-08-28 13:20:00+00,4\nboston311:008,2011-08-28 16:30:00+00,8\n";
    assert_eq!(rows, expected, "{errors}");
    let (rows, errors) = psql(&["-At", "-c", "SELECT count(*) FROM trends", "-c", "SELECT count(*) FROM priorities"]).await;
    assert_eq!((rows.lines().count(), errors.as_str()), (2, ""));
    let mut wrong = Vec::new();
    for (command, expected) in [
        ("\\dt", "feedback"),
        ("\\d feedback", "created_at"),
        ("\\d+ topics", "for people to read"),
        ("\\dt+", "a topic that reports are labelled with"),
        ("\\l", "civicpulse"),
        ("\\dn", "public"),
        ("\\conninfo", "civicpulse"),
        ("\\echo :SERVER_VERSION_NUM", "160006"),
    ] {
        let (shown, errors) = psql(&["-c", command]).await;
        if !shown.contains(expected) {
            wrong.push(format!("{command}: {shown}{errors}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let (rows, errors) = psql(&["-At", "-v", "FETCH_COUNT=5", "-c", "SELECT id FROM feedback ORDER BY id"]).await;
    assert_eq!(rows.lines().count(), 12, "{errors}");
    let (_, errors) = psql(&["-c", "SELECT * FROM feedbak"]).await;
    assert!(errors.contains("ERROR:  table `feedbak` does not exist: did you mean `feedback`?"), "{errors}");
    let (_, errors) = psql(&["-c", "DROP TABLE feedback"]).await;
    assert!(errors.contains("DROP TABLE is not allowed because this server only reads"), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_used_and_plain_connections_are_sent_away() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout"])
        .arg(file("key.pem"))
        .arg("-out")
        .arg(file("certificate.pem"))
        .output();
    if !made.is_ok_and(|made| made.status.success()) || Command::new("psql").arg("--version").output().is_err() {
        println!("skipped: openssl or psql is not installed");
        return;
    }
    let tls = Some(TlsFiles { certificate: file("certificate.pem"), key: file("key.pem") });
    let config = PostgresConfig { tls, password: Some(Secret::new("s3cret")), ..anywhere() };
    let city = hurricane();
    let (server, _stop) = start(city.engine(Limits::default()), config).await;
    let psql = async |mode: &str| {
        let address =
            format!("host=127.0.0.1 port={} user=civicpulse dbname=civicpulse sslmode={mode}", server.address().port());
        let mut command = tokio::process::Command::new("psql");
        let output =
            command.env("PGPASSWORD", "s3cret").args(["-X", "-At", &address, "-c", "SELECT count(*) FROM feedback"]).output();
        let output = output.await.unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(psql("require").await, ("12\n".to_owned(), String::new()));
    let (rows, errors) = psql("disable").await;
    assert!(rows.is_empty() && errors.contains("only TLS connections are accepted"), "{errors}");
}
