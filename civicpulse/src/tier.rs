//! The second reader, where this program was built with one.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use models::cascade::SecondReader;

/// Whether this program was built with the transformer tier.
pub const HAS_TRANSFORMER: bool = cfg!(feature = "transformer");

/// Loads the model in `dir` on a thread of its own, which uses `threads` cores (0: as many as there are).
///
/// # Errors
/// The directory holds no model that can be read, or this program was built without the transformer tier.
#[cfg(feature = "transformer")]
pub fn open(dir: &Path, threads: usize) -> Result<Arc<dyn SecondReader>> {
    Ok(Arc::new(models::transformer::Transformer::start(dir, threads)?))
}

/// Says that this program was built without the transformer tier.
///
/// # Errors
/// Always.
#[cfg(not(feature = "transformer"))]
pub fn open(_dir: &Path, _threads: usize) -> Result<Arc<dyn SecondReader>> {
    Err(not_built())
}

/// What a user reads who asks for a transformer and has a program without.
pub fn not_built() -> anyhow::Error {
    anyhow::anyhow!(
        "this civicpulse was built without the transformer tier: build it with `--features transformer` (see docs/transformer.md)"
    )
}
