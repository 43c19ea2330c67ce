//! Kill −9 at random moments while rows go through the embedded broker into a lake on disk: I1 to I7 and I9
//! hold, and totals to the last decimal.
//!
//! `MODELLANE_KILLS` and `MODELLANE_ROWS` set the size, such as 50 and 100000; `MODELLANE_SEED` sets the moments. A
//! failure prints the seed.

use anyhow::Result;
use modellane_tests::clients::client;
use modellane_tests::instance::{binary, skip};
use modellane_tests::kill_nine::{Plan, Target};

#[test]
fn totals_are_exact_after_random_kills() -> Result<()> {
    let Some(binary) = binary() else {
        skip("kill -9", "build the binary with `cargo build -p modellane`");
        return Ok(());
    };
    if std::env::var_os("MODELLANE_TEST_PYTHON").is_none() {
        skip("kill -9", "needs MODELLANE_TEST_PYTHON with duckdb and deltalake, as tests/run sets it");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    Target { binary: &binary, data: &data, log: &log }.survive(Plan::from_environment(40_000, 20))
}

/// The checks of the final table find each damage that they are for.
#[test]
fn the_checks_of_the_ledger_can_fail() -> Result<()> {
    if std::env::var_os("MODELLANE_TEST_PYTHON").is_none() {
        skip("checks of the ledger", "needs MODELLANE_TEST_PYTHON with duckdb, as tests/run sets it");
        return Ok(());
    }
    client("ledger_checks_test.py", &[]).map(drop)
}
