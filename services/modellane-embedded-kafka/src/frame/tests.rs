use super::*;

/// A file of frames that were synced one by one.
fn synced(payloads: &[&[u8]]) -> (tempfile::NamedTempFile, Vec<u64>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for payload in payloads {
        let at = bytes.len() as u64;
        put(&mut bytes, at, at, &[payload]);
        ends.push(bytes.len() as u64);
    }
    (file(&bytes), ends)
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all_at(bytes, 0).unwrap();
    file
}

fn payloads(file: &File) -> (Vec<Vec<u8>>, u64) {
    let mut scan = Scan::new(file).unwrap();
    let mut seen = Vec::new();
    while let Some((_, payload)) = scan.next().unwrap() {
        seen.push(payload.to_vec());
    }
    (seen, scan.intact())
}

#[test]
fn frames_come_back_in_order() {
    let (file, ends) = synced(&[b"one", b"two", b"three"]);
    let (seen, intact) = payloads(&file.reopen().unwrap());
    assert_eq!(seen, [&b"one"[..], b"two", b"three"]);
    assert_eq!(intact, ends[2]);
}

#[test]
fn a_changed_byte_and_a_cut_end_the_frames_there() {
    let (file, ends) = synced(&[b"kept", b"changed"]);
    let whole = std::fs::read(file.path()).unwrap();
    for at in ends[0] as usize..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 0x40;
        std::fs::write(file.path(), &bad).unwrap();
        assert_eq!(payloads(&file.reopen().unwrap()), (vec![b"kept".to_vec()], ends[0]), "byte {at}");
        std::fs::write(file.path(), &whole[..at]).unwrap();
        assert_eq!(payloads(&file.reopen().unwrap()), (vec![b"kept".to_vec()], ends[0]), "cut at {at}");
    }
}

#[test]
fn a_frame_at_another_position_is_not_taken() {
    let mut moved = Vec::new();
    put(&mut moved, 100, 0, &[b"left over"]);
    let moved = file(&moved);
    assert_eq!(payloads(&moved.reopen().unwrap()).1, 0);
    assert!(!says_settled(&moved.reopen().unwrap(), 0, 0).unwrap());
}

#[test]
fn a_later_frame_tells_what_was_settled() {
    let (file, ends) = synced(&[b"first", b"second", b"third"]);
    let file = file.reopen().unwrap();
    assert!(says_settled(&file, 0, 0).unwrap());
    assert!(says_settled(&file, ends[0], ends[0]).unwrap());
    // The last one may have been torn: nothing was written after it.
    assert!(!says_settled(&file, ends[1], ends[1]).unwrap());
    // A frame of the same group says nothing about the one before it.
    let mut group = Vec::new();
    put(&mut group, 0, 0, &[b"first"]);
    let second = group.len() as u64;
    put(&mut group, second, 0, &[b"second"]);
    assert!(!says_settled(&self::file(&group).reopen().unwrap(), 0, 0).unwrap());
}

#[test]
fn what_was_settled_is_found_over_any_distance() {
    for distance in [WINDOW - 30, WINDOW - 10, WINDOW, 3 * WINDOW + 5] {
        let mut bytes = vec![0; distance];
        put(&mut bytes, distance as u64, 5, &[b"far away"]);
        assert!(says_settled(&file(&bytes).reopen().unwrap(), 0, 0).unwrap(), "{distance}");
    }
}
