//! Runs the Kafka conformance suite against the embedded broker, against Apache Kafka where it can run, and
//! against the cluster named by `MODELLANE_TEST_BOOTSTRAP` if that is set.

use std::path::Path;

use anyhow::Context;
use modellane_embedded_kafka::{Broker, BrokerConfig};
use modellane_tests::instance::skip;
use modellane_tests::kafka_conformance::full_disk::{self, SmallDisk};
use modellane_tests::kafka_conformance::{self as suite, durability, memory};
use modellane_tests::servers::apache_kafka::{self, Cluster, ClusterOptions};

const OTHER: &str = "MODELLANE_TEST_BOOTSTRAP";

async fn embedded() -> (tempfile::TempDir, Broker) {
    let dir = tempfile::tempdir().expect("a directory");
    let config = BrokerConfig { dir: dir.path().to_path_buf(), port: 0, default_partitions: 1 };
    let broker = Broker::start(config).await.expect("a broker");
    (dir, broker)
}

/// One test per check, on a new embedded broker and then on the other cluster; and all of them in turn, for a
/// cluster that takes seconds to start.
macro_rules! conformance {
    ($($check:ident),* $(,)?) => {
    $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $check() {
            let (_dir, broker) = embedded().await;
            suite::$check(&broker.bootstrap()).await.expect("on the embedded broker");
            broker.shutdown().await;
            match std::env::var(OTHER) {
                Ok(other) => drop(suite::$check(&other).await.expect("on the other cluster")),
                Err(_) => println!("skipped on another cluster: {OTHER} is not set"),
            }
        }
    )*

        async fn every_check(bootstrap: &str) -> anyhow::Result<()> {
            $(suite::$check(bootstrap).await.context(stringify!($check))?;)*
            Ok(())
        }
    };
}

conformance!(
    check_topics,
    check_compression,
    check_large_messages,
    check_duplicate_batches,
    check_consumer_groups,
    check_times_and_watermarks,
    check_long_poll,
    check_topics_of_the_product,
    check_publisher_and_consumers,
    check_throughput,
    check_ended_member,
    check_settings,
    check_retention_by_size,
    check_retention_by_time,
    check_compaction,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_kafka_passes_every_check() -> anyhow::Result<()> {
    if let Err(missing) = apache_kafka::availability() {
        skip("conformance of Apache Kafka", &missing);
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    // What can go, goes soon: otherwise it is looked at every five minutes.
    let settings = [
        ("log.retention.check.interval.ms", "500"),
        ("log.cleaner.backoff.ms", "500"),
        ("log.segment.delete.delay.ms", "500"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let cluster = Cluster::start(dir.path(), &ClusterOptions { settings, ..ClusterOptions::nodes(1) })?;
    every_check(&cluster.bootstrap()).await?;
    cluster.stop()
}

fn brokers(dir: &Path) -> durability::Brokers {
    let port = modellane_tests::servers::free_ports(1).expect("a port")[0];
    durability::Brokers::new(Path::new(env!("CARGO_BIN_EXE_embedded-broker")), dir, port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_survive_kills_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    durability::check_kill(&brokers(dir.path()), 8).await.expect("durable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_tail_is_cut() {
    let dir = tempfile::tempdir().expect("a directory");
    durability::check_torn_tail(&brokers(dir.path())).await.expect("cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_never_delivered() {
    let dir = tempfile::tempdir().expect("a directory");
    durability::check_flipped_bit(&brokers(dir.path())).await.expect("noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    match SmallDisk::mount(dir.path()) {
        Err(why) => skip("the embedded broker on a full disk", &why),
        Ok(disk) => {
            let brokers = brokers(&disk.dir().join("broker"));
            full_disk::check_full_disk(&brokers, &disk.dir().join("ballast")).await.expect("nothing lost");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_connection_closed_is_not_waited_for() {
    let (_dir, broker) = embedded().await;
    let waited = suite::takeover(&broker.bootstrap()).await.expect("taken over");
    // Its session is 10 s; its client has another connection, so that it gets a fifth of that to come back.
    assert!(waited < std::time::Duration::from_secs(9), "waited {waited:?}");
    broker.shutdown().await;
}

/// `MODELLANE_BROKER_BYTES` says how much goes through the broker: 200 MB, and 2 GB for the figures in its
/// documentation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_does_not_grow_with_the_number_of_messages() {
    let bytes =
        std::env::var("MODELLANE_BROKER_BYTES").map_or(200 << 20, |value| value.parse().expect("bytes"));
    let dir = tempfile::tempdir().expect("a directory");
    let (early, peak) = memory::peak(&brokers(dir.path()), bytes).await.expect("through the broker");
    println!("at most {early} kB when a tenth was written, {peak} kB at the end");
    assert!(peak < 250_000, "{peak} kB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_offsets_survive_a_kill() {
    let dir = tempfile::tempdir().expect("a directory");
    durability::check_offsets_survive(&brokers(dir.path())).await.expect("durable");
}

#[tokio::test]
async fn an_unreachable_broker_is_named_in_bounded_time() {
    let config = modellane_kafka::KafkaConfig::single_node("127.0.0.1:1");
    let begun = std::time::Instant::now();
    let error = modellane_kafka::ensure_topics(&config, 1).await.expect_err("nobody listens there");
    assert!(begun.elapsed() < std::time::Duration::from_secs(30), "took {:?}", begun.elapsed());
    assert!(error.is_retryable() && error.to_string().contains("127.0.0.1:1"), "{error}");
}
