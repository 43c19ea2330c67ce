//! A processor on the embedded broker, and messages for it.

#![allow(dead_code, reason = "each test file uses its part")]

use modellane_embedded_kafka::{Broker, BrokerConfig};
use modellane_event::*;
use modellane_kafka::{AssignedConsumer, KafkaConfig, Publisher, Record, Topic, ensure_topics};
use modellane_processor::{ContextObjects, Processor, ProcessorConfig, ProcessorError, Progress};
use modellane_runtime::{ManualClock, Metrics, Readiness, Shutdown};
use modellane_schema::usage_codec;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(60);

/// No context was ever announced, so none is asked for.
struct NoObjects;

impl ContextObjects for NoObjects {
    fn get<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + 'a>> {
        Box::pin(std::future::ready(Err("there is none".to_owned())))
    }
}

pub(crate) struct Bench {
    _dir: tempfile::TempDir,
    _broker: Broker,
    pub(crate) kafka: KafkaConfig,
    pub(crate) publisher: Publisher,
    pub(crate) clock: Arc<ManualClock>,
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
        Self { _dir: dir, _broker: broker, kafka, publisher, clock }
    }

    pub(crate) fn topic(&self, topic: Topic) -> String {
        topic.name(&self.kafka.topic_prefix)
    }

    pub(crate) async fn put(&self, topic: Topic, key: &[u8], payload: &[u8]) {
        self.publisher.publish(&self.topic(topic), key, payload).await.unwrap();
    }

    pub(crate) async fn put_usage(&self, number: u32) -> EventId {
        let event = usage(number);
        let mut payload = Vec::new();
        usage_codec().encode(&event, &mut payload).unwrap();
        self.put(Topic::Usage, event.event_id.as_bytes(), &payload).await;
        event.event_id
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
        let (readiness, metrics, shutdown) = (Readiness::new(), Metrics::new(), Shutdown::new());
        readiness.set(true);
        let processor = Processor::open(
            ProcessorConfig::default(),
            &self.kafka,
            Box::new(NoObjects),
            LakeKey::new([1; 32]),
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

pub(crate) fn usage(number: u32) -> UsageEvent {
    let key = LakeKey::new([1; 32]);
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
