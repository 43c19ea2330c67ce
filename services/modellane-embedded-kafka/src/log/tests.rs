use super::*;
use crate::batch::tests::batch;

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

#[tokio::test]
async fn a_refusing_disk_fails_those_who_wait_and_takes_everything_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), "c".into()).unwrap();
    log.synced(new_topic(&log)).await.unwrap();
    log.synced(produce(&log, -1, -1).1).await.unwrap();
    log.finish();

    // The same state over a handle that may only read stands for a disk that is full.
    let mut state = State::default();
    let journal = Journal::open(dir.path(), |position, payload| {
        Stored::decode(payload).is_some_and(|stored| state.replay(position, stored))
    })
    .unwrap();
    let end = journal.synced();
    drop(journal);
    let (log, writer) = refusing(dir.path(), state, end);
    let (base, first) = produce(&log, -1, -1);
    let (_, second) = produce(&log, -1, -1);
    assert_eq!(base, Ok(1));
    let run = std::thread::spawn(move || writer.run());
    assert_eq!(log.synced(first).await, Err(ResponseError::KafkaStorageError));
    assert_eq!(log.synced(second).await, Err(ResponseError::KafkaStorageError));
    assert_eq!(high_watermark(&log), 1);
    // The offset that was never acknowledged is given out again.
    assert_eq!(produce(&log, -1, -1).0, Ok(1));
    log.stop();
    run.join().unwrap();
    assert_eq!(std::fs::metadata(dir.path().join("journal")).unwrap().len(), end);
}

/// A log whose writer may only read, not started yet.
fn refusing(dir: &Path, state: State, end: u64) -> (Log, Writer) {
    let file = Arc::new(File::open(dir.join("journal")).unwrap());
    let inner = Inner { state, queue: vec![], changes: vec![], end, refusals: 0, stopping: false };
    let shared = Arc::new(Shared {
        inner: Mutex::new(inner),
        work: Condvar::new(),
        progress: watch::Sender::new(Progress { synced: end, refusals: 0, stopped: false }),
        file: Arc::clone(&file),
    });
    let journal = Journal::over(file, end);
    let writer = Writer { shared: Arc::clone(&shared), journal, failing: false };
    (Log { shared, writer: Mutex::new(None) }, writer)
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
