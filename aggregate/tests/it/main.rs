//! What must hold whatever comes, and in whatever order: the tables equal a plain computation over the final set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bounds;
mod crashes;
mod disclosure;
mod histories;
mod oracle;
mod show;
mod statistics;
mod statistics_simulation;
mod support;
