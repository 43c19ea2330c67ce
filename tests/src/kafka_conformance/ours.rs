//! The product's own publisher and consumers against a broker.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use modellane_kafka::{
    AssignedConsumer, CommitOutcome, GroupConsumer, GroupMember, KafkaConfig, KafkaError, Publisher, Record,
    Topic, ensure_topics,
};

use super::{PATIENCE, create_topic, unique};

const WAIT: Duration = Duration::from_millis(500);

fn config(bootstrap: &str) -> KafkaConfig {
    KafkaConfig { topic_prefix: unique("mlc"), ..KafkaConfig::single_node(bootstrap) }
}

/// The product's topics are created once, found again, and refused when they could lose data.
pub async fn check_topics_of_the_product(bootstrap: &str) -> Result<()> {
    let config = config(bootstrap);
    ensure_topics(&config, 2).await?;
    ensure_topics(&config, 2).await?;
    let reader = AssignedConsumer::new(&config)?;
    for (topic, wanted) in [(Topic::Usage, 2), (Topic::Judged, 2), (Topic::Context, 1)] {
        let found = reader.partitions(&topic.name(&config.topic_prefix)).await?.len();
        ensure!(found == wanted, "{topic:?} has {found} partitions");
    }
    let missing = reader.partitions(&unique("missing")).await;
    ensure!(matches!(missing, Err(KafkaError::TopicMissing { .. })), "a missing topic: {missing:?}");
    reader.close().await;

    let wide = self::config(bootstrap);
    create_topic(bootstrap, &Topic::Context.name(&wide.topic_prefix), 3).await?;
    let refused = ensure_topics(&wide, 2).await;
    ensure!(
        matches!(refused, Err(KafkaError::TopicUnsuitable { .. })),
        "three context partitions: {refused:?}"
    );
    Ok(())
}

/// Batches are acknowledged, groups go on where they committed, and nothing jumps.
pub async fn check_publisher_and_consumers(bootstrap: &str) -> Result<()> {
    const MESSAGES: usize = 5_000;
    let config = config(bootstrap);
    let topic = unique("ours");
    create_topic(bootstrap, &topic, 3).await?;
    let publisher = Publisher::new(&config)?;
    publisher.batch().wait().await?;
    let mut batch = publisher.batch();
    for number in 0..MESSAGES {
        batch
            .send(&topic, format!("key-{}", number % 100).as_bytes(), format!("{number}").as_bytes())
            .await?;
    }
    batch.wait().await?;

    let group = unique("ours");
    let mut first = GroupConsumer::new(&config, GroupMember::of(&group), &[&topic])?;
    let read = read_group(&mut first, MESSAGES / 2).await?;
    let mut next = BTreeMap::new();
    for record in &read {
        next.insert(record.partition, record.offset + 1);
    }
    let offsets: Vec<_> = next.iter().map(|(partition, next)| (topic.as_str(), *partition, *next)).collect();
    ensure!(first.commit(&offsets).await? == CommitOutcome::Committed, "the commit lost its partitions");
    ensure!(
        first.commit(&[("elsewhere", 0, 1)]).await? == CommitOutcome::OwnershipLost,
        "a strange partition"
    );
    first.close().await;
    let mut second = GroupConsumer::new(&config, GroupMember::of(&group), &[&topic])?;
    let rest = read_group(&mut second, MESSAGES - read.len()).await?;
    second.close().await;
    let mut all: Vec<usize> = Vec::with_capacity(MESSAGES);
    for record in read.iter().chain(&rest) {
        all.push(std::str::from_utf8(record.payload.as_deref().unwrap_or_default())?.parse()?);
    }
    all.sort_unstable();
    ensure!(all.into_iter().eq(0..MESSAGES), "the group lost or repeated messages");
    check_assigned(&config, &topic).await
}

async fn read_group(consumer: &mut GroupConsumer, at_least: usize) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let begun = Instant::now();
    while records.len() < at_least {
        ensure!(begun.elapsed() < 2 * PATIENCE, "read {} of {at_least}", records.len());
        // A poll that is given up must not lose what it has read.
        let given_up = tokio::time::timeout(Duration::from_micros(200), consumer.poll_batch(700, WAIT)).await;
        records.extend(match given_up {
            Ok(polled) => polled?,
            Err(_) => consumer.poll_batch(700, WAIT).await?,
        });
    }
    Ok(records)
}

async fn check_assigned(config: &KafkaConfig, topic: &str) -> Result<()> {
    let mut reader = AssignedConsumer::new(config)?;
    let (low, high) = reader.watermarks(topic, 1).await?;
    ensure!(low == 0 && high > 10, "watermarks {low} to {high}");
    reader.assign(topic, &[(1, high - 5)]).await?;
    let mut offsets = Vec::new();
    let begun = Instant::now();
    while offsets.len() < 5 && begun.elapsed() < PATIENCE {
        let polled = reader.poll_batch(100, WAIT).await?;
        offsets.extend(polled.iter().map(|record| record.offset));
    }
    ensure!(offsets.iter().copied().eq(high - 5..high), "read {offsets:?} below {high}");
    let beyond = reader.assign(topic, &[(1, high + 1)]).await;
    let out_of_range = |offset| move |error: &KafkaError| matches!(error, KafkaError::OffsetOutOfRange { offset: o, .. } if *o == offset);
    ensure!(beyond.as_ref().is_err_and(out_of_range(high + 1)), "an offset beyond the end: {beyond:?}");
    let stream = reader.stream_id(topic).await?;
    ensure!(stream.ends_with(&format!("/{topic}")) && stream.len() > topic.len() + 10, "stream id {stream}");
    reader.close().await;
    Ok(())
}

/// Messages per second, (produced, consumed), with the product's own settings. The numbers are printed;
/// only a collapse fails, because machines differ.
pub async fn check_throughput(bootstrap: &str) -> Result<(f64, f64)> {
    const MESSAGES: usize = 400_000;
    let config = config(bootstrap);
    let topic = unique("rate");
    create_topic(bootstrap, &topic, 4).await?;
    let publisher = Publisher::new(&config)?;
    let payload = [b'x'; 300];
    let begun = Instant::now();
    let mut batches = Vec::new();
    for first in (0..MESSAGES).step_by(20_000) {
        let mut batch = publisher.batch();
        for number in first..first + 20_000 {
            batch.send(&topic, &number.to_be_bytes(), &payload).await?;
        }
        batches.push(batch);
    }
    for batch in batches {
        batch.wait().await?;
    }
    let produced = MESSAGES as f64 / begun.elapsed().as_secs_f64();

    let mut reader = AssignedConsumer::new(&config)?;
    reader.assign(&topic, &[(0, 0), (1, 0), (2, 0), (3, 0)]).await?;
    let begun = Instant::now();
    let mut read = 0;
    while read < MESSAGES {
        ensure!(begun.elapsed() < 6 * PATIENCE, "read {read} of {MESSAGES}");
        read += reader.poll_batch(20_000, WAIT).await?.len();
    }
    let consumed = MESSAGES as f64 / begun.elapsed().as_secs_f64();
    reader.close().await;
    println!(
        "throughput: {produced:.0} produced and {consumed:.0} consumed messages of 300 bytes per second"
    );
    Ok((produced, consumed))
}
