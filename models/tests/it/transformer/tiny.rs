//! Model directories with the usual files and random weights.

use std::path::Path;

use rust_bert::bert::{BertConfig, BertEmbeddings, BertForSequenceClassification, BertModel};
use rust_bert::distilbert::{DistilBertConfig, DistilBertModelClassifier};
use rust_bert::roberta::RobertaForSequenceClassification;
use serde_json::{Value, json};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// What a directory holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Network {
    Bert,
    DistilBert,
    Roberta,
    XlmRoberta,
}

pub const ALL: [Network; 4] = [Network::Bert, Network::DistilBert, Network::Roberta, Network::XlmRoberta];

/// Word pieces of the BERT kinds; a token's id is its position.
pub const PIECES: [&str; 26] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "light", "is", "out", "good", "bad", "bus", "late", "thanks", "park",
    "##s", "@", "user", "http", "|", ".", "!", "a", "b", "c", "##c",
];

pub const HIDDEN: i64 = 16;
pub const HEADS: i64 = 2;

/// A configuration of BERT's shape.
pub fn bert_config(model_type: &str, vocabulary: usize) -> Value {
    json!({
        "model_type": model_type, "hidden_act": "gelu", "attention_probs_dropout_prob": 0.1, "hidden_dropout_prob": 0.1,
        "hidden_size": HIDDEN, "initializer_range": 0.02, "intermediate_size": 32, "max_position_embeddings": 40,
        "num_attention_heads": HEADS, "num_hidden_layers": 2, "type_vocab_size": 2, "vocab_size": vocabulary,
        "id2label": {"0": "negative", "1": "neutral", "2": "positive"},
    })
}

/// Writes a model with a classifier of three tones.
pub fn write(kind: Network, dir: &Path) {
    let vocabulary = write_vocabulary(kind, dir);
    let (config, store) = match kind {
        Network::Bert => {
            let mut config = bert_config("bert", vocabulary);
            config["architectures"] = json!(["BertForSequenceClassification"]);
            (
                config.clone(),
                store(|store| drop(BertForSequenceClassification::new(store.root(), &parse::<BertConfig>(&config)))),
            )
        }
        Network::DistilBert => {
            let config = json!({
                "model_type": "distilbert", "activation": "gelu", "attention_dropout": 0.1, "dim": HIDDEN, "dropout": 0.1,
                "hidden_dim": 32, "initializer_range": 0.02, "max_position_embeddings": 40, "n_heads": HEADS, "n_layers": 2,
                "qa_dropout": 0.1, "seq_classif_dropout": 0.2, "sinusoidal_pos_embds": false, "tie_weights_": true,
                "vocab_size": vocabulary, "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"},
                "architectures": ["DistilBertForSequenceClassification"],
            });
            let store = store(|store| drop(DistilBertModelClassifier::new(store.root(), &parse::<DistilBertConfig>(&config))));
            (config, store)
        }
        Network::Roberta | Network::XlmRoberta => {
            let model_type = if kind == Network::Roberta { "roberta" } else { "xlm-roberta" };
            let mut config = bert_config(model_type, vocabulary);
            (config["type_vocab_size"], config["pad_token_id"]) = (json!(1), json!(1));
            let store = store(|store| drop(RobertaForSequenceClassification::new(store.root(), &parse::<BertConfig>(&config))));
            (config, store)
        }
    };
    write_config(dir, &config);
    store.save(dir.join("model.safetensors")).unwrap();
}

/// Writes an encoder without any head, as sentence encoders are published.
pub fn write_encoder(dir: &Path) {
    let vocabulary = write_vocabulary(Network::Bert, dir);
    let config = bert_config("bert", vocabulary);
    write_config(dir, &config);
    let store = store(|store| {
        drop(BertModel::<BertEmbeddings>::new_with_optional_pooler(store.root(), &parse::<BertConfig>(&config), true));
    });
    store.save(dir.join("model.safetensors")).unwrap();
}

pub fn write_config(dir: &Path, config: &Value) {
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
}

pub fn read_config(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join("config.json")).unwrap()).unwrap()
}

fn parse<T: serde::de::DeserializeOwned>(config: &Value) -> T {
    serde_json::from_value(config.clone()).unwrap()
}

/// Variables of the network that `build` makes, random and the same every time: by name, not by libtorch's generator.
fn store(build: impl Fn(&VarStore)) -> VarStore {
    let store = VarStore::new(Device::Cpu);
    build(&store);
    let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    let mut state = 42u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    for (name, variable) in &mut variables {
        let centre = if name.ends_with("orm.weight") { 1.0 } else { 0.0 };
        let values: Vec<f32> = (0..variable.numel()).map(|_| centre + 0.5 * next()).collect();
        let values = Tensor::from_slice(&values).view(variable.size().as_slice()).to_kind(Kind::Float);
        tch::no_grad(|| variable.copy_(&values));
    }
    store
}

/// Writes the tokenizer's files; how many tokens there are.
fn write_vocabulary(kind: Network, dir: &Path) -> usize {
    match kind {
        Network::Bert | Network::DistilBert => {
            std::fs::write(dir.join("vocab.txt"), PIECES.join("\n")).unwrap();
            PIECES.len()
        }
        Network::Roberta => {
            let mut tokens =
                vec!["<s>".to_owned(), "<pad>".to_owned(), "</s>".to_owned(), "<unk>".to_owned(), "<mask>".to_owned()];
            tokens.extend(('a'..='z').map(String::from));
            tokens.extend(["Ġ", "Ġt", "he", "Ġthe", "!", "@"].map(str::to_owned));
            let ids: serde_json::Map<String, Value> = tokens.iter().cloned().zip((0..).map(Value::from)).collect();
            std::fs::write(dir.join("vocab.json"), Value::from(ids).to_string()).unwrap();
            std::fs::write(dir.join("merges.txt"), "#version: 0.2\nĠ t\nh e\nĠt he\n").unwrap();
            tokens.len()
        }
        Network::XlmRoberta => {
            let mut pieces = vec![("<unk>".to_owned(), 0.0, 2u8), ("<s>".to_owned(), 0.0, 3), ("</s>".to_owned(), 0.0, 3)];
            pieces.push(("\u{2581}".to_owned(), -2.0, 1));
            pieces.extend(('a'..='z').map(|letter| (letter.to_string(), -3.0, 1)));
            pieces.extend(["\u{2581}the", "\u{2581}light"].map(|word| (word.to_owned(), -1.0, 1)));
            std::fs::write(dir.join("sentencepiece.bpe.model"), sentence_piece(&pieces)).unwrap();
            // Beside the pieces there are <pad> and <mask>.
            pieces.len() + 2
        }
    }
}

/// The protocol buffer of a SentencePiece model: pieces of text, score and type.
fn sentence_piece(pieces: &[(String, f32, u8)]) -> Vec<u8> {
    let mut model = Vec::new();
    for (piece, score, kind) in pieces {
        let mut message = vec![0x0a, piece.len() as u8];
        message.extend_from_slice(piece.as_bytes());
        message.push(0x15);
        message.extend_from_slice(&score.to_le_bytes());
        message.extend([0x18, *kind]);
        model.extend([0x0a, message.len() as u8]);
        model.extend(message);
    }
    model
}
