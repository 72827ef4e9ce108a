//! Messages about public services: hospital comments, transit tweets, cycling proposals, disaster messages, 311 reports.

use std::path::Path;

use feedback::{Signal, Tone, Topic, Urgency};

use super::table::{Row, Table};
use crate::train::{Example, Labels, TrainError};

/// A label that follows from where a text was written, not from somebody who read it.
const WEAK: f32 = 0.3;

/// A topic that every text of a large source shares: enough to teach its words, too little to become what the model says
/// when it knows nothing.
const SHARED_TOPIC: f32 = 0.03;

/// The same where a text only calibrates, which must hear of texts that are easy as well.
const SHARED_TOPIC_ASIDE: f32 = 0.5;

/// NHS comments. Their rating of 1 to 5 is a tone; a good one is praise and a bad one a problem, weakly; all are about
/// health services, weakly, since this is the only topic that they show.
pub(super) fn public_service(data: &Path, examples: &mut Vec<Example>) -> Result<(), TrainError> {
    let table = Table::read(&data.join("public_service/nhs_v6_multilabel.tsv"))?;
    table.rows(&["split", "question", "sentiment", "text"], |row| {
        let labels = match row.get("sentiment") {
            "1" | "2" => Labels::none().tone(Tone::Positive.code(), 1.0).signal(Signal::Praise.code(), 1.0),
            "3" => Labels::none().tone(Tone::Neutral.code(), 1.0),
            "4" | "5" => Labels::none().tone(Tone::Negative.code(), 1.0).signal(Signal::Problem.code(), 0.5),
            _ => Labels::none(),
        };
        let labels = labels.topic(Topic::HealthServices.code(), shared_topic(row));
        let labels = labels.urgency(Urgency::Routine.code(), SHARED_TOPIC);
        let mut example = Example::new("nhs", "en", row.get("text"), labels);
        example.prompt = Some(row.get("question").to_owned());
        push(row, example, examples);
    })?;
    let table = Table::read(&data.join("public_service/nhs_phase1.tsv"))?;
    table.rows(&["split", "label", "criticality", "text"], |row| {
        let labels = Labels::none().topic(Topic::HealthServices.code(), shared_topic(row));
        let labels = match row.get("criticality").parse::<i32>() {
            Ok(2..) => labels.tone(Tone::Positive.code(), 0.5).signal(Signal::Praise.code(), 0.5),
            Ok(..=-2) => labels.tone(Tone::Negative.code(), 0.5).signal(Signal::Problem.code(), 0.5),
            _ => labels,
        };
        let mut example = Example::new("nhs", "en", row.get("text"), labels);
        // The questions are anonymised, but only one kind of question is answered with "nothing" by the content.
        example.prompt = (row.get("label") == "Couldn't be improved").then(|| "What could we improve?".to_owned());
        push(row, example, examples);
    })
}

fn shared_topic(row: &Row<'_>) -> f32 {
    if row.get("split") == "dev" { SHARED_TOPIC_ASIDE } else { SHARED_TOPIC }
}

/// German tweets about public transport. One row in ten is kept aside: the file is itself the source's development part.
pub(super) fn transit(data: &Path, examples: &mut Vec<Example>) -> Result<(), TrainError> {
    let table = Table::read(&data.join("multilingual/transit_mobasa_de_dev.tsv"))?;
    let mut number = 0usize;
    table.rows(&["label", "relevant", "text"], |row| {
        number += 1;
        let Ok(tone) = row.get("label").parse::<Tone>() else { return };
        let mut labels = Labels::none().tone(tone.code(), 0.5);
        if row.get("relevant") == "true" {
            labels = labels.topic(Topic::PublicTransport.code(), WEAK);
        }
        let mut example = Example::new("transit_de", "de", row.get("text"), labels);
        example.dev = number.is_multiple_of(10);
        examples.push(example);
    })
}

/// German citizens' proposals about cycling, by the kind of thing they are about.
pub(super) fn cycling(data: &Path, examples: &mut Vec<Example>) -> Result<(), TrainError> {
    let table = Table::read(&data.join("multilingual/cycling_dialogues_de.tsv"))?;
    table.rows(&["split", "label", "title", "text"], |row| {
        let topic = match row.get("label") {
            "lighting" => Topic::StreetLighting,
            "traffic_lights" => Topic::TrafficSignals,
            _ => Topic::CyclingWalking,
        };
        let mut example = Example::new("cycling_de", "de", row.get("text"), Labels::none().topic(topic.code(), 0.5));
        example.title = Some(row.get("title").to_owned());
        push(row, example, examples);
    })
}

/// Messages after disasters. Somebody trapped, hurt or dying is an emergency; other requests for aid are urgent; news and
/// the rest are routine, weakly.
pub(super) fn disasters(data: &Path, examples: &mut Vec<Example>) -> Result<(), TrainError> {
    let table = Table::read(&data.join("urgency/disaster_messages.tsv"))?;
    let columns = ["split", "genre", "request", "medical_help", "search_and_rescue", "original", "text"];
    table.rows(&columns, |row| {
        let is = |column: &str| row.get(column) == "1";
        let mut labels = Labels::none();
        if row.get("genre") == "direct" {
            let urgency = match () {
                () if is("search_and_rescue") || is("medical_help") && is("request") => Urgency::Emergency,
                () if is("request") => Urgency::Urgent,
                () => Urgency::Routine,
            };
            labels = labels.urgency(urgency.code(), WEAK);
            if is("request") {
                labels = labels.signal(Signal::Request.code(), WEAK).topic(Topic::Emergencies.code(), WEAK);
            }
        } else {
            labels = labels.urgency(Urgency::Routine.code(), WEAK).signal(Signal::Other.code(), WEAK);
        }
        push(row, Example::new("disasters", "en", row.get("text"), labels), examples);
    })
}

/// Residents' reports from Newport by the request type that the resident chose. Kept from training and calibration whole:
/// the one source of messages to a city by other people, so the one that tells how a city fares that is new.
pub(super) fn newport(data: &Path, examples: &mut Vec<Example>) -> Result<(), TrainError> {
    let table = Table::read(&data.join("citizen_reports/newport_seeclickfix.tsv"))?;
    table.rows(&["label", "summary", "text"], |row| {
        let topic = match row.get("label") {
            "Graffiti Issue" => Topic::Graffiti,
            "Missed Trash or Bulky Waste Collection" => Topic::WasteCollection,
            "Playground Issue" | "Recreation Facility, Sports Field or Park Issue" | "Tree or Vegetation Issue" => {
                Topic::ParksTrees
            }
            "Pothole Issue" => Topic::Roads,
            "Storm Drain" => Topic::DrainageFlooding,
            "Street Light Issue" => Topic::StreetLighting,
            _ => return,
        };
        let labels = Labels::none().topic(topic.code(), 1.0).signal(Signal::Problem.code(), WEAK);
        let mut example = Example::new("newport", "en", row.get("text"), labels);
        example.title = Some(row.get("summary").to_owned());
        (example.dev, example.unseen) = (true, true);
        examples.push(example);
    })
}

/// San Francisco's encampment reports: one service, so one topic.
pub(super) fn encampments(data: &Path, examples: &mut Vec<Example>) -> Result<(), TrainError> {
    let path = data.join("open311/sf_requests_2025-09_a.json");
    let content = match std::fs::read_to_string(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(TrainError::Read { path: path.display().to_string(), source }),
    };
    let requests: Vec<serde_json::Value> = serde_json::from_str(&content).map_err(|error| TrainError::Row {
        path: path.display().to_string(),
        line: error.line(),
        problem: error.to_string(),
    })?;
    for (number, request) in requests.iter().enumerate() {
        let text = request.get("description").and_then(serde_json::Value::as_str).unwrap_or_default();
        if !text.is_empty() {
            let labels = Labels::none().topic(Topic::Homelessness.code(), WEAK).signal(Signal::Problem.code(), WEAK);
            let mut example = Example::new("encampments", "en", text, labels);
            example.dev = number % 10 == 9;
            examples.push(example);
        }
    }
    Ok(())
}

/// Takes the source's own split.
fn push(row: &Row<'_>, mut example: Example, examples: &mut Vec<Example>) {
    example.dev = row.get("split") == "dev";
    if !example.text.is_empty() || example.title.is_some() {
        examples.push(example);
    }
}
