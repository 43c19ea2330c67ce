//! Writes the sample organisation of `deploy/demo` and the totals that are true of it.

use anyhow::Context;
use clap::Parser;
use modellane_tests::sample_org::{DEFAULT_SEED, SampleOrg};
use std::path::PathBuf;

/// Writes the sample organisation and its totals.
#[derive(Parser)]
struct Arguments {
    /// The same seed gives the same bytes.
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// Folder of the organisation: new, empty, or written by this program before.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/demo"))]
    out: PathBuf,
    /// File of the totals.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/expected/demo_totals.json"))]
    totals: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let organisation = SampleOrg::generate(arguments.seed);
    organisation.files.write_to(&arguments.out)?;
    if let Some(parent) = arguments.totals.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(&arguments.totals, &organisation.totals)
        .with_context(|| arguments.totals.display().to_string())?;
    let bytes: usize = organisation.files.iter().map(|(_, bytes)| bytes.len()).sum();
    println!("{} files, {bytes} bytes, in {}", organisation.files.iter().count(), arguments.out.display());
    Ok(())
}
