//! The broker, Apache Kafka's behind its proxy, and the S3 server: started once, used by one plan after another.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::kafka_proxy::KafkaProxy;
use crate::instance::run;
use crate::servers::apache_kafka::{self, ClusterOptions};
use crate::servers::broker::Broker;
use crate::servers::{free_ports, s3};

/// Members of a group that the broker assigns to are missed as soon as others, which say themselves when.
const SESSIONS: [(&str, &str); 4] = [
    ("group.consumer.session.timeout.ms", "10000"),
    ("group.consumer.min.session.timeout.ms", "10000"),
    ("group.consumer.heartbeat.interval.ms", "1000"),
    ("group.consumer.min.heartbeat.interval.ms", "1000"),
];

/// What every plan runs on.
pub struct Servers {
    /// The broker, or several.
    pub cluster: Broker,
    /// What clients reach a single one of Apache Kafka's through.
    pub kafka: KafkaProxy,
    /// The store. Each plan has a proxy of its own in front of it.
    pub store: s3::Server,
    /// The product.
    pub binary: PathBuf,
    /// The lake key of every plan.
    pub key: PathBuf,
    dir: PathBuf,
}

impl Servers {
    /// What this machine lacks to run plans, in words.
    pub fn missing() -> Option<String> {
        let python = std::env::var("MODELLANE_TEST_PYTHON");
        let python =
            python.map(drop).map_err(|_| "MODELLANE_TEST_PYTHON is not set; tests/run sets it".to_owned());
        let lacks: Vec<String> = [apache_kafka::availability(), s3::availability(), python]
            .into_iter()
            .filter_map(Result::err)
            .collect();
        (!lacks.is_empty()).then(|| lacks.join("; "))
    }

    /// Starts them in a directory, with so many brokers of Apache Kafka. Only a single one has its proxy before it.
    pub fn start(binary: &Path, dir: &Path, brokers: usize) -> Result<Self> {
        let port = free_ports(1)?[0];
        let settings = SESSIONS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let advertised_ports = if brokers == 1 { vec![port] } else { Vec::new() };
        let options = ClusterOptions { nodes: brokers, settings, advertised_ports };
        Self::on(Broker::apache(&dir.join("kafka"), &options)?, port, binary, dir)
    }

    /// Starts the embedded broker in the place of Apache Kafka. Lakes are directories then, so that nothing between
    /// a service and what it rests on can be harmed; processes can.
    pub fn embedded(binary: &Path, dir: &Path) -> Result<Self> {
        Self::on(Broker::embedded(&dir.join("broker"))?, free_ports(1)?[0], binary, dir)
    }

    fn on(cluster: Broker, port: u16, binary: &Path, dir: &Path) -> Result<Self> {
        let kafka = KafkaProxy::start(port, &cluster.address())?;
        let store = s3::Server::start(&dir.join("s3"))?;
        let key = dir.join("lake.key");
        let made = run(binary, &["config", "key", "--out", key.to_str().context("a path of text")?])?;
        ensure!(made.status.success(), "config key: {}", String::from_utf8_lossy(&made.stderr));
        Ok(Self { cluster, kafka, store, binary: binary.to_owned(), key, dir: dir.to_owned() })
    }

    /// Where services reach the cluster, and how many copies of a topic it can hold.
    pub fn kafka_settings(&self) -> [(&'static str, String); 3] {
        let copies = self.cluster.ids().len();
        let is_direct = copies > 1 || self.cluster.is_embedded();
        let bootstrap = if is_direct { self.cluster.bootstrap() } else { self.kafka.address() };
        [
            ("KAFKA__BOOTSTRAP", bootstrap),
            ("KAFKA__REPLICATION_FACTOR", copies.to_string()),
            ("KAFKA__MIN_INSYNC_REPLICAS", copies.min(2).to_string()),
        ]
    }

    /// A folder for what one run of a plan writes.
    pub fn folder(&self, run: &str) -> Result<PathBuf> {
        let folder = self.dir.join(run);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The directory in which the store keeps a lake.
    pub fn lake_dir(&self, prefix: &str) -> PathBuf {
        self.dir.join("s3/objects").join(s3::BUCKET).join(prefix)
    }
}
