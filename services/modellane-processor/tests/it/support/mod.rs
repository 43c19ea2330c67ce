//! A processor on the embedded broker, and messages for it.

#![allow(dead_code, reason = "each test file uses its part")]

use modellane_embedded_kafka::{Broker, BrokerConfig};
use modellane_event::*;
use modellane_judge::object_hash;
use modellane_kafka::{AssignedConsumer, KafkaConfig, Publisher, Record, Topic, ensure_topics};
use modellane_processor::{ContextObjects, Processor, ProcessorConfig, ProcessorError, Progress};
use modellane_runtime::{Clock, ManualClock, Metrics, Readiness, Shutdown};
use modellane_schema::{context_codec, intent_codec, usage_codec};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(60);

/// The context objects that were put, by hash.
#[derive(Clone, Default)]
struct Objects(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl ContextObjects for Objects {
    fn get<'a>(
        &'a self,
        hash: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + 'a>> {
        let object = self.0.lock().unwrap().get(hash).cloned();
        Box::pin(std::future::ready(object.ok_or_else(|| "there is none".to_owned())))
    }
}

pub(crate) struct Bench {
    _dir: tempfile::TempDir,
    _broker: Broker,
    pub(crate) kafka: KafkaConfig,
    pub(crate) publisher: Publisher,
    pub(crate) clock: Arc<ManualClock>,
    objects: Objects,
}

pub(crate) struct Running {
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Metrics,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), ProcessorError>>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(|kafka| kafka).await
    }

    /// With more settings of the cluster.
    pub(crate) async fn with(configure: impl FnOnce(KafkaConfig) -> KafkaConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = BrokerConfig { dir: dir.path().to_path_buf(), port: 0, default_partitions: 2 };
        let broker = Broker::start(config).await.unwrap();
        let kafka = configure(KafkaConfig::single_node(broker.bootstrap()));
        ensure_topics(&kafka, 2).await.unwrap();
        let publisher = Publisher::new(&kafka).unwrap();
        let clock = Arc::new(ManualClock::at(UtcTime::parse("2026-11-10T00:00:00Z").unwrap()));
        Self { _dir: dir, _broker: broker, kafka, publisher, clock, objects: Objects::default() }
    }

    pub(crate) fn topic(&self, topic: Topic) -> String {
        topic.name(&self.kafka.topic_prefix)
    }

    pub(crate) async fn put(&self, topic: Topic, key: &[u8], payload: &[u8]) {
        self.publisher.publish(&self.topic(topic), key, payload).await.unwrap();
    }

    pub(crate) async fn put_usage(&self, number: u32) -> EventId {
        self.put_event(usage(number)).await
    }

    pub(crate) async fn put_event(&self, event: UsageEvent) -> EventId {
        let mut payload = Vec::new();
        usage_codec().encode(&event, &mut payload).unwrap();
        self.put(Topic::Usage, event.event_id.as_bytes(), &payload).await;
        event.event_id
    }

    pub(crate) async fn put_intent(&self, intent: &IntentEvent) {
        let mut payload = Vec::new();
        intent_codec().encode(intent, &mut payload).unwrap();
        self.put(Topic::Intents, intent.intent_id.as_str().as_bytes(), &payload).await;
    }

    /// Stores an object and announces it.
    pub(crate) async fn put_context(&self, kind: ContextKind, bytes: &[u8]) {
        let hash = object_hash(bytes);
        self.objects.0.lock().unwrap().insert(hash.to_string(), bytes.to_vec());
        let pointer = ContextPointer { kind, hash, effective: None, recorded_at: self.clock.now() };
        let mut payload = Vec::new();
        context_codec().encode(&pointer, &mut payload).unwrap();
        self.put(Topic::Context, kind.as_str().as_bytes(), &payload).await;
    }

    /// Everything that a topic holds now.
    pub(crate) async fn read(&self, topic: Topic) -> Vec<Record> {
        Self::read_with(&self.kafka, topic).await
    }

    /// The same for somebody with other settings.
    pub(crate) async fn read_with(kafka: &KafkaConfig, topic: Topic) -> Vec<Record> {
        let mut consumer = AssignedConsumer::new(kafka).unwrap();
        let name = topic.name(&kafka.topic_prefix);
        let mut missing = 0;
        for partition in [0, 1] {
            missing += consumer.watermarks(&name, partition).await.unwrap().1 as usize;
        }
        consumer.assign(&name, &[(0, 0), (1, 0)]).await.unwrap();
        let mut records = Vec::new();
        while records.len() < missing {
            records.extend(consumer.poll_batch(1_000, Duration::from_millis(100)).await.unwrap());
        }
        consumer.close().await;
        records
    }

    pub(crate) async fn start(&self) -> Running {
        self.start_with(ProcessorConfig::default()).await
    }

    pub(crate) async fn start_with(&self, config: ProcessorConfig) -> Running {
        let (readiness, metrics, shutdown) = (Readiness::new(), Metrics::new(), Shutdown::new());
        readiness.set(true);
        let processor = Processor::open(
            config,
            &self.kafka,
            Box::new(self.objects.clone()),
            lake_key(),
            self.clock.clone(),
            metrics.clone(),
        );
        let processor = processor.await.unwrap().with_readiness(readiness.clone());
        let progress = processor.progress();
        let task = tokio::spawn(processor.run(shutdown.clone()));
        Running { progress, readiness, metrics, shutdown, task }
    }
}

impl Running {
    pub(crate) async fn until(&mut self, reached: impl FnMut(&Progress) -> bool) {
        tokio::time::timeout(PATIENCE, self.progress.wait_for(reached)).await.unwrap().unwrap();
    }

    /// Waits for alarms.
    pub(crate) async fn alarms(&self) -> Vec<String> {
        let raised = async {
            while self.readiness.alarms().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.readiness.alarms()
        };
        tokio::time::timeout(PATIENCE, raised).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.trigger();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }
}

pub(crate) fn lake_key() -> LakeKey {
    LakeKey::new([1; 32])
}

pub(crate) fn usage(number: u32) -> UsageEvent {
    let key = lake_key();
    let start = UtcTime::parse("2026-11-01T08:00:00Z").unwrap();
    let facts = UsageFacts::request(Label::literal("litellm"), start, start);
    let natural = format!("request-{number}");
    UsageEvent {
        event_id: key.event_id("litellm.spend_logs", &natural),
        source: Label::literal("litellm.spend_logs"),
        source_key: Label::new(&natural).unwrap(),
        scope_key: None,
        observed_at: start,
        event_date: start.date(),
        content_hash: facts.content_hash(),
        facts,
    }
}
