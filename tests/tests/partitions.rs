//! Topics that get more partitions while the product runs.

use anyhow::{Context, Result, ensure};
use modellane_kafka::INTENTS_TOPIC;
use modellane_tests::clients::psql;
use modellane_tests::instance::{Instance, binary, command_on_free_ports, skip};
use modellane_tests::servers::free_ports;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use serde_json::json;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// More than the topic has to begin with.
const PARTITIONS: usize = 12;
/// Enough for every partition to have some.
const INTENTS: usize = 60;

/// A collector that is a process of its own.
struct Collector {
    process: Child,
    address: String,
}

impl Collector {
    fn start(binary: &Path, data: &Path, instance: &Instance) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_ports(1)?[0]);
        let mut command = command_on_free_ports(binary);
        command
            .arg("collector")
            .env("MODELLANE__COLLECTOR__LISTEN", &address)
            .env("MODELLANE__KAFKA__BOOTSTRAP", &instance.addresses.broker)
            .env("MODELLANE__KAFKA__REPLICATION_FACTOR", "1")
            .env("MODELLANE__KAFKA__MIN_INSYNC_REPLICAS", "1")
            .env("MODELLANE__LAKE__URL", data.join("lake"))
            .env("MODELLANE__LAKE__KEY_FILE", data.join("secrets/lake.key"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let collector = Self { process: command.spawn()?, address };
        let begun = Instant::now();
        while ureq::get(format!("http://{}/readyz", collector.address)).call().is_err() {
            ensure!(begun.elapsed() < PATIENCE, "the collector does not get ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(collector)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Intents that come to a partition which was added later are known to a processor that runs since before.
#[test]
fn intents_of_a_partition_that_was_added_are_known() -> Result<()> {
    let Some(binary) = binary() else {
        skip("partitions", "build the binary with `cargo build -p modellane`");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let instance = Instance::start(&binary, &data, 300, &dir.path().join("log"))?;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &instance.addresses.broker).create()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let wider = NewPartitions::new(INTENTS_TOPIC, PARTITIONS);
    let grown = runtime.block_on(admin.create_partitions(&[wider], &AdminOptions::new()))?;
    ensure!(grown.iter().all(Result::is_ok), "{grown:?}");

    // Clients look for new partitions every few minutes; a collector that starts now knows them.
    let collector = Collector::start(&binary, &data, &instance)?;
    let post = |path: &str, body: &str| {
        let url = format!("http://{}{path}", collector.address);
        ureq::post(url).header("content-type", "application/json").send(body)
    };
    let mut rows = Vec::new();
    for number in 0..INTENTS {
        let intent = json!({
            "intent_id": format!("i-{number}"), "person": "email:ana@acme.example", "task": "routine",
            "session_id": format!("s-{number}"), "started_at": "2026-11-03T08:00:00Z",
        });
        post("/v1/intents", &intent.to_string())?;
        rows.push(json!({
            "request_id": format!("r-{number}"), "session_id": format!("s-{number}"), "spend": 0.01,
            "model": "claude-sonnet-5-5", "startTime": "2026-11-03T09:00:00Z",
        }));
    }
    post("/v1/sources/litellm.spend_logs/records", &json!({ "data": rows }).to_string())?;
    let begun = Instant::now();
    let linked = loop {
        let counts = psql(&instance.addresses.postgres, "SELECT count(*), count(intent_id) FROM usage")?;
        let (events, linked) = counts.split_once('|').context("two counts")?;
        if events.parse::<usize>()? == INTENTS {
            break linked.parse::<usize>()?;
        }
        ensure!(begun.elapsed() < PATIENCE, "{events} events came");
        std::thread::sleep(Duration::from_millis(200));
    };
    ensure!(linked == INTENTS, "{linked} of {INTENTS} events know their intent");
    instance.stop()
}
