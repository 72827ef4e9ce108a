//! VADER (Hutto & Gilbert 2014), the lexicon that most people use, asked about the same tweets in the same run.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Reads a text a line; prints the seconds of processor time that scoring took in the fastest of five rounds, and a compound score a line.
const PROGRAM: &str = "
import sys, time
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
texts = sys.stdin.buffer.read().decode('utf8').split('\\n')
analyser = SentimentIntensityAnalyzer()
best = float('inf')
for _ in range(5):
    started = time.process_time()
    scores = [analyser.polarity_scores(text)['compound'] for text in texts]
    best = min(best, time.process_time() - started)
print(best)
print('\\n'.join(str(score) for score in scores))
";
/// The authors' own threshold between neutral and the rest.
const THRESHOLD: f64 = 0.05;

/// Why VADER was not asked.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The interpreter does not run or has no VADER.
    #[error("{python} did not run VADER: {problem}; install it with `{python} -m pip install vaderSentiment`")]
    Run {
        /// The interpreter.
        python: String,
        /// What happened.
        problem: String,
    },
}

/// What VADER says.
#[derive(Clone, Debug)]
pub struct Vader {
    /// The code of a tone for each text.
    pub tones: Vec<usize>,
    /// Seconds of processor time that it took at its fastest, start-up and reading not counted.
    pub seconds: f64,
}

impl Vader {
    /// Asks VADER about `texts` through the interpreter `python`.
    ///
    /// # Errors
    /// When the interpreter does not run, or has no package `vaderSentiment`.
    pub fn ask(python: &Path, texts: &[&str]) -> Result<Self, PeerError> {
        let failed = |problem: String| PeerError::Run { python: python.display().to_string(), problem };
        let lines: Vec<String> = texts.iter().map(|text| text.replace(['\n', '\r'], " ")).collect();
        let output = run(python, lines.join("\n")).map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(said.lines().last().unwrap_or("no word").to_owned()));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = said.lines().filter_map(|line| line.parse().ok()).collect();
        match numbers.split_first() {
            Some((seconds, scores)) if scores.len() == texts.len() => {
                Ok(Self { tones: scores.iter().map(|score| tone(*score)).collect(), seconds: *seconds })
            }
            _ => Err(failed(format!("{} answers to {} texts", numbers.len(), texts.len()))),
        }
    }
}

/// Negative, neutral or positive by a compound score.
fn tone(score: f64) -> usize {
    if score <= -THRESHOLD { 0 } else { 1 + usize::from(score >= THRESHOLD) }
}

fn run(python: &Path, input: String) -> std::io::Result<std::process::Output> {
    let mut child = Command::new(python)
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // The program reads everything before it writes anything, so this cannot block both.
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    child.wait_with_output()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_tone_by_the_authors_threshold() {
        assert_eq!([-0.6, -0.05, 0.0, 0.04, 0.05, 1.0].map(tone), [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn an_interpreter_without_vader_is_named() {
        let message = Vader::ask(Path::new("no/such/python"), &["good"]).unwrap_err().to_string();
        assert!(message.contains("no/such/python") && message.contains("pip install"), "{message}");
    }
}
