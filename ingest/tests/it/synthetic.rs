//! The synthetic city: the same twice, and true to what it says about itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use feedback::time::{DAY_US, HOUR_US};
use feedback::{Feedback, Kind, ManualClock, Timestamp, Topic};
use ingest::source::Source;
use ingest::synthetic::{Pace, SyntheticCity, SyntheticConfig, SyntheticSource};
use proptest::prelude::*;

fn city(seed: u64, rate: f64) -> SyntheticCity {
    SyntheticCity::new(SyntheticConfig { seed, rate, ..Default::default() }).unwrap()
}

fn received(record: &Feedback) -> Timestamp {
    *record.clone().received_at_mut()
}

/// Every report (not its edits) that arrives within `weeks`, and all other records.
fn lived(city: &mut SyntheticCity, weeks: i64) -> (Vec<feedback::Report>, Vec<Feedback>) {
    let end = city.config().start.plus_micros(weeks * 7 * DAY_US);
    let (mut reports, mut others) = (Vec::new(), Vec::new());
    while city.peek_received_at() < end {
        match city.next().unwrap() {
            Feedback::Report(report) if report.status.is_some() => reports.push(report),
            other => others.push(other),
        }
    }
    (reports, others)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn both_ways_to_take_a_record_give_the_same_bytes(seed: u64, districts in 1u32..60, rate in 0.01f64..5.0, skip in 0u64..30_000) {
        let config = SyntheticConfig {
            seed, districts, rate, under_reporting: 1, edited_share: 0.2, erased_share: 0.1, personal_share: 0.3,
            start: Timestamp::from_secs((seed % 4_000_000_000) as i64), ..Default::default()
        };
        let mut values = SyntheticCity::new(config.clone()).unwrap();
        let mut bytes = SyntheticCity::new(config).unwrap();
        values.skip_to(skip);
        bytes.skip_to(skip);
        let mut buffer = Vec::new();
        for _ in 0..1_500 {
            buffer.clear();
            let filled = bytes.fill(&mut buffer);
            let record = values.next().unwrap();
            let mut json = Vec::new();
            record.write_json(&mut json).unwrap();
            prop_assert_eq!(std::str::from_utf8(&buffer[filled.record.clone()]).unwrap(), std::str::from_utf8(&json).unwrap());
            prop_assert_eq!(Feedback::from_json(&buffer).unwrap(), record.clone());
            let key = record.key().map_or("", |id| id.as_str());
            prop_assert_eq!(std::str::from_utf8(&buffer[filled.key.clone()]).unwrap(), key);
            prop_assert_eq!(filled.received_at, received(&record));
            let kind = match record { Feedback::Report(_) => Kind::Report, Feedback::Status(_) => Kind::Status, Feedback::Erase(_) => Kind::Erase };
            prop_assert_eq!(filled.kind, kind);
        }
    }
}

#[test]
fn the_same_parameters_give_the_same_bytes_from_any_position() {
    let take = |city: &mut SyntheticCity, n: usize| {
        let mut buffer = Vec::new();
        (0..n).for_each(|_| _ = city.fill(&mut buffer));
        buffer
    };
    let (mut whole, mut other) = (city(7, 1.0), city(8, 1.0));
    let (first, second) = (take(&mut whole, 20_000), take(&mut whole, 5_000));
    assert_ne!(first, take(&mut other, 20_000));
    let mut resumed = city(7, 1.0);
    resumed.skip_to(20_000);
    assert_eq!(second, take(&mut resumed, 5_000));
}

#[test]
fn records_come_in_order_of_arrival_and_mostly_within_the_disorder() {
    let mut city = city(3, 0.5);
    let (mut last, mut out_of_order, mut very_late, mut newest) = (Timestamp::MIN, 0, 0, Timestamp::MIN);
    for record in city.by_ref().take(60_000) {
        let now = received(&record);
        assert!(now >= last, "arrivals go forward");
        last = now;
        let at = match &record {
            Feedback::Report(report) => report.updated_at,
            Feedback::Status(event) => event.at,
            Feedback::Erase(erase) => erase.at,
        };
        assert!(at <= now, "nothing is known before it happens");
        out_of_order += usize::from(at < newest);
        newest = newest.max(at);
        very_late += usize::from(now.micros() - at.micros() > 600 * 1_000_000);
    }
    assert!(out_of_order > 10_000, "{out_of_order}");
    assert!((60..400).contains(&very_late), "{very_late} of 60,000 against a share of 0.003");
}

#[test]
fn labels_agree_with_the_records() {
    let mut city = city(11, 0.3);
    let truth = city.truth();
    let (reports, others) = lived(&mut city, 3);
    let mut languages = HashMap::new();
    let mut personal = 0;
    for report in &reports {
        let label = truth.label(report.id.as_str()).unwrap();
        assert_eq!(label.created_at, report.created_at);
        assert!(report.language.as_ref().is_none_or(|language| *language == label.language));
        assert!(report.district.as_ref().is_none_or(|district| *district == label.district));
        assert_eq!(report.author, label.author);
        if let Some(first) = &report.duplicate_of {
            assert!(label.is_duplicate);
            assert_eq!(truth.label(first).unwrap().incident, label.incident);
        }
        let has_contact = report.text.as_ref().is_some_and(|text| text.contains("617-555-01") || text.contains("@example.org"));
        assert_eq!(has_contact, label.is_personal, "{:?}", report.text);
        personal += usize::from(label.is_personal);
        *languages.entry(label.language).or_insert(0) += 1;
    }
    assert_eq!(languages.len(), 6);
    assert!(personal > 0);
    for record in &others {
        match record {
            Feedback::Status(event)
                if event.status == feedback::Status::Closed
                    && event.reason.as_deref() == Some("Case closed. Work completed.") =>
            {
                assert_eq!(truth.label(event.id.as_str()).unwrap().closed_at, Some(event.at));
            }
            Feedback::Erase(erase) if erase.id.is_some() => {
                assert_eq!(truth.label(erase.id.as_ref().unwrap().as_str()).unwrap().erased_at, Some(erase.at));
            }
            _ => {}
        }
    }
    assert_eq!(truth.label("synthetic:1.2"), None);
    assert_eq!(truth.label("other:0.0.0.0"), None);
}

#[test]
fn counts_are_what_the_truth_expects() {
    let config = SyntheticConfig { seed: 5, rate: 0.12, very_late_share: 0.0, ..Default::default() };
    let mut city = SyntheticCity::new(config).unwrap();
    let truth = city.truth();
    let (from, until) = (city.config().start.plus_micros(7 * DAY_US), city.config().start.plus_micros(5 * 7 * DAY_US));
    let (reports, _) = lived(&mut city, 6);
    let names: HashMap<&str, usize> = truth.districts().iter().enumerate().map(|(index, d)| (d.name.as_str(), index)).collect();
    let (districts, topics) = (names.len(), Topic::ALL.len());
    let mut observed = vec![0f64; districts * topics];
    for report in reports.iter().filter(|report| (from..until).contains(&report.created_at)) {
        let label = truth.label(report.id.as_str()).unwrap();
        observed[names[label.district.as_str()] * topics + usize::from(label.topic.code())] += 1.0;
    }
    let mut expected = vec![0f64; districts * topics];
    for district in 0..districts {
        for topic in Topic::ALL {
            expected[district * topics + usize::from(topic.code())] = truth.expected_reports(district, *topic, from, until);
        }
    }
    // Followers come in clumps, so counts vary more than Poisson: by a factor below 4 at these rates.
    let agree = |what: &str, observed: f64, expected: f64| {
        let z = (observed - expected) / (4.0 * expected.max(1.0)).sqrt();
        assert!(z.abs() < 4.5, "{what}: observed {observed}, expected {expected:.1}");
    };
    for (index, (observed, expected)) in observed.iter().zip(&expected).enumerate() {
        agree(&format!("{} {}", truth.districts()[index / topics].name, Topic::ALL[index % topics]), *observed, *expected);
    }
    let (all, all_expected) = (observed.iter().sum::<f64>(), expected.iter().sum::<f64>());
    assert!((all / all_expected - 1.0).abs() < 0.01, "{all} against {all_expected:.0}");
}

#[test]
fn under_reporting_can_be_recovered_from_duplicates() {
    let mut city =
        SyntheticCity::new(SyntheticConfig { seed: 9, rate: 0.15, bursts_per_week: 0.0, ..Default::default() }).unwrap();
    let truth = city.truth();
    let end = city.config().start.plus_micros(14 * 7 * DAY_US);
    let (reports, _) = lived(&mut city, 14);
    let mut exposure_days: HashMap<String, f64> = HashMap::new();
    let mut further: HashMap<String, f64> = HashMap::new();
    for report in &reports {
        let label = truth.label(report.id.as_str()).unwrap();
        let index = truth.districts().iter().position(|d| d.name == label.district).unwrap();
        // Incidents that stood long enough ago for everything about them to have arrived.
        let settled = label.created_at.plus_micros(35 * DAY_US) < end;
        let is_incident =
            label.signal == feedback::Signal::Problem && truth.reporting_rate_per_day(index, label.topic).is_some();
        if label.is_duplicate {
            let first = report.id.as_str().rsplit_once('.').unwrap().0.to_owned() + ".0";
            if truth.label(&first).unwrap().created_at.plus_micros(35 * DAY_US) < end {
                *further.entry(label.district).or_default() += 1.0;
            }
        } else if settled && is_incident {
            let limit = label.created_at.plus_micros(30 * DAY_US);
            let erased = truth.label(report.id.as_str()).unwrap().erased_at.is_some();
            let closed = label.closed_at.unwrap_or(limit);
            // An erased report's closing is not told; its exposure is unknown to an observer, and its share is 0.3 %.
            if !erased {
                *exposure_days.entry(label.district).or_default() +=
                    (closed.micros() - label.created_at.micros()) as f64 / DAY_US as f64;
            }
        }
    }
    for district in truth.districts() {
        let (m, t) = (further[&district.name], exposure_days[&district.name]);
        let error = (m / t - district.reporting_rate_per_day).abs();
        // Five standard errors of a Poisson rate, and one hundredth for the erased.
        assert!(error < 5.0 * m.sqrt() / t + 0.01 * district.reporting_rate_per_day, "{}: {m} / {t}", district.name);
        assert_eq!(district.is_under_reporting, m / t < 0.07);
    }
}

#[test]
fn bursts_stand_out_where_and_when_they_are_said_to() {
    let mut city =
        SyntheticCity::new(SyntheticConfig { seed: 21, rate: 0.5, bursts_per_week: 20.0, ..Default::default() }).unwrap();
    let truth = city.truth();
    let (reports, _) = lived(&mut city, 2);
    let labels: Vec<_> = reports.iter().map(|report| truth.label(report.id.as_str()).unwrap()).collect();
    let bursts = truth.bursts(city.config().start, city.config().start.plus_micros(7 * DAY_US));
    assert!(bursts.len() > 8);
    for burst in &bursts {
        let own = labels.iter().filter(|label| label.burst == Some(burst.number));
        let firsts: Vec<_> = own.filter(|label| !label.is_duplicate || burst.is_one_incident).collect();
        assert!(
            firsts
                .iter()
                .all(|label| label.topic == burst.topic && label.created_at >= burst.from && label.created_at < burst.until)
        );
        let incidents: std::collections::HashSet<_> = firsts.iter().map(|label| &label.incident).collect();
        assert!(!burst.is_one_incident || incidents.len() <= 1);
    }
    let told: usize = labels.iter().filter(|label| label.burst.is_some()).count();
    assert!(told > 100, "{told}");
}

#[tokio::test]
async fn the_door_catches_up_then_keeps_pace_and_resumes_where_it_stood() {
    let config = SyntheticConfig { seed: 2, rate: 0.5, ..Default::default() };
    let start = config.start;
    let clock = Arc::new(ManualClock::at(start.plus_micros(6 * HOUR_US)));
    let mut door = SyntheticSource::new(config.clone(), Pace::REAL_TIME, clock.clone()).unwrap();
    door.resume(None).unwrap();
    let mut all = Vec::new();
    let mut cursors = Vec::new();
    loop {
        let Ok(batch) = tokio::time::timeout(Duration::from_millis(300), door.next()).await else { break };
        let batch = batch.unwrap().unwrap();
        all.extend(batch.records);
        cursors.push((all.len(), batch.cursor.unwrap()));
    }
    assert!(all.iter().all(|record| received(record) <= start.plus_micros(6 * HOUR_US)));
    assert!(all.len() > 5_000 && cursors.len() > 1, "{} in {}", all.len(), cursors.len());
    clock.set(start.plus_micros(7 * HOUR_US));
    let more = door.next().await.unwrap().unwrap();
    assert!(!more.records.is_empty());
    all.extend(more.records);

    let (taken, cursor) = &cursors[0];
    let mut again = SyntheticSource::new(config.clone(), Pace::REAL_TIME, clock.clone()).unwrap();
    again.resume(Some(cursor)).unwrap();
    let batch = again.next().await.unwrap().unwrap();
    assert_eq!(batch.records[..], all[*taken..*taken + batch.records.len()]);

    let other = SyntheticConfig { seed: 3, ..config };
    let mut other = SyntheticSource::new(other, Pace::REAL_TIME, clock).unwrap();
    assert!(other.resume(Some(cursor)).unwrap_err().is_terminal());
    assert!(other.resume(Some("{")).unwrap_err().is_terminal());
}
