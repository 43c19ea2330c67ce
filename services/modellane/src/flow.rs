//! Waiting until what was acknowledged has come all the way into the lake.

use anyhow::{Context, Result, bail};
use modellane_kafka::{AssignedConsumer, KafkaConfig, Topic};
use modellane_processor::Progress;
use modellane_runtime::Readiness;
use modellane_sink::SinkHandle;
use std::time::Duration;
use tokio::sync::watch;

/// The two stages behind the collector, in this process.
pub(crate) struct Flow {
    pub(crate) kafka: KafkaConfig,
    pub(crate) processor: watch::Receiver<Progress>,
    pub(crate) sink: SinkHandle,
    pub(crate) readiness: Readiness,
}

/// How often somebody who waits looks for alarms.
const LOOK: Duration = Duration::from_millis(500);

impl Flow {
    /// Waits until everything that the topics hold now is judged and committed, and what complete fetches
    /// withdraw is withdrawn. Gives up when a partition waits for another version: that may be for ever.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        let readiness = self.readiness.clone();
        tokio::select! {
            settled = self.all_committed() => settled,
            alarms = alarmed(readiness) => bail!(
                "what was sent is acknowledged, but not all of it is in the lake: {}", alarms.join("; ")
            ),
        }
    }

    async fn all_committed(&mut self) -> Result<()> {
        let consumer = AssignedConsumer::new(&self.kafka)?;
        let usage = ends(&consumer, &self.kafka, Topic::Usage).await?;
        let judged = |progress: &Progress| {
            usage.iter().all(|(_, partition, end)| {
                *end == 0 || progress.get(partition).is_some_and(|done| done >= end)
            })
        };
        self.processor.wait_for(judged).await.context("the processor stopped")?;
        let mut targets = Vec::new();
        for topic in [Topic::Judged, Topic::Rejects, Topic::Intents, Topic::Fetches] {
            targets.extend(ends(&consumer, &self.kafka, topic).await?);
        }
        consumer.close().await;
        self.sink.wait_committed(&targets).await?;
        Ok(())
    }
}

async fn alarmed(readiness: Readiness) -> Vec<String> {
    loop {
        let alarms = readiness.alarms();
        if !alarms.is_empty() {
            return alarms;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Stream, partition and end of every partition of a topic.
async fn ends(
    consumer: &AssignedConsumer,
    kafka: &KafkaConfig,
    topic: Topic,
) -> Result<Vec<(String, i32, i64)>> {
    let name = topic.name(&kafka.topic_prefix);
    let stream = consumer.stream_id(&name).await?;
    let mut ends = Vec::new();
    for partition in consumer.partitions(&name).await? {
        ends.push((stream.clone(), partition, consumer.watermarks(&name, partition).await?.1));
    }
    Ok(ends)
}
