//! Stochastic gradient descent, one text at a time, with AdaGrad (Duchi, Hazan & Singer 2011): one accumulator per row of
//! the table and one per parameter of the network.
//!
//! The accumulators of the rows start well above zero. From zero, a feature that two texts share would move as far at once
//! as a frequent one in an epoch, and learn these two texts by heart (0.666 against 0.69 macro-recall when tried).
//!
//! After some epochs the training branches: each branch goes on with an order and a dropout of its own, and what they have
//! learned is averaged. From a common beginning they end close enough for that, and the mean knows what an ensemble knows at
//! the price of one (Wortsman et al. 2022).

use std::collections::BTreeMap;
use std::ops::Range;

use super::hyper::BlockHyper;
use super::random::Random;
use super::vocabulary::Indexed;
use crate::compact::{Block, HEADS, OUTPUTS, add_scaled, bag_weight, softmax};

/// What training makes of a block, before rounding.
pub(super) struct Fitted<const E: usize, const H: usize, const O: usize> {
    pub(super) rows: Vec<[f32; E]>,
    pub(super) block: Block<E, H, O>,
}

/// What a block is trained for.
pub(super) struct Task {
    /// Its heads, as positions in [`HEADS`].
    pub(super) heads: Range<usize>,
    /// How much each head counts.
    pub(super) head_weight: [f32; HEADS.len()],
    /// Whether the grams of what may be a name are kept from it.
    pub(super) blind_to_names: bool,
    /// Every random number follows from it.
    pub(super) seed: u64,
}

/// Trains a block with `row_count` rows on the examples that have a label for it.
pub(super) fn fit<const E: usize, const H: usize, const O: usize>(
    examples: &[Indexed],
    row_count: usize,
    task: &Task,
    hyper: &BlockHyper,
    progress: &mut dyn FnMut(&str),
) -> Fitted<E, H, O> {
    let targets = targets(examples, task, hyper);
    let order: Vec<u32> = (0u32..).zip(&targets).filter(|(_, of_text)| !of_text.is_empty()).map(|(index, _)| index).collect();
    let lesson = Lesson { examples, targets: &targets, order };
    let mut trunk = Trainer::<E, H, O>::new(row_count, task, hyper);
    lesson.teach(&mut trunk, 0..hyper.trunk_epochs.min(hyper.epochs), progress);
    let mut sum: Option<Trainer<'_, E, H, O>> = None;
    for number in 0..hyper.branches.max(1) {
        let mut branch = trunk.clone();
        branch.random = Random::new(task.seed ^ ((number as u64 + 1) << 32));
        lesson.teach(&mut branch, hyper.trunk_epochs..hyper.epochs, progress);
        match &mut sum {
            Some(sum) => sum.add(&branch),
            None => sum = Some(branch),
        }
    }
    let mut mean = sum.unwrap_or(trunk);
    mean.divide(hyper.branches.max(1) as f32);
    Fitted { rows: mean.rows, block: mean.block }
}

/// What is learned from.
struct Lesson<'a> {
    examples: &'a [Indexed],
    targets: &'a [Vec<Target>],
    /// The examples that have a target.
    order: Vec<u32>,
}

impl Lesson<'_> {
    /// Teaches `trainer` for these epochs, each in an order of its own.
    fn teach<const E: usize, const H: usize, const O: usize>(
        &self,
        trainer: &mut Trainer<'_, E, H, O>,
        epochs: Range<usize>,
        progress: &mut dyn FnMut(&str),
    ) {
        let (all, texts) = (trainer.hyper.epochs, self.order.len().max(1));
        let mut order = self.order.clone();
        for epoch in epochs {
            trainer.random.shuffle(&mut order);
            let mut loss = 0.0;
            for (done, index) in order.iter().enumerate() {
                trainer.progress = 1.0 - (epoch * texts + done) as f32 / (all * texts) as f32;
                loss += f64::from(trainer.learn(&self.examples[*index as usize], &self.targets[*index as usize]));
            }
            let names: Vec<&str> = HEADS[trainer.task.heads.clone()].iter().map(|head| head.name).collect();
            let mean = loss / texts as f64;
            progress(&format!("{}: epoch {} of {all}, loss {mean:.4}", names.join(" "), epoch + 1));
        }
    }
}

/// A label as the trainer sees it.
struct Target {
    /// Where the head's logits stand in the block.
    logits: Range<usize>,
    code: usize,
    weight: f32,
}

/// The labels of every example, weighted: by their own weight, by how much the head counts, and by the inverse frequency of
/// the class in its source to the power of the balance, averaging 1 over a source. By source, because a source says little
/// about how frequent a class is elsewhere.
fn targets(examples: &[Indexed], task: &Task, hyper: &BlockHyper) -> Vec<Vec<Target>> {
    let mut counts: BTreeMap<(&str, usize), [f64; OUTPUTS]> = BTreeMap::new();
    for example in examples {
        for head in task.heads.clone() {
            if let Some((code, weight)) = example.labels.get(head) {
                counts.entry((example.source, head)).or_insert([0.0; OUTPUTS])[usize::from(code)] += f64::from(weight);
            }
        }
    }
    let class_weights = |(key, counts): (&(&'static str, usize), &[f64; OUTPUTS])| {
        let (total, seen) = (counts.iter().sum::<f64>(), counts.iter().filter(|count| **count > 0.0).count());
        let raw =
            counts.map(|count| if count > 0.0 { (total / count / seen as f64).powf(f64::from(hyper.balance)) } else { 0.0 });
        let mean = raw.iter().zip(counts).map(|(raw, count)| raw * count / total).sum::<f64>();
        (*key, raw.map(|raw| (raw / mean) as f32))
    };
    let weights: BTreeMap<(&str, usize), [f32; OUTPUTS]> = counts.iter().map(class_weights).collect();
    let first = HEADS[task.heads.start].start;
    (examples.iter())
        .map(|example| {
            let of_head = |head: usize| {
                let (code, weight) = example.labels.get(head)?;
                let (code, Range { start, end }) = (usize::from(code), HEADS[head].range());
                let weight = weight * weights[&(example.source, head)][code] * task.head_weight[head];
                Some(Target { logits: start - first..end - first, code, weight })
            };
            task.heads.clone().filter_map(of_head).collect()
        })
        .collect()
}

#[derive(Clone)]
struct Trainer<'a, const E: usize, const H: usize, const O: usize> {
    task: &'a Task,
    hyper: &'a BlockHyper,
    random: Random,
    rows: Vec<[f32; E]>,
    row_squares: Vec<f32>,
    block: Block<E, H, O>,
    squares: Block<E, H, O>,
    /// From 1 at the beginning to 0 at the end.
    progress: f32,
    words: Vec<u32>,
    grams: Vec<u32>,
}

impl<'a, const E: usize, const H: usize, const O: usize> Trainer<'a, E, H, O> {
    fn new(row_count: usize, task: &'a Task, hyper: &'a BlockHyper) -> Self {
        let mut random = Random::new(task.seed);
        let mut spread = |limit: f32| (random.unit() * 2.0 - 1.0) * limit;
        let rows = (0..row_count).map(|_| std::array::from_fn(|_| spread(0.02))).collect();
        let mut block = Block::zeroed();
        block.to_hidden.iter_mut().flatten().for_each(|value| *value = spread((3.0 / E as f32).sqrt()));
        block.to_output.iter_mut().flatten().for_each(|value| *value = spread((1.0 / H as f32).sqrt()));
        block.direct.iter_mut().flatten().for_each(|value| *value = spread((1.0 / E as f32).sqrt()));
        let mut squares = Block::zeroed();
        squares.parameters_mut().for_each(|value| *value = 1e-2);
        Self {
            task,
            hyper,
            random,
            rows,
            row_squares: vec![hyper.row_start; row_count],
            block,
            squares,
            progress: 1.0,
            words: Vec::new(),
            grams: Vec::new(),
        }
    }

    /// Adds what another trainer has learned.
    fn add(&mut self, other: &Self) {
        self.rows.iter_mut().flatten().zip(other.rows.iter().flatten()).for_each(|(sum, value)| *sum += value);
        self.block.parameters_mut().zip(other.block.parameters()).for_each(|(sum, value)| *sum += value);
    }

    /// Makes a mean of a sum of `count`.
    fn divide(&mut self, count: f32) {
        self.rows.iter_mut().flatten().chain(self.block.parameters_mut()).for_each(|sum| *sum /= count);
    }

    /// One step; gives the loss.
    fn learn(&mut self, example: &Indexed, targets: &[Target]) -> f32 {
        let grams = if self.task.blind_to_names { &example.grams[..example.open_grams] } else { &example.grams };
        keep(&example.words, self.hyper.word_dropout, &mut self.random, &mut self.words);
        keep(grams, self.hyper.gram_dropout, &mut self.random, &mut self.grams);
        let mut embedding = [0.0; E];
        for bag in [&self.words, &self.grams] {
            let weight = bag_weight(bag.len() as u32);
            bag.iter().for_each(|row| add_scaled(&mut embedding, weight, &self.rows[*row as usize]));
        }
        let mut hidden = self.block.hidden(&embedding);
        let kept = 1.0 / (1.0 - self.hyper.hidden_dropout);
        for unit in &mut hidden {
            *unit *= if self.random.chance(self.hyper.hidden_dropout) { 0.0 } else { kept };
        }
        let logits = self.block.output(&embedding, &hidden);
        let (gradient, loss) = self.output_gradient(targets, &logits);
        let embedding_gradient = self.network_step(&embedding, &hidden, &gradient, kept);
        self.row_step(&embedding_gradient);
        loss
    }

    /// The gradient of the loss by each logit; heads without a label have none.
    fn output_gradient(&self, targets: &[Target], logits: &[f32; O]) -> ([f32; O], f32) {
        let mut gradient = [0.0; O];
        let mut loss = 0.0;
        for Target { logits: range, code, weight } in targets {
            let part = &mut gradient[range.clone()];
            softmax(&logits[range.clone()], 1.0, part);
            loss -= weight * part[*code].max(1e-9).ln();
            let floor = self.hyper.smoothing / range.len() as f32;
            for (class, value) in part.iter_mut().enumerate() {
                let wanted = floor + if class == *code { 1.0 - self.hyper.smoothing } else { 0.0 };
                *value = (*value - wanted) * weight;
            }
        }
        (gradient, loss)
    }

    /// Steps the network; gives the gradient by the embedding.
    fn network_step(&mut self, embedding: &[f32; E], hidden: &[f32; H], gradient: &[f32; O], kept: f32) -> [f32; E] {
        let step = self.hyper.network_step * self.progress;
        let (block, squares) = (&mut self.block, &mut self.squares);
        let mut by_embedding = [0.0; E];
        for (by, row) in by_embedding.iter_mut().zip(&block.direct) {
            *by = dot(gradient, row);
        }
        let mut by_hidden = [0.0; H];
        for ((by, row), unit) in by_hidden.iter_mut().zip(&block.to_output).zip(hidden) {
            if *unit > 0.0 {
                *by = dot(gradient, row) * kept;
            }
        }
        for (by, row) in by_embedding.iter_mut().zip(&block.to_hidden) {
            *by += dot(&by_hidden, row);
        }
        adagrad(&mut block.output_bias, &mut squares.output_bias, 1.0, gradient, step);
        adagrad(&mut block.hidden_bias, &mut squares.hidden_bias, 1.0, &by_hidden, step);
        for (input, value) in embedding.iter().enumerate() {
            adagrad(&mut block.direct[input], &mut squares.direct[input], *value, gradient, step);
            adagrad(&mut block.to_hidden[input], &mut squares.to_hidden[input], *value, &by_hidden, step);
        }
        for (unit, value) in hidden.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            adagrad(&mut block.to_output[unit], &mut squares.to_output[unit], *value, gradient, step);
        }
        by_embedding
    }

    /// Steps the rows of both bags.
    fn row_step(&mut self, gradient: &[f32; E]) {
        let step = self.hyper.row_step * self.progress;
        let square = gradient.iter().map(|value| value * value).sum::<f32>() / E as f32;
        for bag in [&self.words, &self.grams] {
            let weight = bag_weight(bag.len() as u32);
            for row in bag {
                let sum = &mut self.row_squares[*row as usize];
                *sum += square * weight * weight;
                let factor = step / sum.sqrt() * weight;
                add_scaled(&mut self.rows[*row as usize], -factor, gradient);
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

fn adagrad<const N: usize>(values: &mut [f32; N], squares: &mut [f32; N], input: f32, gradient: &[f32; N], step: f32) {
    for ((value, square), gradient) in values.iter_mut().zip(squares).zip(gradient) {
        let gradient = gradient * input;
        *square += gradient * gradient;
        *value -= step * gradient / square.sqrt();
    }
}
