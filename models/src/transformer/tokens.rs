//! From a message to the token ids that a network reads.

use std::path::{Path, PathBuf};

use rust_tokenizers::error::TokenizerError;
use rust_tokenizers::tokenizer::{BertTokenizer, RobertaTokenizer, Tokenizer, TruncationStrategy, XLMRobertaTokenizer};
use rust_tokenizers::vocab::{BertVocab, BpePairVocab, RobertaVocab, SentencePieceModel, Vocab, XLMRobertaVocab};
use serde_json::Value;

use super::config::{Architecture, Config};
use super::error::TransformerError;
use crate::cascade::Message;
use crate::features::MAX_TEXT_BYTES;

/// Settings of the tokenizer, where there are any.
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// Word pieces of BERT, one a line.
pub(super) const VOCAB_TXT: &str = "vocab.txt";
/// Byte-pair tokens of RoBERTa, and how they are merged.
pub(super) const VOCAB_JSON: &str = "vocab.json";
pub(super) const MERGES: &str = "merges.txt";
/// The SentencePiece model of XLM-RoBERTa.
pub(super) const SENTENCE_PIECE: &str = "sentencepiece.bpe.model";

/// Longest run of characters without a blank that a byte-pair tokenizer gets: its time grows with the square of it.
const MAX_RUN_CHARS: usize = 64;
/// Texts after which a byte-pair tokenizer is made anew: it remembers every word that it has seen.
const TEXTS_REMEMBERED: usize = 50_000;

/// Turns messages into token ids, special tokens included.
pub(super) struct Tokens {
    kind: Kind,
    max_tokens: usize,
    /// The token that fills up short texts of a batch.
    pub(super) padding: i64,
}

#[allow(clippy::large_enum_variant, reason = "there is one in a process")]
enum Kind {
    WordPiece(BertTokenizer),
    BytePair { tokenizer: RobertaTokenizer, vocabulary: RobertaVocab, merges: BpePairVocab, settings: Settings, texts: usize },
    SentencePiece(XLMRobertaTokenizer),
}

/// What `tokenizer_config.json` may say.
#[derive(Clone, Copy)]
struct Settings {
    lower_case: bool,
    strip_accents: bool,
    prefix_space: bool,
}

impl Tokens {
    /// The tokenizer that belongs to `config`, from its files in `dir`.
    pub(super) fn read(dir: &Path, config: &Config) -> Result<Self, TransformerError> {
        let tokens = match &config.architecture {
            Architecture::Bert(_) | Architecture::DistilBert(_) | Architecture::MultiHead(..) => {
                return Self::word_piece(dir, config.max_tokens, config.vocabulary());
            }
            Architecture::Roberta(_) => Self::byte_pair(dir, config.max_tokens)?,
            Architecture::XlmRoberta(_) => Self::sentence_piece(dir, config.max_tokens)?,
        };
        tokens.fits(dir, config.vocabulary())
    }

    /// A BERT tokenizer.
    pub(super) fn word_piece(dir: &Path, max_tokens: usize, vocabulary: i64) -> Result<Self, TransformerError> {
        let path = file(dir, VOCAB_TXT)?;
        let settings = settings(dir, true)?;
        let words = BertVocab::from_file(&path).map_err(refused(&path))?;
        let padding = special(&path, &words, "[PAD]")?;
        let tokenizer = BertTokenizer::from_existing_vocab(words, settings.lower_case, settings.strip_accents);
        Self { kind: Kind::WordPiece(tokenizer), max_tokens, padding }.fits(dir, vocabulary)
    }

    fn byte_pair(dir: &Path, max_tokens: usize) -> Result<Self, TransformerError> {
        let (path, merges_path) = (file(dir, VOCAB_JSON)?, file(dir, MERGES)?);
        let settings = settings(dir, false)?;
        let vocabulary = RobertaVocab::from_file(&path).map_err(refused(&path))?;
        let merges = BpePairVocab::from_file(&merges_path).map_err(refused(&merges_path))?;
        let padding = special(&path, &vocabulary, "<pad>")?;
        let tokenizer = byte_pair_tokenizer(&vocabulary, &merges, settings);
        Ok(Self { kind: Kind::BytePair { tokenizer, vocabulary, merges, settings, texts: 0 }, max_tokens, padding })
    }

    fn sentence_piece(dir: &Path, max_tokens: usize) -> Result<Self, TransformerError> {
        let path = file(dir, SENTENCE_PIECE)?;
        let settings = settings(dir, false)?;
        let vocabulary = XLMRobertaVocab::from_file(&path).map_err(refused(&path))?;
        let model = SentencePieceModel::from_file(&path).map_err(refused(&path))?;
        let padding = special(&path, &vocabulary, "<pad>")?;
        let tokenizer = XLMRobertaTokenizer::from_existing_vocab_and_model(vocabulary, model, settings.lower_case);
        Ok(Self { kind: Kind::SentencePiece(tokenizer), max_tokens, padding })
    }

    /// Refuses a vocabulary with more tokens than the network has rows for.
    fn fits(self, dir: &Path, rows: i64) -> Result<Self, TransformerError> {
        let largest = |vocabulary: &std::collections::HashMap<String, i64>| vocabulary.values().copied().max().unwrap_or(-1);
        let (name, largest) = match &self.kind {
            Kind::WordPiece(tokenizer) => (VOCAB_TXT, largest(Vocab::values(tokenizer.vocab()))),
            Kind::BytePair { vocabulary, .. } => (VOCAB_JSON, largest(Vocab::values(vocabulary))),
            Kind::SentencePiece(tokenizer) => (SENTENCE_PIECE, largest(Vocab::values(tokenizer.vocab()))),
        };
        if largest < rows {
            return Ok(self);
        }
        let problem = format!(
            "it numbers tokens up to {largest}, and config.json has a vocabulary of {rows}: it belongs to another model"
        );
        Err(TransformerError::content(&dir.join(name), problem))
    }

    /// The token ids of a message, at most as many as the network reads, at least the two that surround a text.
    pub(super) fn encode(&mut self, message: &Message, context: Context) -> Vec<i64> {
        let is_byte_pair = matches!(self.kind, Kind::BytePair { .. });
        let text = plain(message, context, if is_byte_pair { MAX_RUN_CHARS } else { usize::MAX });
        let longest_first = &TruncationStrategy::LongestFirst;
        match &mut self.kind {
            Kind::WordPiece(tokenizer) => tokenizer.encode(&text, None, self.max_tokens, longest_first, 0).token_ids,
            Kind::BytePair { tokenizer, vocabulary, merges, settings, texts } => {
                *texts += 1;
                if *texts > TEXTS_REMEMBERED {
                    *tokenizer = byte_pair_tokenizer(vocabulary, merges, *settings);
                    *texts = 1;
                }
                tokenizer.encode(&text, None, self.max_tokens, longest_first, 0).token_ids
            }
            Kind::SentencePiece(tokenizer) => tokenizer.encode(&text, None, self.max_tokens, longest_first, 0).token_ids,
        }
    }
}

fn byte_pair_tokenizer(vocabulary: &RobertaVocab, merges: &BpePairVocab, settings: Settings) -> RobertaTokenizer {
    let Settings { lower_case, prefix_space, .. } = settings;
    RobertaTokenizer::from_existing_vocab_and_merges(vocabulary.clone(), merges.clone(), lower_case, prefix_space)
}

/// What of a message beside its text a network is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// Category, title and question in front of the text, as civicpulse's own checkpoints are trained.
    Before,
    /// The title, where there is no text: published models have seen nothing but texts.
    TextAlone,
}

/// The message as one text, spelled as in the tweets that sentiment models are trained on: `@user` for a handle, `http` for
/// an address on the web. Blanks are single; a run longer than `max_run` characters is cut into several words.
fn plain(message: &Message, context: Context, max_run: usize) -> String {
    let head = |text: &str| text.floor_char_boundary(MAX_TEXT_BYTES);
    let mut plain = String::with_capacity(message.text.len().min(MAX_TEXT_BYTES) + 64);
    let mut add = |text: &str| text[..head(text)].split_whitespace().for_each(|word| push_word(&mut plain, word, max_run));
    match context {
        Context::Before => {
            for part in [&message.category, &message.prompt, &message.title].into_iter().flatten() {
                add(part);
                add("|");
            }
            add(&message.text);
        }
        Context::TextAlone => {
            let has_text = !message.text.trim().is_empty();
            add(if has_text { &message.text } else { message.title.as_deref().unwrap_or_default() });
        }
    }
    plain
}

fn push_word(plain: &mut String, word: &str, max_run: usize) {
    let word = match word {
        "<handle>" => "@user",
        "<url>" => "http",
        _ if word.len() > 1 && word.starts_with('@') => "@user",
        _ if word.starts_with("http://") || word.starts_with("https://") => "http",
        _ => word,
    };
    for (position, character) in word.chars().enumerate() {
        if position == 0 && !plain.is_empty() || position > 0 && position % max_run == 0 {
            plain.push(' ');
        }
        plain.push(character);
    }
}

fn file(dir: &Path, name: &str) -> Result<PathBuf, TransformerError> {
    let path = dir.join(name);
    if path.is_file() {
        return Ok(path);
    }
    let only_fast = dir.join("tokenizer.json").is_file();
    let hint = if only_fast { " (a tokenizer.json alone is not read: take this file from the same model)" } else { "" };
    Err(TransformerError::missing(dir, format!("{name}{hint}")))
}

fn refused(path: &Path) -> impl FnOnce(TokenizerError) -> TransformerError {
    let path = path.to_owned();
    move |error| TransformerError::content(&path, format!("not such a vocabulary: {error}"))
}

fn special<V: Vocab>(path: &Path, vocabulary: &V, token: &str) -> Result<i64, TransformerError> {
    let id = vocabulary.special_values().get(token).or_else(|| Vocab::values(vocabulary).get(token));
    id.copied().ok_or_else(|| TransformerError::content(path, format!("it has no token {token}: not such a vocabulary")))
}

fn settings(dir: &Path, lower_case: bool) -> Result<Settings, TransformerError> {
    let path = dir.join(TOKENIZER_CONFIG);
    let value: Value = match std::fs::read_to_string(&path) {
        Ok(text) => {
            serde_json::from_str(&text).map_err(|error| TransformerError::content(&path, format!("not JSON: {error}")))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Value::Null,
        Err(error) => return Err(TransformerError::reading(&path)(error)),
    };
    let flag = |name: &str, default: bool| value.get(name).and_then(Value::as_bool).unwrap_or(default);
    let lower_case = flag("do_lower_case", lower_case);
    Ok(Settings { lower_case, strip_accents: flag("strip_accents", lower_case), prefix_space: flag("add_prefix_space", false) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message { text: text.to_owned(), ..Message::default() }
    }

    #[test]
    fn a_message_becomes_one_text() {
        let all = Message {
            title: Some("Lamp".into()),
            category: Some("Street lights".into()),
            prompt: Some("What  happened?".into()),
            ..message(" it is\tout ")
        };
        assert_eq!(plain(&all, Context::Before, usize::MAX), "Street lights | What happened? | Lamp | it is out");
        assert_eq!(plain(&all, Context::TextAlone, usize::MAX), "it is out");
        assert_eq!(plain(&Message { text: " ".into(), ..all }, Context::TextAlone, usize::MAX), "Lamp");
        assert_eq!(plain(&message(""), Context::Before, usize::MAX), "");
    }

    #[test]
    fn handles_and_addresses_are_spelled_as_models_know_them() {
        let text = "@anna <handle> see https://example.org/x or <url> @ noon";
        assert_eq!(plain(&message(text), Context::TextAlone, usize::MAX), "@user @user see http or http @ noon");
    }

    #[test]
    fn long_runs_are_cut_for_those_who_need_it_and_long_texts_for_all() {
        let long = "é".repeat(1 << 20);
        let cut = plain(&message(&long), Context::TextAlone, 64);
        assert!(cut.len() < 2 * MAX_TEXT_BYTES && cut.split(' ').all(|word| word.chars().count() <= 64));
        assert_eq!(plain(&message(&long), Context::TextAlone, usize::MAX).len(), MAX_TEXT_BYTES);
    }
}
