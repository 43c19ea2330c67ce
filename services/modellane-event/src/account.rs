//! Accounts as keyed hashes.

use crate::{AccountHash, LakeKey};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// Whose namespace an account identifier belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// E-mail address.
    Email,
    /// GitHub login or numeric user id.
    Github,
    /// Anthropic account id.
    Anthropic,
    /// OpenAI user or account id.
    Openai,
    /// Cursor user or service account id.
    Cursor,
    /// LiteLLM internal user id.
    Litellm,
    /// AWS principal.
    Aws,
    /// API key id or name.
    ApiKey,
    /// AWS Identity Center user id.
    Idc,
    /// OpenTelemetry `enduser.id`, by agreement with the application.
    Enduser,
    /// A kind that this version does not know.
    Unknown,
}

impl AccountKind {
    /// Name in configuration files and hashes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Github => "github",
            Self::Anthropic => "anthropic",
            Self::Openai => "openai",
            Self::Cursor => "cursor",
            Self::Litellm => "litellm",
            Self::Aws => "aws",
            Self::ApiKey => "api_key",
            Self::Idc => "idc",
            Self::Enduser => "enduser",
            Self::Unknown => "unknown",
        }
    }
}

/// One account of a record: the namespace and the keyed hash of the identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountRef {
    /// The namespace.
    pub kind: AccountKind,
    /// Keyed hash of the normalized identifier.
    pub hash: AccountHash,
}

impl AccountRef {
    /// Normalizes (NFKC, white space trimmed; e-mail and GitHub logins also without case) and hashes.
    /// `None` if nothing is left. Plus-addressing is kept: the directory lists such aliases.
    pub fn new(key: &LakeKey, kind: AccountKind, identifier: &str) -> Option<Self> {
        let ignore_case = matches!(kind, AccountKind::Email | AccountKind::Github);
        let text = normalize(identifier.trim(), ignore_case);
        if text.is_empty() {
            return None;
        }
        let hash = AccountHash(key.hash("account", &[kind.as_str().as_bytes(), text.as_bytes()]));
        Some(Self { kind, hash })
    }
}

/// NFKC, and without case if wanted. Plain ASCII is NFKC already; nearly every identifier is, and each row
/// has several.
fn normalize(text: &str, ignore_case: bool) -> Cow<'_, str> {
    if !text.is_ascii() {
        let text: String = text.nfkc().collect();
        return Cow::Owned(if ignore_case { text.to_lowercase() } else { text });
    }
    if ignore_case && text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_normalized_as_unicode_says() {
        let ascii: String = (0..128u8).map(char::from).collect();
        for text in
            [ascii.as_str(), "", "Maria.Reyes+x@ACME.example", "ju\u{308}rgen", "ＡＢＣ", "ﬁx", "İ", "Σ"]
        {
            let nfkc: String = text.nfkc().collect();
            assert_eq!(normalize(text, false), nfkc, "{text}");
            assert_eq!(normalize(text, true), nfkc.to_lowercase(), "{text}");
        }
    }

    #[test]
    fn spellings_of_one_address_share_a_hash() {
        let key = LakeKey::new([7; 32]);
        let email = |text| AccountRef::new(&key, AccountKind::Email, text);
        assert_eq!(email("Maria.Reyes@acme.example "), email("maria.reyes@acme.example"));
        assert_eq!(email("ju\u{308}rgen@acme.example"), email("jürgen@acme.example"));
        assert_ne!(email("bot+ci@acme.example"), email("bot@acme.example"));
        assert_eq!(email("  "), None);
        assert_ne!(
            AccountRef::new(&key, AccountKind::Anthropic, "user_01M"),
            AccountRef::new(&key, AccountKind::Anthropic, "user_01m"),
        );
    }
}
