use super::*;

fn open(dir: &Path) -> Result<(Journal, Vec<Vec<u8>>), BrokerError> {
    let mut seen = Vec::new();
    let journal = Journal::open(dir, |_, payload| {
        seen.push(payload.to_vec());
        true
    })?;
    Ok((journal, seen))
}

fn append(journal: &mut Journal, payload: &[u8]) {
    let mut buffer = Vec::new();
    frame(&mut buffer, journal.synced(), &[payload]);
    journal.write(&buffer).unwrap();
}

fn file(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

#[test]
fn records_come_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, seen) = open(dir.path()).unwrap();
    assert!(seen.is_empty());
    append(&mut journal, b"one");
    append(&mut journal, b"two");
    drop(journal);
    assert_eq!(open(dir.path()).unwrap().1, [b"one".to_vec(), b"two".to_vec()]);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_writing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    append(&mut journal, b"kept");
    let kept = journal.synced() as usize;
    append(&mut journal, b"torn away");
    drop(journal);
    let whole = std::fs::read(file(dir.path())).unwrap();
    for length in kept..whole.len() {
        std::fs::write(file(dir.path()), &whole[..length]).unwrap();
        let (mut journal, seen) = open(dir.path()).unwrap();
        assert_eq!(seen, [b"kept".to_vec()], "cut at {length}");
        append(&mut journal, b"after");
        drop(journal);
        assert_eq!(open(dir.path()).unwrap().1, [b"kept".to_vec(), b"after".to_vec()]);
    }
}

#[test]
fn a_changed_byte_ends_the_journal_there() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    append(&mut journal, b"kept");
    let kept = journal.synced() as usize;
    append(&mut journal, b"changed");
    drop(journal);
    let whole = std::fs::read(file(dir.path())).unwrap();
    for at in kept..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 0x40;
        std::fs::write(file(dir.path()), &bad).unwrap();
        assert_eq!(open(dir.path()).unwrap().1, [b"kept".to_vec()], "byte {at}");
    }
}

#[test]
fn a_record_at_another_position_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut moved = Vec::new();
    frame(&mut moved, 100, &[b"left over"]);
    std::fs::write(file(dir.path()), &moved).unwrap();
    assert!(open(dir.path()).unwrap().1.is_empty());
}

#[test]
fn a_second_broker_in_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _held = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(BrokerError::DirectoryBusy { .. })));
}

#[test]
fn damage_far_from_the_end_is_not_taken_for_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    append(&mut journal, b"first");
    drop(journal);
    let damaged = File::options().write(true).open(file(dir.path())).unwrap();
    damaged.write_all_at(b"x", 9).unwrap();
    damaged.set_len(MAX_TORN + 1024).unwrap();
    drop(damaged);
    assert!(matches!(open(dir.path()), Err(BrokerError::Damaged { position: 0, .. })));
}

/// A disk that is full: it takes half of what it gets.
struct Full(Arc<File>);

impl Disk for Full {
    fn write(&self, bytes: &[u8], position: u64) -> std::io::Result<()> {
        self.0.write_all_at(&bytes[..bytes.len() / 2], position)?;
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn sync(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn cut(&self, position: u64) -> std::io::Result<()> {
        self.0.set_len(position)
    }
}

#[test]
fn a_refused_write_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path()).unwrap();
    append(&mut journal, b"kept");
    let synced = journal.synced();
    let whole = journal.file();
    journal.replace_disk(Full(journal.file()));
    assert!(journal.write(&[7; 1000]).is_err());
    assert_eq!((journal.synced(), std::fs::metadata(file(dir.path())).unwrap().len()), (synced, synced));
    journal.replace_disk(whole);
    append(&mut journal, b"after");
    drop(journal);
    assert_eq!(open(dir.path()).unwrap().1, [b"kept".to_vec(), b"after".to_vec()]);
}
