//! `civicpulse redact`: personal data out of texts, one a line.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use models::mask::{Masker, Span};
use serde::Serialize;

use super::texts::Lines;
use crate::cli::Redact;

/// One line of output.
#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    spans: &'a [Span],
}

/// Masks the texts of the input, in order.
pub fn execute(arguments: &Redact) -> Result<()> {
    let source = arguments.input.display().to_string();
    let input: Box<dyn Read> = if arguments.input == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&arguments.input).with_context(|| format!("cannot open {source}"))?)
    };
    let mut lines = Lines::new(input);
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let masker = Masker::new();
    let (mut masked, mut spans) = (String::new(), Vec::new());
    while let Some(text) = lines.next(&source)? {
        masked.clear();
        spans.clear();
        let text = if masker.mask(text, &mut masked, &mut spans) { &masked } else { text };
        serde_json::to_writer(&mut out, &Line { text, spans: &spans }).context("cannot write the output")?;
        out.write_all(b"\n")?;
    }
    out.flush().context("cannot write the output")
}
