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
        if is_ascii_label(text.as_bytes()) {
            return Ok(Self(SmolStr::new(text)));
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(LabelError::Empty);
        }
        if text.len() > Self::MAX {
            return Err(LabelError::TooLong);
        }
        if text.chars().all(|c| c.is_alphanumeric() || u8::try_from(c).is_ok_and(is_plain)) {
            Ok(Self(SmolStr::new(text)))
        } else {
            Err(LabelError::Character)
        }
    }

    /// A label of the program's own. Panics on a text that is no label, so only for literals.
    pub fn literal(text: &'static str) -> Self {
        assert!(is_ascii_label(text.as_bytes()), "a literal that is no label");
        Self(SmolStr::new_static(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// What nearly every label is, told without a look at Unicode.
fn is_ascii_label(text: &[u8]) -> bool {
    (1..=Label::MAX).contains(&text.len()) && text.iter().all(|&c| is_plain(c))
}

fn is_plain(c: u8) -> bool {
    PLAIN[usize::from(c)]
}

/// Which bytes may stand in a label.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut c = 0_u8;
    while c < 128 {
        plain[c as usize] = c.is_ascii_alphanumeric()
            || matches!(c, b'.' | b'_' | b':' | b'/' | b'@' | b'+' | b'#' | b'~' | b'=' | b'|' | b',' | b'-');
        c += 1;
    }
    plain
};

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
        d.deserialize_str(LabelVisitor)
    }
}

/// Takes the text where it lies, without a copy that is not yet a label.
struct LabelVisitor;

impl serde::de::Visitor<'_> for LabelVisitor {
    type Value = Label;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Label, E> {
        Label::new(text).map_err(E::custom)
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
