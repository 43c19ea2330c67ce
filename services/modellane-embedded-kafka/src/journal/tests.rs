use super::*;
use crate::disk::FileSystem;

fn open(dir: &Path) -> Result<(Journal, Vec<Record>), BrokerError> {
    let mut seen = Vec::new();
    let journal = Journal::open(dir, Arc::new(FileSystem), |record| {
        seen.push(record);
        true
    })?;
    Ok((journal, seen))
}

fn producer(id: i64) -> Record {
    Record::Producer { id }
}

/// Writes and syncs records as one group.
fn append(journal: &mut Journal, ids: &[i64]) {
    let records: Vec<_> = ids.iter().map(|id| producer(*id).encode()).collect();
    let bytes = journal.write(&records).unwrap();
    journal.handle().sync().unwrap();
    journal.settle(bytes);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_writing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, seen) = open(dir.path()).unwrap();
    assert!(seen.is_empty());
    append(&mut journal, &[1]);
    let kept = journal.synced() as usize;
    append(&mut journal, &[2, 3]);
    drop(journal);
    let path = dir.path().join(files::METADATA);
    let whole = std::fs::read(&path).unwrap();
    let second = kept + (whole.len() - kept) / 2;
    for length in kept..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let (mut journal, seen) = open(dir.path()).unwrap();
        let wanted: &[i64] = if length < second { &[1] } else { &[1, 2] };
        assert_eq!(seen, wanted.iter().copied().map(producer).collect::<Vec<_>>(), "cut at {length}");
        append(&mut journal, &[9]);
        drop(journal);
        assert_eq!(open(dir.path()).unwrap().1.last(), Some(&producer(9)));
    }
}

#[test]
fn damage_before_what_was_acknowledged_is_not_taken_for_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    append(&mut journal, &[1]);
    let first = journal.synced();
    append(&mut journal, &[2]);
    append(&mut journal, &[3]);
    drop(journal);
    let path = dir.path().join(files::METADATA);
    let whole = std::fs::read(&path).unwrap();
    for at in 0..2 * first as usize {
        let mut bad = whole.clone();
        bad[at] ^= 2;
        std::fs::write(&path, &bad).unwrap();
        let position = if (at as u64) < first { 0 } else { first };
        match open(dir.path()) {
            Err(BrokerError::Damaged { file, position: found, .. }) => {
                assert_eq!((file, found), (path.clone(), position), "byte {at}");
            }
            other => panic!("byte {at}: {:?}", other.map(|(_, seen)| seen)),
        }
        assert_eq!(std::fs::read(&path).unwrap(), bad, "something was changed");
    }
}

#[test]
fn written_anew_it_says_only_what_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    append(&mut journal, &[1, 2, 3]);
    journal.rewrite(&[producer(7).encode()]).unwrap();
    append(&mut journal, &[8]);
    drop(journal);
    assert_eq!(open(dir.path()).unwrap().1, [producer(7), producer(8)]);
    // A crash before it had its name leaves the old one.
    std::fs::write(dir.path().join("metadata.new"), b"half").unwrap();
    let (mut journal, seen) = open(dir.path()).unwrap();
    assert_eq!(seen.len(), 2);
    journal.rewrite(&[producer(9).encode()]).unwrap();
    drop(journal);
    assert_eq!(open(dir.path()).unwrap().1, [producer(9)]);
}

#[test]
fn a_record_that_does_not_fit_is_named_as_another_format() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    append(&mut journal, &[1]);
    drop(journal);
    let refused = Journal::open(dir.path(), Arc::new(FileSystem), |_| false);
    assert!(matches!(refused, Err(BrokerError::Format { .. })));
}
