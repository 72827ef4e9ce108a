//! Which tier reads, and what the cascade may spend.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use enrich::tier::{Cascade, Tier};
use models::cascade::{Bucket, Policy};
use serde::Deserialize;

use crate::tier;

/// Bytes of records that a worker takes at a time when every text goes to the transformer: some hundred reports, which the
/// largest models read within the time in which a worker must poll again.
pub const TRANSFORMER_FETCH_BYTES: usize = 128 << 10;

/// Reading texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelsSection {
    /// Which tier reads.
    pub tier: TierName,
    /// The second reader.
    pub transformer: TransformerSection,
    /// When it is asked.
    pub cascade: CascadeSection,
}

/// Which tier reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierName {
    /// The shipped one.
    Compact,
    /// Every text by the transformer.
    Transformer,
    /// Every text by compact, some by the transformer too.
    Cascade,
}

/// The second reader.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerSection {
    /// Directory of the model.
    pub dir: PathBuf,
    /// Cores for a batch of texts; 0: as many as there are.
    pub threads: usize,
}

/// When the second reader is asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CascadeSection {
    /// A text may be urgent from this probability on.
    pub urgent_from: f32,
    /// A head is unsure below this probability of its best class.
    pub unsure_below: f32,
    /// Share of all texts that is read twice at random.
    pub audit_share: f64,
    /// Fixes which texts the sample holds.
    pub audit_seed: u64,
    /// Texts per second.
    pub budget_texts_per_s: f64,
    /// How long a batch waits, in milliseconds.
    pub wait_ms: u64,
}

impl ModelsSection {
    /// Whether this can work, without loading anything.
    ///
    /// # Errors
    /// A number is out of its range, the directory is not named, or this program was built without the transformer tier.
    pub fn check(&self) -> Result<()> {
        let cascade = &self.cascade;
        for (name, share) in [
            ("urgent_from", f64::from(cascade.urgent_from)),
            ("unsure_below", f64::from(cascade.unsure_below)),
            ("audit_share", cascade.audit_share),
        ] {
            if !(0.0..=1.0).contains(&share) {
                bail!("models.cascade.{name} is {share}: use 0 to 1");
            }
        }
        if !(cascade.budget_texts_per_s.is_finite() && cascade.budget_texts_per_s >= 0.0) {
            bail!("models.cascade.budget_texts_per_s is {}: use 0 or more", cascade.budget_texts_per_s);
        }
        if !(1..=60_000).contains(&cascade.wait_ms) {
            bail!("models.cascade.wait_ms is {}: use 1 to 60000", cascade.wait_ms);
        }
        if self.tier == TierName::Compact {
            return Ok(());
        }
        if !tier::HAS_TRANSFORMER {
            return Err(tier::not_built().context("models.tier asks for the transformer"));
        }
        if self.transformer.dir.as_os_str().is_empty() {
            bail!("models.tier asks for the transformer: name its directory in models.transformer.dir");
        }
        Ok(())
    }

    /// What a worker's enricher reads with. Loads the transformer where it is asked for; it and the budget are shared by all
    /// workers of this process.
    ///
    /// # Errors
    /// The directory holds no model that can be read.
    pub fn open(&self) -> Result<Tier> {
        let reader = || tier::open(&self.transformer.dir, self.transformer.threads);
        Ok(match self.tier {
            TierName::Compact => Tier::Compact,
            TierName::Transformer => Tier::Second(reader()?),
            TierName::Cascade => Tier::Cascade(Cascade {
                reader: reader()?,
                policy: self.cascade.policy(),
                bucket: Arc::new(Mutex::new(Bucket::new(self.cascade.budget_texts_per_s))),
                patience: Duration::from_millis(self.cascade.wait_ms),
            }),
        })
    }
}

impl CascadeSection {
    /// What is worth it.
    pub fn policy(&self) -> Policy {
        Policy {
            urgent_from: self.urgent_from,
            unsure_below: self.unsure_below,
            audit_share: self.audit_share,
            seed: self.audit_seed,
        }
    }
}
