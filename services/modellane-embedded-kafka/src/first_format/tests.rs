use super::*;
use crate::batch::tests::batch;
use crate::batch::{Records, base};
use crate::log::Log;
use crate::log::tests::split;

/// Written by a broker of the first format that was killed: topics `usage` and `context`, one that was deleted
/// in between, producer 0 with three batches, partition 2 added later, and an offset of group `readers`.
const FIXTURE: &[u8] = include_bytes!("../../fixtures/first-format.journal");

/// The id that stands in its head.
const CLUSTER: &str = "038556d9565d9881ffd2509bf5b845cc";

fn open(dir: &Path) -> Log {
    Log::open(dir, "another".into()).unwrap()
}

/// Offset and key of every record of a partition of `usage`.
fn records(log: &Log, partition: i32) -> Vec<(i64, Option<Vec<u8>>)> {
    let bytes = log.batches("usage", partition, 0, 1 << 20, true).unwrap();
    let mut found = Vec::new();
    for (first, batch) in split(&bytes) {
        assert_eq!(base(batch), Some(first));
        for record in Records::of(batch).unwrap().map(Option::unwrap) {
            found.push((first + record.delta, record.key.map(<[u8]>::to_vec)));
        }
    }
    found
}

fn check(log: &Log) {
    assert_eq!(log.read(|state| state.cluster.clone()), CLUSTER);
    let topics: Vec<_> = log.read(|state| state.topic_names().cloned().collect());
    assert_eq!(topics, ["context", "usage"]);
    let key = |text: &str| Some(text.as_bytes().to_vec());
    let first = [(0, key("k0")), (1, None), (2, key("k1")), (3, None), (4, key("k2")), (5, None)];
    assert_eq!(records(log, 0), first);
    assert_eq!(records(log, 1), [(0, key("only"))]);
    assert_eq!(records(log, 2), [(0, key("third"))]);
    log.read(|state| {
        let committed = &state.committed("readers").unwrap()[&("usage".to_owned(), 0)];
        assert_eq!((committed.offset, committed.metadata.as_str()), (4, "noted"));
        assert_eq!(state.topic("usage").unwrap().1.configs["retention.ms"], "-1");
        assert_eq!((state.next_topic(), state.next_producer()), (3, 1));
    });
    assert_eq!(log.first_at("usage", 0, 1_700_000_001_001), Ok(Some((3, 1_700_000_001_001))));
}

#[tokio::test]
async fn a_directory_of_the_first_format_opens_with_everything_in_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(files::MARKER), FIXTURE).unwrap();
    let log = open(dir.path());
    check(&log);
    // A retry from before is recognised, and what comes next is taken.
    let send = |sequence| {
        let bytes = batch(0, 0, sequence, 2, 1_700_000_009_000);
        let header = BatchHeader::check(&bytes).unwrap();
        log.change(|pending| pending.batch("usage", 0, &header, &bytes)).unwrap()
    };
    assert_eq!(send(2).0, Ok(2));
    let (base, ticket) = send(6);
    assert_eq!(base, Ok(6));
    log.synced(ticket).await.unwrap();
    log.finish();
    let log = open(dir.path());
    assert_eq!(log.read(|state| state.partition("usage", 0).unwrap().high_watermark()), 8);
}

#[test]
fn a_crash_on_the_way_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(files::MARKER), FIXTURE).unwrap();
    // What an earlier attempt wrote before it was killed.
    let place = files::partition(dir.path(), 0, 0);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(files::log(&place, 0), b"half").unwrap();
    std::fs::write(files::log(&place, 7), b"more").unwrap();
    std::fs::write(dir.path().join(files::METADATA), b"half").unwrap();
    std::fs::write(dir.path().join("journal.new"), b"half").unwrap();
    let log = open(dir.path());
    check(&log);
    log.finish();
    check(&open(dir.path()));
}

#[test]
fn a_journal_that_a_crash_tore_is_read_up_to_there() {
    // The last frame is the committed offset; before it stands the message in partition 2.
    let last = FIXTURE.windows(7).rposition(|bytes| bytes == b"readers").unwrap() - 3 - PREFIX as usize;
    for length in [last, last + 1, last + 10, FIXTURE.len() - 1] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(files::MARKER), &FIXTURE[..length]).unwrap();
        let log = open(dir.path());
        assert_eq!(records(&log, 2).len(), 1);
        assert!(log.read(|state| state.committed("readers").is_none()), "cut at {length}");
        log.finish();
    }
}

#[test]
fn what_it_cannot_read_it_does_not_touch() {
    let mut damaged = FIXTURE.to_vec();
    // In the head: nobody can tell what the rest is.
    damaged[12] ^= 1;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(files::MARKER);
    std::fs::write(&path, &damaged).unwrap();
    assert!(matches!(Log::open(dir.path(), "c".into()), Err(BrokerError::Format { .. })));
    // More is broken off than can have been on its way to the disk.
    let file = File::options().write(true).open(&path).unwrap();
    let mut damaged = FIXTURE.to_vec();
    damaged[60] ^= 1;
    file.write_all_at(&damaged, 0).unwrap();
    file.set_len(MAX_TORN + 10_000).unwrap();
    match Log::open(dir.path(), "c".into()) {
        Err(BrokerError::Damaged { position: 45, .. }) => {}
        other => panic!("{:?}", other.err()),
    }
    assert!(path.metadata().unwrap().len() > MAX_TORN);
}
