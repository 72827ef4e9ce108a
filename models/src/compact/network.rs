//! The dense part: embedding -> hidden (ReLU) -> four heads, with a direct path from the embedding to the heads.

/// Dimensions of an embedding that tone has to itself.
pub(crate) const TONE_EMBEDDING: usize = 8;
/// Dimensions of an embedding that the other heads share.
pub(crate) const CIVIC_EMBEDDING: usize = 32;
/// Dimensions of an embedding.
pub(crate) const EMBEDDING: usize = TONE_EMBEDDING + CIVIC_EMBEDDING;
/// Logits of tone.
pub(crate) const TONE_OUTPUTS: usize = 3;
/// Logits of the other heads together.
pub(crate) const CIVIC_OUTPUTS: usize = 42;
/// Logits of all heads together.
pub(crate) const OUTPUTS: usize = TONE_OUTPUTS + CIVIC_OUTPUTS;

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

/// A part of the network that some heads have to themselves: `E` dimensions of the embedding, `H` hidden units, `O` logits.
/// Input-major: row `i` of a matrix is what input `i` adds to every output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block<const E: usize, const H: usize, const O: usize> {
    /// Embedding to hidden, `E` rows.
    pub(crate) to_hidden: Vec<[f32; H]>,
    pub(crate) hidden_bias: [f32; H],
    /// Hidden to logits, `H` rows.
    pub(crate) to_output: Vec<[f32; O]>,
    /// Embedding straight to logits, `E` rows.
    pub(crate) direct: Vec<[f32; O]>,
    pub(crate) output_bias: [f32; O],
}

/// Tone by itself: trained together with it, the thirty-three topics pull the rows of common words about.
pub(crate) type ToneBlock = Block<TONE_EMBEDDING, 24, TONE_OUTPUTS>;
/// Signal, topic and urgency.
pub(crate) type CivicBlock = Block<CIVIC_EMBEDDING, 40, CIVIC_OUTPUTS>;

impl<const E: usize, const H: usize, const O: usize> Block<E, H, O> {
    /// How many numbers a block has.
    pub(crate) const PARAMETERS: usize = E * H + H + H * O + E * O + O;

    /// All weights zero.
    pub(crate) fn zeroed() -> Self {
        Self {
            to_hidden: vec![[0.0; H]; E],
            hidden_bias: [0.0; H],
            to_output: vec![[0.0; O]; H],
            direct: vec![[0.0; O]; E],
            output_bias: [0.0; O],
        }
    }

    /// The hidden layer after ReLU.
    pub(crate) fn hidden(&self, embedding: &[f32; E]) -> [f32; H] {
        let mut hidden = self.hidden_bias;
        add_all(&mut hidden, embedding.iter().copied().zip(&self.to_hidden));
        hidden.iter_mut().for_each(|unit| *unit = unit.max(0.0));
        hidden
    }

    /// Logits from an embedding and its hidden layer.
    pub(crate) fn output(&self, embedding: &[f32; E], hidden: &[f32; H]) -> [f32; O] {
        let mut logits = self.output_bias;
        add_all(&mut logits, embedding.iter().copied().zip(&self.direct));
        // About half of the units are silent. Which, nobody can foresee, so that no branch asks.
        let mut speaking = [(0.0, 0); H];
        let mut count = 0;
        for (unit, value) in hidden.iter().enumerate() {
            speaking[count] = (*value, unit);
            count += usize::from(*value > 0.0);
        }
        add_all(&mut logits, speaking[..count].iter().map(|(value, unit)| (*value, &self.to_output[*unit])));
        logits
    }

    /// Logits from an embedding.
    pub(crate) fn forward(&self, embedding: &[f32; E]) -> [f32; O] {
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

/// The dense part of a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Network {
    pub(crate) tone: ToneBlock,
    pub(crate) civic: CivicBlock,
}

impl Network {
    /// How many numbers it has.
    pub(crate) const PARAMETERS: usize = ToneBlock::PARAMETERS + CivicBlock::PARAMETERS;

    /// All weights zero.
    pub(crate) fn zeroed() -> Self {
        Self { tone: Block::zeroed(), civic: Block::zeroed() }
    }

    /// Logits of all heads from an embedding.
    pub(crate) fn forward(&self, embedding: &Embedding) -> [f32; OUTPUTS] {
        let mut logits = [0.0; OUTPUTS];
        logits[..TONE_OUTPUTS].copy_from_slice(&self.tone.forward(&embedding.tone));
        logits[TONE_OUTPUTS..].copy_from_slice(&self.civic.forward(&embedding.civic));
        logits
    }

    /// Every parameter in file order.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &f32> {
        self.tone.parameters().chain(self.civic.parameters())
    }

    /// Every parameter in file order.
    pub(crate) fn parameters_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        self.tone.parameters_mut().chain(self.civic.parameters_mut())
    }
}

/// A message between the table and the network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Embedding {
    pub(crate) tone: [f32; TONE_EMBEDDING],
    pub(crate) civic: [f32; CIVIC_EMBEDDING],
}

/// [`add_scaled`] for each factor and row. Sixteen sums at a time, which stay in registers over all rows; each sum takes its terms
/// in the order of the rows.
fn add_all<'a, const N: usize>(sum: &mut [f32; N], terms: impl Iterator<Item = (f32, &'a [f32; N])> + Clone) {
    const TOGETHER: usize = 16;
    let (parts, rest) = sum.as_chunks_mut::<TOGETHER>();
    for (number, part) in parts.iter_mut().enumerate() {
        let mut sums = *part;
        for (factor, row) in terms.clone() {
            add_scaled(&mut sums, factor, &row.as_chunks().0[number]);
        }
        *part = sums;
    }
    for (factor, row) in terms {
        rest.iter_mut().zip(row.as_chunks::<TOGETHER>().1).for_each(|(sum, value)| *sum += factor * value);
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
    fn sums_are_those_of_term_after_term() {
        let number = |at: usize| (at * 7919 % 1013) as f32 / 77.0 - 6.0;
        let rows: Vec<[f32; 42]> = (0..40).map(|row| std::array::from_fn(|at| number(row * 42 + at))).collect();
        let terms = || rows.iter().enumerate().map(|(at, row)| (number(3 * at), row));
        let (mut together, mut apart) = ([0.5; 42], [0.5; 42]);
        add_all(&mut together, terms());
        terms().for_each(|(factor, row)| add_scaled(&mut apart, factor, row));
        assert_eq!(together.map(f32::to_bits), apart.map(f32::to_bits));
    }

    #[test]
    fn parameters_come_in_one_order() {
        let mut network = Network::zeroed();
        network.parameters_mut().enumerate().for_each(|(position, value)| *value = position as f32);
        assert!(network.parameters().enumerate().all(|(position, value)| *value == position as f32));
    }
}
