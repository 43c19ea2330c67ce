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

/// Whether the payload's outermost object has an array of that name, whose end may be missing.
pub(crate) fn opens_array(payload: &[u8], name: &str) -> bool {
    let payload = payload.strip_prefix(BOM).unwrap_or(payload).trim_ascii_start();
    payload.first() == Some(&b'{') && matches!(find_array(payload, &[name]), Found::Array(_))
}

/// Offset behind the quote that closes a string whose text starts at `from`.
pub(crate) fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let found = at + memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[found] == b'"' {
            return Some(found + 1);
        }
        at = found + 2;
    }
}

/// What the first line says of the object that it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstLine {
    /// The object ends on it, or goes on behind it.
    Sound,
    /// It is a record that was cut, of this length, and the next line is another record.
    Cut(usize),
    /// More bytes will tell.
    Open,
}

/// Looks at the first line of bytes that open an object, which ends at `end` if its brackets are believed.
///
/// A line is cut if it does not close its object, the next line opens another, and the two do not fit
/// together. They fit where JSON lets an object follow, behind a colon or in an array, if what stands behind
/// that object goes on with the first. A pretty-printed object goes on with white space or a key instead.
/// The same holds for an array that is no record itself.
pub(super) fn first_line(bytes: &[u8], end: usize, last: bool) -> FirstLine {
    let undecided = |at_end| if last { at_end } else { FirstLine::Open };
    let Some(length) = memchr(b'\n', &bytes[..end]) else { return FirstLine::Sound };
    let gap = bytes[length..].iter().position(|b| !matches!(b, b'\r' | b'\n'));
    let Some(next) = gap.map(|gap| length + gap) else { return undecided(FirstLine::Sound) };
    if bytes[next] != b'{' {
        return FirstLine::Sound;
    }
    let line = bytes[..length].trim_ascii_end();
    if !lets_object_follow(line) {
        return FirstLine::Cut(length);
    }
    let Some(object) = Scan::default().run(&bytes[next..]) else { return undecided(FirstLine::Cut(length)) };
    let mut behind = bytes[next + object..].iter().filter(|byte| !byte.is_ascii_whitespace());
    match (line.last(), behind.next(), behind.next()) {
        (_, None, _) | (Some(b':'), Some(b','), None) => undecided(FirstLine::Cut(length)),
        // Behind the value of a field comes the next field.
        (Some(b':'), Some(b','), Some(b'"')) | (Some(b':'), Some(b'}'), _) => FirstLine::Sound,
        (Some(b':'), ..) => FirstLine::Cut(length),
        (_, Some(b',' | b']' | b'}'), _) => FirstLine::Sound,
        _ => FirstLine::Cut(length),
    }
}

/// Whether JSON lets an object follow a text that opens one and does not close it.
fn lets_object_follow(text: &[u8]) -> bool {
    // A bit a level, set for an array; no record is nested as deep as there are bits.
    let (mut arrays, mut at) = (0u64, 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => match string_end(text, at) {
                Some(end) => at = end,
                None => return false,
            },
            b'{' => arrays <<= 1,
            b'[' => arrays = arrays << 1 | 1,
            b'}' | b']' => arrays >>= 1,
            _ => {}
        }
    }
    match text.last() {
        Some(b'[' | b':') => true,
        Some(b',') => arrays & 1 == 1,
        _ => false,
    }
}

/// The objects that stand one after another in a payload, up to what is none; the last one may be cut.
pub(crate) fn objects(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = payload.strip_prefix(BOM).unwrap_or(payload);
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        rest.starts_with(b"{").then(|| {
            let length = Scan::default().run(rest).unwrap_or(rest.len());
            let (object, tail) = rest.split_at(length);
            rest = tail;
            object
        })
    })
}
