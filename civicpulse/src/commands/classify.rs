//! `civicpulse classify`: every head of the model for each text, one line each, in input order.

use std::io::{self, BufWriter, Write};

use anyhow::{Context, Result};
use models::compact::{CompactModel, Reading, Scratch};
use models::features::Input;
use models::language::identify;
use models::mask::Masker;
use serde::Serialize;

use super::texts::{Row, Texts};
use super::transformer;
use crate::cli::{Classify, LinesFormat, Tier};
use crate::tier;

/// One line of output.
#[derive(Serialize)]
struct Line<'a> {
    row: u64,
    language: &'a str,
    tone: Tones,
    signal: &'a str,
    signals: Signals,
    topic: &'a str,
    topics: [(&'a str, f32); 3],
    urgency: u8,
    urgency_score: f32,
}

#[derive(Serialize)]
struct Tones {
    negative: f32,
    neutral: f32,
    positive: f32,
}

#[derive(Serialize)]
struct Signals {
    problem: f32,
    request: f32,
    question: f32,
    praise: f32,
    other: f32,
}

/// Reads the texts of the input and prints what the model says of each.
pub fn execute(arguments: &Classify) -> Result<()> {
    let mut texts = Texts::open(&arguments.input, &arguments.text_column)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    if arguments.format == LinesFormat::Csv {
        writeln!(out, "row,language,tone_negative,tone_neutral,tone_positive,signal,topic,topic_score,urgency,urgency_score")?;
    }
    let mut reader = Reader::new();
    match (arguments.tier, &arguments.model) {
        (Tier::Transformer, Some(model)) => {
            let second = tier::open(model, 0)?;
            transformer::classify(&mut texts, &mut reader, second.as_ref(), arguments.format, &mut out)?;
        }
        _ => {
            let mut row = Row::default();
            let mut number = 0;
            while texts.next(&mut row)? {
                let (reading, language) = reader.read(&row);
                write_line(&mut out, arguments.format, number, language.as_str(), &reading)?;
                number += 1;
            }
        }
    }
    out.flush().context("cannot write the output")
}

/// The model and the buffers that every text uses again. Texts are masked first, as in the pipeline.
pub(super) struct Reader {
    model: &'static CompactModel,
    masker: Masker,
    scratch: Scratch,
    masked: String,
    spans: Vec<models::mask::Span>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            model: CompactModel::shipped(),
            masker: Masker::new(),
            scratch: Scratch::default(),
            masked: String::new(),
            spans: Vec::new(),
        }
    }

    /// What the compact tier says of a row, and in which language it is.
    pub(super) fn read(&mut self, row: &Row) -> (Reading, models::language::Language) {
        self.masked.clear();
        self.spans.clear();
        let text = if self.masker.mask(&row.text, &mut self.masked, &mut self.spans) { &self.masked } else { &row.text };
        let (language, _) = identify(text);
        let input = Input {
            text,
            title: row.title.as_deref(),
            category: row.category.as_deref(),
            prompt: row.prompt.as_deref(),
            language: language.as_str(),
        };
        (self.model.read(&input, &mut self.scratch), language)
    }

    /// The text of the row that was read last, masked.
    pub(super) fn masked<'a>(&'a self, row: &'a Row) -> &'a str {
        if self.spans.is_empty() { &row.text } else { &self.masked }
    }
}

/// One line of the output.
pub(super) fn write_line(out: &mut impl Write, format: LinesFormat, row: u64, language: &str, reading: &Reading) -> Result<()> {
    let [negative, neutral, positive] = reading.tone;
    let [problem, request, question, praise, other] = reading.signal;
    let topics = reading.top_topics::<3>().map(|(topic, probability)| (topic.as_str(), probability));
    let line = Line {
        row,
        language,
        tone: Tones { negative, neutral, positive },
        signal: reading.signal_label().as_str(),
        signals: Signals { problem, request, question, praise, other },
        topic: topics[0].0,
        topics,
        urgency: reading.urgency_label().code(),
        urgency_score: reading.urgency_score(),
    };
    match format {
        LinesFormat::Jsonl => {
            serde_json::to_writer(&mut *out, &line).context("cannot write the output")?;
            out.write_all(b"\n")?;
        }
        LinesFormat::Csv => writeln!(
            out,
            "{row},{language},{negative},{neutral},{positive},{},{},{},{},{}",
            line.signal, line.topic, line.topics[0].1, line.urgency, line.urgency_score
        )?,
    }
    Ok(())
}
