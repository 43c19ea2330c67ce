//! What the product needs from a broker, as checks that run against any bootstrap address.
//!
//! The embedded broker and Apache Kafka have to pass the same ones. Every check makes topics and groups
//! of its own, so that checks can run side by side and again.

pub mod durability;
pub mod full_disk;
mod idempotence;
mod membership;
pub mod memory;
mod ours;
mod retention;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

pub use idempotence::check_duplicate_batches;
pub use membership::{check_ended_member, takeover};
pub use ours::{check_publisher_and_consumers, check_throughput, check_topics_of_the_product};
pub use retention::{check_compaction, check_retention_by_size, check_retention_by_time, check_settings};

/// The longest any single step may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A name that no other check uses, in this run or another one.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:016x}", rand::random::<u64>())
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("client.id", "conformance");
    config
}

fn admin(bootstrap: &str) -> Result<AdminClient<DefaultClientContext>> {
    Ok(client(bootstrap).create()?)
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}

/// Creates a topic with the cluster's own replication factor.
pub async fn create_topic(bootstrap: &str, topic: &str, partitions: i32) -> Result<()> {
    create_topic_with(bootstrap, topic, partitions, &[]).await
}

/// As [`create_topic`], with settings.
pub async fn create_topic_with(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> Result<()> {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
    let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
    for result in admin(bootstrap)?.create_topics(&[new], &options()).await? {
        result.map_err(|(topic, code)| anyhow!("create {topic}: {code}"))?;
    }
    Ok(())
}

/// A producer that waits for all copies.
pub fn producer(bootstrap: &str, settings: &[(&str, &str)]) -> Result<FutureProducer> {
    let mut config = client(bootstrap);
    config.set("acks", "all").set("message.timeout.ms", "60000");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    Ok(config.create()?)
}

/// A consumer that commits nothing on its own and begins at the beginning.
pub fn consumer(bootstrap: &str, group: &str) -> Result<BaseConsumer> {
    Ok(client(bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "500")
        .set("fetch.message.max.bytes", "20000000")
        .create()?)
}

async fn send(
    producer: &FutureProducer,
    topic: &str,
    partition: i32,
    value: &str,
    time: Option<i64>,
) -> Result<i64> {
    let mut record = FutureRecord::to(topic).partition(partition).key("k").payload(value);
    record.timestamp = time;
    let sent = producer.send(record, PATIENCE).await.map_err(|(error, _)| anyhow!("produce: {error}"))?;
    Ok(sent.offset)
}

/// A message as the checks look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its content.
    pub value: Vec<u8>,
}

/// Reads until `count` messages came or nothing comes any more.
fn read(consumer: &BaseConsumer, count: usize, idle: Duration) -> Result<Vec<Seen>> {
    let mut seen = Vec::new();
    let mut last = Instant::now();
    while seen.len() < count && last.elapsed() < idle {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                last = Instant::now();
                let value = message.payload().unwrap_or_default().to_vec();
                seen.push(Seen { partition: message.partition(), offset: message.offset(), value });
            }
            Some(Err(error)) => bail!("poll: {error}"),
        }
    }
    Ok(seen)
}

/// Everything in a topic, up to the ends that it has now.
pub fn read_topic(bootstrap: &str, topic: &str, partitions: i32) -> Result<Vec<Seen>> {
    let consumer = consumer(bootstrap, &unique("reader"))?;
    let mut all = TopicPartitionList::new();
    let mut count = 0;
    for partition in 0..partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
        count += usize::try_from(high - low)?;
        all.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    let seen = read(&consumer, count, PATIENCE)?;
    ensure!(seen.len() == count, "read {} of {count} messages of {topic}", seen.len());
    Ok(seen)
}

/// Topics can be created once, described, grown and deleted.
pub async fn check_topics(bootstrap: &str) -> Result<()> {
    let admin = admin(bootstrap)?;
    let topic = unique("topics");
    let new = || NewTopic::new(&topic, 3, TopicReplication::Fixed(-1)).set("retention.ms", "86400000");
    let created = admin.create_topics(&[new()], &options()).await?;
    ensure!(created.iter().all(Result::is_ok), "create: {created:?}");
    let again = admin.create_topics(&[new()], &options()).await?;
    ensure!(again == [Err((topic.clone(), Code::TopicAlreadyExists))], "create again: {again:?}");

    let described = admin.describe_configs(&[ResourceSpecifier::Topic(&topic)], &options()).await?;
    let described = described.into_iter().next().context("no answer")?.map_err(|code| anyhow!("{code}"))?;
    let retention = described.get("retention.ms").and_then(|entry| entry.value.clone());
    ensure!(retention.as_deref() == Some("86400000"), "retention.ms is {retention:?}");

    let grown = admin.create_partitions(&[NewPartitions::new(&topic, 5)], &options()).await?;
    ensure!(grown.iter().all(Result::is_ok), "grow: {grown:?}");
    let shrunk = admin.create_partitions(&[NewPartitions::new(&topic, 2)], &options()).await?;
    ensure!(shrunk == [Err((topic.clone(), Code::InvalidPartitions))], "shrink: {shrunk:?}");
    wait_for_partitions(&admin, &topic, 5).await?;

    let deleted = admin.delete_topics(&[&topic], &options()).await?;
    ensure!(deleted.iter().all(Result::is_ok), "delete: {deleted:?}");
    wait_for_partitions(&admin, &topic, 0).await?;
    let bad = NewTopic::new("no spaces", 1, TopicReplication::Fixed(-1));
    let bad = admin.create_topics(&[bad], &options()).await?;
    ensure!(matches!(&bad[..], [Err((_, Code::InvalidTopic))]), "bad name: {bad:?}");
    Ok(())
}

async fn wait_for_partitions(
    admin: &AdminClient<DefaultClientContext>,
    topic: &str,
    wanted: usize,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        let metadata = admin.inner().fetch_metadata(None, PATIENCE)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let partitions = found.map_or(0, |found| found.partitions().len());
        if partitions == wanted {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "{topic} has {partitions} partitions, not {wanted}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Messages of every compression come back as they were, in the order of their partition.
pub async fn check_compression(bootstrap: &str) -> Result<()> {
    for codec in ["none", "gzip", "lz4", "zstd"] {
        for idempotent in ["false", "true"] {
            round_trip(bootstrap, codec, idempotent)
                .await
                .with_context(|| format!("{codec}, {idempotent}"))?;
        }
    }
    Ok(())
}

async fn round_trip(bootstrap: &str, codec: &str, idempotent: &str) -> Result<()> {
    const MESSAGES: usize = 2_000;
    let topic = unique("codec");
    create_topic(bootstrap, &topic, 3).await?;
    let settings = [("compression.type", codec), ("enable.idempotence", idempotent), ("linger.ms", "5")];
    let producer = producer(bootstrap, &settings)?;
    for first in (0..MESSAGES).step_by(400) {
        // Several batches for each partition: every one begins at an offset of its own.
        let mut waiting = Vec::with_capacity(400);
        for number in first..first + 400 {
            let value = format!("{number:08}-{}", "compressible ".repeat(8));
            let record = FutureRecord::to(&topic).partition((number % 3) as i32).key("k").payload(&value);
            waiting.push(producer.send_result(record).map_err(|(error, _)| error)?);
        }
        for sent in waiting {
            sent.await?.map_err(|(error, _)| anyhow!("produce: {error}"))?;
        }
    }
    let mut next = BTreeMap::new();
    for seen in read_topic(bootstrap, &topic, 3)? {
        let (offset, number) = next.entry(seen.partition).or_insert((0, seen.partition as usize));
        ensure!(seen.offset == *offset, "offset {} where {offset} comes next", seen.offset);
        let wanted = format!("{number:08}-");
        ensure!(seen.value.starts_with(wanted.as_bytes()), "message {number} is not where it belongs");
        *offset += 1;
        *number += 3;
    }
    ensure!(next.values().map(|(count, _)| *count as usize).sum::<usize>() == MESSAGES, "counts {next:?}");
    Ok(())
}

/// A message of just under a megabyte, the largest that every broker takes, comes back whole.
pub async fn check_large_messages(bootstrap: &str) -> Result<()> {
    let topic = unique("large");
    create_topic(bootstrap, &topic, 1).await?;
    let producer = producer(bootstrap, &[("enable.idempotence", "true")])?;
    let bodies: Vec<String> = ["a", "b", "c"].iter().map(|letter| letter.repeat(990_000)).collect();
    for body in &bodies {
        send(&producer, &topic, 0, body, None).await?;
    }
    let seen = read_topic(bootstrap, &topic, 1)?;
    let same = seen.iter().zip(&bodies).all(|(seen, body)| seen.value == body.as_bytes());
    ensure!(seen.len() == bodies.len() && same, "{} messages came back, the same: {same}", seen.len());
    Ok(())
}

/// Two members share a topic, one takes over when the other leaves, and a new one goes on where the
/// group committed.
pub async fn check_consumer_groups(bootstrap: &str) -> Result<()> {
    let (topic, group) = (unique("group"), unique("members"));
    create_topic(bootstrap, &topic, 4).await?;
    let producer = producer(bootstrap, &[])?;
    for number in 0..40 {
        send(&producer, &topic, number % 4, &format!("first-{number}"), None).await?;
    }
    let first = consumer(bootstrap, &group)?;
    first.subscribe(&[&topic])?;
    ensure!(read(&first, 40, PATIENCE)?.len() == 40, "the first member did not read everything");
    first.commit_consumer_state(CommitMode::Sync).context("commit")?;

    let second = consumer(bootstrap, &group)?;
    second.subscribe(&[&topic])?;
    wait_for_assignments(&[&first, &second], &[2, 2])?;
    for number in 0..20 {
        send(&producer, &topic, number % 4, &format!("second-{number}"), None).await?;
    }
    let (mut by_first, mut by_second) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    while by_first.len() + by_second.len() < 20 && begun.elapsed() < PATIENCE {
        by_first.extend(read(&first, 1, Duration::from_millis(100))?);
        by_second.extend(read(&second, 1, Duration::from_millis(100))?);
    }
    let values: BTreeSet<_> = by_first.iter().chain(&by_second).map(|seen| seen.value.clone()).collect();
    ensure!(
        by_first.len() == 10 && by_second.len() == 10,
        "shares: {} and {}",
        by_first.len(),
        by_second.len()
    );
    ensure!(
        values.len() == 20 && values.iter().all(|value| value.starts_with(b"second")),
        "read again: {values:?}"
    );
    first.commit_consumer_state(CommitMode::Sync).context("commit of the first")?;
    second.commit_consumer_state(CommitMode::Sync).context("commit of the second")?;

    let listed = second.fetch_group_list(Some(&group), PATIENCE)?;
    let members: Vec<_> =
        listed.groups().iter().map(|group| (group.state().to_owned(), group.members().len())).collect();
    ensure!(members == [("Stable".to_owned(), 2)], "described as {members:?}");
    drop(first);
    wait_for_assignments(&[&second], &[4])?;
    drop(second);
    for number in 0..4 {
        send(&producer, &topic, number, "third", None).await?;
    }
    let third = consumer(bootstrap, &group)?;
    third.subscribe(&[&topic])?;
    let mut seen = read(&third, 4, PATIENCE)?;
    seen.extend(read(&third, 1, Duration::from_secs(3))?);
    ensure!(seen.len() == 4 && seen.iter().all(|seen| seen.value == b"third"), "after the restart: {seen:?}");
    Ok(())
}

fn wait_for_assignments(members: &[&BaseConsumer], wanted: &[usize]) -> Result<()> {
    let begun = Instant::now();
    loop {
        for member in members {
            if let Some(Ok(message)) = member.poll(Duration::from_millis(50)) {
                bail!("offset {} was read again", message.offset());
            }
        }
        let counts: Vec<_> = members
            .iter()
            .map(|member| member.assignment().map(|list| list.count()))
            .collect::<Result<_, _>>()?;
        if counts == wanted {
            return Ok(());
        }
        ensure!(begun.elapsed() < 2 * PATIENCE, "assignments {counts:?}, wanted {wanted:?}");
    }
}

/// A time finds the first message that is not earlier, and the watermarks are the ends of the log.
pub async fn check_times_and_watermarks(bootstrap: &str) -> Result<()> {
    const BEGIN: i64 = 1_700_000_000_000;
    let topic = unique("times");
    create_topic(bootstrap, &topic, 1).await?;
    let consumer = consumer(bootstrap, &unique("times"))?;
    ensure!(consumer.fetch_watermarks(&topic, 0, PATIENCE)? == (0, 0), "an empty topic has watermarks");
    // What is sent again because an answer came late is there once, and the offsets are as told.
    let single = producer(bootstrap, &[("enable.idempotence", "true")])?;
    for number in 0..5 {
        send(&single, &topic, 0, "single", Some(BEGIN + number * 1_000)).await?;
    }
    // Five more in one batch: the time has to be looked up inside it.
    let batched = producer(bootstrap, &[("linger.ms", "500"), ("enable.idempotence", "true")])?;
    let together = (5..10).map(|number| send(&batched, &topic, 0, "batched", Some(BEGIN + number * 1_000)));
    let mut tasks = Vec::new();
    for one in together {
        tasks.push(Box::pin(one));
    }
    join_all(tasks).await?;
    let watermarks = consumer.fetch_watermarks(&topic, 0, PATIENCE)?;
    ensure!(watermarks == (0, 10), "watermarks after ten messages are {watermarks:?}");
    for (time, wanted) in [
        (BEGIN - 1, Offset::Offset(0)),
        (BEGIN + 3_500, Offset::Offset(4)),
        (BEGIN + 7_000, Offset::Offset(7)),
        (BEGIN + 8_999, Offset::Offset(9)),
        (BEGIN + 9_001, Offset::End),
    ] {
        let mut times = TopicPartitionList::new();
        times.add_partition_offset(&topic, 0, Offset::Offset(time))?;
        let found = consumer.offsets_for_times(times, PATIENCE)?.elements()[0].offset();
        ensure!(found == wanted, "time {} finds {found:?}, not {wanted:?}", time - BEGIN);
    }
    Ok(())
}

/// Waits for all of them at once, so that they can share a batch.
async fn join_all<F: Future<Output = Result<i64>> + Unpin>(mut futures: Vec<F>) -> Result<()> {
    std::future::poll_fn(|context| {
        let mut index = 0;
        while index < futures.len() {
            match std::pin::Pin::new(&mut futures[index]).poll(context) {
                std::task::Poll::Pending => index += 1,
                std::task::Poll::Ready(Err(error)) => return std::task::Poll::Ready(Err(error)),
                std::task::Poll::Ready(Ok(_)) => drop(futures.swap_remove(index)),
            }
        }
        if futures.is_empty() { std::task::Poll::Ready(Ok(())) } else { std::task::Poll::Pending }
    })
    .await
}

/// A waiting reader gets a message soon after it was acknowledged, not when its poll runs out.
pub async fn check_long_poll(bootstrap: &str) -> Result<()> {
    let topic = unique("poll");
    create_topic(bootstrap, &topic, 1).await?;
    let mut config = client(bootstrap);
    config.set("group.id", unique("poll")).set("fetch.wait.max.ms", "10000").set("fetch.min.bytes", "1");
    let consumer: BaseConsumer = config.create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Beginning)?;
    consumer.assign(&list)?;
    let producer = producer(bootstrap, &[("linger.ms", "0")])?;
    send(&producer, &topic, 0, "warm up", None).await?;
    ensure!(read(&consumer, 1, PATIENCE)?.len() == 1, "the first message did not arrive");
    for round in 0..5 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        send(&producer, &topic, 0, "now", None).await?;
        let acknowledged = Instant::now();
        ensure!(read(&consumer, 1, PATIENCE)?.len() == 1, "message {round} did not arrive");
        let late = acknowledged.elapsed();
        // The fetch that waits would end by itself after ten seconds.
        ensure!(late < Duration::from_secs(6), "message {round} arrived {late:?} after its acknowledgement");
    }
    Ok(())
}
