//! Files on disk, plain or compressed.

use crate::connector::Rejection;
use crate::error::CollectorError;
use crate::framing::Framer;
use crate::json::next_record;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::rc::Rc;

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;
/// Largest payload of a format that is held in memory whole.
const MAX_WHOLE: usize = 256 << 20;

/// The size of a file that can be read twice.
pub(super) fn check(path: &Path) -> Result<u64, CollectorError> {
    let metadata = std::fs::metadata(path).map_err(|error| CollectorError::file(path, &error))?;
    let problem = |text: &str| CollectorError::File { path: path.to_owned(), problem: text.to_owned() };
    if metadata.is_dir() {
        return Err(problem("is a directory; name the files in it"));
    }
    if !metadata.is_file() {
        return Err(problem("is no regular file; write it to disk first, because it is read twice"));
    }
    File::open(path).map_err(|error| CollectorError::file(path, &error))?;
    Ok(metadata.len())
}

/// An open file: its content, decompressed if its first bytes say gzip or zstd, and how far it was read.
pub(super) struct Input {
    reader: Box<dyn Read>,
    read: Rc<Cell<u64>>,
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self, CollectorError> {
        Self::try_open(path).map_err(|error| CollectorError::file(path, &error))
    }

    fn try_open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut magic = Vec::new();
        (&mut file).take(4).read_to_end(&mut magic)?;
        file.rewind()?;
        let read = Rc::new(Cell::new(0));
        let counted = Counted { file, read: Rc::clone(&read) };
        let reader: Box<dyn Read> = match magic[..] {
            [0x1f, 0x8b, ..] => {
                Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(BLOCK, counted)))
            }
            [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::new(counted)?),
            _ => Box::new(counted),
        };
        Ok(Self { reader, read })
    }

    /// Bytes of the file on disk that were read.
    pub(super) fn position(&self) -> u64 {
        self.read.get()
    }

    /// Appends the next block; `false` at the end. A file that breaks off is an error after its last byte.
    pub(super) fn fill(&mut self, window: &mut Vec<u8>) -> io::Result<bool> {
        let read = (&mut self.reader).take(BLOCK as u64).read_to_end(window)?;
        Ok(read == BLOCK)
    }

    /// The whole content, and whether it broke off; an error if it is too large to hold.
    pub(super) fn whole(&mut self, path: &Path) -> Result<(Vec<u8>, bool), CollectorError> {
        let mut content = Vec::new();
        loop {
            match self.fill(&mut content) {
                Ok(true) if content.len() <= MAX_WHOLE => {}
                Ok(true) => {
                    return Err(CollectorError::File {
                        path: path.to_owned(),
                        problem: "is larger than 256 MiB; split it, as this format is held in memory"
                            .to_owned(),
                    });
                }
                Ok(false) => return Ok((content, false)),
                Err(_) => return Ok((content, true)),
            }
        }
    }
}

struct Counted {
    file: File,
    read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.set(self.read.get() + read as u64);
        Ok(read)
    }
}

/// What is found in a file that is read record by record.
pub(super) enum Piece<'a> {
    /// The file's next bytes, before the records in them.
    Bytes(&'a [u8]),
    /// A record with its index from 0 and its line from 1, or why there is none.
    Record((u64, u64), Result<&'a str, Rejection>),
}

/// Goes through a file with a window that holds little more than a block. Stops early if `found` says so.
/// Answers whether the content broke off in a way that the compression notices.
pub(super) fn stream(
    input: &mut Input,
    array_keys: &'static [&'static str],
    mut found: impl FnMut(Piece<'_>, u64) -> Result<Flow, CollectorError>,
) -> Result<Ended, CollectorError> {
    let mut framer = Framer::new(array_keys);
    let (mut window, mut last, mut broke_off, mut index) = (Vec::new(), false, false, 0);
    loop {
        while let Some(record) = next_record(&mut framer, &window, last) {
            if found(Piece::Record((index, framer.line()), record), input.position())? == Flow::Stop {
                return Ok(Ended { records: index + 1, broke_off: false });
            }
            index += 1;
        }
        if last {
            return Ok(Ended { records: index, broke_off });
        }
        window.drain(..framer.position());
        framer.dropped();
        let before = window.len();
        match input.fill(&mut window) {
            Ok(more) => last = !more,
            Err(_) => (last, broke_off) = (true, true),
        }
        found(Piece::Bytes(&window[before..]), input.position())?;
    }
}

/// Whether to go on with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Stop,
}

/// How reading a file ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) records: u64,
    pub(super) broke_off: bool,
}
