//! What a sink does not do: go past a message that another version can read, and hold more than it was given.

use crate::support::{Bench, MemoryLog, Told, active_files, sums, truth};
use modellane_runtime::{Metrics, Readiness, Shutdown};
use modellane_sink::{LogReader, LogRecord, PartitionBounds, REJECTS_TABLE, SinkError, SinkLogs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A message that a later version wrote, as far as this one can tell.
fn from_the_future() -> Vec<u8> {
    [&[0xC3, 0x01][..], b"later ve", b"content that nobody may see"].concat()
}

#[tokio::test]
async fn a_message_of_another_version_pauses_its_partition_alone() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 2);
    let told: Vec<Told> = (0..100).map(|event| Told::new(event, 100 + i64::from(event), 0)).collect();
    let (first, second) = told.split_at(50);
    for (index, told) in first.iter().enumerate() {
        if index == 20 {
            log.put_bytes(0, from_the_future());
        } else {
            log.put(0, &told.to_event());
        }
    }
    for told in second {
        log.put(1, &told.to_event());
    }

    let (readiness, metrics, shutdown) = (Readiness::new(), Metrics::new(), Shutdown::new());
    readiness.set(true);
    let sink = bench.open_with(metrics.clone()).await.with_readiness(readiness.clone());
    let mut handle = sink.handle();
    let logs = SinkLogs {
        judged: log.clone(),
        intents: MemoryLog::new("test/intents", 1),
        rejects: MemoryLog::new("test/rejects", 1),
        fetches: MemoryLog::new("test/fetches", 1),
    };
    let running = tokio::spawn(sink.run(logs, shutdown.clone()));
    let stream = log.stream_name().to_owned();
    handle.wait_committed(&[(stream.clone(), 0, 20), (stream.clone(), 1, 50)]).await.unwrap();
    let alarms = readiness.alarms();
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert!(alarms[0].contains("judged/0") && alarms[0].contains("offset 20"), "{alarms:?}");
    assert!(!readiness.is_ready() && !alarms[0].contains("content"));
    let gauge = r#"partition_paused{reader="sink",topic="judged",partition="0"} 1"#;
    assert!(metrics.render().contains(gauge), "{}", metrics.render());
    shutdown.trigger();
    running.await.unwrap().unwrap();
    assert_eq!(handle.committed_through(&stream, 0), Some(20), "nothing behind it is taken");
    assert!(active_files(&bench.table(REJECTS_TABLE)).is_empty(), "it is no reject");

    // A version that knows the schema reads the message, and everything behind it.
    log.replace(0, 20, &told[20].to_event());
    bench.drain(&log).await.unwrap();
    let entries = bench.entries();
    assert_eq!((entries.len(), sums(&entries)), (100, truth(&told)));
}

/// Counts bytes that were handed out and are not committed.
#[derive(Clone)]
struct Counted {
    log: MemoryLog,
    held: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Counted {
    fn new(log: &MemoryLog) -> Self {
        Self { log: log.clone(), held: Arc::default(), most: Arc::default() }
    }
}

impl LogReader for Counted {
    async fn stream(&self) -> Result<String, SinkError> {
        self.log.stream().await
    }

    async fn bounds(&self) -> Result<Vec<PartitionBounds>, SinkError> {
        // The sink looks for new partitions after each commit, when nothing waits.
        self.held.store(0, Ordering::SeqCst);
        self.log.bounds().await
    }

    async fn assign(&mut self, starts: &[(i32, i64)]) -> Result<(), SinkError> {
        self.log.assign(starts).await
    }

    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, SinkError> {
        // A poll of a consumer is bounded as well: here by its number of messages.
        let records = self.log.poll(max.min(100), wait).await?;
        let bytes: usize = records.iter().filter_map(|record| record.payload.as_ref()).map(Vec::len).sum();
        let held = self.held.fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.most.fetch_max(held, Ordering::SeqCst);
        Ok(records)
    }
}

#[tokio::test]
async fn a_topic_of_many_times_the_memory_is_taken_in_parts() {
    let mut bench = Bench::new();
    // Neither time nor rows end a batch.
    bench.config.commit_interval_ms = 60_000;
    bench.config.max_rows = 1_000_000;
    bench.config.max_mib = 1;
    let log = MemoryLog::new("test/judged", 1);
    let told: Vec<Told> = (0..20_000).map(|event| Told::new(event, 7, 0)).collect();
    let mut total = 0;
    for told in &told {
        total += log.put(0, &told.to_event());
    }
    assert!(total > 5 << 20, "five times what may wait: {total}");
    let counted = Counted::new(&log);
    let sink = bench.open().await;
    let mut handle = sink.handle();
    let shutdown = Shutdown::new();
    let logs = SinkLogs {
        judged: counted.clone(),
        intents: Counted::new(&MemoryLog::new("test/intents", 1)),
        rejects: Counted::new(&MemoryLog::new("test/rejects", 1)),
        fetches: Counted::new(&MemoryLog::new("test/fetches", 1)),
    };
    let running = tokio::spawn(sink.run(logs, shutdown.clone()));
    handle.wait_committed(&log.ends()).await.unwrap();
    shutdown.trigger();
    running.await.unwrap().unwrap();
    let most = counted.most.load(Ordering::SeqCst);
    assert!(most < (1 << 20) + 100 * 1024, "held {most} bytes");
    assert_eq!(bench.entries().len(), told.len());
}
