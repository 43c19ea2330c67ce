//! Finds the records of a JSON payload: NDJSON, concatenated objects, an array, or wrapper objects around
//! an array. Works on bytes, so that one broken record costs itself and nothing else, and on a window of a
//! stream, so that a file of any size is cut without being held.

mod scan;

use memchr::{memchr, memchr_iter};
use scan::{FirstLine, Found, Scan, find_array, first_line};
pub(crate) use scan::{objects, opens_array, outer_field, string_end};

/// Longest record. No vendor's row comes near; rows that carry content may.
pub(crate) const MAX_RECORD: usize = 4 << 20;
/// Deepest nesting of a record.
pub(crate) const MAX_DEPTH: u32 = 64;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What the framer found at its position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// A record's bytes.
    Record(&'a [u8]),
    /// Something that is no record.
    Broken(Fault, usize),
    /// The window ends before the record does: drop what was consumed, append more, ask again.
    NeedMore,
    /// Nothing is left.
    End,
}

/// Why there is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The payload or line ends in the middle.
    Truncated,
    /// Longer than [`MAX_RECORD`].
    TooLarge,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Not JSON.
    Malformed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between top-level values.
    Top,
    /// Between the elements of the array of records, inside a wrapper object or not.
    Elements { wrapped: bool },
    /// In a wrapper object, behind its array.
    Tail,
    /// In a line that is no JSON and over the limit.
    LongLine,
}

/// A cursor over a payload or a window of one.
#[derive(Debug)]
pub(crate) struct Framer {
    array_keys: &'static [&'static str],
    place: Place,
    /// A record over the limit, or a wrapper's tail, that is being passed over.
    skipping: Option<Scan>,
    skipped: usize,
    position: usize,
    started: bool,
    /// Line breaks behind the framer, and how far into the window they are counted.
    breaks: u64,
    counted: usize,
    line: u64,
}

impl Framer {
    /// Starts in front of a payload. `array_keys` name the arrays of records in wrapper objects.
    pub(crate) fn new(array_keys: &'static [&'static str]) -> Self {
        Self {
            array_keys,
            place: Place::Top,
            skipping: None,
            skipped: 0,
            position: 0,
            started: false,
            breaks: 0,
            counted: 0,
            line: 1,
        }
    }

    /// Bytes of the window that are behind the framer. The caller may drop them with [`Self::dropped`].
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The caller has dropped the bytes behind the framer from the front of the window, after being asked
    /// for more.
    pub(crate) fn dropped(&mut self) {
        self.position = 0;
        self.counted = 0;
    }

    /// Line of the payload on which the last record starts, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The next record of the window; `last` says that nothing follows the window.
    pub(crate) fn step<'a>(&mut self, window: &'a [u8], last: bool) -> Step<'a> {
        let step = self.find(window, last);
        if step == Step::NeedMore {
            self.count_lines(window);
        }
        step
    }

    fn find<'a>(&mut self, window: &'a [u8], last: bool) -> Step<'a> {
        if !self.started {
            if window.len() < BOM.len() && !last {
                return Step::NeedMore;
            }
            self.started = true;
            if window.starts_with(BOM) {
                self.position = BOM.len();
            }
        }
        loop {
            if let Some(step) = self.pass_over(window, last) {
                return step;
            }
            let found = match self.place {
                Place::Top => self.top(window, last),
                Place::Elements { wrapped } => self.element(window, last, wrapped),
                Place::Tail => {
                    self.mark_line(window);
                    self.skipping = Some(Scan::inside(1));
                    None
                }
                Place::LongLine => self.long_line(window, last),
            };
            if let Some(step) = found {
                return step;
            }
        }
    }

    /// Between top-level values: an object is a record or a wrapper, an array holds records.
    fn top<'a>(&mut self, window: &'a [u8], last: bool) -> Option<Step<'a>> {
        self.skip_separators(window);
        self.mark_line(window);
        let rest = &window[self.position..];
        match rest.first() {
            None => Some(if last { Step::End } else { Step::NeedMore }),
            Some(b'[') => {
                self.position += 1;
                self.place = Place::Elements { wrapped: false };
                None
            }
            Some(b'{') => self.object(rest, last),
            Some(_) => self.garbage(rest, last),
        }
    }

    fn object<'a>(&mut self, rest: &'a [u8], last: bool) -> Option<Step<'a>> {
        let found = find_array(rest, self.array_keys);
        let end = match found {
            Found::Array(offset) | Found::Object(offset) | Found::TooDeep(offset) => offset,
            Found::Incomplete => rest.len(),
        };
        if let Some(step) = self.cut_line(rest, end, last) {
            return Some(step);
        }
        match found {
            Found::Array(offset) => {
                self.position += offset;
                self.place = Place::Elements { wrapped: true };
                None
            }
            Found::Object(length) => Some(self.record(rest, length)),
            Found::TooDeep(length) => {
                self.position += length;
                Some(Step::Broken(Fault::TooDeep, length))
            }
            Found::Incomplete => self.more(rest, last),
        }
    }

    /// Passes over a first line that is a record without its end. `end` is where its brackets say that it ends.
    fn cut_line<'a>(&mut self, rest: &'a [u8], end: usize, last: bool) -> Option<Step<'a>> {
        match first_line(rest, end, last) {
            FirstLine::Cut(length) => {
                self.position += length;
                Some(Step::Broken(Fault::Truncated, length))
            }
            FirstLine::Open if rest.len() <= MAX_RECORD => Some(Step::NeedMore),
            FirstLine::Open | FirstLine::Sound => None,
        }
    }

    fn more<'a>(&mut self, rest: &'a [u8], last: bool) -> Option<Step<'a>> {
        if rest.len() > MAX_RECORD {
            self.skipping = Some(Scan::default());
            return None;
        }
        if !last {
            return Some(Step::NeedMore);
        }
        self.position += rest.len();
        self.place = Place::Top;
        Some(Step::Broken(Fault::Truncated, rest.len()))
    }

    /// Between the elements of an array.
    fn element<'a>(&mut self, window: &'a [u8], last: bool, wrapped: bool) -> Option<Step<'a>> {
        self.skip_separators(window);
        self.mark_line(window);
        let rest = &window[self.position..];
        match rest.first() {
            None if last => {
                self.place = Place::Top;
                Some(Step::Broken(Fault::Truncated, 0))
            }
            None => Some(Step::NeedMore),
            Some(b']') => {
                self.position += 1;
                self.place = if wrapped { Place::Tail } else { Place::Top };
                None
            }
            Some(b'{' | b'[') => {
                let mut scan = Scan::default();
                let end = scan.run(rest);
                if let Some(step) = self.cut_line(rest, end.unwrap_or(rest.len()), last) {
                    return Some(step);
                }
                match end {
                    Some(length) if scan.deepest > MAX_DEPTH => {
                        self.position += length;
                        Some(Step::Broken(Fault::TooDeep, length))
                    }
                    Some(length) => Some(self.record(rest, length)),
                    None => self.more(rest, last),
                }
            }
            Some(_) => self.scalar(rest, last),
        }
    }

    /// An element that is no object: no vendor's record, but its neighbours may be.
    fn scalar<'a>(&mut self, rest: &'a [u8], last: bool) -> Option<Step<'a>> {
        let length = if rest[0] == b'"' {
            string_end(rest, 1)
        } else {
            rest.iter().position(|b| matches!(b, b',' | b']' | b'{' | b'[' | b'\n')).map(|n| n.max(1))
        };
        match length {
            Some(length) => {
                self.position += length;
                Some(Step::Broken(Fault::Malformed, length))
            }
            None => self.more(rest, last),
        }
    }

    /// Text between top-level values: passed over up to the end of its line.
    fn garbage<'a>(&mut self, rest: &'a [u8], last: bool) -> Option<Step<'a>> {
        let Some(length) = memchr(b'\n', rest).or(last.then_some(rest.len())) else {
            if rest.len() <= MAX_RECORD {
                return Some(Step::NeedMore);
            }
            self.position += rest.len();
            self.place = Place::LongLine;
            return Some(Step::Broken(Fault::TooLarge, rest.len()));
        };
        self.position += length;
        Some(Step::Broken(Fault::Malformed, length))
    }

    /// The rest of a line that was reported already.
    fn long_line<'a>(&mut self, window: &'a [u8], last: bool) -> Option<Step<'a>> {
        let rest = &window[self.position..];
        match memchr(b'\n', rest) {
            Some(length) => {
                self.position += length;
                self.place = Place::Top;
                None
            }
            None => {
                self.position += rest.len();
                Some(if last { Step::End } else { Step::NeedMore })
            }
        }
    }

    fn record<'a>(&mut self, rest: &'a [u8], length: usize) -> Step<'a> {
        self.position += length;
        if length > MAX_RECORD {
            return Step::Broken(Fault::TooLarge, length);
        }
        Step::Record(&rest[..length])
    }

    /// Goes on with what is being passed over. `None` when nothing is, or when a wrapper's tail has ended.
    fn pass_over<'a>(&mut self, window: &'a [u8], last: bool) -> Option<Step<'a>> {
        let scan = self.skipping.as_mut()?;
        let rest = &window[self.position..];
        let end = scan.run(rest);
        let passed = end.unwrap_or(rest.len());
        self.position += passed;
        self.skipped += passed;
        if end.is_none() && !last {
            return Some(Step::NeedMore);
        }
        let (deepest, length) = (scan.deepest, std::mem::take(&mut self.skipped));
        self.skipping = None;
        let tail = self.place == Place::Tail;
        if tail || end.is_none() {
            self.place = Place::Top;
        }
        match end {
            Some(_) if tail => None,
            None if tail => Some(Step::Broken(Fault::Truncated, 0)),
            _ if length > MAX_RECORD => Some(Step::Broken(Fault::TooLarge, length)),
            _ if deepest > MAX_DEPTH => Some(Step::Broken(Fault::TooDeep, length)),
            _ => Some(Step::Broken(Fault::Truncated, length)),
        }
    }

    /// Notes the line of the value in front of the framer.
    fn mark_line(&mut self, window: &[u8]) {
        self.count_lines(window);
        self.line = self.breaks + 1;
    }

    fn count_lines(&mut self, window: &[u8]) {
        self.breaks += memchr_iter(b'\n', &window[self.counted..self.position]).count() as u64;
        self.counted = self.position;
    }

    fn skip_separators(&mut self, window: &[u8]) {
        let rest = &window[self.position..];
        let gap = rest.iter().position(|b| !b.is_ascii_whitespace() && *b != b',');
        self.position += gap.unwrap_or(rest.len());
    }
}

#[cfg(test)]
mod tests;
