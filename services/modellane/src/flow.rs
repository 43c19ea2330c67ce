//! Waiting until what was acknowledged has come all the way into the lake.

use crate::stack::Base;
use anyhow::{Context, Result, bail, ensure};
use modellane_kafka::{AssignedConsumer, KafkaConfig, Topic};
use modellane_processor::Progress;
use modellane_runtime::Readiness;
use modellane_sink::{LedgerReader, SinkHandle};
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

/// How many looks in a row may find the ledger unchanged before a sink that has something to commit counts as
/// away: five minutes, where a sink commits at least every minute.
const UNCHANGED_LOOKS: u32 = 600;

/// Waits until the ledger has everything that the judged topic holds now, whichever process's sink commits it.
pub(crate) async fn committed(base: &Base) -> Result<()> {
    let consumer = AssignedConsumer::new(&base.kafka)?;
    let targets = ends(&consumer, &base.kafka, Topic::Judged).await?;
    consumer.close().await;
    let mut ledger = LedgerReader::open(&base.lake).await?.context("the lake has no ledger")?;
    let (mut version, mut unchanged) = (ledger.version(), 0);
    while !ledger.holds(&targets).await? {
        ensure!(
            unchanged < UNCHANGED_LOOKS,
            "what was judged is acknowledged, but nobody commits it to the ledger; see whether the sink runs"
        );
        tokio::time::sleep(LOOK).await;
        ledger.refresh().await?;
        unchanged = if ledger.version() == version { unchanged + 1 } else { 0 };
        version = ledger.version();
    }
    Ok(())
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
