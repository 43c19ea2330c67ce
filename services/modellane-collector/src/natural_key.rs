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

    /// Adds an id of the vendor's making.
    #[must_use]
    pub fn id(self, key: &LakeKey, text: &str) -> Self {
        let plain = !text.is_empty()
            && text.len() <= READABLE
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
        if plain { self.part(text) } else { self.hashed(key, text) }
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

impl Default for NaturalKey {
    fn default() -> Self {
        Self::new()
    }
}
