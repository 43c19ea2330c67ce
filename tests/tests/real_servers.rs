//! The whole product on what a company runs: Apache Kafka and an S3 store. Kill −9 of the product at random
//! moments, and once of the broker and once of the store, while rows go through: I1 to I7 and I9 hold, and
//! totals to the last decimal.
//!
//! `MODELLANE_KILLS` and `MODELLANE_ROWS` set the size, `MODELLANE_SEED` the moments; a failure prints the
//! seed. The conformance suite of `kafka_conformance.rs` runs on Apache Kafka too.

use std::fs::DirEntry;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use modellane_tests::clients::LakeLocation;
use modellane_tests::instance::{binary, run, skip};
use modellane_tests::kill_nine::{Plan, Target};
use modellane_tests::servers::apache_kafka::{self, Cluster, ClusterOptions};
use modellane_tests::servers::s3;

/// How long a killed server stays away: longer than clients wait between two attempts.
const OUTAGE: Duration = Duration::from_secs(2);

/// What this machine lacks, in words.
fn missing() -> Option<String> {
    let python = std::env::var("MODELLANE_TEST_PYTHON");
    let python =
        python.map(drop).map_err(|_| "MODELLANE_TEST_PYTHON is not set; tests/run sets it".to_owned());
    let lacks: Vec<String> = [apache_kafka::availability(), s3::availability(), python]
        .into_iter()
        .filter_map(Result::err)
        .collect();
    (!lacks.is_empty()).then(|| lacks.join("; "))
}

#[test]
fn totals_are_exact_after_kills_of_product_broker_and_store() -> Result<()> {
    let Some(binary) = binary() else {
        skip("Apache Kafka and S3", "build the binary with `cargo build -p modellane`");
        return Ok(());
    };
    if let Some(missing) = missing() {
        skip("Apache Kafka and S3", &missing);
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start(&dir.path().join("kafka"), &ClusterOptions::nodes(1))?;
    let mut store = s3::Server::start(&dir.path().join("s3"))?;
    let key = dir.path().join("lake.key");
    draw_key(&binary, &key)?;
    let environment = environment(&cluster, &store, &key);
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let lake = LakeLocation { url: store.url("lake").into(), environment: store_variables(&store) };
    let ledger = dir.path().join("s3/objects").join(s3::BUCKET).join("lake/usage_ledger/_delta_log");
    let commits =
        || std::fs::read_dir(&ledger).map_or(0, |entries| entries.flatten().filter(is_commit).count());
    let target = Target {
        binary: &binary,
        data: &data,
        log: &log,
        environment: &environment,
        lake,
        commits: Some(&commits),
    };
    let plan = Plan::from_environment(20_000, 10);
    target.survive(plan, |kill| {
        if kill == plan.kills / 3 {
            cluster.kill(1)?;
            std::thread::sleep(OUTAGE);
            cluster.restart(&[1])?;
        }
        if kill == plan.kills * 2 / 3 {
            store.kill()?;
            std::thread::sleep(OUTAGE);
            store.restart()?;
        }
        Ok(())
    })?;
    ensure!(!data.join("lake").exists(), "the product wrote a lake of its own beside the store's");
    store.stop()?;
    cluster.stop()
}

/// Whether an object of a table's log is a commit.
fn is_commit(entry: &DirEntry) -> bool {
    entry.path().extension().is_some_and(|extension| extension == "json")
}

/// Makes the key that all services of a cluster share.
fn draw_key(binary: &Path, key: &Path) -> Result<()> {
    let made = run(binary, &["config", "key", "--out", key.to_str().context("a path of text")?])?;
    ensure!(made.status.success(), "config key: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// The settings of the product: what an operator writes for one broker and a bucket.
fn environment(cluster: &Cluster, store: &s3::Server, key: &Path) -> Vec<(String, String)> {
    let settings = [
        ("KAFKA__BOOTSTRAP", cluster.bootstrap()),
        ("KAFKA__REPLICATION_FACTOR", "1".to_owned()),
        ("KAFKA__MIN_INSYNC_REPLICAS", "1".to_owned()),
        ("LAKE__URL", store.url("lake")),
        ("LAKE__KEY_FILE", key.to_string_lossy().into_owned()),
    ];
    let settings = settings.into_iter().map(|(name, value)| (format!("MODELLANE__{name}"), value));
    settings.chain(store_variables(store)).collect()
}

/// How product and readers alike are told to reach the store: `AWS_ENDPOINT` and so on.
fn store_variables(store: &s3::Server) -> Vec<(String, String)> {
    let options = store.options(&store.endpoint());
    options.into_iter().map(|(name, value)| (name.to_uppercase(), value)).collect()
}
