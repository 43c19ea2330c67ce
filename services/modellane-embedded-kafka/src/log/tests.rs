use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::batch::tests::batch;
use crate::journal::Disk;

fn new_topic(log: &Log) -> Ticket {
    let topic = Record::TopicCreated { id: 0, name: "t".into(), partitions: 1, configs: vec![] };
    log.change(|pending| pending.record(topic)).unwrap().1
}

fn produce(log: &Log, producer: i64, sequence: i32) -> (Result<i64, ResponseError>, Ticket) {
    let bytes = batch(producer, 0, sequence, 1, 0);
    let header = BatchHeader::check(&bytes).unwrap();
    log.change(|pending| pending.batch("t", 0, &header, &bytes)).unwrap()
}

fn high_watermark(log: &Log) -> i64 {
    log.read(|state| state.partition("t", 0).unwrap().high_watermark())
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), "c".into()).unwrap();
    log.synced(new_topic(&log)).await.unwrap();
    log.change(|pending| pending.record(Record::Producer { id: 0 })).unwrap();
    for sequence in 0..3 {
        let (base, ticket) = produce(&log, 0, sequence);
        assert_eq!(base, Ok(i64::from(sequence)));
        log.synced(ticket).await.unwrap();
    }
    log.finish();
    let log = Log::open(dir.path(), "other".into()).unwrap();
    assert_eq!(high_watermark(&log), 3);
    assert_eq!(log.read(|state| state.cluster.clone()), "c");
    // The retry of a batch from before the restart is recognised.
    assert_eq!(produce(&log, 0, 2).0, Ok(2));
    assert_eq!(produce(&log, 0, 3).0, Ok(3));
    assert_eq!(produce(&log, 0, 9).0, Err(ResponseError::OutOfOrderSequenceNumber));
    assert_eq!(produce(&log, 77, 0).0, Err(ResponseError::UnknownProducerId));
}

/// A log over a disk that a test made, with one topic.
async fn over<D: Disk + 'static>(dir: &Path, disk: impl FnOnce(Arc<File>) -> D) -> Log {
    let log = Log::open(dir, "c".into()).unwrap();
    log.synced(new_topic(&log)).await.unwrap();
    log.finish();
    let mut state = State::default();
    let mut journal = Journal::open(dir, |position, payload| {
        Stored::decode(payload).is_some_and(|stored| state.replay(position, stored))
    })
    .unwrap();
    journal.replace_disk(disk(journal.file()));
    Log::start(state, journal).unwrap()
}

/// A disk whose syncs wait for the test.
struct Gated {
    file: Arc<File>,
    gate: Mutex<mpsc::Receiver<()>>,
    syncs: Arc<AtomicUsize>,
}

impl Disk for Gated {
    fn write(&self, bytes: &[u8], position: u64) -> std::io::Result<()> {
        self.file.write_all_at(bytes, position)
    }

    fn sync(&self) -> std::io::Result<()> {
        lock(&self.gate).recv().map_err(std::io::Error::other)?;
        self.syncs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn cut(&self, position: u64) -> std::io::Result<()> {
        self.file.set_len(position)
    }
}

#[tokio::test]
async fn an_acknowledgement_waits_for_the_sync_and_shares_it() {
    let dir = tempfile::tempdir().unwrap();
    let (open, gate) = mpsc::channel();
    let syncs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&syncs);
    let log = over(dir.path(), |file| Gated { file, gate: Mutex::new(gate), syncs: counted }).await;
    let waits = |ticket| tokio::time::timeout(Duration::from_millis(100), log.synced(ticket));
    let first = produce(&log, -1, -1).1;
    assert!(waits(first).await.is_err(), "acknowledged before the sync");
    assert_eq!(high_watermark(&log), 0, "visible before the sync");
    let later: Vec<_> = (0..50).map(|_| produce(&log, -1, -1).1).collect();
    open.send(()).unwrap();
    log.synced(first).await.unwrap();
    assert_eq!(high_watermark(&log), 1);
    assert!(waits(later[0]).await.is_err(), "acknowledged by the sync of others");
    open.send(()).unwrap();
    for ticket in later {
        log.synced(ticket).await.unwrap();
    }
    assert_eq!((high_watermark(&log), syncs.load(Ordering::SeqCst)), (51, 2));
}

/// A disk that can be made to refuse.
struct Fickle {
    file: Arc<File>,
    refuses: Arc<AtomicBool>,
}

impl Disk for Fickle {
    fn write(&self, bytes: &[u8], position: u64) -> std::io::Result<()> {
        self.file.write_all_at(bytes, position)
    }

    fn sync(&self) -> std::io::Result<()> {
        match self.refuses.load(Ordering::SeqCst) {
            true => Err(std::io::ErrorKind::StorageFull.into()),
            false => self.file.sync_data(),
        }
    }

    fn cut(&self, position: u64) -> std::io::Result<()> {
        self.file.set_len(position)
    }
}

#[tokio::test]
async fn a_refusing_disk_fails_those_who_wait_and_takes_everything_back() {
    let dir = tempfile::tempdir().unwrap();
    let refuses = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&refuses);
    let log = over(dir.path(), |file| Fickle { file, refuses: switch }).await;
    log.change(|pending| pending.record(Record::Producer { id: 0 })).unwrap();
    log.synced(produce(&log, 0, 0).1).await.unwrap();
    let kept = std::fs::metadata(dir.path().join("journal")).unwrap().len();

    refuses.store(true, Ordering::SeqCst);
    let (base, ticket) = produce(&log, 0, 1);
    assert_eq!(base, Ok(1));
    assert_eq!(log.synced(ticket).await, Err(ResponseError::KafkaStorageError));
    assert_eq!(high_watermark(&log), 1);
    assert_eq!(std::fs::metadata(dir.path().join("journal")).unwrap().len(), kept);
    // What was built on the refused batch is out of order now, and its retry is not a duplicate.
    assert_eq!(produce(&log, 0, 2).0, Err(ResponseError::OutOfOrderSequenceNumber));

    refuses.store(false, Ordering::SeqCst);
    let (base, ticket) = produce(&log, 0, 1);
    assert_eq!(base, Ok(1));
    log.synced(ticket).await.unwrap();
    log.finish();
    assert_eq!(high_watermark(&Log::open(dir.path(), "c".into()).unwrap()), 2);
}

#[tokio::test]
async fn nobody_waits_for_a_writer_that_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), "c".into()).unwrap();
    new_topic(&log);
    log.finish();
    assert!(log.change(|_| ()).is_err());
    let beyond = Ticket { position: u64::MAX, refusals: 0 };
    assert_eq!(log.synced(beyond).await, Err(ResponseError::KafkaStorageError));
}
