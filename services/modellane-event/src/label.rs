//! Bounded text: the only kind of string that a record may carry.

use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;
use std::fmt;

/// Why a text is not a label. Never repeats the text.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum LabelError {
    /// Nothing but white space.
    #[error("a label is empty")]
    Empty,
    /// More than [`Label::MAX`] bytes.
    #[error("a label is longer than {} bytes", Label::MAX)]
    TooLong,
    /// A character outside letters, digits and `._:/@+#~=|,-`.
    #[error("a label holds a character outside letters, digits and ._:/@+#~=|,-")]
    Character,
}

/// A short identifier without spaces: at most 128 bytes of letters, digits and `._:/@+#~=|,-`.
///
/// A bounded character set is no proof that a text is harmless; fields that a vendor's user can write
/// are checked against known values or hashed before they become a label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Label(SmolStr);

impl Label {
    /// Longest label in bytes.
    pub const MAX: usize = 128;

    /// Trims and checks a text.
    pub fn new(text: &str) -> Result<Self, LabelError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(LabelError::Empty);
        }
        if text.len() > Self::MAX {
            return Err(LabelError::TooLong);
        }
        if text.bytes().all(is_plain)
            || text.chars().all(|c| c.is_alphanumeric() || (c.is_ascii() && is_plain(c as u8)))
        {
            Ok(Self(SmolStr::new(text)))
        } else {
            Err(LabelError::Character)
        }
    }

    /// A label of the program's own. Panics on a text that is no label, so only for literals.
    pub fn literal(text: &'static str) -> Self {
        match Self::new(text) {
            Ok(label) => label,
            Err(error) => panic!("literal label: {error}"),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn is_plain(c: u8) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, b'.' | b'_' | b':' | b'/' | b'@' | b'+' | b'#' | b'~' | b'=' | b'|' | b',' | b'-')
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.as_str())
    }
}

impl AsRef<str> for Label {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl std::borrow::Borrow<str> for Label {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl std::str::FromStr for Label {
    type Err = LabelError;
    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = SmolStr::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_is_no_label() {
        assert_eq!(Label::new("please fix the login"), Err(LabelError::Character));
        assert_eq!(Label::new("a\nb"), Err(LabelError::Character));
        assert_eq!(Label::new("  "), Err(LabelError::Empty));
        assert_eq!(Label::new(&"x".repeat(129)), Err(LabelError::TooLong));
    }

    #[test]
    fn model_names_and_keys_are_labels() {
        for text in ["claude-sonnet-5.5", "openai/gpt-6.1-sol", "req_011A", "zoë-lindqvist", "a|b=1"] {
            assert!(Label::new(text).is_ok(), "{text}");
        }
    }
}
