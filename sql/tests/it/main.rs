//! One binary for all integration tests of this crate.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod city;
mod client;
mod engine;
mod hostile;
mod postgres;
mod psql;
mod slt;
