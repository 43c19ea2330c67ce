//! The publisher and the consumers against the embedded broker, where something goes wrong.

use std::time::{Duration, Instant};

use modellane_embedded_kafka::{Broker, BrokerConfig};
use modellane_kafka::{
    AssignedConsumer, CommitOutcome, GroupConsumer, GroupMember, KafkaConfig, KafkaError, Publisher, Topic,
    ensure_topics,
};

const WAIT: Duration = Duration::from_millis(200);

struct Setup {
    dir: tempfile::TempDir,
    broker: Broker,
    config: KafkaConfig,
    topic: String,
}

async fn broker(dir: &std::path::Path, port: u16) -> Broker {
    let config = BrokerConfig { dir: dir.to_path_buf(), port, default_partitions: 1 };
    Broker::start(config).await.expect("a broker")
}

/// A broker with the product's topics, two partitions each, and the name of the usage topic.
async fn setup() -> Setup {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(dir.path(), 0).await;
    let config = KafkaConfig::single_node(broker.bootstrap());
    ensure_topics(&config, 2).await.expect("topics");
    let topic = Topic::Usage.name(&config.topic_prefix);
    Setup { dir, broker, config, topic }
}

async fn publish(config: &KafkaConfig, topic: &str, count: usize) {
    let mut batch = Publisher::new(config).expect("a publisher").batch();
    for number in 0..count {
        batch.send(topic, &number.to_be_bytes(), b"content").await.expect("sent");
    }
    batch.wait().await.expect("acknowledged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lost_its_messages_stops_the_reader() {
    let Setup { dir: _dir, broker, config, topic } = setup().await;
    publish(&config, &topic, 100).await;
    let mut reader = AssignedConsumer::new(&config).expect("a consumer");
    let (_, high) = reader.watermarks(&topic, 0).await.expect("watermarks");
    reader.assign(&topic, &[(0, high)]).await.expect("assigned");
    assert!(reader.poll_batch(10, WAIT).await.expect("polled").is_empty());
    // The same port, another journal: a log that is shorter than what was read.
    let port = broker.port();
    broker.shutdown().await;
    let other = tempfile::tempdir().expect("a directory");
    let broker = self::broker(other.path(), port).await;
    ensure_topics(&config, 2).await.expect("topics");
    let begun = Instant::now();
    let error = loop {
        match reader.poll_batch(10, WAIT).await {
            Ok(records) => assert!(records.is_empty(), "the reader jumped"),
            Err(error) if error.is_retryable() => {}
            Err(error) => break error,
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the reader never noticed");
    };
    let expected = matches!(&error, KafkaError::OffsetOutOfRange { partition: 0, offset, low: 0, high: 0, .. } if *offset == high);
    assert!(expected, "{error}");
    reader.close().await;
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_survived_by_a_batch_that_is_on_its_way() {
    let Setup { dir, broker, config, topic } = setup().await;
    let port = broker.port();
    let publisher = Publisher::new(&config).expect("a publisher");
    publisher.publish(&topic, b"k", b"before").await.expect("acknowledged");
    broker.shutdown().await;
    let mut batch = publisher.batch();
    for number in 0..1_000usize {
        batch.send(&topic, &number.to_be_bytes(), b"while it is away").await.expect("queued");
    }
    assert_eq!(batch.len(), 1_000);
    let (_broker, acknowledged) = tokio::join!(self::broker(dir.path(), port), batch.wait());
    acknowledged.expect("acknowledged");
    let reader = AssignedConsumer::new(&config).expect("a consumer");
    let mut count = 0;
    for partition in 0..2 {
        count += reader.watermarks(&topic, partition).await.expect("watermarks").1;
    }
    assert_eq!(count, 1_001);
    reader.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_lost_a_partition_commits_nothing_for_it() {
    let Setup { dir: _dir, broker: _broker, config, topic } = setup().await;
    publish(&config, &topic, 100).await;
    let topics = [topic.as_str()];
    let mut first = GroupConsumer::new(&config, GroupMember::of("g"), &topics).expect("a consumer");
    while first.poll_batch(1_000, WAIT).await.expect("polled").is_empty() {}
    let mut second = GroupConsumer::new(&config, GroupMember::of("g"), &topics).expect("a consumer");
    let begun = Instant::now();
    while first.assignment().expect("assignment").len() != 1
        || second.assignment().expect("assignment").len() != 1
    {
        for member in [&mut first, &mut second] {
            member.poll_batch(1_000, WAIT).await.expect("polled");
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no rebalance");
    }
    let kept = first.assignment().expect("assignment")[0].1;
    let mine = [(topic.as_str(), kept, 7)];
    assert_eq!(first.commit(&mine).await.expect("committed"), CommitOutcome::Committed);
    let both = [(topic.as_str(), 0, 7), (topic.as_str(), 1, 7)];
    assert_eq!(first.commit(&both).await.expect("committed"), CommitOutcome::OwnershipLost);
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_be_sent_is_refused_at_once_and_its_content_stays_out_of_the_error() {
    let Setup { dir: _dir, broker: _broker, config, topic } = setup().await;
    let publisher = Publisher::new(&config).expect("a publisher");
    let mut batch = publisher.batch();
    let large = "secret ".repeat(300_000);
    let error = batch.send(&topic, b"k", large.as_bytes()).await.expect_err("too large");
    assert!(matches!(error, KafkaError::TooLarge { bytes: 2_100_001, .. }), "{error}");
    assert!(!error.is_retryable() && !format!("{error} {error:?}").contains("secret"));
    batch.send(&topic, b"k", b"small").await.expect("queued");
    batch.wait().await.expect("the refused message does not count");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_brings_no_more_bytes_than_memory_is_given_for() {
    let Setup { dir: _dir, broker: _broker, config, topic } = setup().await;
    let config = KafkaConfig { consumer_queue_mib: 2, producer_queue_mib: 2, ..config };
    let (message, count) = (vec![7; 100 << 10], 100);
    // Five times the producer's queue: whoever sends waits, and nothing is refused.
    let mut batch = Publisher::new(&config).expect("a publisher").batch();
    for number in 0..count {
        batch.send(&topic, &usize::to_be_bytes(number), &message).await.expect("sent");
    }
    batch.wait().await.expect("acknowledged");
    let mut reader = AssignedConsumer::new(&config).expect("a consumer");
    reader.assign(&topic, &[(0, 0), (1, 0)]).await.expect("assigned");
    let (mut read, mut most) = (0, 0);
    while read < count {
        let records = reader.poll_batch(usize::MAX, WAIT).await.expect("polled");
        let bytes: usize = records.iter().filter_map(|record| record.payload.as_ref()).map(Vec::len).sum();
        most = most.max(bytes);
        read += records.len();
    }
    assert!(most <= (2 << 20) + message.len(), "{most} bytes at once");
    reader.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_live_through_an_outage_without_an_error() {
    let Setup { dir, broker, config, topic } = setup().await;
    publish(&config, &topic, 1).await;
    let mut assigned = AssignedConsumer::new(&config).expect("a consumer");
    assigned.assign(&topic, &[(0, 0), (1, 0)]).await.expect("assigned");
    let mut member = GroupConsumer::new(&config, GroupMember::of("g"), &[&topic]).expect("a consumer");
    while assigned.poll_batch(10, WAIT).await.expect("polled").is_empty() {}
    while member.poll_batch(10, WAIT).await.expect("polled").is_empty() {}
    let port = broker.port();
    broker.shutdown().await;
    // Long enough for the client to find every broker down more than once.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        assert!(assigned.poll_batch(10, WAIT).await.expect("no error").is_empty());
        assert!(member.poll_batch(10, WAIT).await.expect("no error").is_empty());
    }
    let _broker = self::broker(dir.path(), port).await;
    publish(&config, &topic, 5).await;
    let (mut read, begun) = ([0, 0], Instant::now());
    // The member may begin at its group's start again.
    while read[0] < 5 || read[1] < 5 {
        read[0] += assigned.poll_batch(10, WAIT).await.expect("no error").len();
        read[1] += member.poll_batch(10, WAIT).await.expect("no error").len();
        assert!(begun.elapsed() < Duration::from_secs(30), "{read:?}");
    }
}
