//! A publisher that remembers, for tests.

use super::{Batch, Publish};
use futures::future::BoxFuture;
use modellane_event::{IntentEvent, RejectEvent, ScopeClosed, UsageEvent};
use modellane_kafka::{KafkaError, Topic};
use modellane_schema::{fetch_codec, intent_codec, reject_codec, usage_codec};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// Topic, key and payload.
type Message = (Topic, Vec<u8>, Vec<u8>);

/// Keeps what was published; refuses everything while `down`, and acknowledges nothing while `slow`.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) messages: Mutex<Vec<Message>>,
    pub(crate) down: AtomicBool,
    pub(crate) slow: watch::Sender<bool>,
}

impl Recorder {
    pub(crate) fn events(&self) -> Vec<UsageEvent> {
        self.of(Topic::Usage, |payload| usage_codec().decode(payload).unwrap())
    }

    pub(crate) fn rejects(&self) -> Vec<RejectEvent> {
        self.of(Topic::Rejects, |payload| reject_codec().decode(payload).unwrap())
    }

    pub(crate) fn intents(&self) -> Vec<IntentEvent> {
        self.of(Topic::Intents, |payload| intent_codec().decode(payload).unwrap())
    }

    pub(crate) fn fetches(&self) -> Vec<ScopeClosed> {
        self.of(Topic::Fetches, |payload| fetch_codec().decode(payload).unwrap())
    }

    fn of<T>(&self, wanted: Topic, decode: impl Fn(&[u8]) -> T) -> Vec<T> {
        let messages = self.messages.lock().unwrap();
        messages
            .iter()
            .filter(|(topic, ..)| *topic == wanted)
            .map(|(_, _, payload)| decode(payload))
            .collect()
    }
}

impl Publish for Recorder {
    fn publish<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), KafkaError>> {
        Box::pin(async move {
            if self.down.load(Ordering::SeqCst) {
                return Err(KafkaError::Unreachable { bootstrap: "nowhere".into(), action: "publish" });
            }
            let mut slow = self.slow.subscribe();
            slow.wait_for(|slow| !slow).await.unwrap();
            let copies = batch.iter().map(|(topic, key, payload)| (topic, key.to_vec(), payload.to_vec()));
            self.messages.lock().unwrap().extend(copies);
            Ok(())
        })
    }
}
