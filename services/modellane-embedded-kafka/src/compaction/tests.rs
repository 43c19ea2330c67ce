use std::collections::BTreeMap;

use super::*;
use crate::batch::tests::keyed;
use crate::log::Log;
use crate::log::tests::{append, ends, new_topic, open, split};

/// What a reader finds who reads everything: (offset, key, whether it has a value).
fn records(log: &Log) -> Vec<(i64, String, bool)> {
    let (mut offset, mut found) = (0, Vec::new());
    while offset < ends(log).1 {
        let bytes = log.batches("t", 0, offset, 1 << 20, true).unwrap();
        assert!(!bytes.is_empty(), "nothing at {offset}");
        for (base, batch) in split(&bytes) {
            offset = base + i64::from(BatchHeader::read(batch).unwrap().count);
            for record in Records::of(batch).unwrap().map(Option::unwrap) {
                let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
                found.push((base + record.delta, key, !record.is_tombstone));
            }
        }
    }
    found
}

/// A compacted log with a batch a segment; each batch has these keys, and a value unless they begin with -.
async fn log(dir: &Path, batches: &[&[&str]], configs: &[(&str, &str)]) -> Log {
    let log = open(dir);
    let ours = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "10"),
        ("delete.retention.ms", "1000"),
        ("min.cleanable.dirty.ratio", "0.01"),
    ];
    let configs: Vec<_> = ours.iter().chain(configs).copied().collect();
    new_topic(&log, &configs).await;
    for (number, keys) in batches.iter().enumerate() {
        add(&log, keys, number as i64 * 100).await;
    }
    log
}

async fn add(log: &Log, keys: &[&str], time: i64) {
    let record = |key: &&'static str| -> (&'static [u8], Option<&'static [u8]>) {
        match key.strip_prefix('-') {
            Some(gone) => (gone.as_bytes(), None),
            None => (key.as_bytes(), Some(b"value")),
        }
    };
    // Texts of a test live for ever.
    let keys: Vec<&'static str> =
        keys.iter().map(|key| &*Box::leak(key.to_string().into_boxed_str())).collect();
    let records: Vec<_> = keys.iter().map(record).collect();
    append(log, &keyed(&records, time)).await;
}

fn found(records: &[(i64, &str, bool)]) -> Vec<(i64, String, bool)> {
    records.iter().map(|(offset, key, value)| (*offset, key.to_string(), *value)).collect()
}

#[tokio::test]
async fn the_latest_record_of_each_key_stays_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path(), &[&["a", "b"], &["a", "c", "a"], &["b"], &["a"]], &[]).await;
    log.maintain(1_000_000);
    // The last segment is never compacted, and what is in it replaces nothing yet.
    let wanted = found(&[(3, "c", true), (4, "a", true), (5, "b", true), (6, "a", true)]);
    assert_eq!(records(&log), wanted);
    assert_eq!(ends(&log), (0, 7));
    log.finish();
    let log = open(dir.path());
    assert_eq!(records(&log), wanted);
    add(&log, &["d"], 10_000).await;
    log.maintain(1_000_000);
    assert_eq!(records(&log), found(&[(3, "c", true), (5, "b", true), (6, "a", true), (7, "d", true)]));
}

#[tokio::test]
async fn a_key_that_is_gone_is_told_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path(), &[&["a", "b"], &["-a"], &["x"]], &[]).await;
    log.maintain(5_000_000_000_000);
    let told = found(&[(1, "b", true), (2, "a", false), (3, "x", true)]);
    assert_eq!(records(&log), told);
    log.maintain(5_000_000_000_999);
    assert_eq!(records(&log), told);
    log.maintain(5_000_000_001_000);
    assert_eq!(records(&log), found(&[(1, "b", true), (3, "x", true)]));
}

#[tokio::test]
async fn newer_records_about_keys_that_are_gone_do_not_keep_older_ones() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path(), &[&["-a"], &["x"]], &[]).await;
    log.maintain(5_000_000_000_000);
    add(&log, &["-b"], 1_000).await;
    add(&log, &["y"], 2_000).await;
    log.maintain(5_000_000_000_500);
    log.maintain(5_000_000_001_000);
    assert_eq!(records(&log), found(&[(1, "x", true), (2, "b", false), (3, "y", true)]));
    log.maintain(5_000_000_001_500);
    assert_eq!(records(&log), found(&[(1, "x", true), (3, "y", true)]));
}

#[tokio::test]
async fn a_log_without_anything_left_keeps_its_offsets() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path(), &[&["-a"], &["-b"], &["-a"], &["-b"]], &[("delete.retention.ms", "0")]).await;
    log.maintain(5_000_000_000_000);
    log.maintain(5_000_000_000_000);
    assert_eq!(records(&log), found(&[(3, "b", false)]));
    log.finish();
    let log = open(dir.path());
    assert_eq!((ends(&log), records(&log).len()), ((0, 4), 1));
    assert_eq!(log.first_at("t", 0, 0), Ok(Some((3, 300))));
}

#[tokio::test]
async fn a_compaction_waits_until_it_is_worth_it() {
    let dir = tempfile::tempdir().unwrap();
    let many: Vec<&[&str]> = vec![&["a"]; 9];
    let log = log(dir.path(), &many, &[("min.cleanable.dirty.ratio", "1.0")]).await;
    log.maintain(5_000_000_000_000);
    assert_eq!(records(&log).len(), 2);
    add(&log, &["a"], 5_000).await;
    log.maintain(5_000_000_000_000);
    assert_eq!(records(&log).len(), 3, "half of it was compacted before");
}

#[tokio::test]
async fn small_segments_become_one() {
    let dir = tempfile::tempdir().unwrap();
    let keys: Vec<String> = (0..20).map(|number| format!("k{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let batches: Vec<&[&str]> = keys.chunks(1).collect();
    let log = log(dir.path(), &batches, &[]).await;
    log.maintain(5_000_000_000_000);
    let place = files::partition(dir.path(), 0, 0);
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 3, "two segments and an index");
    let offsets: Vec<_> = records(&log).into_iter().map(|(offset, ..)| offset).collect();
    assert_eq!(offsets, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_retry_is_recognised_after_its_batch_was_compacted_away() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path(), &[], &[]).await;
    log.change(|pending| pending.record(crate::record::Record::Producer { id: 0 })).unwrap();
    let idempotent = |sequence: i32, time| {
        let mut bytes = keyed(&[(b"a", Some(b"1"))], time);
        bytes[43..51].copy_from_slice(&0i64.to_be_bytes());
        bytes[51..53].copy_from_slice(&0i16.to_be_bytes());
        bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        bytes
    };
    for sequence in 0..4 {
        append(&log, &idempotent(sequence, i64::from(sequence) * 100)).await;
    }
    log.maintain(5_000_000_000_000);
    assert_eq!(records(&log).len(), 2);
    log.finish();
    let log = open(dir.path());
    assert_eq!(append(&log, &idempotent(1, 100)).await, 1);
    assert_eq!(append(&log, &idempotent(4, 400)).await, 4);
}

/// Against a model: after any writes and compactions the latest value of each key is what was written last.
#[tokio::test]
async fn the_latest_values_survive_any_number_of_compactions() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log(dir.path(), &[], &[("min.cleanable.dirty.ratio", "0.0")]).await;
    let mut latest: BTreeMap<String, (i64, bool)> = BTreeMap::new();
    let (mut random, mut offset) = (17u64, 0);
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for round in 0..120 {
        let keys: Vec<String> =
            (0..=next(4)).map(|_| format!("{}k{}", if next(5) == 0 { "-" } else { "" }, next(12))).collect();
        for key in &keys {
            let gone = key.starts_with('-');
            latest.insert(key.trim_start_matches('-').to_owned(), (offset, !gone));
            offset += 1;
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        add(&log, &keys, round * 100).await;
        if next(3) == 0 {
            log.maintain(5_000_000_000_000 + round * 300);
        }
        if next(10) == 0 {
            log.finish();
            log = open(dir.path());
        }
        let mut seen: BTreeMap<String, (i64, bool)> = BTreeMap::new();
        let mut last = -1;
        for (offset, key, value) in records(&log) {
            assert!(offset > last, "offset {offset} after {last}");
            last = offset;
            seen.insert(key, (offset, value));
        }
        for (key, wanted) in &latest {
            let found = seen.get(key);
            assert!(
                found == Some(wanted) || (found.is_none() && !wanted.1),
                "{key}: {found:?}, not {wanted:?}"
            );
        }
    }
}
