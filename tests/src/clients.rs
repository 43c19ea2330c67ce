//! Other engines and clients that read what the product wrote.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the tests.
pub fn tests_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Signed totals of a ledger by source, computed by `duckdb` or `polars` from the Delta table.
pub fn ledger_totals(engine: &str, lake: &Path, as_of: Option<&str>) -> Result<Value> {
    let mut command = Command::new(python()?);
    command.arg(tests_dir().join("clients/ledger_totals.py")).arg(engine).arg(lake);
    if let Some(as_of) = as_of {
        command.args(["--as-of", as_of]);
    }
    let output = command.output()?;
    if !output.status.success() {
        bail!("{engine} could not read the ledger: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("totals are JSON")
}

/// The interpreter with the engines installed.
pub fn python() -> Result<PathBuf> {
    std::env::var_os("MODELLANE_TEST_PYTHON")
        .map(PathBuf::from)
        .context("MODELLANE_TEST_PYTHON is not set; tests/run sets it")
}

/// Answers of `psql`, one line a row, columns with `|` between.
pub fn psql(address: &str, sql: &str) -> Result<String> {
    let (host, port) = address.split_once(':').context("host:port")?;
    let output = Command::new("psql")
        .args(["-h", host, "-p", port, "-U", "modellane", "-d", "modellane", "-X", "-A", "-t", "-c", sql])
        .output()
        .context("run psql")?;
    if !output.status.success() {
        bail!("psql: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
