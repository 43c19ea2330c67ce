//! Measures the product under a steady load: `measure recovery --rate 4000`, `measure freshness --rate 4000`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use modellane_tests::faults::fleet::Role;
use modellane_tests::faults::measure::{Load, freshness, recovery};
use modellane_tests::faults::servers::Servers;
use modellane_tests::instance::binary;

/// Measures the product on Apache Kafka and an S3 server; each result is a line.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Events a second.
    #[arg(long, default_value_t = 4_000, global = true)]
    rate: usize,
    /// For so many seconds.
    #[arg(long, default_value_t = 120, global = true)]
    seconds: u64,
}

#[derive(Subcommand)]
enum What {
    /// Time until there is no lag after SIGKILL, by the time for which the service was away.
    Recovery {
        /// Which service is killed.
        #[arg(long, default_value = "sink")]
        service: Service,
        /// For how many seconds it is away.
        #[arg(long, default_value_t = 20)]
        away: u64,
    },
    /// Time from a record's acknowledgement to an answer in SQL that has it.
    Freshness,
}

#[derive(Clone, Copy, ValueEnum)]
enum Service {
    Collector,
    Processor,
    Sink,
}

fn main() -> Result<()> {
    let Arguments { what, rate, seconds } = Arguments::parse();
    if let Some(missing) = Servers::missing() {
        bail!("cannot measure here: {missing}");
    }
    let binary =
        binary().context("build the product with `cargo build -p modellane`, or set MODELLANE_BIN")?;
    let dir = tempfile::Builder::new().prefix("measure-").tempdir()?;
    let mut servers = Servers::start(&binary, dir.path(), 1)?;
    let load = Load { rate, time: Duration::from_secs(seconds) };
    match what {
        What::Recovery { service, away } => {
            let role = match service {
                Service::Collector => Role::Collector,
                Service::Processor => Role::Processor,
                Service::Sink => Role::Sink,
            };
            println!("{}", recovery(&mut servers, load, role, Duration::from_secs(away))?);
        }
        What::Freshness => println!("{}", freshness(&mut servers, load)?),
    }
    Ok(())
}
