//! Starting the program and asking it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The program, quiet and without the environment's configuration.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_civicpulse"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CIVICPULSE")) {
        command.env_remove(name);
    }
    command
}

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

/// A path under `../shared`, or a printed line when it is not there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// A service that an environment variable names, or a printed line when it does not.
pub fn service(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok();
    if value.is_none() {
        println!("skipped: {variable} is not set");
    }
    value
}

/// Runs to the end and expects success; standard output.
pub fn succeed(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs to the end and expects exit code `code`; standard error.
pub fn fail(command: &mut Command, code: i32) -> String {
    let output = run(command);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{command:?}:\n{error}");
    error
}

/// Runs to the end.
pub fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("the program starts")
}

/// A query against a data directory, as CSV.
pub fn sql(data_dir: &Path, query: &str) -> String {
    succeed(program().arg("sql").arg("--data-dir").arg(data_dir).args(["--format", "csv", query]))
}

/// A running server on free ports; ended on drop.
pub struct Server {
    child: Child,
    /// `host:port`.
    pub http: String,
    /// `host:port`; empty without the serve role.
    pub postgres: String,
}

impl Server {
    /// Starts `command` (which must log at info) and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        let is_serving = !command.get_args().any(|argument| argument == "enrich" || argument == "ingest");
        command.env("CIVICPULSE__HTTP__LISTEN", "127.0.0.1:0").env("CIVICPULSE__POSTGRES__LISTEN", "127.0.0.1:0");
        command.env("CIVICPULSE__LOG__FILTER", "info,librdkafka=off").env("NO_COLOR", "1");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let stderr = child.stderr.take().expect("piped");
        let (lines, received) = mpsc::channel();
        std::thread::spawn(move || {
            // Read to the end, so that the program never waits for a reader.
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let mut server = Self { child, http: String::new(), postgres: String::new() };
        let deadline = Instant::now() + PATIENCE;
        let mut log = Vec::new();
        while server.http.is_empty() || (is_serving && server.postgres.is_empty()) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = received.recv_timeout(left) else { panic!("it does not listen:\n{}", log.join("\n")) };
            if let Some(address) = address_in(&line) {
                let place = if line.contains("HTTP is served") { &mut server.http } else { &mut server.postgres };
                *place = address;
            }
            log.push(line);
        }
        server
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop, and expects an orderly end.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there").success());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("our child") {
                assert!(status.success(), "it ended with {status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not stop");
    }

    /// GET `path`; status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        http(&self.http, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), b"")
    }

    /// POST a body to `path`; status and body of the answer.
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> (u16, String) {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        http(&self.http, &head, body)
    }

    /// A query by the program's own client, as CSV.
    pub fn sql(&self, query: &str) -> String {
        let url = format!("postgres://{}", self.postgres);
        succeed(program().args(["sql", "--url", &url, "--format", "csv", query]))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn address_in(line: &str) -> Option<String> {
    let served = line.contains("HTTP is served") || line.contains("Postgres wire is served");
    served.then(|| line.split("address=").nth(1)?.split_whitespace().next().map(str::to_owned))?
}

fn http(address: &str, head: &str, body: &[u8]) -> (u16, String) {
    use std::io::{Read, Write};
    let mut connection = std::net::TcpStream::connect(address).expect("it listens");
    connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    connection.write_all(head.as_bytes()).expect("sent");
    // The server may refuse before it has read all of the body.
    let _ = connection.write_all(body);
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    (status, body)
}

/// Asks again until the answer is as expected.
pub fn eventually<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, mut ask: impl FnMut() -> T) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {answer:?} instead of {expected:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
