//! What must hold whatever comes, and in whatever order: the tables equal a plain computation over the final set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bounds;
mod censoring;
mod crashes;
mod disclosure;
mod farrington;
mod histories;
mod incident_asks;
mod incident_examples;
mod oracle;
mod oracle_incidents;
mod page;
mod priorities_simulation;
mod show;
mod statistics;
mod statistics_simulation;
mod support;
mod term_examples;
mod worked_examples;
mod worked_trend;
