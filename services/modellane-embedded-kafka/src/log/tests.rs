use std::fs::File;
use std::io::{ErrorKind, Result as IoResult};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::batch::tests::batch;
use crate::disk::Handle;

/// A log on the file system.
pub(crate) fn open(dir: &Path) -> Log {
    Log::open(dir, "c".into()).unwrap()
}

/// Creates topic `t` with one partition.
pub(crate) async fn new_topic(log: &Log, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let id = log.read(State::next_topic);
    let topic = Record::TopicCreated { id, name: "t".into(), partitions: 1, configs };
    let ticket = log.change(|pending| pending.record(topic)).unwrap().1;
    log.synced(ticket).await.unwrap();
}

/// Queues a batch for `t`.
pub(crate) fn queue(log: &Log, bytes: &[u8]) -> (Result<i64, ResponseError>, Ticket) {
    let header = BatchHeader::check(bytes).unwrap();
    log.change(|pending| pending.batch("t", 0, &header, bytes)).unwrap()
}

/// Queues a batch for `t` and waits until it is on the disk.
pub(crate) async fn append(log: &Log, bytes: &[u8]) -> i64 {
    let (base, ticket) = queue(log, bytes);
    log.synced(ticket).await.unwrap();
    base.unwrap()
}

fn produce(log: &Log, producer: i64, sequence: i32) -> (Result<i64, ResponseError>, Ticket) {
    queue(log, &batch(producer, 0, sequence, 1, 0))
}

/// Log start and high watermark of `t`.
pub(crate) fn ends(log: &Log) -> (i64, i64) {
    log.read(|state| {
        let partition = state.partition("t", 0).unwrap();
        (partition.log_start(), partition.high_watermark())
    })
}

fn high_watermark(log: &Log) -> i64 {
    ends(log).1
}

/// The first offsets of the batches that a reader gets who goes on from an offset to the end.
pub(crate) fn read_from(log: &Log, mut offset: i64, limit: usize) -> Vec<i64> {
    let mut bases = Vec::new();
    while offset < high_watermark(log) {
        let bytes = log.batches("t", 0, offset, limit, true).unwrap();
        assert!(!bytes.is_empty(), "nothing at {offset}");
        for (base, batch) in split(&bytes) {
            offset = base + i64::from(BatchHeader::read(batch).unwrap().count);
            bases.push(base);
        }
    }
    bases
}

/// Batches in a row, with their first offsets.
pub(crate) fn split(mut bytes: &[u8]) -> Vec<(i64, &[u8])> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let length = i32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize + 12;
        let (batch, rest) = bytes.split_at(length);
        batches.push((batch::base(batch).unwrap(), batch));
        bytes = rest;
    }
    batches
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    new_topic(&log, &[]).await;
    log.change(|pending| pending.record(Record::Producer { id: 0 })).unwrap();
    for sequence in 0..3 {
        let (base, ticket) = produce(&log, 0, sequence);
        assert_eq!(base, Ok(i64::from(sequence)));
        log.synced(ticket).await.unwrap();
    }
    log.finish();
    let log = Log::open(dir.path(), "other".into()).unwrap();
    assert_eq!(ends(&log), (0, 3));
    assert_eq!(read_from(&log, 0, 1 << 20), [0, 1, 2]);
    assert_eq!(log.read(|state| state.cluster.clone()), "c");
    // The retry of a batch from before the restart is recognised.
    assert_eq!(produce(&log, 0, 2).0, Ok(2));
    assert_eq!(produce(&log, 0, 3).0, Ok(3));
    assert_eq!(produce(&log, 0, 9).0, Err(ResponseError::OutOfOrderSequenceNumber));
    assert_eq!(produce(&log, 77, 0).0, Err(ResponseError::UnknownProducerId));
}

/// What a disk of a test does to syncs and writes; the file system does the rest.
trait Mood: Send + Sync + 'static {
    fn sync(&self) -> IoResult<()> {
        Ok(())
    }

    /// How many bytes of a write are written before it fails, if it does.
    fn refuses_after(&self, _length: usize) -> Option<usize> {
        None
    }
}

struct Moody<M>(Arc<M>);

struct MoodyFile<M>(Box<dyn Handle>, Arc<M>);

impl<M: Mood> Disk for Moody<M> {
    fn open(&self, path: &Path) -> IoResult<Box<dyn Handle>> {
        Ok(Box::new(MoodyFile(FileSystem.open(path)?, Arc::clone(&self.0))))
    }

    fn remove(&self, path: &Path) -> IoResult<()> {
        FileSystem.remove(path)
    }

    fn replace(&self, new: &Path, old: &Path) -> IoResult<()> {
        FileSystem.replace(new, old)
    }
}

impl<M: Mood> Handle for MoodyFile<M> {
    fn write(&self, bytes: &[u8], position: u64) -> IoResult<()> {
        match self.1.refuses_after(bytes.len()) {
            None => self.0.write(bytes, position),
            Some(some) => self.0.write(&bytes[..some], position).and(Err(ErrorKind::StorageFull.into())),
        }
    }

    fn sync(&self) -> IoResult<()> {
        self.1.sync()?;
        self.0.sync()
    }

    fn cut(&self, length: u64) -> IoResult<()> {
        self.0.cut(length)
    }
}

/// A log with topic `t` on a disk with a mood.
async fn over<M: Mood>(dir: &Path, mood: &Arc<M>, configs: &[(&str, &str)]) -> Log {
    let log = open(dir);
    new_topic(&log, configs).await;
    log.change(|pending| pending.record(Record::Producer { id: 0 })).unwrap();
    log.finish();
    Log::open_on(dir, "c".into(), Arc::new(Moody(Arc::clone(mood)))).unwrap()
}

/// Syncs wait for the test once the gate is shut.
struct Gated {
    shut: AtomicBool,
    gate: Mutex<mpsc::Receiver<()>>,
    syncs: AtomicUsize,
}

impl Mood for Gated {
    fn sync(&self) -> IoResult<()> {
        if self.shut.load(Ordering::SeqCst) {
            lock(&self.gate).recv().map_err(std::io::Error::other)?;
            self.syncs.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

#[tokio::test]
async fn an_acknowledgement_waits_for_the_sync_and_shares_it() {
    let dir = tempfile::tempdir().unwrap();
    let (open, gate) = mpsc::channel();
    let gate = Gated { shut: AtomicBool::new(false), gate: Mutex::new(gate), syncs: AtomicUsize::new(0) };
    let gate = Arc::new(gate);
    let log = over(dir.path(), &gate, &[]).await;
    gate.shut.store(true, Ordering::SeqCst);
    let waits = |ticket| tokio::time::timeout(Duration::from_millis(100), log.synced(ticket));
    let first = produce(&log, -1, -1).1;
    assert!(waits(first).await.is_err(), "acknowledged before the sync");
    assert_eq!(high_watermark(&log), 0, "visible before the sync");
    assert!(log.batches("t", 0, 0, 1 << 20, true).unwrap().is_empty(), "readable before the sync");
    let later: Vec<_> = (0..50).map(|_| produce(&log, -1, -1).1).collect();
    open.send(()).unwrap();
    log.synced(first).await.unwrap();
    assert_eq!(high_watermark(&log), 1);
    assert!(waits(later[0]).await.is_err(), "acknowledged by the sync of others");
    open.send(()).unwrap();
    for ticket in later {
        log.synced(ticket).await.unwrap();
    }
    assert_eq!((high_watermark(&log), gate.syncs.load(Ordering::SeqCst)), (51, 2));
}

/// A disk that can be made to refuse: writes after half of their bytes, or syncs.
#[derive(Default)]
struct Fickle {
    writes: AtomicBool,
    syncs: AtomicBool,
}

impl Mood for Fickle {
    fn sync(&self) -> IoResult<()> {
        if self.syncs.load(Ordering::SeqCst) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn refuses_after(&self, length: usize) -> Option<usize> {
        self.writes.load(Ordering::SeqCst).then_some(length / 2)
    }
}

/// All files with their lengths; empty ones are as good as none.
fn files(dir: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let (path, length) = (entry.path(), entry.metadata().unwrap().len());
        if path.is_dir() {
            found.extend(files(&path));
        } else if length > 0 {
            found.push((path, length));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_refusing_disk_fails_those_who_wait_and_takes_everything_back() {
    let ways: [fn(&Fickle) -> &AtomicBool; 2] = [|fickle| &fickle.writes, |fickle| &fickle.syncs];
    for refused in ways {
        let dir = tempfile::tempdir().unwrap();
        let fickle = Arc::new(Fickle::default());
        let log = over(dir.path(), &fickle, &[]).await;
        log.synced(produce(&log, 0, 0).1).await.unwrap();
        let kept = files(dir.path());

        refused(&fickle).store(true, Ordering::SeqCst);
        let (base, ticket) = produce(&log, 0, 1);
        assert_eq!(base, Ok(1));
        assert_eq!(log.synced(ticket).await, Err(ResponseError::KafkaStorageError));
        assert_eq!(high_watermark(&log), 1);
        assert_eq!(files(dir.path()), kept);
        let offsets = Record::TopicGrown { id: 0, partitions: 2 };
        let (_, ticket) = log.change(|pending| pending.record(offsets)).unwrap();
        assert_eq!(log.synced(ticket).await, Err(ResponseError::KafkaStorageError));
        assert_eq!((log.read(State::partitions), files(dir.path())), (1, kept));
        // What was built on the refused batch is out of order now, and its retry is not a duplicate.
        assert_eq!(produce(&log, 0, 2).0, Err(ResponseError::OutOfOrderSequenceNumber));

        refused(&fickle).store(false, Ordering::SeqCst);
        let (base, ticket) = produce(&log, 0, 1);
        assert_eq!(base, Ok(1));
        log.synced(ticket).await.unwrap();
        log.finish();
        let log = open(dir.path());
        assert_eq!((high_watermark(&log), read_from(&log, 0, 1 << 20)), (2, vec![0, 1]));
    }
}

#[tokio::test]
async fn a_refused_group_takes_the_segment_back_that_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let fickle = Arc::new(Fickle::default());
    let log = over(dir.path(), &fickle, &[("segment.ms", "10")]).await;
    append(&log, &batch(-1, -1, -1, 1, 1_000)).await;
    let kept = files(dir.path());
    fickle.syncs.store(true, Ordering::SeqCst);
    for time in [2_000, 3_000] {
        let ticket = queue(&log, &batch(-1, -1, -1, 1, time)).1;
        assert_eq!(log.synced(ticket).await, Err(ResponseError::KafkaStorageError));
    }
    assert_eq!(files(dir.path()), kept);
    fickle.syncs.store(false, Ordering::SeqCst);
    append(&log, &batch(-1, -1, -1, 1, 1_005)).await;
    append(&log, &batch(-1, -1, -1, 1, 2_000)).await;
    assert_eq!(read_from(&log, 0, 1), [0, 1, 2]);
    log.finish();
    assert_eq!(read_from(&open(dir.path()), 0, 1 << 20), [0, 1, 2]);
}

#[tokio::test]
async fn nobody_waits_for_a_writer_that_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    new_topic(&log, &[]).await;
    log.finish();
    assert!(log.change(|_| ()).is_err());
    let beyond = Ticket { change: u64::MAX, refusals: 0 };
    assert_eq!(log.synced(beyond).await, Err(ResponseError::KafkaStorageError));
    assert!(log.room(1).await.is_none());
}

#[tokio::test]
async fn the_queue_holds_no_more_than_its_room() {
    let dir = tempfile::tempdir().unwrap();
    let (open, gate) = mpsc::channel();
    let gate = Gated { shut: AtomicBool::new(true), gate: Mutex::new(gate), syncs: AtomicUsize::new(0) };
    let gate = Arc::new(gate);
    gate.shut.store(false, Ordering::SeqCst);
    let log = over(dir.path(), &gate, &[]).await;
    gate.shut.store(true, Ordering::SeqCst);
    let all = log.room(QUEUE_LIMIT * 2).await;
    assert!(all.is_some(), "a request that is larger than the room is not let in alone");
    let bytes = batch(-1, -1, -1, 1, 0);
    let header = BatchHeader::check(&bytes).unwrap();
    let queued = log.change(|pending| {
        let base = pending.batch("t", 0, &header, &bytes);
        pending.keep(all);
        base
    });
    let more = || tokio::time::timeout(Duration::from_millis(100), log.room(1));
    assert!(more().await.is_err(), "there was more room than there is");
    open.send(()).unwrap();
    log.synced(queued.unwrap().1).await.unwrap();
    assert!(more().await.is_ok(), "the room was not given back");
}

#[tokio::test]
async fn segments_roll_by_size_and_are_read_across() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    new_topic(&log, &[("segment.bytes", "1048576")]).await;
    // 300 batches of about 30 kB in segments of a megabyte.
    let large = large(30_000);
    for number in 0..300 {
        assert_eq!(append(&log, &large).await, number);
    }
    let place = dir.path().join("topics/0/0");
    let logs = || files(&place).into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "log"));
    assert!(logs().all(|(_, length)| length <= 1 << 20));
    assert_eq!(logs().count(), 9, "34 batches fit into a segment");
    let all: Vec<i64> = (0..300).collect();
    for limit in [1, 100_000, 3 << 20] {
        assert_eq!(read_from(&log, 0, limit), all, "limit {limit}");
    }
    assert_eq!(read_from(&log, 137, 1 << 20), all[137..]);
    log.finish();
    // With the index files and without them the same is found.
    let log = open(dir.path());
    assert_eq!(read_from(&log, 0, 1 << 20), all);
    log.finish();
    let indexes: Vec<_> = files(&place)
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|e| e == "index"))
        .collect();
    assert_eq!(indexes.len(), 8);
    std::fs::write(&indexes[3].0, b"damaged").unwrap();
    std::fs::remove_file(&indexes[5].0).unwrap();
    let log = open(dir.path());
    assert_eq!(read_from(&log, 0, 1 << 20), all);
    assert_eq!(files(&place).len(), 9 + 8, "the indexes were not made again");
    assert_eq!(append(&log, &large).await, 300);
}

/// A batch of one record with so many bytes.
pub(crate) fn large(bytes: usize) -> Vec<u8> {
    crate::batch::tests::keyed(&[(b"k", Some(&vec![b'x'; bytes]))], 1_000)
}

#[tokio::test]
async fn times_are_found_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    new_topic(&log, &[("segment.ms", "100")]).await;
    for number in 0..50 {
        append(&log, &batch(-1, -1, -1, 2, number * 40)).await;
    }
    log.finish();
    let log = open(dir.path());
    for (time, wanted) in
        [(0, Some((0, 0))), (1, Some((1, 1))), (2, Some((2, 40))), (1_961, Some((99, 1_961)))]
    {
        assert_eq!(log.first_at("t", 0, time), Ok(wanted), "time {time}");
    }
    assert_eq!(log.first_at("t", 0, 1_962), Ok(None));
}

#[tokio::test]
async fn damage_is_told_to_readers_and_what_is_before_it_is_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    new_topic(&log, &[]).await;
    for sequence in 0..4 {
        append(&log, &batch(-1, -1, -1, 1, sequence)).await;
    }
    let path = dir.path().join("topics/0/0/00000000000000000000.log");
    let bytes = std::fs::read(&path).unwrap();
    let frame = bytes.len() / 4;
    // Every byte of the third frame: prefix, batch header and record.
    for (at, byte) in bytes.iter().enumerate().take(3 * frame).skip(2 * frame) {
        let file = File::options().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &[byte ^ 0x10], at as u64).unwrap();
        let before = log.batches("t", 0, 0, 1 << 20, true).unwrap();
        assert_eq!(split(&before).len(), 2, "byte {at}");
        let damaged = log.batches("t", 0, 2, 1 << 20, true);
        assert_eq!(damaged, Err(ResponseError::CorruptMessage), "byte {at}");
        std::os::unix::fs::FileExt::write_all_at(&file, &[*byte], at as u64).unwrap();
    }
    assert_eq!(read_from(&log, 0, 1 << 20), [0, 1, 2, 3]);
}

#[tokio::test]
async fn the_metadata_stays_short_and_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    new_topic(&log, &[("retention.ms", "1000")]).await;
    let commit = |offset| {
        let entry = crate::record::CommittedOffset {
            topic: "t".into(),
            partition: 0,
            offset,
            metadata: "m".repeat(1_000),
        };
        log.change(|pending| pending.record(Record::Offsets { group: "g".into(), offsets: vec![entry] }))
    };
    let path = dir.path().join("metadata");
    let mut longest = 0;
    for offset in 0..5_000 {
        let ticket = commit(offset).unwrap().1;
        if offset % 50 == 0 {
            log.synced(ticket).await.unwrap();
            longest = longest.max(std::fs::metadata(&path).unwrap().len());
        }
    }
    log.synced(commit(5_000).unwrap().1).await.unwrap();
    // It may become short between two looks, so the longest seen may be one of half its way.
    assert!(longest > 1 << 19, "it was never long enough");
    assert!(longest < 2 << 20, "it became {longest} bytes long");
    log.finish();
    let log = open(dir.path());
    let committed = log.read(|state| state.committed("g").unwrap()[&("t".to_owned(), 0)].offset);
    assert_eq!(committed, 5_000);
    assert_eq!(log.read(|state| state.topic("t").unwrap().1.settings.retention_ms), Some(1_000));
    assert_eq!(log.read(State::next_topic), 1);
}

#[tokio::test]
async fn the_files_of_a_deleted_topic_go_and_its_number_is_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    new_topic(&log, &[]).await;
    append(&log, &batch(-1, -1, -1, 1, 0)).await;
    let ticket = log.change(|pending| pending.record(Record::TopicDeleted { id: 0 })).unwrap().1;
    log.synced(ticket).await.unwrap();
    log.maintain(0);
    assert!(!dir.path().join("topics/0").exists());
    log.finish();
    // What a crash left of it goes at the next start.
    std::fs::create_dir_all(dir.path().join("topics/0/0")).unwrap();
    let log = open(dir.path());
    assert!(!dir.path().join("topics/0").exists());
    new_topic(&log, &[]).await;
    assert_eq!((log.read(|state| state.topic("t").unwrap().0), ends(&log)), (1, (0, 0)));
}
