//! Directories that cannot be read, each with the reason.

use std::path::Path;

use models::transformer::Transformer;
use serde_json::json;

use super::tiny::{self, Network, read_config, write_config};
use super::{alone, messages};

fn refused(dir: &Path) -> String {
    match Transformer::start(dir, 1) {
        Ok(_) => panic!("{} was read", dir.display()),
        Err(error) => error.to_string(),
    }
}

/// What is said of a model that `spoil` has spoilt.
fn spoilt(kind: Network, spoil: impl Fn(&Path)) -> String {
    let dir = tempfile::tempdir().unwrap();
    tiny::write(kind, dir.path());
    spoil(dir.path());
    refused(dir.path())
}

fn with_config(change: impl Fn(&mut serde_json::Value)) -> String {
    spoilt(Network::Bert, |dir| {
        let mut config = read_config(dir);
        change(&mut config);
        write_config(dir, &config);
    })
}

fn says(error: &str, words: &[&str]) {
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let _alone = alone();
    says(&refused(Path::new("no-such-directory")), &["no-such-directory", "no such directory"]);
    says(&spoilt(Network::Bert, |dir| std::fs::remove_file(dir.join("config.json")).unwrap()), &["has no config.json"]);
    says(&spoilt(Network::Bert, |dir| std::fs::remove_file(dir.join("vocab.txt")).unwrap()), &["has no vocab.txt"]);
    says(&spoilt(Network::Roberta, |dir| std::fs::remove_file(dir.join("merges.txt")).unwrap()), &["has no merges.txt"]);
    let only_fast = spoilt(Network::XlmRoberta, |dir| {
        std::fs::rename(dir.join("sentencepiece.bpe.model"), dir.join("tokenizer.json")).unwrap();
    });
    says(&only_fast, &["sentencepiece.bpe.model", "tokenizer.json alone is not read"]);
    let no_weights = spoilt(Network::Bert, |dir| std::fs::remove_file(dir.join("model.safetensors")).unwrap());
    says(&no_weights, &["model.safetensors or rust_model.ot or pytorch_model.bin"]);
}

#[test]
fn another_architecture_is_refused_by_name() {
    let _alone = alone();
    says(&with_config(|config| config["model_type"] = json!("t5")), &["model_type `t5` is none of bert"]);
    says(&with_config(|config| config["architectures"] = json!(["BertForMaskedLM"])), &["BertForMaskedLM", "model train"]);
    says(&with_config(|config| drop(config.as_object_mut().unwrap().remove("model_type"))), &["no model_type"]);
    says(&with_config(|config| config["position_embedding_type"] = json!("relative_key")), &["relative_key"]);
    says(&with_config(|config| config["hidden_act"] = json!("nonsense")), &["config.json", "nonsense"]);
    says(&with_config(|config| drop(config.as_object_mut().unwrap().remove("hidden_size"))), &["hidden_size"]);
    says(&with_config(|config| config["num_attention_heads"] = json!(3)), &["3 attention heads do not divide"]);
    says(&with_config(|config| config["num_hidden_layers"] = json!(1_000_000)), &["number of layers is 1000000"]);
    says(&with_config(|config| config["vocab_size"] = json!(i64::MAX)), &["the vocabulary is"]);
    says(&with_config(|config| config["hidden_size"] = json!(-16)), &["hidden size is -16"]);
    says(&spoilt(Network::Bert, |dir| std::fs::write(dir.join("config.json"), "{").unwrap()), &["config.json", "not JSON"]);
}

#[test]
fn labels_that_are_no_tones_are_shown() {
    let _alone = alone();
    says(&with_config(|config| config["id2label"] = json!({"0": "NEGATIVE", "1": "POSITIVE"})), &["is neutral", "0: NEGATIVE"]);
    says(&with_config(|config| config["id2label"] = json!({"0": "joy", "1": "anger", "2": "fear"})), &["cannot tell", "joy"]);
    says(&with_config(|config| drop(config.as_object_mut().unwrap().remove("id2label"))), &["is negative"]);
}

#[test]
fn files_of_two_models_do_not_fit() {
    let _alone = alone();
    says(&with_config(|config| config["intermediate_size"] = json!(64)), &["does not fit", "[32, 16]", "[64, 16]"]);
    says(&with_config(|config| config["num_hidden_layers"] = json!(3)), &["tensors are missing", "layer.2"]);
    says(&with_config(|config| config["vocab_size"] = json!(20)), &["vocab.txt", "numbers tokens up to 25"]);
    let other = spoilt(Network::DistilBert, |dir| {
        let bert = tempfile::tempdir().unwrap();
        tiny::write(Network::Bert, bert.path());
        std::fs::copy(bert.path().join("model.safetensors"), dir.join("model.safetensors")).unwrap();
    });
    says(&other, &["tensors are missing", "distilbert."]);
}

#[test]
fn damaged_files_are_refused() {
    let _alone = alone();
    for (spoil, name) in [(b"".as_slice(), "empty"), (b"not a model at all", "text"), (&[0xff; 4096], "noise")] {
        let error = spoilt(Network::Bert, |dir| std::fs::write(dir.join("model.safetensors"), spoil).unwrap());
        says(&error, &["model.safetensors", "damaged"]);
        for file in ["rust_model.ot", "pytorch_model.bin"] {
            let error = spoilt(Network::Bert, |dir| {
                std::fs::remove_file(dir.join("model.safetensors")).unwrap();
                std::fs::write(dir.join(file), spoil).unwrap();
            });
            says(&error, &[file, "damaged"]);
            assert!(!error.contains('\n'), "{name}: {error}");
        }
    }
    let truncated = spoilt(Network::Bert, |dir| {
        let path = dir.join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    });
    says(&truncated, &["model.safetensors", "damaged"]);
    says(&spoilt(Network::Bert, |dir| std::fs::write(dir.join("vocab.txt"), "one\ntwo\n").unwrap()), &["vocab.txt"]);
    says(&spoilt(Network::Roberta, |dir| std::fs::write(dir.join("vocab.json"), "[]").unwrap()), &["vocab.json"]);
    says(
        &spoilt(Network::XlmRoberta, |dir| std::fs::write(dir.join("sentencepiece.bpe.model"), [0xff; 99]).unwrap()),
        &["bpe.model"],
    );
}

#[test]
fn libtorch_weights_and_old_names_are_read_too() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    tiny::write(Network::Bert, dir.path());
    let texts = messages(&["the bus is late", "thanks"]);
    let expected = Transformer::start(dir.path(), 1).unwrap().read(&texts).unwrap();
    let path = dir.path().join("model.safetensors");
    let tensors = tch::Tensor::read_safetensors(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    tch::Tensor::save_multi(&tensors, dir.path().join("rust_model.ot")).unwrap();
    assert_eq!(Transformer::start(dir.path(), 1).unwrap().read(&texts).unwrap(), expected);
    std::fs::remove_file(dir.path().join("rust_model.ot")).unwrap();
    let old = |name: &str| name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    let renamed: Vec<_> = tensors.into_iter().map(|(name, tensor)| (old(&name), tensor)).collect();
    tch::Tensor::write_safetensors(&renamed, &path).unwrap();
    assert_eq!(Transformer::start(dir.path(), 1).unwrap().read(&texts).unwrap(), expected);
}
