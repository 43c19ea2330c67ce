//! What a topic is created with, and what is removed from it because of that.
//!
//! A cluster looks for what can go every five minutes unless it is told otherwise, so these checks can take
//! that long.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rdkafka::admin::{NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::{PATIENCE, admin, client, consumer, create_topic_with, options, producer, send, unique};

/// How long a cluster may take to remove what can go.
const LATE: Duration = Duration::from_secs(360);

/// The smallest segments that every broker takes.
const SMALL: (&str, &str) = ("segment.bytes", "1048576");

/// Settings are told as they were given, and values that mean nothing are refused.
pub async fn check_settings(bootstrap: &str) -> Result<()> {
    let admin = admin(bootstrap)?;
    let given =
        [SMALL, ("retention.bytes", "5000000"), ("retention.ms", "86400000"), ("cleanup.policy", "compact")];
    let topic = unique("settings");
    create_topic_with(bootstrap, &topic, 1, &given).await?;
    let described = admin.describe_configs(&[ResourceSpecifier::Topic(&topic)], &options()).await?;
    let described = described.into_iter().next().context("no answer")?.map_err(|code| anyhow!("{code}"))?;
    for (name, value) in given {
        let found = described.get(name).and_then(|entry| entry.value.as_deref());
        ensure!(found == Some(value), "{name} is {found:?}, not {value}");
    }
    for (name, value) in [
        ("retention.ms", "soon"),
        ("segment.bytes", "-5"),
        ("cleanup.policy", "forget"),
        ("min.cleanable.dirty.ratio", "2"),
        ("no.such.setting", "1"),
    ] {
        let bad = unique("settings");
        let new = NewTopic::new(&bad, 1, TopicReplication::Fixed(-1)).set(name, value);
        let refused = admin.create_topics(&[new], &options()).await?;
        ensure!(matches!(&refused[..], [Err((_, Code::InvalidConfig))]), "{name}={value}: {refused:?}");
    }
    Ok(())
}

/// Waits until the log of a topic begins behind an offset, and gives where it begins and ends.
async fn until_log_starts_after(reader: &BaseConsumer, topic: &str, offset: i64) -> Result<(i64, i64)> {
    let begun = Instant::now();
    loop {
        let (low, high) = reader.fetch_watermarks(topic, 0, PATIENCE)?;
        if low > offset {
            return Ok((low, high));
        }
        ensure!(begun.elapsed() < LATE, "the log begins at {low} still");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A reader that asks for an offset which is not in the log is told so and does not jump.
fn check_out_of_range(bootstrap: &str, topic: &str, offset: i64) -> Result<()> {
    let mut config = client(bootstrap);
    config.set("group.id", unique("range")).set("auto.offset.reset", "error");
    let reader: BaseConsumer = config.create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset))?;
    reader.assign(&list)?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match reader.poll(Duration::from_millis(100)) {
            None => {}
            Some(Err(error)) if error.rdkafka_error_code() == Some(Code::AutoOffsetReset) => return Ok(()),
            Some(Err(error)) => bail!("offset {offset}: {error}"),
            Some(Ok(message)) => bail!("offset {offset}: offset {} was delivered", message.offset()),
        }
    }
    bail!("nothing was said about offset {offset}")
}

/// Offset, key, value.
type Read = (i64, Vec<u8>, Vec<u8>);

/// Everything from an offset to before another one.
fn read_range(bootstrap: &str, topic: &str, low: i64, high: i64) -> Result<Vec<Read>> {
    let reader = consumer(bootstrap, &unique("range"))?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(low))?;
    reader.assign(&list)?;
    let mut found: Vec<Read> = Vec::new();
    let mut last = Instant::now();
    while found.last().is_none_or(|(offset, ..)| *offset < high - 1) {
        ensure!(last.elapsed() < PATIENCE, "read {} messages between {low} and {high}", found.len());
        if let Some(message) = reader.poll(Duration::from_millis(100)) {
            let message = message?;
            let own = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
            found.push((message.offset(), own(message.key()), own(message.payload())));
            last = Instant::now();
        }
    }
    Ok(found)
}

/// A log that is larger than it may be loses its oldest messages. What is left is whole, and readers below it
/// are told.
pub async fn check_retention_by_size(bootstrap: &str) -> Result<()> {
    const MESSAGES: i64 = 60;
    let topic = unique("size");
    create_topic_with(bootstrap, &topic, 1, &[SMALL, ("retention.bytes", "2097152")]).await?;
    let producer = producer(bootstrap, &[("linger.ms", "0")])?;
    let padding = "x".repeat(100_000);
    for number in 0..MESSAGES {
        send(&producer, &topic, 0, &format!("{number}:{padding}"), None).await?;
    }
    let reader = consumer(bootstrap, &unique("size"))?;
    // Ten messages fill a segment, and without one of three there would be too little left.
    let (low, high) = until_log_starts_after(&reader, &topic, 29).await?;
    ensure!((low, high) == (30, MESSAGES), "the log goes from {low} to {high}");
    let left = read_range(bootstrap, &topic, low, high)?;
    let expected = left.iter().zip(low..).all(|((offset, _, value), number)| {
        *offset == number && value.starts_with(format!("{number}:").as_bytes())
    });
    ensure!(left.len() as i64 == high - low && expected, "{} messages from {low} to {high}", left.len());
    check_out_of_range(bootstrap, &topic, low - 1)?;
    check_out_of_range(bootstrap, &topic, high + 1)
}

/// Messages that are too old go, all of them if need be, and the log goes on where it was.
#[expect(clippy::disallowed_methods, reason = "a test asks the machine as a user would")]
pub async fn check_retention_by_time(bootstrap: &str) -> Result<()> {
    let topic = unique("age");
    create_topic_with(bootstrap, &topic, 1, &[("retention.ms", "60000")]).await?;
    let producer = producer(bootstrap, &[])?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis() as i64;
    for number in 0..5 {
        send(&producer, &topic, 0, "old", Some(now - 3_600_000 + number)).await?;
    }
    let reader = consumer(bootstrap, &unique("age"))?;
    let ends = until_log_starts_after(&reader, &topic, 4).await?;
    ensure!(ends == (5, 5), "the log goes from {} to {}", ends.0, ends.1);
    check_out_of_range(bootstrap, &topic, 0)?;
    let next = send(&producer, &topic, 0, "new", None).await?;
    ensure!(next == 5, "the next message got offset {next}");
    let left = read_range(bootstrap, &topic, 5, 6)?;
    ensure!(left.len() == 1 && left[0].2 == b"new", "{} messages are left", left.len());
    Ok(())
}

async fn send_keyed(
    producer: &FutureProducer,
    topic: &str,
    key: Option<&str>,
    value: Option<&str>,
) -> Result<i64, Code> {
    let mut record = FutureRecord::<str, str>::to(topic).partition(0);
    record.key = key;
    record.payload = value;
    let sent = producer.send(record, PATIENCE).await;
    sent.map(|sent| sent.offset).map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(Code::Unknown))
}

/// A compacted log keeps the latest message of each key at its offset, and forgets keys that are gone.
pub async fn check_compaction(bootstrap: &str) -> Result<()> {
    let topic = unique("compact");
    let settings = [
        SMALL,
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "0"),
    ];
    create_topic_with(bootstrap, &topic, 1, &settings).await?;
    let producer = producer(bootstrap, &[("linger.ms", "0")])?;
    let refused = send_keyed(&producer, &topic, None, Some("no key")).await;
    ensure!(refused == Err(Code::InvalidRecord), "a message without a key: {refused:?}");
    let padding = "x".repeat(100_000);
    let mut latest = BTreeMap::new();
    for number in 0..60 {
        let key = ["first", "second", "gone"][number % 3];
        let value = (number < 20 || key != "gone").then(|| format!("{number}:{padding}"));
        let offset = send_keyed(&producer, &topic, Some(key), value.as_deref()).await;
        let offset = offset.map_err(|code| anyhow!("message {number}: {code}"))?;
        latest.insert(key, (offset, value.unwrap_or_default()));
    }
    let begun = Instant::now();
    loop {
        // The last segment is never compacted; another message shows that the log goes on meanwhile.
        let offset = send_keyed(&producer, &topic, Some("other"), Some(&padding)).await;
        let offset = offset.map_err(|code| anyhow!("{code}"))?;
        let left = read_range(bootstrap, &topic, 0, offset + 1)?;
        ensure!(left.windows(2).all(|pair| pair[0].0 < pair[1].0), "offsets are out of order");
        for key in ["first", "second"] {
            let (offset, value) = &latest[key];
            let found = left.iter().rev().find(|(_, found, _)| found == key.as_bytes());
            let same = found.is_some_and(|found| found.0 == *offset && found.2 == value.as_bytes());
            ensure!(same, "the latest message of {key} is not at offset {offset}");
        }
        let of = |key: &str| left.iter().filter(|(_, found, _)| found == key.as_bytes()).count();
        if of("first") == 1 && of("second") == 1 && of("gone") == 0 {
            return Ok(());
        }
        let counts = (of("first"), of("second"), of("gone"));
        ensure!(begun.elapsed() < LATE, "messages of the keys that are left: {counts:?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
