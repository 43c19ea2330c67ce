//! What a plan has records in: Apache Kafka, or the embedded broker as a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::apache_kafka::{Cluster, ClusterOptions};
use super::{Process, free_ports};

const START: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(2);

/// A broker, or several that make a cluster, which can be killed and started again.
pub enum Broker {
    /// One to three nodes.
    Apache(Cluster),
    /// One.
    Embedded(Embedded),
}

impl Broker {
    /// Starts nodes of Apache Kafka.
    pub fn apache(dir: &Path, options: &ClusterOptions) -> Result<Self> {
        Ok(Self::Apache(Cluster::start(dir, options)?))
    }

    /// Starts the embedded broker.
    pub fn embedded(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut broker = Embedded { dir: dir.to_owned(), port: free_ports(1)?[0], process: None };
        broker.start()?;
        Ok(Self::Embedded(broker))
    }

    /// Whether it is the embedded one.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }

    /// Addresses of all nodes, as a client takes them.
    pub fn bootstrap(&self) -> String {
        match self {
            Self::Apache(cluster) => cluster.bootstrap(),
            Self::Embedded(broker) => broker.address(),
        }
    }

    /// Where the first node listens, `host:port`.
    pub fn address(&self) -> String {
        match self {
            Self::Apache(cluster) => cluster.address(1),
            Self::Embedded(broker) => broker.address(),
        }
    }

    /// The numbers of all nodes, from 1.
    pub fn ids(&self) -> Vec<u32> {
        match self {
            Self::Apache(cluster) => cluster.ids(),
            Self::Embedded(_) => vec![1],
        }
    }

    /// SIGKILL for one node.
    pub fn kill(&mut self, id: u32) -> Result<()> {
        match self {
            Self::Apache(cluster) => cluster.kill(id),
            Self::Embedded(broker) => {
                broker.process.take().context("the broker does not run")?.kill();
                Ok(())
            }
        }
    }

    /// Starts a node that does not run and waits until it serves.
    pub fn restart(&mut self, id: u32) -> Result<()> {
        match self {
            Self::Apache(cluster) => cluster.restart(&[id]),
            Self::Embedded(broker) => broker.start(),
        }
    }
}

/// The embedded broker on a directory and a port.
pub struct Embedded {
    dir: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Embedded {
    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn start(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the broker runs already");
        let mut command = Command::new(program()?);
        command.arg(self.dir.join("log")).arg(self.port.to_string());
        let mut process = Process::start(&mut command, &self.dir.join("broker.log"))?;
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", self.address()).create().context("a client")?;
        process.wait_until_ready(START, || client.fetch_metadata(None, ANSWER).is_ok())?;
        self.process = Some(process);
        Ok(())
    }
}

/// Built with the programs of this crate, into the directory of theirs or the one above.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    for folder in own.ancestors().skip(1).take(2) {
        let program = folder.join("embedded-broker");
        if program.exists() {
            return Ok(program);
        }
    }
    bail!("build the broker with `cargo build -p modellane-tests`")
}
