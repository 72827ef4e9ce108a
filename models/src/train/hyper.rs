//! The numbers of a training run.

use crate::compact::HEADS;

/// How to train. The defaults made the shipped weights.
#[derive(Clone, Debug)]
pub struct Hyper {
    /// Every random number follows from it.
    pub seed: u64,
    /// Texts in which a feature must occur to get a row.
    pub min_count: u32,
    /// Of the block for tone.
    pub tone: BlockHyper,
    /// Of the block for signal, topic and urgency.
    pub civic: BlockHyper,
    /// How much a head counts.
    pub head_weight: [f32; HEADS.len()],
}

/// How to train one block.
#[derive(Clone, Debug)]
pub struct BlockHyper {
    /// Passes over the examples.
    pub epochs: usize,
    /// Epochs before training branches.
    pub trunk_epochs: usize,
    /// Branches that are averaged at the end; 0 or 1: none.
    pub branches: usize,
    /// First step of the rows; it falls to zero in a straight line.
    pub row_step: f32,
    /// What the accumulators of the rows start from: the larger, the smaller the steps of rare features.
    pub row_start: f32,
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
    /// 0: classes count by their frequency in their source; 1: all classes of a source count the same.
    pub balance: f32,
}

impl Default for Hyper {
    fn default() -> Self {
        let tone = BlockHyper {
            epochs: 5,
            trunk_epochs: 5,
            branches: 1,
            row_step: 0.3,
            row_start: 0.1,
            network_step: 0.02,
            word_dropout: 0.4,
            gram_dropout: 0.6,
            hidden_dropout: 0.3,
            smoothing: 0.1,
            balance: 1.0,
        };
        // Branches help where texts are few: emergencies 0.82 and 0.67 without, 0.86 and 0.69 with; tone loses a little.
        let civic = BlockHyper {
            epochs: 6,
            trunk_epochs: 1,
            branches: 4,
            row_step: 0.5,
            gram_dropout: 0.5,
            balance: 0.5,
            ..tone.clone()
        };
        // Few texts tell of danger, and to miss one costs most; signal is learned from any text.
        let head_weight = HEADS.map(|head| match head.name {
            "urgency" => 2.0,
            "signal" => 0.6,
            _ => 1.0,
        });
        Self { seed: 311, min_count: 2, tone, civic, head_weight }
    }
}

impl Hyper {
    /// Sets one number from `name=value`, for experiments: `seed=1`, `tone.epochs=6`.
    ///
    /// # Errors
    /// When the name or the value is not understood.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (name, value) = assignment.split_once('=').ok_or_else(|| format!("`{assignment}`: write it as name=value"))?;
        let number: f32 = value.parse().map_err(|_| format!("`{assignment}`: the value is not a number"))?;
        let unknown = || format!("`{name}` is not a number of a training run");
        let (block, name) = match name.split_once('.') {
            Some(("tone", name)) => (Some(&mut self.tone), name),
            Some(("civic", name)) => (Some(&mut self.civic), name),
            Some(("head", name)) => {
                let head = HEADS.iter().position(|head| head.name == name).ok_or_else(unknown)?;
                self.head_weight[head] = number;
                return Ok(());
            }
            _ => (None, name),
        };
        match (block, name) {
            (None, "seed") => self.seed = number as u64,
            (None, "min_count") => self.min_count = number as u32,
            (Some(block), "epochs") => block.epochs = number as usize,
            (Some(block), "trunk_epochs") => block.trunk_epochs = number as usize,
            (Some(block), "branches") => block.branches = number as usize,
            (Some(block), "row_step") => block.row_step = number,
            (Some(block), "row_start") => block.row_start = number,
            (Some(block), "network_step") => block.network_step = number,
            (Some(block), "word_dropout") => block.word_dropout = number,
            (Some(block), "gram_dropout") => block.gram_dropout = number,
            (Some(block), "hidden_dropout") => block.hidden_dropout = number,
            (Some(block), "smoothing") => block.smoothing = number,
            (Some(block), "balance") => block.balance = number,
            _ => return Err(unknown()),
        }
        Ok(())
    }
}
