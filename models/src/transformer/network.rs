//! The networks: a batch of token ids in, a row of logits a text out.

use rust_bert::bert::{BertConfig, BertEmbeddings, BertForSequenceClassification, BertModel};
use rust_bert::distilbert::DistilBertModelClassifier;
use rust_bert::roberta::RobertaForSequenceClassification;
use tch::nn::{self, Module, VarStore};
use tch::{Kind, Tensor};

use super::config::Architecture;
use super::error::TransformerError;
use crate::compact::HEADS;

/// Texts of similar length, filled up to the longest.
pub(super) struct Batch {
    /// Token ids, texts by tokens, 64-bit.
    ids: Tensor,
    /// 1 where a text has a token, 0 where it was filled up; the same shape and kind.
    mask: Tensor,
}

impl Batch {
    /// A batch of these texts; there is at least one, and none is empty.
    pub(super) fn new<'a>(texts: impl Iterator<Item = &'a [i64]> + Clone, padding: i64) -> Result<Self, TransformerError> {
        let longest = texts.clone().map(<[i64]>::len).max().unwrap_or_default();
        let rows = texts.clone().count();
        let (mut ids, mut mask) = (Vec::with_capacity(rows * longest), Vec::with_capacity(rows * longest));
        for text in texts {
            let filler = longest - text.len();
            ids.extend_from_slice(text);
            ids.extend(std::iter::repeat_n(padding, filler));
            mask.extend(std::iter::repeat_n(1i64, text.len()));
            mask.extend(std::iter::repeat_n(0i64, filler));
        }
        let tensor = |values: &[i64]| {
            let flat = Tensor::f_from_slice(values).map_err(TransformerError::torch("making a batch"))?;
            flat.f_view([rows as i64, longest as i64]).map_err(TransformerError::torch("making a batch"))
        };
        Ok(Self { ids: tensor(&ids)?, mask: tensor(&mask)? })
    }
}

/// A network of any of the architectures.
pub(super) enum Network {
    Bert(Box<BertForSequenceClassification>),
    DistilBert(Box<DistilBertModelClassifier>),
    Roberta(Box<RobertaForSequenceClassification>),
    MultiHead(Box<MultiHead>),
}

impl Network {
    /// The network with its variables in `store`, not yet loaded.
    pub(super) fn new(store: &VarStore, architecture: &Architecture) -> Result<Self, TransformerError> {
        let root = store.root();
        let torch = TransformerError::torch("building the network");
        Ok(match architecture {
            Architecture::Bert(config) => {
                Self::Bert(Box::new(BertForSequenceClassification::new(&root, config).map_err(torch)?))
            }
            Architecture::DistilBert(config) => {
                Self::DistilBert(Box::new(DistilBertModelClassifier::new(&root, config).map_err(torch)?))
            }
            Architecture::Roberta(config) | Architecture::XlmRoberta(config) => {
                Self::Roberta(Box::new(RobertaForSequenceClassification::new(&root, config).map_err(torch)?))
            }
            Architecture::MultiHead(config, _) => Self::MultiHead(Box::new(MultiHead::new(&root, config))),
        })
    }

    /// Logits, texts by classes (by the classes of all heads for a [`MultiHead`]).
    pub(super) fn logits(&self, batch: &Batch) -> Result<Tensor, TransformerError> {
        let Batch { ids, mask } = batch;
        let (ids, mask) = (Some(ids), Some(mask));
        tch::no_grad(|| {
            Ok(match self {
                Self::Bert(network) => network.forward_t(ids, mask, None, None, None, false).logits,
                Self::DistilBert(network) => {
                    let output = network.forward_t(ids, mask, None, false);
                    output.map_err(TransformerError::torch("reading a batch"))?.logits
                }
                Self::Roberta(network) => network.forward_t(ids, mask, None, None, None, false).logits,
                Self::MultiHead(network) => network.logits(batch, false)?,
            })
        })
    }
}

/// A BERT encoder, the mean of its last layer over the tokens of a text, and a linear layer for every head.
///
/// Mean pooling, because the sentence encoders that training begins from were made with it (Reimers & Gurevych 2019).
pub(super) struct MultiHead {
    encoder: BertModel<BertEmbeddings>,
    heads: Vec<nn::Linear>,
    dropout: f64,
}

/// What the names of the heads' variables begin with; everything else is the encoder.
pub(super) const HEAD_PREFIX: &str = "head_";

impl MultiHead {
    /// The network with its variables under `root`.
    pub(super) fn new(root: &nn::Path<'_>, config: &BertConfig) -> Self {
        let encoder = BertModel::new_with_optional_pooler(root, config, false);
        let linear = |name: &str, classes: usize| {
            let path = root / format!("{HEAD_PREFIX}{name}");
            nn::linear(path, config.hidden_size, classes as i64, nn::LinearConfig::default())
        };
        let heads = HEADS.iter().map(|head| linear(head.name, head.len)).collect();
        Self { encoder, heads, dropout: config.hidden_dropout_prob }
    }

    /// Logits of all heads side by side, texts by [`crate::compact::OUTPUTS`]; with dropout where it is `training`.
    pub(super) fn logits(&self, batch: &Batch, training: bool) -> Result<Tensor, TransformerError> {
        let doing = "reading a batch";
        let output = self.encoder.forward_t(Some(&batch.ids), Some(&batch.mask), None, None, None, None, None, training);
        let hidden = output.map_err(TransformerError::torch(doing))?.hidden_state;
        let mask = batch.mask.unsqueeze(-1).to_kind(Kind::Float);
        let mean = (hidden * &mask).sum_dim_intlist([1i64].as_slice(), false, Kind::Float)
            / mask.sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        let pooled = mean.f_dropout(self.dropout, training).map_err(TransformerError::torch(doing))?;
        let heads: Vec<Tensor> = self.heads.iter().map(|head| head.forward(&pooled)).collect();
        Tensor::f_cat(&heads, 1).map_err(TransformerError::torch(doing))
    }
}
