//! One conformance suite for both logs, and what only one of them can suffer.
//!
//! Kafka takes part when `CIVICPULSE_KAFKA` names a broker (`deploy/kafka-local.sh start DIR 19092`, then
//! `CIVICPULSE_KAFKA=127.0.0.1:19092`); otherwise its tests say that they are skipped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod broker_faults;
mod broker_restart;
mod conformance;
mod damage;
mod kill;
mod support;
