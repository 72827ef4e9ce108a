//! Cancel requests: a client opens a second connection and names the first by its number and secret.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion_postgres::pgwire::api::cancel::CancelHandler;
use datafusion_postgres::pgwire::messages::cancel::CancelRequest;
use tokio::sync::watch;

type Key = (i32, Vec<u8>);

/// Every open connection that has sent a statement. Bounded by the limit on connections.
#[derive(Default)]
pub(super) struct Registry {
    connections: Mutex<HashMap<Key, watch::Sender<u64>>>,
}

/// Forgets the connection when dropped.
pub(super) struct Registered {
    registry: Arc<Registry>,
    key: Key,
}

impl Registry {
    /// Lets `cancel` be changed by whoever knows the key.
    pub(super) fn register(self: &Arc<Self>, key: Key, cancel: watch::Sender<u64>) -> Registered {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), cancel);
        Registered { registry: Arc::clone(self), key }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.connections.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Handles cancel requests; a wrong key is answered like a right one.
pub(super) struct Cancel(pub(super) Arc<Registry>);

#[async_trait]
impl CancelHandler for Cancel {
    async fn on_cancel_request(&self, request: CancelRequest) {
        let key = (request.pid, request.secret_key.to_bytes().to_vec());
        let connections = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cancel) = connections.get(&key) {
            cancel.send_modify(|times| *times += 1);
        }
    }
}
