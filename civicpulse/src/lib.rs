//! The program as a library: command line, configuration, HTTP and the wiring of a node. The only crate that knows everybody.

pub mod budgets;
pub mod cli;
pub mod commands;
pub mod config;
pub mod demo;
pub mod http;
pub mod lag;
pub mod lock;
pub mod node;
pub mod pseudonym;
pub mod reference;
pub mod release;
pub mod report;
pub mod telemetry;
pub mod tier;
