//! A worker against a real embedded log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod refusals;
