use super::*;

#[test]
fn a_second_broker_in_the_directory_is_refused_until_the_first_has_gone() {
    let dir = tempfile::tempdir().unwrap();
    let held = Home::open(dir.path()).unwrap();
    assert!(matches!(Home::open(dir.path()), Err(BrokerError::DirectoryBusy { .. })));
    drop(held);
    let held = Home::open(dir.path()).unwrap();
    assert!(matches!(Home::open(dir.path()), Err(BrokerError::DirectoryBusy { .. })));
    drop(held);
}

#[test]
fn a_broker_of_the_first_format_refuses_the_marker() {
    let dir = tempfile::tempdir().unwrap();
    drop(Home::open(dir.path()).unwrap());
    let marker = std::fs::read(dir.path().join(files::MARKER)).unwrap();
    // Length, CRC over position 0 and the payload; a head that states format 2 and no cluster.
    let payload = [b'H', 0, 2, 0, 0];
    let mut wanted = 5u32.to_be_bytes().to_vec();
    wanted.extend(crc32c::crc32c(&[&0u64.to_be_bytes()[..], &payload].concat()).to_be_bytes());
    wanted.extend(payload);
    assert_eq!(marker, wanted);
}

#[test]
fn files_of_a_later_version_and_of_nobody_are_left_alone() {
    let later = first_format::frame(0, &[b'H', 0, 3, 0, 0]);
    for bytes in [&later[..], b"something else altogether", &[0; 5_000]] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(files::MARKER);
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(Home::open(dir.path()), Err(BrokerError::Format { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}
