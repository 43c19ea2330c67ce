//! Requests to stop a statement, which arrive on a connection of their own.

use async_trait::async_trait;
use pgwire::api::cancel::CancelHandler;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::SecretKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

type Key = (i32, Vec<u8>);

/// Who may stop which connection's statement.
#[derive(Default)]
pub(super) struct Cancels(Mutex<HashMap<Key, Arc<watch::Sender<u64>>>>);

/// A connection's way to hear of a wish to stop; dropped with the connection.
pub(super) struct CancelSlot {
    key: Key,
    wishes: Arc<watch::Sender<u64>>,
    cancels: Arc<Cancels>,
}

impl Cancels {
    /// Makes a connection known.
    pub(super) fn register(self: &Arc<Self>, pid: i32, secret: &SecretKey) -> CancelSlot {
        let key = (pid, secret.to_bytes().to_vec());
        let wishes = Arc::new(watch::channel(0).0);
        self.lock().insert(key.clone(), Arc::clone(&wishes));
        CancelSlot { key, wishes, cancels: Arc::clone(self) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<watch::Sender<u64>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CancelSlot {
    /// Changes when the client asks to stop what runs from now on.
    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.wishes.subscribe()
    }
}

impl Drop for CancelSlot {
    fn drop(&mut self) {
        self.cancels.lock().remove(&self.key);
    }
}

#[async_trait]
impl CancelHandler for Cancels {
    async fn on_cancel_request(&self, request: CancelRequest) {
        let key = (request.pid, request.secret_key.to_bytes().to_vec());
        if let Some(wishes) = self.lock().get(&key) {
            wishes.send_modify(|count| *count += 1);
        }
    }
}
