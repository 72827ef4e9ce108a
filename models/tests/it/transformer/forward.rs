//! One text through BERT computed by hand: the formulas of Vaswani et al. (2017) and Devlin et al. (2019), no layer of rust-bert.

use std::collections::HashMap;

use models::transformer::Transformer;
use tch::{Kind, Tensor};

use super::{alone, messages, tiny};

struct Weights(HashMap<String, Tensor>);

impl Weights {
    fn get(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is not in the file"))
    }

    fn linear(&self, x: &Tensor, name: &str) -> Tensor {
        x.matmul(&self.get(&format!("{name}.weight")).transpose(0, 1)) + self.get(&format!("{name}.bias"))
    }

    fn norm(&self, x: &Tensor, name: &str) -> Tensor {
        let mean = x.mean_dim([-1i64].as_slice(), true, Kind::Float);
        let centred = x - mean;
        let variance = (&centred * &centred).mean_dim([-1i64].as_slice(), true, Kind::Float);
        centred / (variance + 1e-12).sqrt() * self.get(&format!("{name}.weight")) + self.get(&format!("{name}.bias"))
    }

    /// Tokens by hidden size, one layer further.
    fn layer(&self, x: &Tensor, layer: usize) -> Tensor {
        let at = |name: &str| format!("bert.encoder.layer.{layer}.{name}");
        let size = tiny::HIDDEN / tiny::HEADS;
        let (q, k, v) = (
            self.linear(x, &at("attention.self.query")),
            self.linear(x, &at("attention.self.key")),
            self.linear(x, &at("attention.self.value")),
        );
        let heads: Vec<Tensor> = (0..tiny::HEADS)
            .map(|head| {
                let part = |t: &Tensor| t.narrow(1, head * size, size);
                let scores = part(&q).matmul(&part(&k).transpose(0, 1)) / (size as f64).sqrt();
                let exponents = (&scores - scores.amax([-1i64].as_slice(), true)).exp();
                let attention = &exponents / exponents.sum_dim_intlist([-1i64].as_slice(), true, Kind::Float);
                attention.matmul(&part(&v))
            })
            .collect();
        let attended = self.linear(&Tensor::cat(&heads, 1), &at("attention.output.dense"));
        let x = self.norm(&(attended + x), &at("attention.output.LayerNorm"));
        let wide = self.linear(&x, &at("intermediate.dense"));
        let gelu = &wide * 0.5 * ((&wide / 2f64.sqrt()).erf() + 1.0);
        self.norm(&(self.linear(&gelu, &at("output.dense")) + x), &at("output.LayerNorm"))
    }
}

#[test]
fn probabilities_are_those_of_the_formulas() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    tiny::write(tiny::Network::Bert, dir.path());
    let weights = Weights(Tensor::read_safetensors(dir.path().join("model.safetensors")).unwrap().into_iter().collect());
    let id = |piece: &str| tiny::PIECES.iter().position(|known| *known == piece).unwrap() as i64;
    let ids = ["[CLS]", "the", "light", "##s", "is", "out", "[UNK]", "!", "[SEP]"].map(id);

    let row = |table: &str, rows: &[i64]| weights.get(table).index_select(0, &Tensor::from_slice(rows));
    let positions: Vec<i64> = (0..ids.len() as i64).collect();
    let words = row("bert.embeddings.word_embeddings.weight", &ids);
    let places = row("bert.embeddings.position_embeddings.weight", &positions);
    let kinds = row("bert.embeddings.token_type_embeddings.weight", &vec![0; ids.len()]);
    let mut x = weights.norm(&(words + places + kinds), "bert.embeddings.LayerNorm");
    for layer in 0..2 {
        x = weights.layer(&x, layer);
    }
    let pooled = weights.linear(&x.narrow(0, 0, 1), "bert.pooler.dense").tanh();
    let logits = Vec::<f32>::try_from(weights.linear(&pooled, "classifier").view([3])).unwrap();
    let exponents: Vec<f32> = logits.iter().map(|logit| logit.exp()).collect();
    let expected: Vec<f32> = exponents.iter().map(|e| e / exponents.iter().sum::<f32>()).collect();

    let transformer = Transformer::start(dir.path(), 1).unwrap();
    let read = transformer.read(&messages(&["The lights is OUT zebra!"])).unwrap();
    for (read, expected) in read[0].tone().iter().zip(&expected) {
        assert!((read - expected).abs() < 1e-5, "{:?} instead of {expected:?}", read);
    }
    assert!(expected.iter().any(|p| (p - 1.0 / 3.0).abs() > 0.05), "a flat answer would show nothing: {expected:?}");
}
