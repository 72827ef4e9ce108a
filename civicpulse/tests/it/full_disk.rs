//! The disk fills up in the middle of an import, and has room again.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use crate::support::{PATIENCE, program, sql};

const ROWS: usize = 60_000;
const SMALL: &str = "size=6m";
const LARGE: &str = "size=512m";

/// A small disk of its own, where the system lets a test mount one; taken away on drop.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SMALL, "civicpulse-test"]).arg(at).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            println!("skipped: this system lets no test mount a small disk");
            return None;
        }
        Some(Self(at))
    }

    fn enlarge(&self) {
        let remount = ["-o", &format!("remount,{LARGE}")];
        assert!(Command::new("mount").args(remount).arg(self.0).status().expect("mount is there").success());
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn an_import_waits_for_room_and_then_counts_everything_once() {
    let dir = tempfile::tempdir().unwrap();
    let small = dir.path().join("disk");
    std::fs::create_dir(&small).unwrap();
    let Some(disk) = Disk::mount(&small) else { return };
    let mut file = String::from("id,when,words\n");
    for row in 0..ROWS {
        // Words that do not compress away.
        let noise = (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        writeln!(
            file,
            "{row},2026-01-05 10:00:00,pothole number {row} beside pole {noise:x} and pole {:x}",
            noise.rotate_left(23)
        )
        .unwrap();
    }
    std::fs::write(dir.path().join("rows.csv"), file).unwrap();
    let mapping = "source = \"town\"\n[columns]\nid = \"id\"\ncreated_at = \"when\"\ntext = \"words\"\n";
    std::fs::write(dir.path().join("mapping.toml"), mapping).unwrap();

    let data = small.join("data");
    let mut import = program();
    import.current_dir(dir.path()).args(["import", "--format", "csv", "--mapping", "mapping.toml", "--data-dir"]);
    let mut import = import.arg(&data).arg("rows.csv").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (lines, said) = mpsc::channel();
    let stderr = import.stderr.take().unwrap();
    std::thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    let mut heard = Vec::new();
    while !heard.last().is_some_and(|line: &String| line.contains("No space left") || line.contains("full")) {
        let line = said.recv_timeout(PATIENCE);
        heard.push(line.unwrap_or_else(|_| panic!("nothing says that the disk is full:\n{}", heard.join("\n"))));
    }
    assert!(import.try_wait().unwrap().is_none(), "it ended instead of waiting:\n{}", heard.join("\n"));

    disk.enlarge();
    let status = import.wait().unwrap();
    heard.extend(said.iter());
    assert!(status.success(), "{status}:\n{}", heard.join("\n"));
    assert_eq!(sql(&data, "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM feedback"), format!("n,ids\n{ROWS},{ROWS}\n"));
}
