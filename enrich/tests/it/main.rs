//! The worker from the outside: what goes in, what comes out, and against a log that refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod refusals;
mod tiers;
