//! The header of a record batch (format 2), as far as a broker has to look into it.

use kafka_protocol::ResponseError;

/// Bytes before the first record.
pub(crate) const HEADER: usize = 61;
/// Bytes before the region that the batch length counts.
const LENGTH_END: usize = 12;
/// Where the region covered by the CRC begins.
const CRC_END: usize = 21;

/// The bytes of a record with nothing in it.
const LEAST_RECORD: usize = 7;

const COMPRESSION: i16 = 0x07;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;

/// The fields that decide what happens to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    attributes: i16,
    /// Number of offsets that the batch takes; after a compaction it may have fewer records.
    pub(crate) count: i32,
    base_timestamp: i64,
    /// The latest timestamp in the batch.
    pub(crate) max_timestamp: i64,
    /// Who produced it; negative when the producer is not idempotent.
    pub(crate) producer: i64,
    /// The incarnation of the producer.
    pub(crate) epoch: i16,
    /// The first sequence number.
    pub(crate) sequence: i32,
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}
fn i16_at(bytes: &[u8], at: usize) -> Option<i16> {
    bytes_at(bytes, at).map(i16::from_be_bytes)
}
fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes_at(bytes, at).map(i32::from_be_bytes)
}
fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    bytes_at(bytes, at).map(i64::from_be_bytes)
}

impl BatchHeader {
    /// Reads the header of a batch that was checked before it was stored.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            attributes: i16_at(bytes, 21)?,
            count: i32_at(bytes, 23)?.checked_add(1)?,
            base_timestamp: i64_at(bytes, 27)?,
            max_timestamp: i64_at(bytes, 35)?,
            producer: i64_at(bytes, 43)?,
            epoch: i16_at(bytes, 51)?,
            sequence: i32_at(bytes, 53)?,
        })
    }

    /// Checks what a client sent: exactly one intact batch that this broker can keep.
    pub(crate) fn check(bytes: &[u8]) -> Result<Self, ResponseError> {
        let corrupt = ResponseError::CorruptMessage;
        let header = Self::read(bytes).ok_or(corrupt)?;
        let length = i32_at(bytes, 8).ok_or(corrupt)?;
        let records = i32_at(bytes, 57).ok_or(corrupt)?;
        let magic = bytes.get(16).copied().ok_or(corrupt)?;
        let crc = bytes_at(bytes, 17).map(u32::from_be_bytes).ok_or(corrupt)?;
        if magic != 2 {
            return Err(ResponseError::UnsupportedForMessageFormat);
        }
        if bytes.len() < HEADER || usize::try_from(length).ok() != Some(bytes.len() - LENGTH_END) {
            return Err(corrupt);
        }
        if crc32c::crc32c(&bytes[CRC_END..]) != crc {
            return Err(corrupt);
        }
        if header.count < 1 || records != header.count {
            return Err(ResponseError::InvalidRecord);
        }
        let most = (bytes.len() - HEADER) / LEAST_RECORD;
        if !header.is_compressed() && usize::try_from(records).is_ok_and(|records| records > most) {
            return Err(ResponseError::InvalidRecord);
        }
        if header.attributes & (TRANSACTIONAL | CONTROL) != 0 {
            return Err(ResponseError::InvalidTxnState);
        }
        if header.producer >= 0 && (header.epoch < 0 || header.sequence < 0) {
            return Err(ResponseError::InvalidRecord);
        }
        Ok(header)
    }

    /// Whether its records can only be read by who has the codec.
    pub(crate) fn is_compressed(&self) -> bool {
        self.attributes & COMPRESSION != 0
    }

    /// The last sequence number; numbers start again at 0 after the largest one.
    pub(crate) fn last_sequence(&self) -> i32 {
        self.sequence.wrapping_add(self.count - 1) & i32::MAX
    }
}

/// The first record at or after `timestamp`, as (offset delta, timestamp).
///
/// The records of a compressed batch are not looked at: its first record is the answer, which makes a
/// reader who starts there see a few records too many and never one too few.
pub(crate) fn first_at_or_after(bytes: &[u8], timestamp: i64) -> Option<(i64, i64)> {
    let header = BatchHeader::read(bytes)?;
    if header.is_compressed() {
        return Some((0, header.max_timestamp));
    }
    let found =
        Records::of(bytes)?.map_while(|record| record).find(|record| record.timestamp >= timestamp)?;
    Some((found.delta, found.timestamp))
}

/// A record of a batch that is not compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordView<'a> {
    /// All its bytes, its length in front.
    bytes: &'a [u8],
    /// Its offset and its time, counted from those of the batch.
    pub(crate) delta: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    /// Without a value it only says that its key is gone.
    pub(crate) is_tombstone: bool,
}

/// The records of a batch that is not compressed; `None` where the bytes are no record.
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    left: i32,
    base_timestamp: i64,
}

impl<'a> Records<'a> {
    /// `None` if the batch is compressed or too short to be one.
    pub(crate) fn of(batch: &'a [u8]) -> Option<Self> {
        let header = BatchHeader::read(batch)?;
        let (rest, left) = (batch.get(HEADER..)?, i32_at(batch, 57)?);
        (!header.is_compressed()).then_some(Self { rest, left, base_timestamp: header.base_timestamp })
    }

    fn one(&mut self) -> Option<RecordView<'a>> {
        let begin = self.rest;
        let length = usize::try_from(varint(&mut self.rest)?).ok()?;
        let (mut record, after) = self.rest.split_at_checked(length)?;
        self.rest = after;
        let bytes = &begin[..begin.len() - after.len()];
        record = record.get(1..)?;
        let timestamp = self.base_timestamp.checked_add(varint(&mut record)?)?;
        let delta = varint(&mut record)?;
        let key = sized(&mut record)?;
        let is_tombstone = sized(&mut record)?.is_none();
        Some(RecordView { bytes, delta, timestamp, key, is_tombstone })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Option<RecordView<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1).filter(|left| *left >= 0)?;
        Some(self.one())
    }
}

/// Whether every record has a key and can be told apart from the others, as compaction needs it.
pub(crate) fn check_keys(bytes: &[u8]) -> Result<(), ResponseError> {
    let records = Records::of(bytes).ok_or(ResponseError::UnsupportedCompressionType)?;
    // Offsets count up from the first: a record that claims another one could replace what it must not.
    let mut good = records
        .zip(0..)
        .map(|(record, delta)| record.is_some_and(|record| record.key.is_some() && record.delta == delta));
    if good.all(|good| good) { Ok(()) } else { Err(ResponseError::InvalidRecord) }
}

/// The batch with only some of its records: `None` if none is left. Its offsets and what it says about its
/// producer stay as they are.
pub(crate) fn retain(bytes: &[u8], mut keep: impl FnMut(&RecordView<'_>) -> bool) -> Option<Vec<u8>> {
    let mut kept = bytes.get(..HEADER)?.to_vec();
    let (mut count, mut latest) = (0i32, i64::MIN);
    for record in Records::of(bytes)?.map_while(|record| record).filter(|record| keep(record)) {
        kept.extend_from_slice(record.bytes);
        count += 1;
        latest = latest.max(record.timestamp);
    }
    let length = (kept.len() - LENGTH_END) as i32;
    kept[8..LENGTH_END].copy_from_slice(&length.to_be_bytes());
    kept[35..43].copy_from_slice(&latest.to_be_bytes());
    kept[57..HEADER].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c::crc32c(&kept[CRC_END..]);
    kept[17..CRC_END].copy_from_slice(&crc.to_be_bytes());
    (count > 0).then_some(kept)
}

/// Bytes with their length in front; without a value the length is negative.
fn sized<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(length) = usize::try_from(varint(bytes)?) else { return Some(None) };
    let (value, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(Some(value))
}

/// A zigzag varint of up to 64 bits.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

/// Bytes before those that no batch has of its own.
pub(crate) const STAMP: usize = 16;

/// The beginning of a batch with what the broker owns in it: the offset of its first record and the leader's
/// epoch. Its CRC does not cover them.
pub(crate) fn stamp(bytes: &[u8], base: i64) -> Option<[u8; STAMP]> {
    let mut stamp = bytes_at::<STAMP>(bytes, 0)?;
    stamp[..8].copy_from_slice(&base.to_be_bytes());
    stamp[LENGTH_END..].fill(0);
    Some(stamp)
}

/// The offset of the first record of a stored batch.
pub(crate) fn base(bytes: &[u8]) -> Option<i64> {
    i64_at(bytes, 0)
}

#[cfg(test)]
pub(crate) mod tests;
