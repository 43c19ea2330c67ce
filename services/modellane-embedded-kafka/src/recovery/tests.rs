use super::*;
use crate::batch::tests::batch;
use crate::log::tests::{append, ends, large, new_topic, open as open_log, queue, read_from};

/// The segment that everything goes into.
fn first_segment(root: &Path) -> PathBuf {
    files::log(&files::partition(root, 0, 0), 0)
}

/// Opens a copy of `dir` in which a file has other bytes, and gives the log's end, or where the damage is.
fn with(dir: &Path, path: &Path, bytes: &[u8]) -> Result<i64, (PathBuf, u64)> {
    std::fs::write(path, bytes).unwrap();
    match crate::log::Log::open(dir, "c".into()) {
        Ok(log) => {
            let end = ends(&log).1;
            assert_eq!(read_from(&log, 0, 1 << 20).len() as i64, end);
            log.finish();
            Ok(end)
        }
        Err(BrokerError::Damaged { file, position, .. }) => Err((file, position)),
        Err(other) => panic!("{other}"),
    }
}

/// A log of acknowledged batches of one record; its bytes and where each frame begins.
async fn three(dir: &Path) -> (PathBuf, Vec<u8>, usize) {
    let log = open_log(dir);
    new_topic(&log, &[]).await;
    for time in 0..3 {
        append(&log, &batch(-1, -1, -1, 1, time)).await;
    }
    log.finish();
    let path = first_segment(dir);
    let bytes = std::fs::read(&path).unwrap();
    let frame = bytes.len() / 3;
    (path, bytes, frame)
}

#[tokio::test]
async fn a_tail_torn_at_any_byte_is_cut_and_writing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes, frame) = three(dir.path()).await;
    for length in 0..bytes.len() {
        assert_eq!(with(dir.path(), &path, &bytes[..length]), Ok((length / frame) as i64), "cut at {length}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), (length - length % frame) as u64);
    }
    let torn = &bytes[..bytes.len() - 1];
    assert_eq!(with(dir.path(), &path, torn), Ok(2));
    let log = open_log(dir.path());
    assert_eq!(append(&log, &batch(-1, -1, -1, 1, 9)).await, 2);
    log.finish();
    assert_eq!(read_from(&open_log(dir.path()), 0, 1), [0, 1, 2]);
}

#[tokio::test]
async fn a_flipped_bit_is_a_torn_tail_only_in_what_was_written_last() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes, frame) = three(dir.path()).await;
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        let wanted = match at / frame {
            2 => Ok(2),
            damaged => Err((path.clone(), (damaged * frame) as u64)),
        };
        assert_eq!(with(dir.path(), &path, &bad), wanted, "byte {at}");
        if wanted.is_err() {
            assert_eq!(std::fs::read(&path).unwrap(), bad, "damaged files were changed");
        }
    }
}

#[tokio::test]
async fn zeroes_and_leftovers_behind_the_last_frame_are_cut() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bytes, frame) = three(dir.path()).await;
    // Frames of another place of the same file, which a write that was taken back can leave.
    for tail in [&[0; 5_000][..], &bytes[frame..], b"x"] {
        assert_eq!(with(dir.path(), &path, &[&bytes[..], tail].concat()), Ok(3));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

/// A log of three segments, of which the last has one batch.
async fn three_segments(dir: &Path) -> PathBuf {
    let log = open_log(dir);
    new_topic(&log, &[("segment.bytes", "1048576")]).await;
    for _ in 0..5 {
        append(&log, &large(500_000)).await;
    }
    log.finish();
    files::partition(dir, 0, 0)
}

#[tokio::test]
async fn a_full_segment_that_lost_its_end_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let place = three_segments(dir.path()).await;
    let path = files::log(&place, 2);
    let bytes = std::fs::read(&path).unwrap();
    let frame = bytes.len() / 2;
    let torn = &bytes[..bytes.len() - 1];
    assert_eq!(with(dir.path(), &path, torn), Err((path.clone(), frame as u64)));
    // Its first batch was settled before its second one was written, which is known without the index.
    std::fs::remove_file(files::index(&path)).unwrap();
    let mut flipped = bytes.clone();
    flipped[100] ^= 1;
    assert_eq!(with(dir.path(), &path, &flipped), Err((path.clone(), 0)));
    assert_eq!(with(dir.path(), &path, &bytes), Ok(5));
}

#[tokio::test]
async fn a_group_that_a_crash_tore_across_segments_is_cut_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_log(dir.path());
    new_topic(&log, &[("segment.ms", "10")]).await;
    append(&log, &batch(-1, -1, -1, 1, 0)).await;
    log.finish();
    let path = first_segment(dir.path());
    let kept = std::fs::metadata(&path).unwrap().len();
    // One group: the end of the first segment, and a second one.
    let log = open_log(dir.path());
    let (bytes, later) = (batch(-1, -1, -1, 1, 5), batch(-1, -1, -1, 1, 500));
    let ticket = log.change(|pending| {
        for bytes in [&bytes, &later] {
            let header = BatchHeader::check(bytes).unwrap();
            pending.batch("t", 0, &header, bytes).unwrap();
        }
    });
    log.synced(ticket.unwrap().1).await.unwrap();
    log.finish();
    let place = files::partition(dir.path(), 0, 0);
    assert!(files::log(&place, 2).exists());
    // A crash before the sync: no index was written, and the end of the first segment did not get there.
    std::fs::remove_file(files::index(&path)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(with(dir.path(), &path, &whole[..kept as usize + 30]), Ok(1));
    assert!(!files::log(&place, 2).exists());
    let log = open_log(dir.path());
    assert_eq!(queue(&log, &later).0, Ok(1));
    log.finish();
}

#[tokio::test]
async fn producers_are_known_across_segments_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_log(dir.path());
    new_topic(&log, &[("segment.ms", "10")]).await;
    log.change(|pending| pending.record(crate::record::Record::Producer { id: 3 })).unwrap();
    for sequence in 0..6 {
        append(&log, &batch(3, 0, sequence, 1, i64::from(sequence) * 100)).await;
    }
    log.finish();
    let log = open_log(dir.path());
    assert_eq!(queue(&log, &batch(3, 0, 2, 1, 200)).0, Ok(2));
    assert_eq!(queue(&log, &batch(3, 0, 6, 1, 600)).0, Ok(6));
    log.finish();
    // Without any index they are learned by reading everything.
    let place = files::partition(dir.path(), 0, 0);
    for (found, path) in list(&place).unwrap() {
        if matches!(found, Found::Index(_)) {
            std::fs::remove_file(path).unwrap();
        }
    }
    let log = open_log(dir.path());
    assert_eq!(queue(&log, &batch(3, 0, 5, 1, 500)).0, Ok(5));
}

#[test]
fn an_interrupted_exchange_is_finished_at_any_point() {
    // What was done before the crash: nothing, the first removal, both removals, the index, all.
    for done in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let write = |path: PathBuf, text: &str| std::fs::write(path, text).unwrap();
        for base in [0, 10, 20, 30] {
            write(files::log(dir, base), "old");
            write(files::index(&files::log(dir, base)), "old");
        }
        write(files::swap(dir, 0, 30), "new");
        write(files::swap_index(dir, 0, 30), "new");
        write(files::unfinished(dir, 30), "half");
        for base in [10, 20].iter().take(done) {
            std::fs::remove_file(files::log(dir, *base)).unwrap();
        }
        if done >= 3 {
            std::fs::rename(files::swap_index(dir, 0, 30), files::index(&files::log(dir, 0))).unwrap();
        }
        if done == 4 {
            exchange(dir, 0, 30).unwrap();
        }
        finish_what_was_begun(dir).unwrap();
        let left: Vec<_> = list(dir).unwrap().into_iter().map(|(found, _)| found).collect();
        assert_eq!(left, [Found::Index(0), Found::Log(0), Found::Index(30), Found::Log(30)], "step {done}");
        let text = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        assert_eq!(text(files::log(dir, 0)) + &text(files::index(&files::log(dir, 0))), "newnew");
        assert_eq!(text(files::log(dir, 30)), "old");
    }
}
