//! Boston, 28 August 2011: what `trends` says while a hurricane passes, replayed from the portal's export.
//!
//! `CIVICPULSE_BLESS=1` writes the page and the chart of this story, `docs/stories/hurricane.md`, from the same tables.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aggregate::statistics::negative_binomial;
use chrono::{DateTime, TimeDelta, Utc};

use crate::support::{program, root, shared, sql, succeed};

const WINDOWS: [&str; 2] = ["1 hour", "24 hours"];
/// Moments of one query: each is a plan of its own.
const MOMENTS_PER_QUERY: usize = 48;

/// A row of `trends` as it stood at a moment.
#[derive(Clone, Debug)]
struct Seen {
    at: DateTime<Utc>,
    district: String,
    topic: String,
    observed: u64,
    expected: Option<f64>,
    direction: String,
    announced_at: Option<DateTime<Utc>>,
}

fn moment(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// Rows at every moment from one to another.
fn seen(data: &Path, window: &str, condition: &str, (from, to): (&str, &str), step: TimeDelta) -> Vec<Seen> {
    let (from, to) = (moment(from), moment(to));
    let moments: Vec<DateTime<Utc>> = (0..).map(|i| from + step * i).take_while(|at| *at <= to).collect();
    let mut rows = Vec::new();
    for moments in moments.chunks(MOMENTS_PER_QUERY) {
        let one = |at: &DateTime<Utc>| {
            let at = at.format("%Y-%m-%dT%H:%M:%SZ");
            format!(
                "SELECT '{at}' AS at, coalesce(replace(district, ',', ' '), '?') AS district, coalesce(topic, '?') AS topic, observed, \
                 expected, direction, to_char(announced_at, '%Y-%m-%dT%H:%M:%SZ') AS announced_at \
                 FROM trends(window => '{window}', as_of => '{at}') t WHERE {condition}"
            )
        };
        let query = moments.iter().map(one).collect::<Vec<_>>().join(" UNION ALL ");
        for line in sql(data, &query).lines().skip(1) {
            let fields: Vec<&str> = line.split(',').map(|field| field.trim_matches('"')).collect();
            let [at, district, topic, observed, expected, direction, announced_at] = fields[..] else { panic!("{line}") };
            rows.push(Seen {
                at: moment(at),
                district: district.to_owned(),
                topic: topic.to_owned(),
                observed: observed.parse().unwrap(),
                expected: expected.parse().ok(),
                direction: direction.to_owned(),
                announced_at: (!announced_at.is_empty()).then(|| moment(announced_at)),
            });
        }
    }
    rows.sort_by(|a, b| (a.at, &a.district, &a.topic).cmp(&(b.at, &b.district, &b.topic)));
    rows
}

fn imported() -> Option<(tempfile::TempDir, PathBuf)> {
    let folder = shared("data/boston")?;
    let files: Vec<PathBuf> = (7..=12).map(|month| folder.join(format!("311_2011-{month:02}.csv"))).collect();
    if files.iter().any(|file| !file.exists()) {
        println!("skipped: the second half of 2011 is not in {}", folder.display());
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    succeed(program().args(["import", "--format", "boston311", "--data-dir"]).arg(&data).args(&files));
    Some((dir, data))
}

fn announced(rows: &[Seen], district: &str) -> BTreeSet<DateTime<Utc>> {
    rows.iter().filter(|row| row.district == district && row.direction == "rising").filter_map(|row| row.announced_at).collect()
}

#[test]
fn the_hurricane_is_announced_once_where_it_was_and_is_gone_when_it_is_over() {
    let Some((_dir, data)) = imported() else { return };
    let trees = "topic = 'parks_trees'";
    let storm = ("2011-08-27T16:00:00Z", "2011-08-30T04:00:00Z");
    let hour = seen(&data, WINDOWS[0], trees, storm, TimeDelta::minutes(10));
    let day = seen(&data, WINDOWS[1], trees, ("2011-08-27T16:00:00Z", "2011-09-04T16:00:00Z"), TimeDelta::hours(1));

    // Trees come down from seven in the morning on (local time; UTC less four): 1, 7 and 11 reports from six, seven and eight o'clock, when
    // none are usual on a Sunday.
    let first = *announced(&hour, "*").first().expect("the hurricane is announced");
    println!("announced: hour {:?}, day {:?}", announced(&hour, "*"), announced(&day, "*"));
    assert!((moment("2011-08-28T11:00:00Z")..=moment("2011-08-28T13:00:00Z")).contains(&first), "announced at {first}");
    let day_first = *announced(&day, "*").first().expect("in 24 hours too");
    assert!((moment("2011-08-28T11:00:00Z")..=moment("2011-08-28T14:00:00Z")).contains(&day_first), "announced at {day_first}");
    // Once: one moment, whenever one asks.
    assert_eq!(announced(&hour, "*").len(), 1, "{:?}", announced(&hour, "*"));
    assert_eq!(announced(&day, "*").len(), 1, "{:?}", announced(&day, "*"));

    // The districts with the most fallen trees (raw counts of that Sunday: 133, 99, 82, 63, 61), each once a window.
    for district in ["Dorchester", "West Roxbury", "Roxbury", "Jamaica Plain", "Hyde Park"] {
        assert_eq!(announced(&day, district).len(), 1, "{district}: {:?}", announced(&day, district));
    }
    // Not where hardly anything fell.
    for district in ["Boston", "Brighton"] {
        assert!(announced(&day, district).is_empty(), "{district}");
    }

    // Over: a day of usual counts, and nothing rises.
    let late: Vec<&Seen> = day.iter().filter(|row| row.at >= moment("2011-09-04T12:00:00Z")).collect();
    assert!(!late.is_empty() && late.iter().all(|row| row.direction != "rising"), "{late:?}");

    let quiet = QuietWeek::of(&data);
    println!("{quiet:?}");
    quiet.check();

    if std::env::var_os("CIVICPULSE_BLESS").is_some_and(|value| value == "1") {
        let folder = root().join("docs/stories");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("hurricane.svg"), chart(&day)).unwrap();
        std::fs::write(folder.join("hurricane.md"), page(&hour, &day, &quiet)).unwrap();
    }
}

/// A week in November in which nothing but a holiday (the 11th) happened, in the window of 24 hours.
#[derive(Debug)]
struct QuietWeek {
    /// Pairs of district and topic that were called rising or falling at any of the moments asked for.
    called: BTreeSet<(String, String)>,
    /// Comparisons at the ends of its seven days, whose windows have no report in common, ...
    compared: u64,
    /// ... and how many of them had a p-value up to each of [`LEVELS`].
    flagged: [u64; LEVELS.len()],
}

const LEVELS: [f64; 2] = [0.05, 0.01];
const QUIET: (&str, &str) = ("2011-11-07T05:00:00Z", "2011-11-14T05:00:00Z");
const QUIET_DAYS: usize = 7;
const QUIET_STEP_HOURS: i64 = 6;

impl QuietWeek {
    fn of(data: &Path) -> Self {
        let step = TimeDelta::hours(QUIET_STEP_HOURS);
        let week = seen(data, WINDOWS[1], "direction IN ('rising', 'falling')", QUIET, step);
        let called = week.iter().map(|row| (row.district.clone(), row.topic.clone())).collect();
        let day = |day: i64| {
            let end = (moment(QUIET.1) - TimeDelta::days(day)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
            format!("SELECT p_value FROM trends(window => '{}', as_of => '{end}') WHERE p_value IS NOT NULL", WINDOWS[1])
        };
        let days = (0..QUIET_DAYS as i64).map(day).collect::<Vec<_>>().join(" UNION ALL ");
        let up_to = |level: f64| format!("count(*) FILTER (WHERE p_value <= {level})");
        let counts = format!("SELECT count(*), {} FROM ({days})", LEVELS.map(up_to).join(", "));
        let answer = sql(data, &counts);
        let line = answer.lines().nth(1).expect("one row");
        let numbers: Vec<u64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        Self { called, compared: numbers[0], flagged: [numbers[1], numbers[2]] }
    }

    /// What is flagged is no more than chance would flag if nothing had changed anywhere.
    ///
    /// At a level of `a` a comparison is flagged with a probability of at most `a` (counts are whole numbers), so that of `n` no
    /// more than `n a` are expected; the binomial standard deviation is the root of `n a (1 - a)`, three of which leave one chance in
    /// 740.
    ///
    /// A pair is called because its q-value is at most 0.05, which among all cells of one moment happens with a probability of at
    /// most 0.05 where nothing has changed, or because it was announced at a moment of the episodes' grid, of which a day has
    /// 24; at each of these too with a probability of at most 0.05 for all cells together. By the additivity of expectations, however
    /// dependent moments are, no more than (29 + 7 * 24) * 0.05 = 9.9 pairs are expected in the week; beyond the 99% point of the
    /// Poisson distribution of that mean something would be wrong.
    fn check(&self) {
        for (level, flagged) in LEVELS.into_iter().zip(self.flagged) {
            let n = self.compared as f64;
            let most = n * level + 3.0 * (n * level * (1.0 - level)).sqrt();
            assert!(n > 1000.0 && (flagged as f64) <= most, "{flagged} of {n} at {level}, {most} at most");
        }
        let moments = QUIET_DAYS * 24 / QUIET_STEP_HOURS as usize + 1;
        let expected = 0.05 * (moments + QUIET_DAYS * 24) as f64;
        let most = negative_binomial::quantile(0.99, expected, 1.0).unwrap();
        assert!(self.called.len() as u64 <= most, "{} pairs were called, {most} at most: {:?}", self.called.len(), self.called);
    }
}

/// Local time, as the residents had it.
fn local(at: DateTime<Utc>) -> String {
    (at - TimeDelta::hours(4)).format("%a %d %b, %H:%M").to_string()
}

fn page(hour: &[Seen], day: &[Seen], quiet: &QuietWeek) -> String {
    let mut page = String::from(
        "# The hurricane of 28 August 2011\n\n\
         Boston's 311 portal, July to December 2011, replayed from the start: eight weeks of history when Irene came. Times are local. \
         Everything on this page is written by `CIVICPULSE_BLESS=1 cargo test --release -p civicpulse --test it -- hurricane` from \
         `trends(window => ..., as_of => ...)`; the same test checks the facts.\n\n\
         ![Tree reports in 24 hours, observed and expected](hurricane.svg)\n\n\
         ## When it was announced\n\nReports about trees (`parks_trees`), by the window in which the rise became evident.\n\n\
         | district | in the window of an hour | in that of 24 hours | most in 24 hours | expected then |\n| --- | --- | --- | --- | --- |\n",
    );
    let districts: BTreeSet<&str> = day.iter().map(|row| row.district.as_str()).collect();
    for district in districts {
        let when = |rows: &[Seen]| announced(rows, district).first().map_or("-".to_owned(), |at| local(*at));
        let Some(most) = day.iter().filter(|row| row.district == district).max_by_key(|row| row.observed) else { continue };
        let expected = most.expected.map_or("-".to_owned(), |expected| format!("{expected:.1}"));
        let _ = writeln!(page, "| {district} | {} | {} | {} | {expected} |", when(hour), when(day), most.observed);
    }
    page.push_str("\n## The morning, ten minutes at a time\n\nThe whole city, window of an hour.\n\n");
    page.push_str("| until | observed | expected | direction | announced |\n| --- | --- | --- | --- | --- |\n");
    let morning = moment("2011-08-28T10:30:00Z")..=moment("2011-08-28T14:00:00Z");
    for row in hour.iter().filter(|row| row.district == "*" && morning.contains(&row.at)) {
        let expected = row.expected.map_or("-".to_owned(), |expected| format!("{expected:.2}"));
        let announced = row.announced_at.map_or("-".to_owned(), local);
        let _ = writeln!(page, "| {} | {} | {expected} | {} | {announced} |", local(row.at), row.observed, row.direction);
    }
    let over = day.iter().rfind(|row| row.district == "*" && row.direction == "rising");
    let over = over.map_or("-".to_owned(), |row| local(row.at));
    let _ = write!(
        page,
        "\nIn the window of 24 hours the whole city's row was last `rising` on {over}.\n\n\
         ## A quiet week\n\nFrom 7 to 13 November (the 11th is a holiday), asked every six hours, the window of 24 hours called {} pairs of \
         district and topic rising or falling",
        quiet.called.len()
    );
    let names: Vec<String> = quiet.called.iter().map(|(district, topic)| format!("{district}: {topic}")).collect();
    let _ = writeln!(page, "{}.", if names.is_empty() { String::new() } else { format!(" ({})", names.join("; ")) });
    let n = quiet.compared as f64;
    let [five, one] = quiet.flagged.map(|flagged| 100.0 * flagged as f64 / n);
    let _ = writeln!(
        page,
        "\nOf {n} comparisons at the ends of its seven days, {five:.1}% had a p-value of 0.05 or less and {one:.2}% one of 0.01 or less: no \
         more than chance would flag, which the test holds them to. Pairs that are called are within what the rates of 5% of \
         `q_value` and of announcements allow in a week of hourly looks, 9.9 expected and 18 at most (the 99% point)."
    );
    page
}

/// Observed and expected tree reports in 24 hours, hour by hour.
fn chart(day: &[Seen]) -> String {
    let city: Vec<&Seen> = day.iter().filter(|row| row.district == "*").collect();
    let most = city.iter().map(|row| row.observed).max().unwrap_or(1) as f64;
    let (width, height, left, bottom) = (720.0, 300.0, 50.0, 40.0);
    let x = |i: usize| left + (width - left - 10.0) * i as f64 / (city.len().max(2) - 1) as f64;
    let y = |n: f64| height - bottom - (height - bottom - 20.0) * n / most;
    let line = |of: &dyn Fn(&Seen) -> f64| {
        city.iter().enumerate().map(|(i, row)| format!("{:.1},{:.1}", x(i), y(of(row)))).collect::<Vec<_>>().join(" ")
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <polyline fill=\"none\" stroke=\"#b03030\" stroke-width=\"2\" points=\"{}\"/>\n\
         <polyline fill=\"none\" stroke=\"#404040\" stroke-dasharray=\"4 3\" points=\"{}\"/>\n",
        line(&|row| row.observed as f64),
        line(&|row| row.expected.unwrap_or(0.0)),
    );
    for (i, row) in city.iter().enumerate().filter(|(_, row)| (row.at - TimeDelta::hours(4)).format("%H").to_string() == "00") {
        let label = (row.at - TimeDelta::hours(4)).format("%d %b");
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", x(i), height - 15.0);
    }
    for n in [0.0, (most / 2.0).round(), most] {
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{n}</text>", left - 6.0, y(n) + 4.0);
    }
    if let Some(first) = announced(day, "*").first() {
        let at = city.iter().position(|row| row.at >= *first).unwrap_or(0);
        let _ = writeln!(
            svg,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"20\" y2=\"{1}\" stroke=\"#3050b0\"/>\n<text x=\"{2:.1}\" y=\"32\" fill=\"#3050b0\">announced</text>",
            x(at),
            height - bottom,
            x(at) + 4.0
        );
    }
    svg.push_str("<text x=\"60\" y=\"15\">tree reports in 24 hours: observed (red), expected (dashed)</text>\n</svg>\n");
    svg
}
