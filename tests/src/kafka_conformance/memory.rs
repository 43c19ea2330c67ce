//! How much memory a broker takes for how much data.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::durability::Brokers;
use super::{PATIENCE, client, create_topic, unique};

const PARTITIONS: i32 = 4;
const VALUE: usize = 1_000;

/// Sends so many bytes through a broker, written once and read twice, and gives the most memory that its
/// process had, in kB, when a tenth was written and at the end.
pub async fn peak(brokers: &Brokers, bytes: usize) -> Result<(u64, u64)> {
    let running = brokers.start()?;
    let bootstrap = brokers.bootstrap();
    let topic = unique("memory");
    create_topic(&bootstrap, &topic, PARTITIONS).await?;
    let messages = bytes / VALUE;
    let mut config = client(&bootstrap);
    config
        .set("enable.idempotence", "true")
        .set("linger.ms", "20")
        .set("queue.buffering.max.kbytes", "65536");
    let producer: BaseProducer = config.create()?;
    let value = vec![b'x'; VALUE];
    let begun = Instant::now();
    let mut early = 0;
    for number in 0..messages {
        if number == messages / 10 {
            early = running.peak_memory()?;
        }
        let record =
            || BaseRecord::<[u8], [u8]>::to(&topic).partition(number as i32 % PARTITIONS).payload(&value);
        while let Err((error, _)) = producer.send(record()) {
            ensure!(error.rdkafka_error_code() == Some(Code::QueueFull), "message {number}: {error}");
            producer.poll(Duration::from_millis(10));
        }
    }
    producer.flush(6 * PATIENCE)?;
    let produced = begun.elapsed();
    let begun = Instant::now();
    for _ in 0..2 {
        read_all(&bootstrap, &topic, messages)?;
    }
    println!(
        "{messages} messages of {VALUE} bytes produced in {produced:.1?} and read twice in {:.1?}",
        begun.elapsed()
    );
    Ok((early, running.peak_memory()?))
}

fn read_all(bootstrap: &str, topic: &str, messages: usize) -> Result<()> {
    let mut config = client(bootstrap);
    config.set("group.id", unique("memory")).set("queued.max.messages.kbytes", "65536");
    let reader: BaseConsumer = config.create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    reader.assign(&list)?;
    let (mut read, mut last) = (0, Instant::now());
    while read < messages {
        ensure!(last.elapsed() < PATIENCE, "read {read} of {messages}");
        if let Some(message) = reader.poll(Duration::from_millis(100)) {
            ensure!(message?.payload().map_or(0, <[u8]>::len) == VALUE, "a message of another length");
            (read, last) = (read + 1, Instant::now());
        }
    }
    Ok(())
}
