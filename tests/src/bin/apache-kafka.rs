//! Apache Kafka on this machine for developers: `apache-kafka DIR --nodes 3`, until Ctrl-C.

use std::path::PathBuf;

use anyhow::{Error, Result};
use clap::Parser;
use modellane_tests::servers::apache_kafka::{self, Cluster, ClusterOptions};

/// Runs Apache Kafka on this machine until Ctrl-C.
#[derive(Parser)]
struct Arguments {
    /// Where it keeps its data; the same directory gives the same cluster again.
    #[arg(required_unless_present = "install")]
    dir: Option<PathBuf>,
    /// Only brings the server into the cache, or says what this machine lacks.
    #[arg(long, conflicts_with = "dir")]
    install: bool,
    /// How many nodes, one to three.
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// A setting of every broker that goes over the launcher's.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let Some(dir) = &arguments.dir else {
        apache_kafka::availability().map_err(Error::msg)?;
        return apache_kafka::install().map(drop);
    };
    let options = ClusterOptions { settings: arguments.settings, ..ClusterOptions::nodes(arguments.nodes) };
    let cluster = Cluster::start(dir, &options)?;
    for id in cluster.ids() {
        println!("# node {id}: pid {}, log {}", cluster.node(id)?.pid(), cluster.log(id).display());
    }
    println!("export MODELLANE__KAFKA__BOOTSTRAP={}", cluster.bootstrap());
    // The product asks for three copies, two of them before an acknowledgement.
    let nodes = cluster.ids().len();
    println!("export MODELLANE__KAFKA__REPLICATION_FACTOR={nodes}");
    println!("export MODELLANE__KAFKA__MIN_INSYNC_REPLICAS={}", nodes / 2 + 1);
    modellane_tests::servers::until_interrupted().await?;
    cluster.stop()
}
