//! Finds ids in a JSON payload by the name of their field, without cutting the payload into records.
//!
//! Good enough to tell which ids are there more than once: a field of that name deeper in a record only adds
//! a candidate, and text inside a string cannot look like a field, because its quotes are escaped.

use crate::framing::{MAX_RECORD, string_end};
use crate::json::unquote;
use memchr::memmem::Finder;
use std::borrow::Cow;

/// Looks for one field.
pub(crate) struct IdSearch(Finder<'static>);

/// What stands behind a field's name.
enum Value<'a> {
    Id(Cow<'a, str>),
    NoId,
    /// The bytes end before the value does.
    Cut,
}

impl IdSearch {
    pub(crate) fn new(field: &str) -> Self {
        Self(Finder::new(&format!("\"{field}\"")).into_owned())
    }

    /// Hands out every id of a window; `last` says that nothing follows it. Answers how many bytes are done
    /// with: the others are to be given again, with what follows them.
    pub(crate) fn run(&self, window: &[u8], last: bool, mut found: impl FnMut(&str)) -> usize {
        let name = self.0.needle().len();
        let mut done = 0;
        while let Some(gap) = self.0.find(&window[done..]) {
            let start = done + gap;
            done = start + name;
            match value(&window[done..]) {
                Value::Id(id) => found(&id),
                Value::Cut if !last && window.len() - start <= MAX_RECORD => return start,
                Value::NoId | Value::Cut => {}
            }
        }
        // The name itself may be cut.
        done.max((window.len() + 1).saturating_sub(name))
    }
}

fn value(rest: &[u8]) -> Value<'_> {
    let rest = rest.trim_ascii_start();
    let rest = match rest.first() {
        Some(b':') => rest[1..].trim_ascii_start(),
        Some(_) => return Value::NoId,
        None => return Value::Cut,
    };
    let end = match rest.first() {
        Some(b'"') => string_end(rest, 1),
        Some(b'-' | b'0'..=b'9') => {
            rest.iter().position(|b| matches!(b, b',' | b'}') || b.is_ascii_whitespace())
        }
        Some(_) => return Value::NoId,
        None => None,
    };
    let Some(end) = end else { return Value::Cut };
    let text = std::str::from_utf8(&rest[..end]).ok();
    let id =
        if rest[0] == b'"' { text.and_then(|text| unquote(text, "").ok()) } else { text.map(Cow::Borrowed) };
    id.map_or(Value::NoId, Value::Id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches whole, and again through blocks of every small size; both must agree.
    fn ids(payload: &str) -> Vec<String> {
        let whole = in_blocks(payload, payload.len());
        for size in 1..40 {
            assert_eq!(in_blocks(payload, size), whole, "blocks of {size}");
        }
        whole
    }

    fn in_blocks(payload: &str, size: usize) -> Vec<String> {
        let (search, mut window, mut found) = (IdSearch::new("id"), Vec::new(), Vec::new());
        let mut chunks = payload.as_bytes().chunks(size.max(1)).peekable();
        while let Some(chunk) = chunks.next() {
            window.extend_from_slice(chunk);
            let done = search.run(&window, chunks.peek().is_none(), |id| found.push(id.to_owned()));
            window.drain(..done);
        }
        found
    }

    #[test]
    fn every_spelling_of_an_id_is_found() {
        assert_eq!(
            ids("{\"id\":\"a\"}\n{\"x\":1,\"id\" :\t\"b\\u0041\\\"\"},{\"id\": 12 },{\"id\":-3}"),
            ["a", "bA\"", "12", "-3"]
        );
    }

    #[test]
    fn what_is_no_id_is_passed_over() {
        assert_eq!(ids(r#"{"text":"\"id\":\"x\"","n":"id","id":null,"id":{"id":[]},"idx":"y"}"#), [""; 0]);
        assert_eq!(ids(r#"{"id":"cut"#), [""; 0]);
        assert_eq!(ids(""), [""; 0]);
    }

    #[test]
    fn an_id_without_an_end_is_given_up() {
        let payload = format!("{{\"id\":\"{}", "x".repeat(MAX_RECORD + 10));
        assert_eq!(IdSearch::new("id").run(payload.as_bytes(), false, |_| ()), payload.len() + 1 - 4);
    }
}
