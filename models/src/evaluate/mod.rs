//! Measuring a model on the texts that training keeps aside.

pub mod behaviours;
mod clock;
pub mod metrics;
mod peer;
mod report;
mod slices;

use std::collections::BTreeMap;

use crate::compact::{CompactModel, HEADS, Scratch};
use crate::train::Example;
pub use clock::{Stopwatch, load_average};
use metrics::Predictions;
pub use peer::{PeerError, Vader};
pub use report::report;

/// Predictions by head and source.
pub type ByHead = BTreeMap<(&'static str, &'static str), Predictions>;

/// What `model` says about the examples that are kept aside, by head and source; the source `all` holds every one whose
/// source is not unseen.
pub fn kept_aside(model: &CompactModel, examples: &[Example]) -> ByHead {
    let mut scratch = Scratch::default();
    let mut by_head = ByHead::new();
    for example in examples.iter().filter(|example| example.dev) {
        let reading = model.read(&example.input(), &mut scratch);
        for (position, (head, probabilities)) in HEADS.iter().zip(reading.heads()).enumerate() {
            if let Some((code, _)) = example.labels.get(position) {
                for source in [example.source, "all"].into_iter().take(if example.unseen { 1 } else { 2 }) {
                    by_head.entry((head.name, source)).or_default().push(usize::from(code), probabilities);
                }
            }
        }
    }
    by_head
}
