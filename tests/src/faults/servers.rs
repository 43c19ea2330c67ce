//! Apache Kafka behind its proxy, and the S3 server: started once, used by one plan after another.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::kafka_proxy::KafkaProxy;
use crate::instance::run;
use crate::servers::apache_kafka::{self, Cluster, ClusterOptions};
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
    /// The broker.
    pub cluster: Cluster,
    /// What clients reach it through.
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

    /// Starts them in a directory.
    pub fn start(binary: &Path, dir: &Path) -> Result<Self> {
        let port = free_ports(1)?[0];
        let settings = SESSIONS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let options = ClusterOptions { nodes: 1, settings, advertised_ports: vec![port] };
        let cluster = Cluster::start(&dir.join("kafka"), &options)?;
        let kafka = KafkaProxy::start(port, &cluster.address(1))?;
        let store = s3::Server::start(&dir.join("s3"))?;
        let key = dir.join("lake.key");
        let made = run(binary, &["config", "key", "--out", key.to_str().context("a path of text")?])?;
        ensure!(made.status.success(), "config key: {}", String::from_utf8_lossy(&made.stderr));
        Ok(Self { cluster, kafka, store, binary: binary.to_owned(), key, dir: dir.to_owned() })
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
