//! A node to measure: the program's own wiring over a directory that is thrown away.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use civicpulse::config::{Config, StreamKind};
use civicpulse::node::{City, Node, Roles};
use feedback::SystemClock;
use ingest::synthetic::{SyntheticCity, SyntheticConfig};

/// The defaults, with the data in `dir` and the log in Kafka where one is named.
pub fn config(dir: &Path, kafka: Option<&str>) -> Result<Config> {
    let mut config = Config::from_layers(None, std::iter::empty())?;
    config.data.dir = dir.to_owned();
    if let Some(brokers) = kafka {
        config.stream.kind = StreamKind::Kafka;
        config.stream.kafka.brokers = brokers.to_owned();
        config.stream.kafka.partitions = 4;
        // Topics of its own, so that a bench neither reads nor leaves anybody's records.
        config.stream.kafka.topic_prefix = format!("bench-{}", std::process::id());
    }
    Ok(config)
}

/// A city whose reports come at `rate` a simulated second.
pub fn city(rate: f64) -> Result<SyntheticCity> {
    Ok(SyntheticCity::new(SyntheticConfig { rate, ..SyntheticConfig::default() })?)
}

/// A node over the log of `config`.
pub fn node(config: &Config, roles: Roles, city: &SyntheticCity) -> Result<Node> {
    let city: City = civicpulse::demo::city(&city.truth())?;
    Node::start(config, roles, city, Arc::new(SystemClock), &|| false)
}
