//! Writes any number of LiteLLM spend-log rows as `{"data":[…]}` and prints, as JSON, what they add up to.

use anyhow::Context;
use clap::Parser;
use modellane_tests::sample_org::litellm_rows;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

/// Writes LiteLLM spend-log rows and prints their totals.
#[derive(Parser)]
struct Arguments {
    /// How many rows, each with a request id of its own.
    #[arg(long)]
    rows: u64,
    /// The same seed gives the same bytes; another seed gives other request ids.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// File to write.
    #[arg(long)]
    out: PathBuf,
    /// Days over which the rows are spread, from 2026-11-02.
    #[arg(long, default_value_t = 5)]
    days: u32,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let file = File::create(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    let totals = litellm_rows(&mut BufWriter::new(file), arguments.rows, arguments.seed, arguments.days)?;
    println!("{}", serde_json::to_string_pretty(&totals)?);
    Ok(())
}
