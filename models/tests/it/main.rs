//! Everything that is tested from outside, in one binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod fingerprint;
mod fuzz;
mod language;
mod mask;
mod masking;
mod shares;
