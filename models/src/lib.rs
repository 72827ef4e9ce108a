//! What reads a text: personal data out first ([`mask`]), then its language ([`language`]), then tone, signal, topic and urgency
//! ([`compact`]), and a fingerprint of what it tells ([`fingerprint`]). [`train`] makes the weights, [`evaluate`] says how good they are.
//!
//! [`cascade`] says which texts a second reader sees, and the feature `transformer` brings one.
//!
//! Knows no tokio, no Kafka and no Arrow.

pub mod cascade;
mod chunks;
pub mod compact;
pub mod evaluate;
pub mod features;
pub mod fingerprint;
pub mod language;
pub mod mask;
pub mod quantify;
pub mod train;
#[cfg(feature = "transformer")]
pub mod transformer;
