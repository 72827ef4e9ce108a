//! Stochastic gradient descent, one text at a time, with AdaGrad (Duchi, Hazan & Singer 2011): one accumulator per row of
//! the table and block, one per parameter of the network.
//!
//! The embedding and the hidden layer are cut into two blocks, one for tone and one for the other heads: trained together,
//! the thirty-three topics pull the rows of common words about and tone pays for it (0.68 to 0.66 macro-recall when tried).

use std::ops::Range;

use super::random::Random;
use super::vocabulary::Indexed;
use crate::compact::{EMBEDDING, HEADS, HIDDEN, Network, OUTPUTS, add_scaled, bag_weight, softmax};

/// How to train. The defaults made the shipped weights.
#[derive(Clone, Debug)]
pub struct Hyper {
    /// Every random number follows from it.
    pub seed: u64,
    /// Passes over the examples.
    pub epochs: usize,
    /// Texts in which a feature must occur to get a row.
    pub min_count: u32,
    /// First step of the rows; it falls to zero in a straight line.
    pub row_step: f32,
    /// First step of the network.
    pub network_step: f32,
    /// Probability with which a word feature is left out of a text.
    pub word_dropout: f32,
    /// Probability with which a gram is left out of a text.
    pub gram_dropout: f32,
    /// Probability with which a hidden unit is silenced.
    pub hidden_dropout: f32,
    /// Share of a label that is spread over all classes.
    pub smoothing: f32,
    /// 0: classes count by their frequency; 1: all classes count the same.
    pub balance: [f32; HEADS.len()],
    /// How much a head counts.
    pub head_weight: [f32; HEADS.len()],
}

impl Default for Hyper {
    fn default() -> Self {
        Self {
            seed: 311,
            epochs: 4,
            min_count: 2,
            row_step: 0.15,
            network_step: 0.02,
            word_dropout: 0.4,
            gram_dropout: 0.5,
            hidden_dropout: 0.3,
            smoothing: 0.1,
            balance: [0.9, 0.5, 0.5, 0.5],
            head_weight: [1.0; HEADS.len()],
        }
    }
}

impl Hyper {
    /// Sets one number from `name=value`, for experiments.
    ///
    /// # Errors
    /// When the name or the value is not understood.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (name, value) = assignment.split_once('=').ok_or_else(|| format!("`{assignment}`: write it as name=value"))?;
        let number: f32 = value.parse().map_err(|_| format!("`{assignment}`: the value is not a number"))?;
        match name {
            "seed" => self.seed = number as u64,
            "epochs" => self.epochs = number as usize,
            "min_count" => self.min_count = number as u32,
            "row_step" => self.row_step = number,
            "network_step" => self.network_step = number,
            "word_dropout" => self.word_dropout = number,
            "gram_dropout" => self.gram_dropout = number,
            "hidden_dropout" => self.hidden_dropout = number,
            "smoothing" => self.smoothing = number,
            "tone_balance" => self.balance[0] = number,
            "tone_weight" => self.head_weight[0] = number,
            "civic_weight" => self.head_weight[1..].fill(number),
            "civic_balance" => self.balance[1..].fill(number),
            _ => return Err(format!("`{name}` is not a number of a training run")),
        }
        Ok(())
    }
}

/// A part of the network that some heads have to themselves.
#[derive(Clone, Debug)]
struct Block {
    embedding: Range<usize>,
    hidden: Range<usize>,
    outputs: Range<usize>,
}

/// Tone, and everything else.
const BLOCKS: [Block; 2] = [
    Block { embedding: 0..8, hidden: 0..24, outputs: 0..3 },
    Block { embedding: 8..EMBEDDING, hidden: 24..HIDDEN, outputs: 3..OUTPUTS },
];

/// What training makes, before rounding.
pub(super) struct Fitted {
    pub(super) rows: Vec<[f32; EMBEDDING]>,
    pub(super) network: Network,
}

/// Trains on `examples` with `row_count` rows.
pub(super) fn fit(examples: &[Indexed], row_count: usize, hyper: &Hyper, progress: &mut dyn FnMut(&str)) -> Fitted {
    let mut trainer = Trainer::new(examples, row_count, hyper);
    let mut order: Vec<u32> = (0..examples.len() as u32).collect();
    let steps = (hyper.epochs * examples.len()).max(1) as f32;
    let mut done = 0u64;
    for epoch in 0..hyper.epochs {
        trainer.random.shuffle(&mut order);
        let mut loss = 0.0;
        for index in &order {
            trainer.progress = 1.0 - done as f32 / steps;
            loss += f64::from(trainer.learn(&examples[*index as usize]));
            done += 1;
        }
        progress(&format!("epoch {} of {}: loss {:.4}", epoch + 1, hyper.epochs, loss / examples.len().max(1) as f64));
    }
    Fitted { rows: trainer.rows, network: trainer.network }
}

struct Trainer<'a> {
    hyper: &'a Hyper,
    random: Random,
    rows: Vec<[f32; EMBEDDING]>,
    row_squares: Vec<[f32; BLOCKS.len()]>,
    network: Network,
    squares: Network,
    class_weight: [f32; OUTPUTS],
    /// From 1 at the beginning to 0 at the end.
    progress: f32,
    words: Vec<u32>,
    grams: Vec<u32>,
}

impl<'a> Trainer<'a> {
    fn new(examples: &[Indexed], row_count: usize, hyper: &'a Hyper) -> Self {
        let mut random = Random::new(hyper.seed);
        let mut spread = |limit: f32| (random.unit() * 2.0 - 1.0) * limit;
        let rows = (0..row_count).map(|_| std::array::from_fn(|_| spread(0.02))).collect();
        let mut network = Network::zeroed();
        for Block { embedding, hidden, outputs } in BLOCKS {
            let mut fill = |rows: &mut [[f32; HIDDEN]], limit: f32| {
                rows.iter_mut().flat_map(|row| &mut row[hidden.clone()]).for_each(|value| *value = spread(limit));
            };
            fill(&mut network.to_hidden[embedding.clone()], (3.0 / embedding.len() as f32).sqrt());
            let mut fill = |rows: &mut [[f32; OUTPUTS]], limit: f32| {
                rows.iter_mut().flat_map(|row| &mut row[outputs.clone()]).for_each(|value| *value = spread(limit));
            };
            fill(&mut network.to_output[hidden.clone()], (1.0 / hidden.len() as f32).sqrt());
            fill(&mut network.direct[embedding.clone()], (1.0 / embedding.len() as f32).sqrt());
        }
        let mut squares = Network::zeroed();
        squares.parameters_mut().for_each(|value| *value = 1e-2);
        Self {
            hyper,
            random,
            rows,
            row_squares: vec![[1e-6; BLOCKS.len()]; row_count],
            network,
            squares,
            class_weight: class_weights(examples, &hyper.balance),
            progress: 1.0,
            words: Vec::new(),
            grams: Vec::new(),
        }
    }

    /// One step; gives the loss.
    fn learn(&mut self, example: &Indexed) -> f32 {
        keep(&example.words, self.hyper.word_dropout, &mut self.random, &mut self.words);
        keep(&example.grams, self.hyper.gram_dropout, &mut self.random, &mut self.grams);
        let mut embedding = [0.0; EMBEDDING];
        for bag in [&self.words, &self.grams] {
            let weight = bag_weight(bag.len() as u32);
            bag.iter().for_each(|row| add_scaled(&mut embedding, weight, &self.rows[*row as usize]));
        }
        let mut hidden = self.network.hidden(&embedding);
        let kept = 1.0 / (1.0 - self.hyper.hidden_dropout);
        for unit in &mut hidden {
            *unit *= if self.random.chance(self.hyper.hidden_dropout) { 0.0 } else { kept };
        }
        let logits = self.network.output(&embedding, &hidden);
        let (gradient, loss) = self.output_gradient(example, &logits);
        let embedding_gradient = self.network_step(&embedding, &hidden, &gradient, kept);
        self.row_step(&embedding_gradient);
        loss
    }

    /// The gradient of the loss by each logit; heads without a label have none.
    fn output_gradient(&self, example: &Indexed, logits: &[f32; OUTPUTS]) -> ([f32; OUTPUTS], f32) {
        let mut gradient = [0.0; OUTPUTS];
        let mut loss = 0.0;
        for (position, head) in HEADS.iter().enumerate() {
            let Some((code, weight)) = example.labels.get(position) else { continue };
            let target = head.start + usize::from(code);
            let weight = weight * self.class_weight[target] * self.hyper.head_weight[position];
            let part = &mut gradient[head.range()];
            softmax(&logits[head.range()], 1.0, part);
            loss -= weight * part[usize::from(code)].max(1e-9).ln();
            let floor = self.hyper.smoothing / head.len as f32;
            for (class, value) in part.iter_mut().enumerate() {
                let wanted = floor + if class == usize::from(code) { 1.0 - self.hyper.smoothing } else { 0.0 };
                *value = (*value - wanted) * weight;
            }
        }
        (gradient, loss)
    }

    /// Steps the network; gives the gradient by the embedding.
    fn network_step(
        &mut self,
        embedding: &[f32; EMBEDDING],
        hidden: &[f32; HIDDEN],
        gradient: &[f32; OUTPUTS],
        kept: f32,
    ) -> [f32; EMBEDDING] {
        let step = self.hyper.network_step * self.progress;
        let (network, squares) = (&mut self.network, &mut self.squares);
        let mut by_embedding = [0.0; EMBEDDING];
        for (by, row) in by_embedding.iter_mut().zip(&network.direct) {
            *by = dot(gradient, row);
        }
        let mut by_hidden = [0.0; HIDDEN];
        for ((by, row), unit) in by_hidden.iter_mut().zip(&network.to_output).zip(hidden) {
            if *unit > 0.0 {
                *by = dot(gradient, row) * kept;
            }
        }
        for (by, row) in by_embedding.iter_mut().zip(&network.to_hidden) {
            *by += dot(&by_hidden, row);
        }
        adagrad(&mut network.output_bias, &mut squares.output_bias, 1.0, gradient, step);
        adagrad(&mut network.hidden_bias, &mut squares.hidden_bias, 1.0, &by_hidden, step);
        for Block { embedding: inputs, hidden: units, outputs } in BLOCKS {
            for input in inputs {
                let (row, square) = (&mut network.direct[input], &mut squares.direct[input]);
                let range = outputs.clone();
                adagrad(&mut row[range.clone()], &mut square[range.clone()], embedding[input], &gradient[range], step);
                let (row, square) = (&mut network.to_hidden[input], &mut squares.to_hidden[input]);
                let range = units.clone();
                adagrad(&mut row[range.clone()], &mut square[range.clone()], embedding[input], &by_hidden[range], step);
            }
            for unit in units.filter(|unit| hidden[*unit] > 0.0) {
                let (row, square) = (&mut network.to_output[unit], &mut squares.to_output[unit]);
                let range = outputs.clone();
                adagrad(&mut row[range.clone()], &mut square[range.clone()], hidden[unit], &gradient[range], step);
            }
        }
        by_embedding
    }

    /// Steps the rows of both bags.
    fn row_step(&mut self, gradient: &[f32; EMBEDDING]) {
        let step = self.hyper.row_step * self.progress;
        for (block, Block { embedding, .. }) in BLOCKS.into_iter().enumerate() {
            let gradient = &gradient[embedding.clone()];
            let square = gradient.iter().map(|value| value * value).sum::<f32>() / gradient.len() as f32;
            if square == 0.0 {
                continue;
            }
            for bag in [&self.words, &self.grams] {
                let weight = bag_weight(bag.len() as u32);
                for row in bag {
                    let sum = &mut self.row_squares[*row as usize][block];
                    *sum += square * weight * weight;
                    let factor = step / sum.sqrt() * weight;
                    let values = &mut self.rows[*row as usize][embedding.clone()];
                    values.iter_mut().zip(gradient).for_each(|(value, gradient)| *value -= factor * gradient);
                }
            }
        }
    }
}

/// Copies what dropout leaves.
fn keep(all: &[u32], dropout: f32, random: &mut Random, kept: &mut Vec<u32>) {
    kept.clear();
    kept.extend(all.iter().filter(|_| !random.chance(dropout)));
}

fn dot<const N: usize>(a: &[f32; N], b: &[f32; N]) -> f32 {
    // Eight sums side by side: one running sum could not be vectorised without changing its value.
    let mut sums = [0.0f32; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

fn adagrad(values: &mut [f32], squares: &mut [f32], input: f32, gradient: &[f32], step: f32) {
    for ((value, square), gradient) in values.iter_mut().zip(squares).zip(gradient) {
        let gradient = gradient * input;
        *square += gradient * gradient;
        *value -= step * gradient / square.sqrt();
    }
}

/// A weight per class: its inverse frequency to the power of the head's balance, averaging 1 over the examples.
fn class_weights(examples: &[Indexed], balance: &[f32; HEADS.len()]) -> [f32; OUTPUTS] {
    let mut counts = [0.0f64; OUTPUTS];
    for example in examples {
        for (position, head) in HEADS.iter().enumerate() {
            if let Some((code, weight)) = example.labels.get(position) {
                counts[head.start + usize::from(code)] += f64::from(weight);
            }
        }
    }
    let mut weights = [1.0; OUTPUTS];
    for (head, balance) in HEADS.iter().zip(balance) {
        let counts = &counts[head.range()];
        let total: f64 = counts.iter().sum();
        let raw = |count: f64| if count > 0.0 { (total / count / head.len as f64).powf(f64::from(*balance)) } else { 0.0 };
        let mean: f64 = counts.iter().map(|count| raw(*count) * count / total.max(1.0)).sum();
        for (weight, count) in weights[head.range()].iter_mut().zip(counts) {
            *weight = (raw(*count) / mean.max(1e-12)) as f32;
        }
    }
    weights
}
