//! The second reader as its callers see it: a mailbox that takes texts, and an answer that can be waited for.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::compact::Reading;
use crate::features::Input;

/// A message that leaves the caller's thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The text, personal data masked.
    pub text: String,
    /// Its title.
    pub title: Option<String>,
    /// The portal's category.
    pub category: Option<String>,
    /// The question that it answers.
    pub prompt: Option<String>,
}

impl From<&Input<'_>> for Message {
    fn from(input: &Input<'_>) -> Self {
        Self {
            text: input.text.to_owned(),
            title: input.title.map(str::to_owned),
            category: input.category.map(str::to_owned),
            prompt: input.prompt.map(str::to_owned),
        }
    }
}

/// What a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heads {
    /// Tone alone, as most published models do.
    Tone,
    /// Tone, signal, topic and urgency.
    All,
}

/// What a second reader says about one text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SecondReading {
    /// Probabilities of the tones.
    Tone([f32; 3]),
    /// Probabilities of every head.
    All(Reading),
}

impl SecondReading {
    /// The reading to keep: this one, and `first` for the heads that this one does not have.
    pub fn over(&self, first: &Reading) -> Reading {
        match self {
            Self::Tone(tone) => Reading { tone: *tone, ..*first },
            Self::All(reading) => *reading,
        }
    }

    /// Probabilities of the tones.
    pub fn tone(&self) -> &[f32; 3] {
        match self {
            Self::Tone(tone) => tone,
            Self::All(reading) => &reading.tone,
        }
    }
}

/// Why texts were not taken. Trying again later can help, unless the reader has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its mailbox is full.
    #[error("the second reader's mailbox is full")]
    Busy,
    /// More at once than it takes.
    #[error("{texts} texts at once are more than the {most} that the second reader takes")]
    TooMany {
        /// How many there were.
        texts: usize,
        /// How many it takes.
        most: usize,
    },
    /// Its thread has ended.
    #[error("the second reader has ended: see the log of this process")]
    Gone,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missed {
    /// Not within the time allowed.
    #[error("the second reader did not answer within {waited_ms} ms")]
    Late {
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// It could not read.
    #[error("the second reader failed: {0}")]
    Failed(String),
    /// Its thread has ended.
    #[error("the second reader has ended: see the log of this process")]
    Gone,
}

/// An answer on its way. Dropping it is allowed: the texts are read, and nobody hears.
#[derive(Debug)]
pub struct Pending(Receiver<Result<Vec<SecondReading>, String>>);

impl Pending {
    /// The answer that will come through `receiver`.
    pub fn new(receiver: Receiver<Result<Vec<SecondReading>, String>>) -> Self {
        Self(receiver)
    }

    /// Waits at most `patience`. One reading a text, in the order of the texts.
    ///
    /// # Errors
    /// The reader was late, failed or ended.
    pub fn wait(self, patience: Duration) -> Result<Vec<SecondReading>, Missed> {
        match self.0.recv_timeout(patience) {
            Ok(answer) => answer.map_err(Missed::Failed),
            Err(RecvTimeoutError::Timeout) => Err(Missed::Late { waited_ms: patience.as_millis() as u64 }),
            Err(RecvTimeoutError::Disconnected) => Err(Missed::Gone),
        }
    }
}

/// A reader behind a bounded mailbox, shared by the threads that ask it.
pub trait SecondReader: Send + Sync {
    /// Says which model it is, as in `model_version` of the rows that it reads.
    fn version(&self) -> &str;

    /// What it reads.
    fn heads(&self) -> Heads;

    /// Most texts that it takes at once.
    fn most_texts(&self) -> usize;

    /// Hands texts over if there is room, without waiting.
    ///
    /// # Errors
    /// There is no room, or there are too many texts, or it has ended.
    fn offer(&self, messages: Vec<Message>) -> Result<Pending, Refused>;

    /// Hands texts over and waits for room.
    ///
    /// # Errors
    /// There are too many texts, or it has ended.
    fn hand(&self, messages: Vec<Message>) -> Result<Pending, Refused>;
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn an_answer_is_there_late_failed_or_gone() {
        let wait = Duration::from_millis(20);
        let (sender, receiver) = sync_channel(1);
        sender.send(Ok(vec![SecondReading::Tone([0.1, 0.2, 0.7])])).unwrap();
        assert_eq!(Pending::new(receiver).wait(wait).unwrap()[0].tone(), &[0.1, 0.2, 0.7]);
        let (sender, receiver) = sync_channel(1);
        assert_eq!(Pending::new(receiver).wait(wait), Err(Missed::Late { waited_ms: 20 }));
        drop(sender);
        let (sender, receiver) = sync_channel(1);
        sender.send(Err("no".to_owned())).unwrap();
        assert_eq!(Pending::new(receiver).wait(wait), Err(Missed::Failed("no".to_owned())));
        drop(sender);
        let (sender, receiver) = sync_channel(1);
        drop(sender);
        assert_eq!(Pending::new(receiver).wait(wait), Err(Missed::Gone));
    }

    #[test]
    fn a_reader_of_tone_leaves_the_other_heads() {
        let mut first = Reading { tone: [1.0, 0.0, 0.0], signal: [0.2; 5], topic: [0.0; 33], urgency: [0.25; 4] };
        first.topic[3] = 1.0;
        let kept = SecondReading::Tone([0.0, 0.0, 1.0]).over(&first);
        assert_eq!((kept.tone, kept.topic, kept.urgency), ([0.0, 0.0, 1.0], first.topic, first.urgency));
        assert_eq!(SecondReading::All(first).over(&kept), first);
    }
}
