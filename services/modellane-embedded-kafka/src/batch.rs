//! The header of a record batch (format 2), as far as a broker has to look into it.

use kafka_protocol::ResponseError;

/// Bytes before the first record.
const HEADER: usize = 61;
/// Bytes before the region that the batch length counts.
const LENGTH_END: usize = 12;
/// Where the region covered by the CRC begins.
const CRC_END: usize = 21;

const COMPRESSION: i16 = 0x07;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;

/// The fields that decide what happens to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    attributes: i16,
    /// Number of offsets that the batch takes.
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
        if header.attributes & (TRANSACTIONAL | CONTROL) != 0 {
            return Err(ResponseError::InvalidTxnState);
        }
        if header.producer >= 0 && (header.epoch < 0 || header.sequence < 0) {
            return Err(ResponseError::InvalidRecord);
        }
        Ok(header)
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
    if header.attributes & COMPRESSION != 0 {
        return Some((0, header.max_timestamp));
    }
    let mut rest = bytes.get(HEADER..)?;
    for _ in 0..header.count {
        let length = usize::try_from(varint(&mut rest)?).ok()?;
        let (mut record, after) = rest.split_at_checked(length)?;
        rest = after;
        record = record.get(1..)?;
        let at = header.base_timestamp.checked_add(varint(&mut record)?)?;
        let delta = varint(&mut record)?;
        if at >= timestamp {
            return Some((delta, at));
        }
    }
    None
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

/// Sets what the broker owns in a stored batch: the offset of its first record and the leader's epoch.
pub(crate) fn stamp(bytes: &mut [u8], base: i64) {
    if let Some(offset) = bytes.get_mut(..8) {
        offset.copy_from_slice(&base.to_be_bytes());
    }
    if let Some(epoch) = bytes.get_mut(LENGTH_END..16) {
        epoch.fill(0);
    }
}

#[cfg(test)]
pub(crate) mod tests;
