//! Other engines and clients that read what the product wrote.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the tests.
pub fn tests_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Signed totals of a ledger by source, computed by `duckdb` or `polars` from the Delta table.
pub fn ledger_totals(engine: &str, lake: &Path, as_of: Option<&str>) -> Result<Value> {
    let mut args = vec![engine.as_ref(), lake.as_os_str()];
    if let Some(as_of) = as_of {
        args.extend([OsStr::new("--as-of"), as_of.as_ref()]);
    }
    let totals = client("ledger_totals.py", &args)?;
    serde_json::from_slice(&totals).context("totals are JSON")
}

/// Counts of a ledger's entries, reversals and commits, and the places where an invariant does not hold,
/// found by DuckDB in the Delta table and its log.
pub fn ledger_checks(lake: &Path) -> Result<Value> {
    let checks = client("ledger_checks.py", &[lake.as_os_str()])?;
    serde_json::from_slice(&checks).context("checks are JSON")
}

/// What one of the scripts in `clients` prints.
pub fn client(script: &str, args: &[&OsStr]) -> Result<Vec<u8>> {
    client_with(script, args, &[])
}

pub(crate) fn client_with(
    script: &str,
    args: &[&OsStr],
    environment: &[(String, String)],
) -> Result<Vec<u8>> {
    let output = Command::new(python()?)
        .arg("-B")
        .arg(tests_dir().join("clients").join(script))
        .args(args)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .output()?;
    if !output.status.success() {
        bail!("{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
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
