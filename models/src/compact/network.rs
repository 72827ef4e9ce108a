//! The dense part: embedding -> hidden (ReLU) -> four heads, with a direct path from the embedding to the heads.

/// Dimensions of an embedding.
pub(crate) const EMBEDDING: usize = 32;
/// Units of the hidden layer.
pub(crate) const HIDDEN: usize = 64;
/// Logits of all heads together.
pub(crate) const OUTPUTS: usize = 45;

/// Where a head's logits stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) name: &'static str,
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl Head {
    pub(crate) const fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.len
    }
}

/// The heads, in the order of their logits.
pub(crate) const HEADS: [Head; 4] = [
    Head { name: "tone", start: 0, len: 3 },
    Head { name: "signal", start: 3, len: 5 },
    Head { name: "topic", start: 8, len: 33 },
    Head { name: "urgency", start: 41, len: 4 },
];

/// Weights of the dense part, input-major: row `i` of a matrix is what input `i` adds to every output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Network {
    /// Embedding to hidden, `EMBEDDING` rows.
    pub(crate) to_hidden: Vec<[f32; HIDDEN]>,
    pub(crate) hidden_bias: [f32; HIDDEN],
    /// Hidden to logits, `HIDDEN` rows.
    pub(crate) to_output: Vec<[f32; OUTPUTS]>,
    /// Embedding straight to logits, `EMBEDDING` rows.
    pub(crate) direct: Vec<[f32; OUTPUTS]>,
    pub(crate) output_bias: [f32; OUTPUTS],
}

impl Network {
    /// All weights zero.
    pub(crate) fn zeroed() -> Self {
        Self {
            to_hidden: vec![[0.0; HIDDEN]; EMBEDDING],
            hidden_bias: [0.0; HIDDEN],
            to_output: vec![[0.0; OUTPUTS]; HIDDEN],
            direct: vec![[0.0; OUTPUTS]; EMBEDDING],
            output_bias: [0.0; OUTPUTS],
        }
    }

    /// The hidden layer after ReLU.
    pub(crate) fn hidden(&self, embedding: &[f32; EMBEDDING]) -> [f32; HIDDEN] {
        let mut hidden = self.hidden_bias;
        for (value, row) in embedding.iter().zip(&self.to_hidden) {
            add_scaled(&mut hidden, *value, row);
        }
        hidden.iter_mut().for_each(|unit| *unit = unit.max(0.0));
        hidden
    }

    /// Logits from an embedding and its hidden layer.
    pub(crate) fn output(&self, embedding: &[f32; EMBEDDING], hidden: &[f32; HIDDEN]) -> [f32; OUTPUTS] {
        let mut logits = self.output_bias;
        for (value, row) in embedding.iter().zip(&self.direct) {
            add_scaled(&mut logits, *value, row);
        }
        for (value, row) in hidden.iter().zip(&self.to_output) {
            // About half of the units are silent.
            if *value > 0.0 {
                add_scaled(&mut logits, *value, row);
            }
        }
        logits
    }

    /// Logits from an embedding.
    pub(crate) fn forward(&self, embedding: &[f32; EMBEDDING]) -> [f32; OUTPUTS] {
        self.output(embedding, &self.hidden(embedding))
    }

    /// Every parameter in file order.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &f32> {
        (self.to_hidden.iter().flatten())
            .chain(&self.hidden_bias)
            .chain(self.to_output.iter().flatten())
            .chain(self.direct.iter().flatten())
            .chain(&self.output_bias)
    }

    /// Every parameter in file order.
    pub(crate) fn parameters_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        (self.to_hidden.iter_mut().flatten())
            .chain(&mut self.hidden_bias)
            .chain(self.to_output.iter_mut().flatten())
            .chain(self.direct.iter_mut().flatten())
            .chain(&mut self.output_bias)
    }
}

/// `sum += factor * row`, over arrays of a known length, so that it becomes vector instructions.
pub(crate) fn add_scaled<const N: usize>(sum: &mut [f32; N], factor: f32, row: &[f32; N]) {
    for (sum, value) in sum.iter_mut().zip(row) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_cover_every_logit_once() {
        let mut next = 0;
        for head in HEADS {
            assert_eq!(head.start, next);
            next += head.len;
        }
        assert_eq!(next, OUTPUTS);
    }

    #[test]
    fn parameters_come_in_one_order() {
        let mut network = Network::zeroed();
        network.parameters_mut().enumerate().for_each(|(position, value)| *value = position as f32);
        assert!(network.parameters().enumerate().all(|(position, value)| *value == position as f32));
    }
}
