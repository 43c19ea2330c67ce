//! Frames: how records stand in a file, so that a crash and a flipped bit can be told apart.
//!
//! A frame is `magic, length: u32, settled: u64, crc: u32, payload`. The CRC covers the frame's position as
//! well, so that bytes left over from a write that was taken back can never pass for a later record.
//!
//! `settled` is the length of the file that was known to be on the disk when the frame was made. What a
//! crash tears off was never acknowledged, and nothing that was written after an acknowledgement can be
//! whole before it. So when a frame is broken and a later, intact one says that the broken one was settled,
//! then the disk has lost what was promised, and cutting it off in silence would be the second loss.

use std::fs::File;
use std::io::{BufReader, Read, Result};
use std::os::unix::fs::FileExt;

/// Bytes before the payload.
pub(crate) const PREFIX: u64 = 20;

/// The longest payload: what the first format could hold as well.
pub(crate) const MAX_PAYLOAD: u32 = 128 << 20;

/// Chosen so that no text and no frame of the first format begins like this.
const MAGIC: [u8; 4] = [0xf5, b'M', b'L', 0x02];

/// How much of a file is looked through at once for intact frames.
const WINDOW: usize = 1 << 20;

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// Bytes of the payload.
    pub(crate) length: u32,
    settled: u64,
    crc: u32,
}

impl Prefix {
    /// Reads a prefix; `None` when there is none here.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (settled, rest) = rest.split_first_chunk::<8>()?;
        let (crc, _) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length);
        let plausible = *magic == MAGIC && (1..=MAX_PAYLOAD).contains(&length);
        plausible.then_some(Self {
            length,
            settled: u64::from_be_bytes(*settled),
            crc: u32::from_be_bytes(*crc),
        })
    }

    /// Whether the payload is the one that was written at this position.
    pub(crate) fn fits(&self, position: u64, payload: &[u8]) -> bool {
        crc(position, self.length, self.settled, &[payload]) == self.crc
    }
}

fn crc(position: u64, length: u32, settled: u64, payload: &[&[u8]]) -> u32 {
    let mut crc = crc32c::crc32c(&position.to_be_bytes());
    crc = crc32c::crc32c_append(crc, &length.to_be_bytes());
    crc = crc32c::crc32c_append(crc, &settled.to_be_bytes());
    payload.iter().fold(crc, |crc, part| crc32c::crc32c_append(crc, part))
}

/// Appends a frame to `buffer`; it will stand at `position` of its file, of which `settled` bytes are on
/// the disk. Returns the frame's length.
pub(crate) fn put(buffer: &mut Vec<u8>, position: u64, settled: u64, payload: &[&[u8]]) -> u64 {
    let length = payload.iter().map(|part| part.len()).sum::<usize>();
    let crc = crc(position, length as u32, settled, payload);
    buffer.reserve(length + PREFIX as usize);
    buffer.extend_from_slice(&MAGIC);
    buffer.extend_from_slice(&(length as u32).to_be_bytes());
    buffer.extend_from_slice(&settled.to_be_bytes());
    buffer.extend_from_slice(&crc.to_be_bytes());
    for part in payload {
        buffer.extend_from_slice(part);
    }
    PREFIX + length as u64
}

/// Reads the frames of a file from its beginning, one payload in memory at a time.
pub(crate) struct Scan<'a> {
    reader: BufReader<&'a File>,
    total: u64,
    position: u64,
    payload: Vec<u8>,
}

impl<'a> Scan<'a> {
    /// Over a file that was just opened.
    pub(crate) fn new(file: &'a File) -> Result<Self> {
        let total = file.metadata()?.len();
        Ok(Self { reader: BufReader::with_capacity(1 << 18, file), total, position: 0, payload: Vec::new() })
    }

    /// The next frame with its position; `None` at the end of the file, and at a frame that is not whole.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        if self.total - self.position < PREFIX {
            return Ok(None);
        }
        let mut head = [0; PREFIX as usize];
        self.reader.read_exact(&mut head)?;
        let left = self.total - self.position - PREFIX;
        let Some(prefix) = Prefix::read(&head).filter(|prefix| u64::from(prefix.length) <= left) else {
            return Ok(None);
        };
        self.payload.resize(prefix.length as usize, 0);
        self.reader.read_exact(&mut self.payload)?;
        if !prefix.fits(self.position, &self.payload) {
            return Ok(None);
        }
        let at = self.position;
        self.position += PREFIX + u64::from(prefix.length);
        Ok(Some((at, &self.payload)))
    }

    /// Where the intact frames end.
    pub(crate) fn intact(&self) -> u64 {
        self.position
    }

    /// Bytes behind the intact frames.
    pub(crate) fn broken(&self) -> u64 {
        self.total - self.position
    }
}

/// Whether an intact frame from `from` on says that the first `settled` bytes and more were on the disk.
pub(crate) fn says_settled(file: &File, from: u64, settled: u64) -> Result<bool> {
    let total = file.metadata()?.len();
    let mut window = Vec::new();
    let mut start = from;
    while total.saturating_sub(start) >= PREFIX {
        let length = usize::try_from(total - start).unwrap_or(WINDOW).min(WINDOW);
        window.resize(length, 0);
        file.read_exact_at(&mut window, start)?;
        for (at, _) in window.windows(PREFIX as usize).enumerate().filter(|(_, bytes)| bytes[..4] == MAGIC) {
            let position = start + at as u64;
            let Some(prefix) = Prefix::read(&window[at..]) else { continue };
            let told = prefix.settled > settled && prefix.settled <= position;
            if told && is_intact(file, total, position, prefix)? {
                return Ok(true);
            }
        }
        // The last bytes are looked at again, with those that follow them.
        start += (length - (PREFIX as usize - 1)) as u64;
    }
    Ok(false)
}

fn is_intact(file: &File, total: u64, position: u64, prefix: Prefix) -> Result<bool> {
    let begin = position + PREFIX;
    if u64::from(prefix.length) > total.saturating_sub(begin) {
        return Ok(false);
    }
    let mut payload = vec![0; prefix.length as usize];
    file.read_exact_at(&mut payload, begin)?;
    Ok(prefix.fits(position, &payload))
}

#[cfg(test)]
mod tests;
