use super::*;

/// A batch of `count` empty records, `timestamp` and one millisecond more each.
pub(crate) fn batch(producer: i64, epoch: i16, sequence: i32, count: i32, timestamp: i64) -> Vec<u8> {
    let mut bytes = vec![0u8; HEADER];
    for delta in 0..count as u8 {
        // attributes, timestamp delta, offset delta, no key, no value, no headers
        bytes.extend_from_slice(&[12, 0, delta << 1, delta << 1, 1, 1, 0]);
    }
    let length = (bytes.len() - LENGTH_END) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    bytes[27..35].copy_from_slice(&timestamp.to_be_bytes());
    bytes[35..43].copy_from_slice(&(timestamp + i64::from(count) - 1).to_be_bytes());
    bytes[43..51].copy_from_slice(&producer.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[CRC_END..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn an_intact_batch_is_read() {
    let header = BatchHeader::check(&batch(7, 1, 40, 3, 1_000)).unwrap();
    assert_eq!((header.producer, header.epoch, header.sequence, header.count), (7, 1, 40, 3));
    assert_eq!(header.last_sequence(), 42);
    assert_eq!(header.max_timestamp, 1_002);
}

#[test]
fn sequence_numbers_start_again_after_the_largest() {
    let header = BatchHeader::check(&batch(7, 0, i32::MAX - 1, 3, 0)).unwrap();
    assert_eq!(header.last_sequence(), 0);
}

#[test]
fn any_changed_byte_under_the_crc_is_refused() {
    let good = batch(-1, -1, -1, 2, 5);
    for at in CRC_END..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(BatchHeader::check(&bad).is_err(), "byte {at}");
    }
}

#[test]
fn a_cut_or_doubled_batch_is_refused() {
    let good = batch(-1, -1, -1, 2, 5);
    for length in 0..good.len() {
        assert!(BatchHeader::check(&good[..length]).is_err(), "length {length}");
    }
    assert!(BatchHeader::check(&[good.clone(), good].concat()).is_err());
}

#[test]
fn a_time_finds_the_record_inside_the_batch() {
    let bytes = batch(-1, -1, -1, 4, 1_000);
    assert_eq!(first_at_or_after(&bytes, 0), Some((0, 1_000)));
    assert_eq!(first_at_or_after(&bytes, 1_002), Some((2, 1_002)));
    assert_eq!(first_at_or_after(&bytes, 1_004), None);
}
