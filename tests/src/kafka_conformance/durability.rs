//! What survives `kill -9`, for a broker that can be started as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use rand::RngExt;
use rdkafka::producer::FutureRecord;

use super::{consumer, create_topic, create_topic_with, producer, read_topic, unique};

const PARTITIONS: i32 = 2;

/// Makes messages so long that segments of the smallest size become full while a test runs.
const PADDING: usize = 2_000;

/// The program that serves a directory on a port, and how to run it.
pub struct Brokers {
    program: PathBuf,
    dir: PathBuf,
    port: u16,
}

/// A broker in a process of its own; dropping it kills it.
pub struct Process(Child);

impl Process {
    /// The most memory that it had so far, in kB.
    pub fn peak_memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(line.split_whitespace().next().context("no number")?.parse()?)
    }

    /// SIGKILL, and wait until the process is gone.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Brokers {
    /// Brokers of `program` over `dir`, always on the same port, so that clients find the next one.
    pub fn new(program: &Path, dir: &Path, port: u16) -> Self {
        Self { program: program.to_path_buf(), dir: dir.to_path_buf(), port }
    }

    /// Where they are found.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts one and waits until it serves.
    pub fn start(&self) -> Result<Process> {
        let mut child = Command::new(&self.program)
            .arg(&self.dir)
            .arg(self.port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a broker")?;
        let stdout = child.stdout.take().context("no output")?;
        let process = Process(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line.starts_with("serving"), "the broker did not start: {line:?}");
        Ok(process)
    }
}

/// Produces while the broker is killed again and again. Every message must be acknowledged in the end,
/// and stand in the log once and in order: also those whose acknowledgement died with the broker.
pub async fn check_kill(brokers: &Brokers, kills: usize) -> Result<()> {
    let bootstrap = brokers.bootstrap();
    let mut running = brokers.start()?;
    let topic = unique("kill");
    create_topic_with(&bootstrap, &topic, PARTITIONS, &[("segment.bytes", "1048576")]).await?;
    let settings = [("enable.idempotence", "true"), ("linger.ms", "1"), ("reconnect.backoff.max.ms", "200")];
    let producer = producer(&bootstrap, &settings)?;
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let for_task = topic.clone();
    let produced = tokio::spawn(async move {
        let mut waiting = Vec::new();
        let mut number = 0u64;
        while !*stopped.borrow_and_update() {
            for _ in 0..20 {
                let value = format!("{number}:{}", "x".repeat(PADDING));
                let partition = (number % PARTITIONS as u64) as i32;
                let record = FutureRecord::to(&for_task).partition(partition).key("k").payload(&value);
                if let Ok(sent) = producer.send_result(record) {
                    waiting.push((number, sent));
                    number += 1;
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut acknowledged = Vec::new();
        for (number, sent) in waiting {
            let delivery = sent.await?.map_err(|(error, _)| anyhow!("message {number}: {error}"))?;
            acknowledged.push((number, delivery.partition, delivery.offset));
        }
        Ok::<_, anyhow::Error>(acknowledged)
    });
    for _ in 0..kills {
        let pause = rand::rng().random_range(100..600);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        running.kill();
        running = brokers.start()?;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.send(true)?;
    let acknowledged = produced.await??;
    // Once more, so that nothing is read from the memory of the broker that acknowledged it.
    running.kill();
    let _running = brokers.start()?;
    compare(&bootstrap, &topic, &acknowledged)
}

fn compare(bootstrap: &str, topic: &str, acknowledged: &[(u64, i32, i64)]) -> Result<()> {
    ensure!(acknowledged.len() > 100, "only {} messages were acknowledged", acknowledged.len());
    let stored = read_topic(bootstrap, topic, PARTITIONS)?;
    for partition in 0..PARTITIONS {
        let wanted = acknowledged.iter().filter(|(_, p, _)| *p == partition).map(|(number, ..)| *number);
        let found: Vec<u64> = stored
            .iter()
            .filter(|seen| seen.partition == partition)
            .map(|seen| {
                let text = std::str::from_utf8(&seen.value)?;
                let (number, padding) = text.split_once(':').context("no number")?;
                ensure!(padding.len() == PADDING, "message {number} is not whole");
                Ok(number.parse()?)
            })
            .collect::<Result<_>>()?;
        let wanted: Vec<u64> = wanted.collect();
        let at = wanted.iter().zip(&found).position(|(wanted, found)| wanted != found);
        ensure!(
            wanted == found,
            "partition {partition}: {} acknowledged, {} stored, first difference at {at:?}",
            wanted.len(),
            found.len()
        );
    }
    println!("{} messages acknowledged across kills, all stored once and in order", acknowledged.len());
    Ok(())
}

/// The files under a directory whose names end like this, in the order of their names.
fn files(dir: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, ending)?);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Bytes that a crash left behind the last record are cut, and what was acknowledged is still there.
pub async fn check_torn_tail(brokers: &Brokers) -> Result<()> {
    let bootstrap = brokers.bootstrap();
    let mut running = brokers.start()?;
    let topic = unique("torn");
    create_topic(&bootstrap, &topic, PARTITIONS).await?;
    let producer = producer(&bootstrap, &[("enable.idempotence", "true")])?;
    let mut count = 0;
    // The beginning of a frame, a frame of nonsense, and zeroes where a block was never written.
    let nonsense = [0xf5, b'M', b'L', 2, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    for tail in [&nonsense[..3], &nonsense, &[0; 4096]] {
        for partition in 0..PARTITIONS {
            super::send(&producer, &topic, partition, &format!("{count}"), None).await?;
            count += 1;
        }
        running.kill();
        let mut torn = files(&brokers.dir, ".log")?;
        ensure!(torn.len() == PARTITIONS as usize, "segments: {torn:?}");
        torn.push(brokers.dir.join("metadata"));
        let mut whole = Vec::new();
        for path in &torn {
            let mut bytes = std::fs::read(path)?;
            whole.push(bytes.len() as u64);
            bytes.extend_from_slice(tail);
            std::fs::write(path, bytes)?;
        }
        running = brokers.start()?;
        for (path, whole) in torn.iter().zip(whole) {
            ensure!(std::fs::metadata(path)?.len() == whole, "the tail {tail:?} of {path:?} was not cut");
        }
        ensure!(read_topic(&bootstrap, &topic, PARTITIONS)?.len() == count, "acknowledged messages are gone");
    }
    Ok(())
}

/// A bit that flipped in an acknowledged message keeps a broker from starting, or is told to its readers;
/// it is never delivered and never skipped.
pub async fn check_flipped_bit(brokers: &Brokers) -> Result<()> {
    let bootstrap = brokers.bootstrap();
    let mut running = brokers.start()?;
    let topic = unique("flipped");
    create_topic(&bootstrap, &topic, 1).await?;
    let producer = producer(&bootstrap, &[])?;
    for number in 0..3 {
        super::send(&producer, &topic, 0, &format!("message {number}"), None).await?;
    }
    let path = files(&brokers.dir, ".log")?.pop().context("no segment")?;
    let bytes = std::fs::read(&path)?;
    let flipped = bytes.windows(9).position(|text| text == b"message 1").context("not stored")?;
    let flip = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[flipped] ^= 4;
        std::fs::write(&path, bytes)
    };
    flip(&bytes)?;
    let reader = consumer(&bootstrap, &unique("flipped"))?;
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, rdkafka::Offset::Offset(1))?;
    rdkafka::consumer::Consumer::assign(&reader, &list)?;
    let read = super::read(&reader, 1, Duration::from_secs(5));
    ensure!(read.as_ref().is_err() || read.as_ref().is_ok_and(Vec::is_empty), "delivered: {read:?}");
    running.kill();
    ensure!(brokers.start().is_err(), "a broker starts over damaged records");
    std::fs::write(&path, bytes)?;
    let _running = brokers.start()?;
    ensure!(read_topic(&bootstrap, &topic, 1)?.len() == 3, "the repaired log has lost messages");
    Ok(())
}

/// Committed offsets and the id of the cluster survive `kill -9`.
pub async fn check_offsets_survive(brokers: &Brokers) -> Result<()> {
    use rdkafka::consumer::{CommitMode, Consumer};
    use rdkafka::{Offset, TopicPartitionList};

    let bootstrap = brokers.bootstrap();
    let mut running = brokers.start()?;
    let (topic, group) = (unique("offsets"), unique("offsets"));
    create_topic(&bootstrap, &topic, 1).await?;
    let outside = consumer(&bootstrap, &group)?;
    let cluster = outside.client().fetch_cluster_id(super::PATIENCE);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(17))?;
    outside.commit(&list, CommitMode::Sync)?;
    running.kill();
    let _running = brokers.start()?;
    let again = consumer(&bootstrap, &group)?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition(&topic, 0);
    let found = again.committed_offsets(asked, super::PATIENCE)?.elements()[0].offset();
    ensure!(found == Offset::Offset(17), "committed 17, found {found:?}");
    let same = again.client().fetch_cluster_id(super::PATIENCE);
    ensure!(cluster.is_some() && cluster == same, "cluster {cluster:?} became {same:?}");
    Ok(())
}
