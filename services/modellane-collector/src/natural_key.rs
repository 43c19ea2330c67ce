//! Natural keys: the vendor's own identity of a record, accounts hashed.

use modellane_event::{AccountRef, Label, LakeKey};

/// Longest part that stays readable; the limit keeps the rendered key a label.
const READABLE: usize = 40;

/// Builds a key as `part|part|…`. A part that is short and plain stays readable, so that a request id can
/// be found again; any other text is replaced by its keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NaturalKey(String);

impl NaturalKey {
    /// Starts with the vendor account or another namespace.
    pub fn new() -> Self {
        Self(String::new())
    }

    /// Adds an id of the vendor's making. Ids have digits and words do not: a text with a part of more than
    /// four letters alone is hashed, unless it opens with a prefix that vendors write before ids.
    #[must_use]
    pub fn id(self, key: &LakeKey, text: &str) -> Self {
        if looks_like_id(text) { self.part(text) } else { self.hashed(key, text) }
    }

    /// Adds a text that a person may have written, always hashed.
    #[must_use]
    pub fn hashed(self, key: &LakeKey, text: &str) -> Self {
        let hash = key.hash("natural_key", &[text.as_bytes()]);
        let hex: String = hash[..8].iter().map(|b| format!("{b:02x}")).collect();
        self.part(&format!("#{hex}"))
    }

    /// Adds an account, already hashed; `None` stands for a record without one.
    #[must_use]
    pub fn account(self, account: Option<&AccountRef>) -> Self {
        match account {
            Some(account) => {
                let hex: String = account.hash.0[..8].iter().map(|b| format!("{b:02x}")).collect();
                self.part(&format!("@{hex}"))
            }
            None => self.part("@"),
        }
    }

    /// Adds the ordinal among different rows of one key; the first row has none, so that a key stays the
    /// same when a second row appears.
    #[must_use]
    pub fn ordinal(self, ordinal: u32) -> Self {
        if ordinal == 0 { self } else { self.part(&format!("+{ordinal}")) }
    }

    /// The key as a label; a key that became too long is replaced by its hash.
    pub fn label(&self, key: &LakeKey) -> Label {
        Label::new(&self.0).unwrap_or_else(|_| {
            let hash = key.hash("natural_key", &[self.0.as_bytes()]);
            let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect();
            Label::new(&format!("#{hex}")).unwrap_or_else(|_| Label::literal("-"))
        })
    }

    fn part(mut self, text: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push('|');
        }
        self.0.push_str(text);
        self
    }
}

/// Words that vendors put before an id.
const ID_PREFIXES: [&str; 6] = ["chatcmpl", "cmpl", "resp", "trace", "batch", "embd"];

fn looks_like_id(text: &str) -> bool {
    if text.is_empty() || text.len() > READABLE {
        return false;
    }
    text.split(['.', '_', ':', '-']).enumerate().all(|(position, part)| {
        part.bytes().all(|b| b.is_ascii_alphanumeric())
            && (part.len() <= 4
                || part.bytes().any(|b| b.is_ascii_digit())
                || part.bytes().all(|b| b.is_ascii_hexdigit())
                || (position == 0 && ID_PREFIXES.contains(&part)))
    })
}

impl Default for NaturalKey {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        let key = LakeKey::new([3; 32]);
        NaturalKey::new().id(&key, text).label(&key).to_string()
    }

    #[test]
    fn ids_stay_readable() {
        for id in ["r1", "req_011A", "chatcmpl-9f2", "3f0c1f9e-6f5f-4c1a-9a7e-1d2f3a4b5c6d", "1794214862123"]
        {
            assert_eq!(rendered(id), id);
        }
    }

    #[test]
    fn what_a_person_may_have_written_is_hashed() {
        for text in ["CANARY-PROMPT-xyz-0001", "fix-the-login", "", "with space 1", &"1".repeat(41)] {
            let key = rendered(text);
            assert!(key.starts_with('#') && key.len() == 17, "{key}");
        }
    }

    #[test]
    fn the_first_row_has_no_ordinal() {
        let key = LakeKey::new([3; 32]);
        let base = NaturalKey::new().id(&key, "r1");
        assert_eq!(base.clone().ordinal(0), base);
        assert_eq!(base.ordinal(2).label(&key).as_str(), "r1|+2");
    }
}
