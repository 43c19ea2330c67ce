//! I11: strings that stand where vendors' payloads can carry content are nowhere. Every payload, in every feed, by
//! file and by request, the right way and the wrong one, goes through an instance; then all that it keeps, prints,
//! answers and counts is searched, messages and Parquet unpacked.

use anyhow::{Context, Result, ensure};
use modellane_embedded_kafka::{Broker, BrokerConfig};
use modellane_kafka::{KafkaConfig, Topic};
use modellane_tests::clients::{python, tests_dir};
use modellane_tests::faults::judge::Log;
use modellane_tests::instance::{Instance, binary, command, run_within, skip};
use std::path::{Path, PathBuf};
use std::time::Duration;

const CANARY: &str = "CANARY-PROMPT";
const PATIENCE: Duration = Duration::from_secs(60);

/// Sources, and a field beside which each lets content stand that it is not asked for.
const SOURCES: [(&str, Option<&str>); 5] = [
    ("github_copilot.user_day", Some("\"user_login\"")),
    ("github_copilot.billing_csv", None),
    ("cursor.usage_events", Some("\"timestamp\"")),
    ("litellm.spend_logs", Some("\"request_id\"")),
    ("otlp", None),
];

#[test]
fn planted_content_is_nowhere() -> Result<()> {
    let Some(binary) = binary() else {
        skip("canaries", "build the binary with `cargo build -p modellane`");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let (data, log, sent) = (dir.path().join("data"), dir.path().join("log"), dir.path().join("sent"));
    let payloads = planted_payloads(&sent)?;
    let instance = Instance::start(&binary, &data, 300, &log)?;
    let mut printed = String::new();
    // Every source gets every payload: a wrong one must be refused without repeating anything.
    for (source, _) in SOURCES {
        let mut import = command(&binary);
        import.args(["import", source]).args(&payloads).arg("--data-dir").arg(&data);
        let ended = run_within(&mut import, PATIENCE)?;
        printed.push_str(&ended.stdout);
        printed.push_str(&ended.stderr);
        let url = format!("http://{}/v1/sources/{source}/records", instance.addresses.collector);
        for payload in &payloads {
            let config = ureq::post(&url).config().http_status_as_error(false).build();
            printed.push_str(&config.send(&std::fs::read(payload)?[..])?.body_mut().read_to_string()?);
        }
    }
    std::thread::sleep(Duration::from_secs(2));
    let metrics = answer(&format!("http://{}/metrics", instance.addresses.collector))?;
    for (source, _) in SOURCES {
        let taken = format!("modellane_collector_accepted_total{{source=\"{source}\"}}");
        ensure!(metrics.contains(&taken), "nothing of {source} was taken, so nothing was shown");
    }
    printed.push_str(&metrics);
    printed.push_str(&answer(&format!("http://{}/v1/reports/rejects.csv", instance.addresses.http))?);
    instance.stop()?;
    ensure!(!printed.contains("CANARY"), "a reply, report or metric repeats a canary");
    files_are_clean(&data, log)?;
    messages_are_clean(&data)?;
    unpacked_lake_is_clean(&data)
}

fn answer(url: &str) -> Result<String> {
    Ok(ureq::get(url).call()?.body_mut().read_to_string()?)
}

/// Every fixture of the collector with content in it, as files in a directory.
fn planted_payloads(to: &Path) -> Result<Vec<PathBuf>> {
    let mut fixtures = Vec::new();
    let collector = tests_dir().parent().context("a parent")?.join("services/modellane-collector");
    walk(&collector.join("fixtures"), &mut fixtures)?;
    std::fs::create_dir(to)?;
    let write = |file: &PathBuf| {
        let path = to.join(file.file_name().context("a name")?);
        std::fs::write(&path, planted(file)?)?;
        Ok(path)
    };
    fixtures.iter().map(write).collect()
}

/// A payload with content in it: where its vendor puts some, or in a field that the vendor may add tomorrow.
fn planted(file: &Path) -> Result<Vec<u8>> {
    let text = String::from_utf8(std::fs::read(file)?)?;
    if text.contains(CANARY) {
        return Ok(text.into_bytes());
    }
    if file.extension().is_some_and(|ending| ending == "csv") {
        let (header, rows) = text.split_once('\n').context("a header")?;
        let rows: String = rows.lines().map(|row| format!("{row},{CANARY}-csv\n")).collect();
        return Ok(format!("{},prompt\n{rows}", header.trim_end()).into_bytes());
    }
    let beside = SOURCES.iter().filter_map(|(_, field)| *field);
    let planted = beside.fold(text, |text, field| {
        text.replace(field, &format!("\"prompt\": \"{CANARY}-json\", \"{CANARY}-name\": 1, {field}"))
    });
    Ok(planted.into_bytes())
}

/// Nothing that was written holds the text as it is, the log of the process included.
fn files_are_clean(data: &Path, log: PathBuf) -> Result<()> {
    let mut files = vec![log];
    walk(data, &mut files)?;
    for file in files {
        let bytes = std::fs::read(&file)?;
        ensure!(!holds(&bytes), "{} holds a canary", file.display());
    }
    Ok(())
}

/// A broker keeps messages as they were sent, which is compressed: they are consumed.
fn messages_are_clean(data: &Path) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let config = BrokerConfig { dir: data.join("broker"), port: 0, default_partitions: 4 };
    let broker = runtime.block_on(Broker::start(config))?;
    let kafka = KafkaConfig::single_node(broker.bootstrap());
    let topics = Log::open(&broker.bootstrap(), &kafka.topic_prefix, "canaries")?;
    let mut usage = 0;
    for topic in Topic::ALL {
        let mut found = 0;
        topics.read(topic, |key, payload| {
            usage += usize::from(topic == Topic::Usage);
            found += usize::from(holds(key) || holds(payload));
        })?;
        ensure!(found == 0, "{found} messages of {topic:?} hold a canary");
    }
    ensure!(usage > 0, "no message was looked at");
    runtime.block_on(broker.shutdown());
    Ok(())
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(6).any(|window| window == b"CANARY")
}

/// Parquet pages are compressed, so the lake is searched through a reader as well.
fn unpacked_lake_is_clean(data: &Path) -> Result<()> {
    let Ok(python) = python() else {
        skip("canaries in Parquet", "needs MODELLANE_TEST_PYTHON");
        return Ok(());
    };
    let script = "import sys, glob, pyarrow.parquet as p\n\
                  files = glob.glob(sys.argv[1] + '/**/*.parquet', recursive=True)\n\
                  assert files, 'no files'\n\
                  assert not any('CANARY' in str(p.read_table(f, partitioning=None).to_pylist()) for f in files)";
    let output = std::process::Command::new(python).args(["-c", script]).arg(data.join("lake")).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
