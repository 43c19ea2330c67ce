//! Walks over JSON text without parsing it: where values end, and the fields of an object.

use super::{BOM, MAX_DEPTH};
use memchr::{memchr, memchr2};

/// Where an object or array ends, across windows.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Scan {
    depth: u32,
    pub(super) deepest: u32,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    pub(super) fn inside(depth: u32) -> Self {
        Self { depth, deepest: depth, ..Self::default() }
    }

    /// Offset behind the bracket that closes the value, or `None` if the bytes end before.
    pub(super) fn run(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                if std::mem::take(&mut self.escaped) {
                    at += 1;
                    continue;
                }
                let found = at + memchr2(b'"', b'\\', &bytes[at..])?;
                self.escaped = bytes[found] == b'\\';
                self.in_string = self.escaped;
                at = found + 1;
                continue;
            }
            match bytes[at] {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    self.deepest = self.deepest.max(self.depth);
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        None
    }
}

/// What the object at the start of some bytes is.
pub(super) enum Found {
    /// Offset behind the bracket that opens the array of records.
    Array(usize),
    /// Length of an object without such an array.
    Object(usize),
    /// Length of an object that is nested too deep.
    TooDeep(usize),
    Incomplete,
}

/// Walks the keys of the object at the start of `bytes`.
pub(super) fn find_array(bytes: &[u8], array_keys: &[&str]) -> Found {
    let mut fields = Fields::new(bytes);
    loop {
        match fields.next() {
            Next::Field { key, value } => {
                if bytes.get(value) == Some(&b'[') && array_keys.iter().any(|name| name.as_bytes() == key) {
                    return Found::Array(value + 1);
                }
            }
            Next::End(length) if fields.deepest > MAX_DEPTH => return Found::TooDeep(length),
            Next::End(length) => return Found::Object(length),
            Next::Incomplete => return Found::Incomplete,
        }
    }
}

/// Walks the fields of an object without looking into their values.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    deepest: u32,
}

enum Next<'a> {
    /// A key, raw, and where its value starts.
    Field {
        key: &'a [u8],
        value: usize,
    },
    /// Length of the object.
    End(usize),
    Incomplete,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 1, deepest: 1 }
    }

    fn next(&mut self) -> Next<'a> {
        loop {
            match self.bytes.get(self.at) {
                None => return Next::Incomplete,
                Some(b'}' | b']') => return Next::End(self.at + 1),
                Some(b'{' | b'[') => {
                    let mut scan = Scan::default();
                    let Some(length) = scan.run(&self.bytes[self.at..]) else { return Next::Incomplete };
                    self.deepest = self.deepest.max(scan.deepest + 1);
                    self.at += length;
                }
                Some(b'"') => {
                    let Some(length) = string_end(&self.bytes[self.at..], 1) else { return Next::Incomplete };
                    let key = &self.bytes[self.at + 1..self.at + length - 1];
                    self.at += length;
                    let Some(colon) = self.token(self.at) else { return Next::Incomplete };
                    if self.bytes[colon] == b':' {
                        let Some(value) = self.token(colon + 1) else { return Next::Incomplete };
                        self.at = value;
                        return Next::Field { key, value };
                    }
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn token(&self, from: usize) -> Option<usize> {
        self.bytes[from..].iter().position(|b| !b.is_ascii_whitespace()).map(|gap| from + gap)
    }
}

/// The value of a field of the payload's outermost object, such as the period behind an array of records.
/// `None` if there is none or the payload ends before the field does.
pub(crate) fn outer_field<'a>(payload: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let payload = payload.strip_prefix(BOM).unwrap_or(payload).trim_ascii_start();
    if payload.first() != Some(&b'{') {
        return None;
    }
    let mut fields = Fields::new(payload);
    loop {
        match fields.next() {
            Next::Field { key, value } if key == name.as_bytes() => {
                let rest = &payload[value..];
                let length = match rest.first()? {
                    b'{' | b'[' => Scan::default().run(rest)?,
                    b'"' => string_end(rest, 1)?,
                    _ => rest.iter().position(|b| matches!(b, b',' | b'}'))?,
                };
                return Some(&rest[..length]);
            }
            Next::Field { .. } => {}
            Next::End(_) | Next::Incomplete => return None,
        }
    }
}

/// Offset behind the quote that closes a string whose text starts at `from`.
pub(super) fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let found = at + memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[found] == b'"' {
            return Some(found + 1);
        }
        at = found + 2;
    }
}

/// Length of the first line if it opens an object that it does not close, and the next line opens another:
/// then the lines are records and this one is broken. A pretty-printed object goes on with white space or
/// a key instead, a wrapped array with an element behind `[` or `,`.
pub(super) fn broken_line(bytes: &[u8]) -> Option<usize> {
    let length = memchr(b'\n', bytes)?;
    let line = bytes[..length].trim_ascii_end();
    let next = bytes[length + 1..].first()?;
    (*next == b'{'
        && line.len() > 1
        && !line.ends_with(b"[")
        && !line.ends_with(b",")
        && !line.ends_with(b":"))
    .then_some(length)
}
