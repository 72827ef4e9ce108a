//! The program as a user has it: built, started, asked. What needs a service or `../shared` says so and skips without it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bad_input;
mod boston;
mod chaos;
mod command_line;
mod dashboards;
mod deployment;
mod doors;
mod equity;
mod full_disk;
mod generated_docs;
mod hurricane;
mod incidents;
mod public_reports;
mod reports;
mod service;
mod support;
