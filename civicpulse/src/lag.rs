//! How far the tables are behind the log, for operators.

use std::sync::Arc;
use std::time::Duration;

use aggregate::Applied;
use enrich::GROUP;
use prometheus::{IntGaugeVec, Opts, Registry};
use stream::{Log, Topic};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(5);

/// The gauge.
pub struct Lag(IntGaugeVec);

impl Lag {
    /// Registers the gauge.
    ///
    /// # Errors
    /// The name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let options = Opts::new(
            "civicpulse_lag_records",
            "Raw records not yet behind a stage: enrich (committed), tables (in a snapshot)",
        );
        let gauge = IntGaugeVec::new(options, &["stage"])?;
        registry.register(Box::new(gauge.clone()))?;
        Ok(Self(gauge))
    }
}

/// Looks at the log from time to time until told to stop.
pub async fn follow(lag: Lag, log: Arc<dyn Log>, applied: Applied, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        let (log, applied) = (log.clone(), applied.clone());
        match tokio::task::spawn_blocking(move || measure(&*log, &applied)).await {
            Ok(Ok([enrich, tables])) => {
                lag.0.with_label_values(&["enrich"]).set(enrich);
                lag.0.with_label_values(&["tables"]).set(tables);
            }
            Ok(Err(error)) => warn!(%error, "the lag is unknown: the log does not say where it ends"),
            Err(_) => return,
        }
    }
}

fn measure(log: &dyn Log, applied: &Applied) -> stream::Result<[i64; 2]> {
    let committed = log.committed(Topic::Raw, GROUP)?;
    let mut lag = [0; 2];
    for (partition, bounds) in log.bounds(Topic::Raw)?.into_iter().enumerate() {
        let behind = |position: u64| bounds.end.saturating_sub(position.max(bounds.start)) as i64;
        lag[0] += behind(committed.get(partition).copied().flatten().unwrap_or(0));
        lag[1] += behind(applied.next(partition as u32));
    }
    Ok(lag)
}
