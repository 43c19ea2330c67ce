//! Runs fault plans: `fault-plan NAME --seed 3`, `fault-plan --list`, `fault-plan --all --seeds 5`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use modellane_tests::faults::arena::SMALL;
use modellane_tests::faults::plan::{PLANS, Plan, Size, find};
use modellane_tests::faults::servers::Servers;
use modellane_tests::instance::binary;

/// Runs the product on Apache Kafka and an S3 server under a plan of faults, and judges what is left.
#[derive(Parser)]
struct Arguments {
    /// Plans by name or number.
    #[arg(required_unless_present_any = ["list", "all"])]
    plans: Vec<String>,
    /// Says which plans there are.
    #[arg(long)]
    list: bool,
    /// Runs every plan.
    #[arg(long, conflicts_with = "plans")]
    all: bool,
    /// Draws records and moments; the same seed draws the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs with so many seeds, from `--seed` on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Events that are sent. Faults grow in number with them.
    #[arg(long, default_value_t = SMALL)]
    size: usize,
    /// Runs on the embedded broker and a lake on local disk. Plans that harm the way to broker or store do not.
    #[arg(long, conflicts_with = "all")]
    embedded: bool,
    /// Keeps the files of the runs here.
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.list {
        for plan in PLANS {
            println!("{:>2}  {:<18} {}", plan.number, plan.name, plan.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(missing) = Servers::missing() {
        bail!("cannot run plans here: {missing}");
    }
    let binary =
        binary().context("build the product with `cargo build -p modellane`, or set MODELLANE_BIN")?;
    let plans: Vec<&Plan> = match arguments.all {
        true => PLANS.iter().collect(),
        false => arguments
            .plans
            .iter()
            .map(|name| find(name).with_context(|| format!("no plan {name}")))
            .collect::<Result<_>>()?,
    };
    let mut failed = 0;
    for plan in plans {
        for seed in arguments.seed..arguments.seed + arguments.seeds {
            // Fresh servers for each run, so that one failure cannot cause the next.
            let folder = tempfile::Builder::new().prefix("fault-plan-").tempdir()?;
            let dir = arguments
                .dir
                .as_ref()
                .map_or(folder.path().to_owned(), |dir| dir.join(format!("{}-{seed}", plan.name)));
            let mut servers = match arguments.embedded {
                true => Servers::embedded(&binary, &dir)?,
                false => Servers::start(&binary, &dir, plan.brokers)?,
            };
            match plan.survive(&mut servers, Size { seed, events: arguments.size }) {
                Ok(survived) => {
                    let notes = survived.notes.join("; ");
                    println!(
                        "survived  {:<18} seed {seed}  {:>4} s  {notes}; {}",
                        plan.name,
                        survived.took.as_secs(),
                        counts(&survived.counts)
                    );
                }
                Err(error) => {
                    failed += 1;
                    println!("FAILED    {:<18} seed {seed}\n{error:#}", plan.name);
                    drop(servers);
                    // Whoever looks for the cause needs the files.
                    let _kept = folder.keep();
                }
            }
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn counts(counts: &serde_json::Value) -> String {
    let count = |name: &str| counts[name].as_u64().unwrap_or(0);
    format!("{} events, {} entries, {} commits", count("events"), count("entries"), count("commits"))
}
