//! From usage topic to judged topic, batch by batch.

use crate::context::{ContextFeed, ContextObjects};
use crate::{ProcessorError, undecodable};
use futures::FutureExt;
use futures::future::BoxFuture;
use modellane_event::{LakeKey, RejectEvent};
use modellane_judge::judge;
use modellane_kafka::{
    AssignedConsumer, GroupConsumer, GroupMember, GroupProtocol, KafkaConfig, PublishBatch, Publisher,
    Record, Topic,
};
use modellane_runtime::{Clock, MetricName, Metrics, PausedPartitions, Readiness, Shutdown};
use modellane_schema::{AvroCodec, JudgedEncoder, reject_codec};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long a processor waits before it tries again what may succeed later.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Names of this service's alarms.
const READER: &str = "processor";
const CONTEXT_ALARM: &str = "processor context";

/// Settings of the processor.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessorConfig {
    /// Consumer group; processors of one group share the partitions.
    pub group: String,
    /// Name of this processor within the group, the same after a restart and no other's. With it, one that was
    /// killed takes its partitions over at once when it is back; without it they wait for the session to end.
    pub instance: Option<String>,
    /// How the group agrees on who reads what; all its processors alike.
    pub group_protocol: GroupProtocol,
    /// Events judged between two commits of the group offset.
    pub batch_size: usize,
    /// How long a poll waits for the first event, in milliseconds.
    pub poll_wait_ms: u64,
    /// Goes on where the log begins if events were deleted from it before they were judged, instead of stopping.
    pub accept_loss: bool,
    /// Where a process that is a processor alone serves health and metrics.
    pub health_listen: SocketAddr,
}

impl Default for ProcessorConfig {
    fn default() -> Self {
        Self {
            group: "modellane-processor".into(),
            instance: None,
            group_protocol: GroupProtocol::default(),
            batch_size: 20_000,
            poll_wait_ms: 100,
            accept_loss: false,
            health_listen: SocketAddr::from(([127, 0, 0, 1], 8601)),
        }
    }
}

impl ProcessorConfig {
    fn member(&self) -> GroupMember<'_> {
        let Self { group, instance, group_protocol, .. } = self;
        GroupMember { group, instance: instance.as_deref(), protocol: *group_protocol }
    }
}

/// Group offsets that this processor has committed: the next offset to read, by partition.
pub type Progress = BTreeMap<i32, i64>;

/// A running processor's parts.
pub struct Processor {
    config: ProcessorConfig,
    consumer: GroupConsumer,
    publisher: Publisher,
    context: ContextFeed,
    topics: Topics,
    codecs: Codecs,
    key: LakeKey,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    progress: tokio::sync::watch::Sender<Progress>,
    /// Partitions that were looked at since this processor has them.
    assigned: Vec<(String, i32)>,
    paused: PausedPartitions,
    readiness: Readiness,
}

struct Topics {
    usage: String,
    judged: String,
    rejects: String,
}

struct Codecs {
    judged: JudgedEncoder,
    reject: AvroCodec<RejectEvent>,
}

impl Processor {
    /// Connects and reads context and intents to their ends.
    pub fn open(
        config: ProcessorConfig,
        kafka: &KafkaConfig,
        objects: Box<dyn ContextObjects>,
        key: LakeKey,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> BoxFuture<'_, Result<Self, ProcessorError>> {
        async move {
            let mut context = ContextFeed::open(kafka, objects, metrics.clone()).await?;
            match context.catch_up().await {
                // Before the first batch it is met again, and waited for with an alarm.
                Err(error) if error.is_about_context() => tracing::error!(%error, "waiting for context"),
                read => read?,
            }
            let topics = Topics {
                usage: Topic::Usage.name(&kafka.topic_prefix),
                judged: Topic::Judged.name(&kafka.topic_prefix),
                rejects: Topic::Rejects.name(&kafka.topic_prefix),
            };
            let consumer = GroupConsumer::new(kafka, config.member(), &[&topics.usage])?;
            let partitions = AssignedConsumer::new(kafka)?.partitions(&topics.usage).await?;
            // What earlier processors of the group have finished counts as well.
            let committed = consumer.committed(&topics.usage, &partitions).await?;
            Ok(Self {
                consumer,
                publisher: Publisher::new(kafka)?,
                codecs: Codecs { judged: JudgedEncoder::new(), reject: reject_codec() },
                progress: tokio::sync::watch::Sender::new(committed.into_iter().collect()),
                assigned: Vec::new(),
                config,
                context,
                topics,
                key,
                clock,
                paused: PausedPartitions::new(READER, metrics.clone(), Readiness::new()),
                readiness: Readiness::new(),
                metrics,
            })
        }
        .boxed()
    }

    /// Raises its alarms there.
    #[must_use]
    pub fn with_readiness(mut self, readiness: Readiness) -> Self {
        self.paused = PausedPartitions::new(READER, self.metrics.clone(), readiness.clone());
        self.readiness = readiness;
        self
    }

    /// Follows what this processor has committed.
    pub fn progress(&self) -> tokio::sync::watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Judges until asked to stop. What was polled is finished or left for the next reader of the group.
    pub fn run(self, shutdown: Shutdown) -> BoxFuture<'static, Result<(), ProcessorError>> {
        self.judge_all(shutdown).boxed()
    }

    async fn judge_all(mut self, shutdown: Shutdown) -> Result<(), ProcessorError> {
        while !shutdown.is_triggered() {
            let polled = match self.poll().await {
                Ok(polled) => polled,
                Err(ProcessorError::Kafka(error)) if error.is_retryable() => {
                    tracing::warn!(%error, "usage cannot be read; trying again");
                    tokio::time::sleep(RETRY_PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !polled.is_empty() && !self.finish(&polled, &shutdown).await? {
                break;
            }
        }
        self.consumer.close().await;
        Ok(())
    }

    /// The next records. Nothing may fail once they are here: what comes after them would be committed.
    async fn poll(&mut self) -> Result<Vec<Record>, ProcessorError> {
        self.try_paused().await?;
        self.check_assigned().await?;
        let wait = Duration::from_millis(self.config.poll_wait_ms);
        Ok(self.consumer.poll_batch(self.config.batch_size, wait).await?)
    }

    /// Looks at partitions that this processor has got, as nothing may come of them that would tell.
    async fn check_assigned(&mut self) -> Result<(), ProcessorError> {
        let assigned = self.consumer.assignment()?;
        if assigned != self.assigned {
            let partitions: Vec<i32> = assigned.iter().map(|(_, partition)| *partition).collect();
            self.check_lost(&partitions).await?;
            self.assigned = assigned;
        }
        Ok(())
    }

    /// The first record of a partition follows what this processor has committed, or what the group has, or
    /// the log may have lost what lies between.
    async fn check_continuity(&self, polled: &[Record]) -> Result<(), ProcessorError> {
        let mut first = Progress::new();
        polled.iter().for_each(|record| {
            first.entry(record.partition).or_insert(record.offset);
        });
        first.retain(|partition, offset| self.progress.borrow().get(partition) != Some(offset));
        self.check_lost(&first.into_keys().collect::<Vec<_>>()).await
    }

    /// Stops where events were deleted that nobody has judged.
    async fn check_lost(&self, partitions: &[i32]) -> Result<(), ProcessorError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let topic = &self.topics.usage;
        let committed: Progress = self.consumer.committed(topic, partitions).await?.into_iter().collect();
        for partition in partitions {
            let (low, _) = self.consumer.watermarks(topic, *partition).await?;
            match committed.get(partition) {
                Some(from) if *from < low => self.tell_loss(*partition, *from, low).await?,
                Some(_) => {}
                // A new group, or one whose offsets the broker has forgotten: nobody can tell.
                None if low > 0 => tracing::warn!(
                    topic,
                    partition,
                    low,
                    "the group has no offset here and the log has lost its beginning; what was deleted unjudged, if \
                     anything, has to be imported again"
                ),
                None => {}
            }
        }
        Ok(())
    }

    /// Stops, or lets the group stand where the log begins.
    async fn tell_loss(&self, partition: i32, from: i64, to: i64) -> Result<(), ProcessorError> {
        let lost = ProcessorError::Lost { topic: self.topics.usage.clone(), partition, from, to };
        if !self.config.accept_loss {
            return Err(lost);
        }
        tracing::error!(%lost, "going on without them, as processor.accept_loss says");
        self.consumer.commit(&[(&self.topics.usage, partition, to)]).await?;
        let events = u64::try_from(to - from).unwrap_or(0);
        self.metrics.add(MetricName::ProcessorLost, &[("topic", &self.topics.usage)], events);
        self.progress.send_modify(|progress| {
            progress.insert(partition, to);
        });
        Ok(())
    }

    /// Takes from each partition what comes before a message of a schema that this version does not know, and
    /// pauses the partition there. The group never commits beyond it, so another version begins with it.
    async fn admit<'a>(&mut self, polled: &'a [Record]) -> Result<Cow<'a, [Record]>, ProcessorError> {
        let codec = self.codecs.judged;
        let unknown = |record: &Record| codec.unknown_schema(record.payload.as_deref().unwrap_or_default());
        if self.paused.is_empty() && polled.iter().all(|record| unknown(record).is_none()) {
            return Ok(Cow::Borrowed(polled));
        }
        let mut admitted = Vec::with_capacity(polled.len());
        for record in polled {
            let Record { partition, offset, .. } = *record;
            if self.paused.is_beyond(partition, offset) {
                continue;
            }
            if let Some(unknown) = unknown(record) {
                self.paused.pause(&self.topics.usage, partition, offset, &unknown, self.clock.now());
                self.consumer.pause(&self.topics.usage, partition).await?;
            } else {
                self.paused.resume(partition);
                admitted.push(record.clone());
            }
        }
        Ok(Cow::Owned(admitted))
    }

    /// Reads paused partitions again now and then, and gives up those that belong to another instance.
    async fn try_paused(&mut self) -> Result<(), ProcessorError> {
        if !self.paused.is_time_to_try(self.clock.now()) {
            return Ok(());
        }
        let owned = self.consumer.assignment()?;
        for (partition, offset) in self.paused.offsets() {
            self.consumer.resume(&self.topics.usage, partition, offset).await?;
            if !owned.iter().any(|(_, number)| *number == partition) {
                self.paused.resume(partition);
            }
        }
        Ok(())
    }

    /// Brings a batch through, again and again if the broker is away: judging is pure and the sink counts
    /// one of equal messages. `false` if stopping was asked for before it was through.
    async fn finish(&mut self, polled: &[Record], shutdown: &Shutdown) -> Result<bool, ProcessorError> {
        loop {
            match self.step(polled).await {
                Ok(()) => return Ok(true),
                Err(ProcessorError::Kafka(error)) if error.is_retryable() => {
                    tracing::warn!(%error, "a batch did not get through; trying it again");
                }
                Err(error) if error.is_about_context() => {
                    tracing::error!(%error, "waiting for context");
                    self.readiness.raise(CONTEXT_ALARM, &error.to_string());
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = shutdown.triggered() => return Ok(false),
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
        }
    }

    async fn step(&mut self, polled: &[Record]) -> Result<(), ProcessorError> {
        self.check_continuity(polled).await?;
        let records = self.admit(polled).await?;
        if records.is_empty() {
            return Ok(());
        }
        self.context.catch_up().await?;
        self.readiness.clear(CONTEXT_ALARM);
        let mut batch = self.publisher.batch();
        let mut buffer = Vec::with_capacity(1024);
        let mut verdicts: BTreeMap<&'static str, u64> = BTreeMap::new();
        for record in records.iter() {
            match record.payload.as_deref().map(|bytes| self.codecs.judged.usage(bytes)) {
                Some(Ok(usage)) => {
                    let judgement = judge(self.context.state(), &usage.event);
                    *verdicts.entry(judgement.verdict.as_str()).or_default() += 1;
                    let event_id = usage.event.event_id;
                    buffer.clear();
                    self.codecs.judged.encode(usage, judgement, &mut buffer)?;
                    batch.send(&self.topics.judged, event_id.as_bytes(), &buffer).await?;
                }
                Some(Err(_)) | None => self.reject(record, &mut batch, &mut buffer).await?,
            }
        }
        batch.wait().await?;
        self.commit(&records).await?;
        for (verdict, count) in verdicts {
            self.metrics.add(MetricName::ProcessorJudged, &[("verdict", verdict)], count);
        }
        self.metrics.set(MetricName::ProcessorContextVersion, &[], self.context.state().version());
        Ok(())
    }

    async fn reject(
        &self,
        record: &Record,
        batch: &mut PublishBatch,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ProcessorError> {
        let reject = undecodable::reject(&self.key, record, self.clock.now());
        buffer.clear();
        self.codecs.reject.encode(&reject, buffer)?;
        batch.send(&self.topics.rejects, reject.reject_id.as_bytes(), buffer).await?;
        self.metrics.add(MetricName::ProcessorUndecodable, &[("topic", &self.topics.usage)], 1);
        Ok(())
    }

    /// Every result of the batch is acknowledged, so the group may go on behind it.
    async fn commit(&self, records: &[Record]) -> Result<(), ProcessorError> {
        let mut next = Progress::new();
        for record in records {
            let offset = next.entry(record.partition).or_default();
            *offset = (*offset).max(record.offset + 1);
        }
        let offsets: Vec<_> = next
            .iter()
            .map(|(partition, offset)| (self.topics.usage.as_str(), *partition, *offset))
            .collect();
        self.consumer.commit(&offsets).await?;
        self.progress.send_modify(|progress| progress.extend(next));
        Ok(())
    }
}
