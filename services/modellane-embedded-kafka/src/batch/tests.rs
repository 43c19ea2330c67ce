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
    bytes[35..43].copy_from_slice(&timestamp.saturating_add(i64::from(count) - 1).to_be_bytes());
    bytes[43..51].copy_from_slice(&producer.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[CRC_END..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// A batch of records with keys, without a value where one says that its key is gone.
pub(crate) fn keyed(records: &[(&[u8], Option<&[u8]>)], timestamp: i64) -> Vec<u8> {
    let mut bytes = batch(-1, -1, -1, records.len() as i32, timestamp)[..HEADER].to_vec();
    for (delta, (key, value)) in records.iter().enumerate() {
        // attributes, timestamp delta, offset delta
        let mut record = vec![0, (delta as u8) << 1, (delta as u8) << 1];
        put_varint(&mut record, key.len() as i64);
        record.extend_from_slice(key);
        put_varint(&mut record, value.map_or(-1, |value| value.len() as i64));
        record.extend_from_slice(value.unwrap_or_default());
        record.push(0);
        put_varint(&mut bytes, record.len() as i64);
        bytes.extend(record);
    }
    finish(bytes)
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// Writes length and CRC of a batch.
fn finish(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = (bytes.len() - LENGTH_END) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[CRC_END..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn a_batch_that_claims_more_records_than_it_has_bytes_for_is_refused() {
    let mut bytes = batch(-1, -1, -1, 2, 5);
    bytes[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(BatchHeader::check(&finish(bytes)), Err(ResponseError::InvalidRecord));
}

#[test]
fn records_are_told_apart_and_kept_as_they_are() {
    let bytes = keyed(&[(b"a", Some(b"1")), (b"b", None), (b"a", Some(&[7; 300]))], 50);
    BatchHeader::check(&bytes).unwrap();
    check_keys(&bytes).unwrap();
    let records: Vec<_> = Records::of(&bytes).unwrap().map(Option::unwrap).collect();
    let seen: Vec<_> =
        records.iter().map(|r| (r.delta, r.timestamp, r.key.unwrap(), r.is_tombstone)).collect();
    let wanted: [(i64, i64, &[u8], bool); 3] =
        [(0, 50, b"a", false), (1, 51, b"b", true), (2, 52, b"a", false)];
    assert_eq!(seen, wanted);
    assert_eq!(retain(&bytes, |_| true).as_deref(), Some(&bytes[..]));
    assert_eq!(retain(&bytes, |_| false), None);
    let last = retain(&bytes, |record| record.delta == 1).unwrap();
    // One record is left, and the batch still takes three offsets.
    let header = BatchHeader::read(&last).unwrap();
    assert_eq!((header.count, header.max_timestamp), (3, 51));
    assert_eq!(Records::of(&last).unwrap().map(|r| r.unwrap().delta).collect::<Vec<_>>(), [1]);
    assert_eq!(crc32c::crc32c(&last[CRC_END..]).to_be_bytes(), last[17..21]);
}

#[test]
fn a_compacted_topic_takes_only_records_with_keys_that_it_can_read() {
    let without_keys = batch(-1, -1, -1, 2, 0);
    assert_eq!(check_keys(&without_keys), Err(ResponseError::InvalidRecord));
    let mut strange = keyed(&[(b"a", None)], 0);
    // The offset delta, behind length, attributes and time.
    strange[HEADER + 3] = 8;
    assert_eq!(check_keys(&strange), Err(ResponseError::InvalidRecord));
    let mut compressed = keyed(&[(b"a", None)], 0);
    compressed[22] |= 4;
    assert_eq!(check_keys(&compressed), Err(ResponseError::UnsupportedCompressionType));
    let mut short = keyed(&[(b"a", None)], 0);
    short.truncate(HEADER + 2);
    assert_eq!(check_keys(&short), Err(ResponseError::InvalidRecord));
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
