//! One binary for the integration tests of this crate.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bluesky;
mod bulk;
mod bulk_real;
mod open311;
mod runner;
mod sink;
mod support;
mod synthetic;
mod webhook;
