//! `config.json`: which network a directory holds, how large, and what its outputs mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use feedback::{Signal, Tone, Topic, Urgency};
use rust_bert::bert::BertConfig;
use rust_bert::distilbert::DistilBertConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::TransformerError;
use super::labels::ToneLabels;
use crate::cascade::Heads;
use crate::compact::HEADS;

/// The name of the file.
pub(super) const CONFIG: &str = "config.json";
/// What stands under `architectures` of civicpulse's own checkpoints.
pub(super) const MULTI_HEAD: &str = "CivicpulseMultiHead";
/// The layout of civicpulse's own checkpoints.
pub(super) const FORMAT: u32 = 1;

/// Tokens of a text that are read at most; what follows is ignored. A tweet has 30, a long complaint 150.
pub(super) const MAX_TOKENS: usize = 256;
/// Sizes beyond these are a damaged file, not a model.
const MAX_HIDDEN: i64 = 8192;
const MAX_LAYERS: i64 = 96;
const MAX_VOCABULARY: i64 = 2_000_000;

/// How the network reads.
#[derive(Clone, Debug)]
pub(super) enum Architecture {
    /// BERT with a classifier.
    Bert(BertConfig),
    /// DistilBERT with a classifier.
    DistilBert(DistilBertConfig),
    /// RoBERTa with a classifier: byte-pair tokens.
    Roberta(BertConfig),
    /// RoBERTa with a classifier: SentencePiece tokens.
    XlmRoberta(BertConfig),
    /// civicpulse's own: BERT, mean pooling, four heads.
    MultiHead(BertConfig, Own),
}

/// What civicpulse writes into its own checkpoints, under `civicpulse`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Own {
    /// [`FORMAT`].
    pub(super) format: u32,
    /// The classes of every head that was trained, in order: all, or tone alone.
    pub(super) heads: BTreeMap<String, Vec<String>>,
    /// A temperature per head, in the order of [`HEADS`].
    pub(super) temperatures: [f32; HEADS.len()],
    /// Tokens that were read in training.
    pub(super) max_tokens: usize,
    /// XXH3 of the weights file in hexadecimal: a pair of files from two trainings is refused.
    pub(super) weights_xxh3: String,
    /// How it was made, for people.
    pub(super) made: Value,
}

/// A directory's configuration.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) architecture: Architecture,
    /// Tones of the classes; of the tone head for a [`Architecture::MultiHead`].
    pub(super) tones: ToneLabels,
    /// Tokens of a text that are read.
    pub(super) max_tokens: usize,
}

impl Config {
    /// Reads and understands `config.json` in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, TransformerError> {
        let path = path(dir)?;
        let value = value(&path)?;
        let wrong = |problem: String| TransformerError::content(&path, problem);
        let architecture = architecture(&value).map_err(wrong)?;
        let sizes = Sizes::of(&architecture);
        sizes.check().map_err(wrong)?;
        if let Some(kind) = value.get("position_embedding_type").and_then(Value::as_str).filter(|kind| *kind != "absolute") {
            return Err(wrong(format!("position_embedding_type `{kind}` is not supported, only `absolute`")));
        }
        let labels = match &architecture {
            Architecture::MultiHead(..) => {
                Tone::WORDS.iter().map(|word| (*word).to_owned()).zip(0..).map(|(w, i)| (i, w)).collect()
            }
            Architecture::Bert(config) | Architecture::Roberta(config) | Architecture::XlmRoberta(config) => {
                config.id2label.iter().flatten().map(|(id, label)| (*id, label.clone())).collect()
            }
            Architecture::DistilBert(config) => {
                config.id2label.iter().flatten().map(|(id, label)| (*id, label.clone())).collect()
            }
        };
        let tones = ToneLabels::new(&labels).map_err(wrong)?;
        let trained = match &architecture {
            Architecture::MultiHead(_, own) => own.max_tokens,
            _ => MAX_TOKENS,
        };
        Ok(Self { max_tokens: trained.min(MAX_TOKENS).min(sizes.positions as usize), architecture, tones })
    }

    /// How many rows the table of token embeddings has: a token beyond it would be read from nowhere.
    pub(super) fn vocabulary(&self) -> i64 {
        Sizes::of(&self.architecture).vocabulary
    }
}

/// The configuration of a BERT encoder to begin from, with its JSON: for training.
pub(super) fn encoder(dir: &Path) -> Result<(BertConfig, Value), TransformerError> {
    let path = path(dir)?;
    let value = value(&path)?;
    let wrong = |problem: String| TransformerError::content(&path, problem);
    let kind = value.get("model_type").and_then(Value::as_str).unwrap_or_default();
    if kind != "bert" {
        return Err(wrong(format!("model_type is `{kind}`: training begins from a BERT encoder, such as MiniLM")));
    }
    let config = bert(&value).map_err(wrong)?;
    Sizes::of_bert(&config, 0).check().map_err(wrong)?;
    Ok((config, value))
}

/// The JSON of a civicpulse checkpoint on the encoder of `base`.
impl Own {
    /// What it was trained to read.
    pub(super) fn reads(&self) -> Heads {
        if self.heads.len() == 1 { Heads::Tone } else { Heads::All }
    }
}

pub(super) fn multi_head(mut base: Value, own: &Own) -> Value {
    base["architectures"] = json!([MULTI_HEAD]);
    base["model_type"] = json!("bert");
    base["civicpulse"] = json!(own);
    base
}

/// The classes of every head as this program numbers them.
pub(super) fn own_heads(reads: Heads) -> BTreeMap<String, Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let mut heads = BTreeMap::from([
        ("tone".to_owned(), words(Tone::WORDS)),
        ("signal".to_owned(), words(Signal::WORDS)),
        ("topic".to_owned(), words(Topic::WORDS)),
        ("urgency".to_owned(), words(Urgency::WORDS)),
    ]);
    heads.retain(|head, _| reads == Heads::All || head == "tone");
    heads
}

fn path(dir: &Path) -> Result<PathBuf, TransformerError> {
    if !dir.is_dir() {
        return Err(TransformerError::missing(dir, "such directory"));
    }
    let path = dir.join(CONFIG);
    if path.is_file() { Ok(path) } else { Err(TransformerError::missing(dir, CONFIG)) }
}

fn value(path: &Path) -> Result<Value, TransformerError> {
    let text = std::fs::read_to_string(path).map_err(TransformerError::reading(path))?;
    serde_json::from_str(&text).map_err(|error| TransformerError::content(path, format!("not JSON: {error}")))
}

fn parse<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| format!("not the configuration of such a model: {error}"))
}

fn architecture(value: &Value) -> Result<Architecture, String> {
    let names: Vec<&str> =
        (value.get("architectures").and_then(Value::as_array).into_iter().flatten()).filter_map(Value::as_str).collect();
    if names.contains(&MULTI_HEAD) {
        return own(value);
    }
    if let Some(name) = names.iter().find(|name| !name.ends_with("ForSequenceClassification")) {
        return Err(format!(
            "it holds a {name}, which does not classify: use a model for sequence classification, or train one from it with \
             `civicpulse model train --tier transformer --base`"
        ));
    }
    match value.get("model_type").and_then(Value::as_str) {
        Some("bert") => bert(value).map(Architecture::Bert),
        Some("distilbert") => {
            let config: DistilBertConfig = parse(value)?;
            Ok(Architecture::DistilBert(DistilBertConfig {
                is_decoder: None,
                output_attentions: None,
                output_hidden_states: None,
                ..config
            }))
        }
        Some("roberta") => bert(value).map(Architecture::Roberta),
        Some("xlm-roberta") => bert(value).map(Architecture::XlmRoberta),
        Some(other) => Err(format!("model_type `{other}` is none of bert, distilbert, roberta, xlm-roberta")),
        None => Err("it has no model_type: is it the config.json of a transformer?".to_owned()),
    }
}

fn own(value: &Value) -> Result<Architecture, String> {
    let own: Own = parse(value.get("civicpulse").unwrap_or(&Value::Null))?;
    if own.format != FORMAT {
        return Err(format!("checkpoint format {}, and this program reads format {FORMAT}: train it again", own.format));
    }
    if own.heads != own_heads(own.reads()) {
        return Err("it was trained for other classes than this program has: train it again".to_owned());
    }
    if own.temperatures.iter().any(|temperature| !(temperature.is_finite() && *temperature > 0.0)) {
        return Err(format!("temperatures {:?} must be above zero", own.temperatures));
    }
    if own.max_tokens < 3 {
        return Err(format!("max_tokens is {}: no text fits", own.max_tokens));
    }
    bert(value).map(|bert| Architecture::MultiHead(bert, own))
}

/// Without what a configuration may ask for beside the outputs: it would cost memory and is not read.
fn bert(value: &Value) -> Result<BertConfig, String> {
    let config: BertConfig = parse(value)?;
    Ok(BertConfig { is_decoder: None, output_attentions: None, output_hidden_states: None, ..config })
}

/// The numbers by which memory is taken before any weight is read.
struct Sizes {
    hidden: i64,
    attention_heads: i64,
    layers: i64,
    intermediate: i64,
    vocabulary: i64,
    positions: i64,
}

impl Sizes {
    fn of(architecture: &Architecture) -> Self {
        match architecture {
            Architecture::Bert(config) | Architecture::MultiHead(config, _) => Self::of_bert(config, 0),
            // RoBERTa counts positions from behind the padding index, which is 1.
            Architecture::Roberta(config) | Architecture::XlmRoberta(config) => Self::of_bert(config, 2),
            Architecture::DistilBert(config) => Self {
                hidden: config.dim,
                attention_heads: config.n_heads,
                layers: config.n_layers,
                intermediate: config.hidden_dim,
                vocabulary: config.vocab_size,
                positions: config.max_position_embeddings,
            },
        }
    }

    fn of_bert(config: &BertConfig, reserved: i64) -> Self {
        Self {
            hidden: config.hidden_size,
            attention_heads: config.num_attention_heads,
            layers: config.num_hidden_layers,
            intermediate: config.intermediate_size,
            vocabulary: config.vocab_size,
            positions: config.max_position_embeddings - reserved,
        }
    }

    fn check(&self) -> Result<(), String> {
        let within = |what: &str, value: i64, most: i64| {
            if (1..=most).contains(&value) { Ok(()) } else { Err(format!("{what} is {value}, and must be 1 to {most}")) }
        };
        within("the hidden size", self.hidden, MAX_HIDDEN)?;
        within("the number of layers", self.layers, MAX_LAYERS)?;
        within("the intermediate size", self.intermediate, 4 * MAX_HIDDEN)?;
        within("the vocabulary", self.vocabulary, MAX_VOCABULARY)?;
        within("the number of attention heads", self.attention_heads, self.hidden)?;
        if self.hidden % self.attention_heads != 0 {
            return Err(format!("{} attention heads do not divide the hidden size {}", self.attention_heads, self.hidden));
        }
        if self.positions < 3 {
            return Err(format!("there are {} positions: no text fits", self.positions));
        }
        within("the number of positions", self.positions, 1 << 16)
    }
}
