//! The embedded broker as a process of its own, so that tests can kill it: `embedded-broker DIR PORT`.

use std::io::Write;

use modellane_embedded_kafka::{Broker, BrokerConfig};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(port)) = (args.next(), args.next()) else {
        anyhow::bail!("usage: embedded-broker DIR PORT");
    };
    let config = BrokerConfig { dir: dir.into(), port: port.parse()?, default_partitions: 1 };
    let broker = Broker::start(config).await?;
    println!("serving {}", broker.bootstrap());
    std::io::stdout().flush()?;
    std::future::pending::<()>().await;
    Ok(())
}
