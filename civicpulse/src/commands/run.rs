//! `civicpulse run`: the service, until told to stop.

use std::sync::Arc;

use anyhow::Result;
use feedback::SystemClock;

use super::signals::Stop;
use crate::cli::{Role, Run};
use crate::config::Config;
use crate::node::{City, Node, Roles};
use crate::telemetry;

/// Runs the roles that were asked for.
pub fn execute(arguments: &Run) -> Result<()> {
    let config = Config::load(&arguments.config)?;
    telemetry::start(&config.log, false)?;
    let stop = Stop::on_signals()?;
    let city = City::configured(&config)?;
    let node = Node::start(&config, roles(&arguments.roles), city, Arc::new(SystemClock), &|| stop.is_asked())?;
    serve_until_stopped(node, &stop)
}

/// Waits for the stop signal or a failure, then stops in order.
pub(super) fn serve_until_stopped(node: Node, stop: &Stop) -> Result<()> {
    let failed = node.failed();
    node.runtime().block_on(async {
        tokio::select! {
            () = stop.token().cancelled() => {}
            () = failed.cancelled() => {}
        }
    });
    node.stop()
}

fn roles(asked: &[Role]) -> Roles {
    if asked.is_empty() {
        return Roles::ALL;
    }
    let has = |role| asked.contains(&role);
    Roles { ingest: has(Role::Ingest), enrich: has(Role::Enrich), serve: has(Role::Serve), listen: true }
}
