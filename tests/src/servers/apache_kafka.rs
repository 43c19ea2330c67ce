//! Apache Kafka in KRaft mode: one to three nodes, each broker and controller, in processes of their own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde::{Deserialize, Serialize};

use super::{Availability, Process, free_ports, install, random_text};
use crate::clients::tests_dir;

/// The oldest Java that a broker runs on.
const JAVA: u32 = 17;

/// A node needs a few seconds; a busy machine needs more.
const START: Duration = Duration::from_secs(120);

/// How long nodes may take to stop in order.
const STOP: Duration = Duration::from_secs(10);

/// The largest cluster: what the product asks for in production.
const MOST_NODES: usize = 3;

/// What a cluster is made of.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// How many nodes, one to three.
    pub nodes: usize,
    /// Settings of every broker that go over those of the launcher.
    pub settings: Vec<(String, String)>,
    /// Where clients are told to find the nodes, one port a node, for a proxy in front of each. Brokers reach
    /// each other without it. Empty: where the nodes listen.
    pub advertised_ports: Vec<u16>,
}

impl ClusterOptions {
    /// A cluster of so many nodes with nothing special about it.
    pub fn nodes(nodes: usize) -> Self {
        Self { nodes, ..Self::default() }
    }
}

/// What has to stay the same when a cluster is started again.
#[derive(Debug, Serialize, Deserialize)]
struct Layout {
    cluster_id: String,
    nodes: BTreeMap<u32, Ports>,
}

/// Where one node listens.
#[derive(Debug, Serialize, Deserialize)]
struct Ports {
    client: u16,
    broker: u16,
    controller: u16,
}

/// A running cluster; killed when dropped.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    jars: PathBuf,
    layout: Layout,
    running: BTreeMap<u32, Process>,
}

/// Says what is missing to run a broker here.
pub fn availability() -> Availability {
    let java = install::version_text("java", "-version").ok_or("java is missing")?;
    match install::version_after(&java, "version \"") {
        Some((major, _)) if major >= JAVA => {}
        _ => return Err(format!("java is older than {JAVA}")),
    }
    let jars = jars_folder().map_err(|error| error.to_string())?;
    if jars.exists() || install::version_text("mvn", "-version").is_some() {
        return Ok(());
    }
    Err("mvn is missing".to_owned())
}

/// Copies the jars into the cache if they are not there, and says where they are.
pub fn install() -> Result<PathBuf> {
    let jars = jars_folder()?;
    install::once(&jars, |partial| {
        let log = partial.join("mvn.log");
        install::run(
            Command::new("mvn")
                .args(["--batch-mode", "--no-transfer-progress", "--file"])
                .arg(files().join("pom.xml"))
                .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
                .arg(format!("-DoutputDirectory={}", partial.display())),
            &log,
        )
    })
    .context("copy the jars of Apache Kafka")?;
    Ok(jars)
}

fn files() -> PathBuf {
    tests_dir().join("servers/apache-kafka")
}

/// The folder of the version that the pom names.
fn jars_folder() -> Result<PathBuf> {
    let pom = std::fs::read_to_string(files().join("pom.xml"))?;
    let version = pom
        .split_once("<kafka.version>")
        .and_then(|(_, rest)| rest.split_once("</kafka.version>"))
        .context("the pom names no kafka.version")?
        .0;
    install::cached("apache-kafka", version)
}

impl Cluster {
    /// Starts a cluster in a directory and waits until every node answers. A directory that has held one
    /// before gives the same cluster with its data, on the same ports.
    pub fn start(dir: &Path, options: &ClusterOptions) -> Result<Self> {
        ensure!((1..=MOST_NODES).contains(&options.nodes), "1 to {MOST_NODES} nodes, not {}", options.nodes);
        let jars = install()?;
        std::fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        let layout = layout(&dir, options.nodes)?;
        let mut cluster = Self { dir, jars, layout, running: BTreeMap::new() };
        let ids = cluster.ids();
        for (index, id) in ids.iter().enumerate() {
            std::fs::create_dir_all(cluster.node_dir(*id).join("tmp"))?;
            let properties = cluster.properties(*id, options, options.advertised_ports.get(index))?;
            std::fs::write(cluster.node_dir(*id).join("server.properties"), properties)?;
        }
        cluster.format()?;
        cluster.restart(&ids)?;
        Ok(cluster)
    }

    /// Addresses of all nodes, as a client takes them.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<_> = self.ids().into_iter().map(|id| self.address(id)).collect();
        addresses.join(",")
    }

    /// Where one node listens, `host:port`.
    pub fn address(&self, id: u32) -> String {
        format!("127.0.0.1:{}", self.layout.nodes[&id].client)
    }

    /// The numbers of all nodes, from 1.
    pub fn ids(&self) -> Vec<u32> {
        self.layout.nodes.keys().copied().collect()
    }

    /// A node's process, unless it was killed.
    pub fn node(&self, id: u32) -> Result<&Process> {
        self.running.get(&id).with_context(|| format!("node {id} does not run"))
    }

    /// What a node printed, over all its starts.
    pub fn log(&self, id: u32) -> PathBuf {
        self.node_dir(id).join("server.log")
    }

    /// SIGKILL for one node, as a crash does it.
    pub fn kill(&mut self, id: u32) -> Result<()> {
        self.running.remove(&id).with_context(|| format!("node {id} does not run"))?.kill();
        Ok(())
    }

    /// Starts nodes that do not run and waits until they serve. A cluster without a majority serves
    /// nobody, so nodes that make up the majority only together have to be started together.
    pub fn restart(&mut self, ids: &[u32]) -> Result<()> {
        for id in ids {
            ensure!(!self.running.contains_key(id), "node {id} runs already");
            let process = self.launch(*id)?;
            self.running.insert(*id, process);
        }
        for id in ids {
            let mut client = None;
            let address = self.address(*id);
            let process = self.running.get_mut(id).context("it was started")?;
            process.wait_until_ready(START, || knows_all(&mut client, &address, ids))?;
        }
        Ok(())
    }

    /// Asks every node to stop in order, and kills those that cannot: a node hands over its work through
    /// the quorum, which is gone before the last ones are done.
    pub fn stop(mut self) -> Result<()> {
        for process in self.running.values() {
            process.terminate()?;
        }
        let begun = Instant::now();
        for process in self.running.values_mut() {
            let left = STOP.saturating_sub(begun.elapsed());
            if process.wait_for_end(left).is_err() {
                process.kill();
            }
        }
        Ok(())
    }

    fn node_dir(&self, id: u32) -> PathBuf {
        self.dir.join(format!("node-{id}"))
    }

    fn java(&self, id: u32) -> Command {
        let dir = self.node_dir(id);
        let mut command = Command::new("java");
        command
            .current_dir(&dir)
            .args(["-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-XX:+ExitOnOutOfMemoryError")
            // A killed JVM leaves its shared memory and unpacked libraries behind.
            .arg("-XX:-UsePerfData")
            .arg(format!("-Djava.io.tmpdir={}", dir.join("tmp").display()))
            .arg(format!("-Dlog4j2.configurationFile={}", files().join("log4j2.properties").display()))
            .arg("-cp")
            .arg(self.jars.join("*"));
        command
    }

    /// Formats the storage of every node that has none, all at once: most of it is the start of a JVM.
    fn format(&self) -> Result<()> {
        let ids = self.ids();
        std::thread::scope(|scope| {
            let threads: Vec<_> = ids.iter().map(|id| scope.spawn(|| self.format_node(*id))).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(formatted) => formatted,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    fn format_node(&self, id: u32) -> Result<()> {
        let dir = self.node_dir(id);
        if dir.join("data/meta.properties").exists() {
            return Ok(());
        }
        install::run(
            self.java(id)
                .args(["kafka.tools.StorageTool", "format", "--cluster-id", &self.layout.cluster_id])
                .args(["--config", "server.properties"]),
            &dir.join("format.log"),
        )
        .with_context(|| format!("format the storage of node {id}"))
    }

    fn launch(&self, id: u32) -> Result<Process> {
        Process::start(self.java(id).args(["kafka.Kafka", "server.properties"]), &self.log(id))
    }

    fn properties(&self, id: u32, options: &ClusterOptions, advertised: Option<&u16>) -> Result<String> {
        let nodes = &self.layout.nodes;
        let ports = &nodes[&id];
        let voters: Vec<_> =
            nodes.iter().map(|(id, ports)| format!("{id}@127.0.0.1:{}", ports.controller)).collect();
        let copies = nodes.len();
        let majority = copies / 2 + 1;
        let (client, broker, controller) = (ports.client, ports.broker, ports.controller);
        let advertised = advertised.unwrap_or(&client);
        let mut text = format!(
            "process.roles=broker,controller\n\
             node.id={id}\n\
             controller.quorum.voters={}\n\
             listeners=CLIENT://127.0.0.1:{client},BROKER://127.0.0.1:{broker},\
             CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=CLIENT://127.0.0.1:{advertised},BROKER://127.0.0.1:{broker}\n\
             listener.security.protocol.map=CLIENT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             inter.broker.listener.name=BROKER\n\
             controller.listener.names=CONTROLLER\n\
             log.dirs={}\n\
             default.replication.factor={copies}\n\
             min.insync.replicas={majority}\n\
             auto.create.topics.enable=false\n",
            voters.join(","),
            self.node_dir(id).join("data").display()
        );
        // Fifty partitions of each internal topic are for large clusters; here they only take time to make.
        for topic in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
            writeln!(text, "{topic}.num.partitions=4\n{topic}.replication.factor={copies}")?;
        }
        for topic in ["transaction.state.log", "share.coordinator.state.topic"] {
            writeln!(text, "{topic}.min.isr={majority}")?;
        }
        // A group of a test does not wait for further members, and a killed node is missed and let in again
        // after 3 s instead of 9 s: a fault plan kills hundreds.
        text.push_str("group.initial.rebalance.delay.ms=0\n");
        text.push_str("broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n");
        for (name, value) in &options.settings {
            writeln!(text, "{name}={value}")?;
        }
        Ok(text)
    }
}

/// The layout that a directory has, or a new one.
fn layout(dir: &Path, nodes: usize) -> Result<Layout> {
    let file = dir.join("cluster.json");
    if file.exists() {
        let layout: Layout = serde_json::from_slice(&std::fs::read(&file)?)?;
        if layout.nodes.len() != nodes {
            bail!("{} holds a cluster of {} nodes, not {nodes}", dir.display(), layout.nodes.len());
        }
        return Ok(layout);
    }
    let ports = free_ports(3 * nodes)?;
    let ports = ports.chunks(3).map(|of| Ports { client: of[0], broker: of[1], controller: of[2] });
    // 128 bits in base64: the last letter holds two of them, and A leaves its other bits empty.
    let layout = Layout { cluster_id: format!("{}A", random_text(21)), nodes: (1u32..).zip(ports).collect() };
    std::fs::write(&file, serde_json::to_vec_pretty(&layout)?)?;
    Ok(layout)
}

/// Whether the node at an address answers, and counts all of `ids` as serving.
fn knows_all(client: &mut Option<BaseConsumer>, address: &str, ids: &[u32]) -> bool {
    // A client before there is a listener would fill the log of the test with refused connections.
    if client.is_none() && std::net::TcpStream::connect(address).is_ok() {
        *client = ClientConfig::new()
            .set("bootstrap.servers", address)
            .set("reconnect.backoff.max.ms", "200")
            .set_log_level(RDKafkaLogLevel::Emerg)
            .create()
            .ok();
    }
    let metadata =
        client.as_ref().and_then(|client| client.fetch_metadata(None, Duration::from_secs(2)).ok());
    metadata.is_some_and(|metadata| {
        ids.iter().all(|id| metadata.brokers().iter().any(|broker| broker.id() == *id as i32))
    })
}
