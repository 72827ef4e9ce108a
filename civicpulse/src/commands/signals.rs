//! Ctrl-C and SIGTERM: the first asks for an orderly stop, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

/// Set once somebody asked to stop.
#[derive(Clone)]
pub struct Stop {
    token: CancellationToken,
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// Listens for signals on a thread of its own.
    ///
    /// # Errors
    /// The system does not let us listen.
    pub fn on_signals() -> Result<Self> {
        let stop = Self { token: CancellationToken::new(), asked: Arc::default() };
        let heard = stop.clone();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot listen for signals")?;
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                if heard.next_signal().await.is_ok() {
                    tracing::info!("stopping; once more ends at once");
                    heard.asked.store(true, Ordering::Relaxed);
                    heard.token.cancel();
                }
                if heard.next_signal().await.is_ok() {
                    // 128 + SIGINT, as shells report it. Nothing is lost: a restart continues from the last checkpoint.
                    std::process::exit(130);
                }
            });
        })?;
        Ok(stop)
    }

    async fn next_signal(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    }

    /// Whether somebody asked.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Cancelled when somebody asks.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}
