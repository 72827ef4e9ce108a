//! `fetch` from a hub on loopback that holds one tiny repository.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use models::transformer::Transformer;
use models::transformer::fetch::{Fetch, fetch};

use super::{alone, messages, tiny};

/// Paths that were asked for, each with the authorization that came with it.
type Asked = Mutex<Vec<(String, Option<String>)>>;

/// Files by name, and what was asked of the hub with its token.
struct Hub {
    endpoint: String,
    asked: Arc<Asked>,
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

impl Hub {
    /// Serves `files` as `city/tones`; `cut` bytes are missing at the end of the weights.
    fn start(files: HashMap<String, Vec<u8>>, cut: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Asked> = Arc::default();
        let log = asked.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                // A client that goes away is no matter here.
                let _ = serve(connection, &files, cut, &log);
            }
        });
        Self { endpoint, asked }
    }

    fn fetch(&self, name: &str, dir: &Path) -> Result<String, String> {
        let fetch_ = Fetch {
            name: name.to_owned(),
            revision: "main".to_owned(),
            endpoint: self.endpoint.clone(),
            token: Some("s3cret".to_owned()),
            dir: dir.to_owned(),
        };
        fetch(&fetch_, &mut |_| {}).map_err(|error| error.to_string())
    }
}

fn serve(connection: TcpStream, files: &HashMap<String, Vec<u8>>, cut: usize, log: &Asked) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut out = connection;
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    log.lock().unwrap().push((path.clone(), headers.get("authorization").cloned()));
    let close = "Connection: close\r\n";
    if path == "/api/models/city/tones/revision/main" {
        let siblings: Vec<_> = files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
        let body = serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string();
        return write!(out, "HTTP/1.1 200 OK\r\n{close}Content-Length: {}\r\n\r\n{body}", body.len());
    }
    let Some((name, body)) = path.strip_prefix("/city/tones/resolve/main/").and_then(|name| files.get_key_value(name)) else {
        return write!(out, "HTTP/1.1 404 Not Found\r\n{close}Content-Length: 0\r\n\r\n");
    };
    let (first, last) =
        headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-')).unwrap_or(("0", ""));
    let first: usize = first.parse().unwrap_or(0);
    let end = last.parse().map_or(body.len(), |last: usize| (last + 1).min(body.len()));
    let end = if last.is_empty() && name == "model.safetensors" { end - cut } else { end };
    let part = &body[first.min(end)..end];
    write!(
        out,
        "HTTP/1.1 206 Partial Content\r\n{close}ETag: \"{name}\"\r\nX-Repo-Commit: {COMMIT}\r\nContent-Length: {}\r\n\
         Content-Range: bytes {first}-{}/{}\r\n\r\n",
        part.len(),
        end.saturating_sub(1),
        body.len()
    )?;
    out.write_all(part)
}

fn files(dir: &Path) -> HashMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn a_model_is_fetched_whole_with_the_token_and_nothing_else() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    std::fs::create_dir(&source).unwrap();
    tiny::write(tiny::Network::Roberta, &source);
    let mut content = files(&source);
    content.insert("README.md".to_owned(), b"a model".to_vec());
    content.insert("tf_model.h5".to_owned(), vec![0; 1000]);
    let hub = Hub::start(content, 0);
    let target = dir.path().join("tones");
    assert_eq!(hub.fetch("city/tones", &target).unwrap(), COMMIT);
    assert_eq!(files(&target), files(&source), "what is not read here is not fetched");
    let texts = messages(&["the light is out"]);
    let read = |dir: &Path| Transformer::start(dir, 1).unwrap().read(&texts).unwrap();
    assert_eq!(read(&target), read(&source));
    assert!(!dir.path().join("tones.part").exists());
    let asked = hub.asked.lock().unwrap();
    assert!(asked.iter().all(|(_, token)| token.as_deref() == Some("Bearer s3cret")), "{asked:?}");
    assert!(asked.iter().all(|(path, _)| !path.contains("README") && !path.contains("tf_model")), "{asked:?}");
}

#[test]
fn what_goes_wrong_is_said_and_no_directory_is_left() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    std::fs::create_dir(&source).unwrap();
    tiny::write(tiny::Network::Roberta, &source);
    let target = dir.path().join("tones");

    let hub = Hub::start(files(&source), 0);
    assert!(hub.fetch("city/moods", &target).unwrap_err().contains("is the name right"));
    assert!(hub.fetch("../tones", &target).unwrap_err().contains("owner/name"));
    assert!(hub.fetch("city/tones", &source).unwrap_err().contains("exists: name a new directory"));

    let short = Hub::start(files(&source), 100).fetch("city/tones", &target).unwrap_err();
    assert!(short.contains("model.safetensors came with"), "{short}");

    let mut other = files(&source);
    other.remove("model.safetensors");
    other.insert("tf_model.h5".to_owned(), vec![1]);
    assert!(Hub::start(other, 0).fetch("city/tones", &target).unwrap_err().contains("other formats are not read"));

    let mut binary = files(&source);
    let config = String::from_utf8(binary["config.json"].clone()).unwrap().replace("neutral", "mixed");
    binary.insert("config.json".to_owned(), config.into_bytes());
    let hub = Hub::start(binary, 0);
    assert!(hub.fetch("city/tones", &target).unwrap_err().contains("mixed"));
    assert!(hub.asked.lock().unwrap().iter().all(|(path, _)| !path.contains("safetensors")), "the large file is not fetched");
    assert!(!target.exists());

    // A port on which nobody listens.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hub = Hub { endpoint: format!("http://{nobody}"), asked: Arc::default() };
    let offline = hub.fetch("city/tones", &target).unwrap_err();
    assert!(offline.contains(&hub.endpoint) && offline.contains("copy the model's files"), "{offline}");
}
