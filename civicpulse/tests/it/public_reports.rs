//! What everybody may see, asked over HTTP: whole months that are settled, small cells withheld, the same answer for ever.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{Server, eventually, program};

const MARCH: &str = "/public/reports/2026-03";
/// `publish.threshold` of the default configuration.
const THRESHOLD: u64 = 10;

/// One report a line.
fn reports(first: usize, of: &[(&str, &str, &str, usize)]) -> String {
    let mut lines = String::new();
    let mut number = first;
    for (district, category, text, count) in of {
        for _ in 0..*count {
            let day = 1 + number % 28;
            lines.push_str(&format!(
                "{{\"id\":\"api:{number}\",\"district\":\"{district}\",\"category\":\"{category}\",\"text\":\"{text}\",\
                 \"author\":\"person {number}\",\"created_at\":\"2026-03-{day:02}T10:00:00Z\"}}\n"
            ));
            number += 1;
        }
    }
    lines
}

fn send(server: &Server, lines: &str) {
    let (status, answer) = server.post("/api/v1/feedback", "application/x-ndjson", lines.as_bytes());
    assert!((200..300).contains(&status), "{status} {answer}");
}

fn wait_for(server: &Server, rows: usize) {
    eventually("the reports", &format!("n\n{rows}\n"), || server.sql("SELECT count(*) AS n FROM feedback"));
}

/// District and topic to count and status.
fn cells(csv: &str) -> BTreeMap<(String, String), (String, String)> {
    let cell = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [month, district, topic, count, status] = fields[..] else { panic!("{line}") };
        assert_eq!(month, "2026-03");
        ((district.to_owned(), topic.to_owned()), (count.to_owned(), status.to_owned()))
    };
    csv.lines().skip(1).map(cell).collect()
}

fn start(data: &Path) -> Server {
    Server::start(program().args(["run", "--data-dir"]).arg(data))
}

#[test]
fn a_month_is_given_out_once_it_is_settled_and_never_differently() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = start(dir.path());
    for wrong in ["2026-3", "2026-13", "2026-03-15", "last", "..%2F..%2Fcheckpoint"] {
        let (status, said) = server.get(&format!("/public/reports/{wrong}"));
        assert!(status == 404 && said.contains("is not a month"), "{wrong}: {status} {said}");
    }
    let (status, said) = server.get(MARCH);
    assert!(status == 404 && said.contains("hold nothing yet"), "{status} {said}");

    let pothole = ("Pothole Repair", "deep pothole in the road, a car was damaged");
    let light = ("Street Light Outages", "the street light is out");
    let graffiti = ("Graffiti Removal", "graffiti sprayed on the wall");
    let of = |district, (category, text), count| (district, category, text, count);
    let all = [
        of("North", pothole, 40),
        of("North", light, 2),
        of("North", graffiti, 25),
        of("South", pothole, 22),
        of("South", light, 30),
        of("South", graffiti, 18),
        of("West", pothole, 35),
        of("West", light, 20),
        of("West", graffiti, 50),
    ];
    let sent: usize = all.iter().map(|(.., count)| count).sum();
    send(&server, &reports(0, &all));
    wait_for(&server, sent);
    let (status, said) = server.get(MARCH);
    assert!(status == 404 && said.contains("released once, 7 days after its end"), "{status} {said}");

    // Spring goes on; April's first week is over when May has come.
    let later = |id: usize| format!("{{\"id\":\"api:{id}\",\"text\":\"pothole\",\"created_at\":\"2026-05-02T10:00:00Z\"}}\n");
    send(&server, &(1000..1040).map(later).collect::<String>());
    wait_for(&server, sent + 40);
    eventually("the release", &200, || server.get(MARCH).0);
    let (_, first) = server.get(MARCH);
    assert!(first.starts_with("month,district,topic,reports,status\n"), "{first}");
    let shown = cells(&first);
    println!("{first}");
    assert_eq!(shown[&("*".into(), "*".into())].0, sent.to_string(), "all of March and nothing of May");

    // Every count of few people is withheld, and another one in its row and its column, or it would follow from the totals.
    let counts =
        server.sql("SELECT district, topic, count(*) AS n FROM feedback WHERE created_at < '2026-04-01' GROUP BY 1, 2");
    let mut small = 0;
    for line in counts.lines().skip(1) {
        let [district, topic, count] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        if count.parse::<u64>().unwrap() < THRESHOLD {
            small += 1;
            let of_district = shown.iter().filter(|((at, _), (_, status))| at == district && status == "withheld").count();
            let key = (district.to_owned(), topic.to_owned());
            assert!(shown.get(&key).is_none_or(|(count, status)| count.is_empty() && status == "withheld"), "{line}");
            assert!(of_district != 1, "{district}'s only gap follows from its total");
        }
    }
    assert!(small > 0, "{counts}");
    for (key, (count, status)) in &shown {
        match status.as_str() {
            "shown" => assert!(count == "0" || count.parse::<u64>().unwrap() >= THRESHOLD, "{key:?}: {count}"),
            "withheld" => assert_eq!(count, "", "{key:?}"),
            other => panic!("{key:?} is {other}"),
        }
    }

    // What comes late, or is erased, changes nothing; nor does a restart.
    send(&server, &reports(2000, &[of("North", light, 3)]));
    let erase =
        "{\"kind\":\"erase\",\"id\":\"api:0\",\"at\":\"2026-05-03T10:00:00Z\",\"received_at\":\"2026-05-03T10:00:00Z\"}\n";
    send(&server, erase);
    wait_for(&server, sent + 40 + 3 - 1);
    assert_eq!(server.get(MARCH), (200, first.clone()));
    server.kill();
    let server = start(dir.path());
    assert_eq!(server.get(MARCH), (200, first.clone()), "before anything is processed again");
    server.stop();
    assert_eq!(std::fs::read_to_string(dir.path().join("public/reports-2026-03.csv")).unwrap(), first);
}
