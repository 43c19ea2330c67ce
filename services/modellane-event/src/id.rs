//! Ids and keyed hashes, 16 bytes each.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Why a text is not an id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdError {
    /// The text does not have 32 hexadecimal digits (dashes aside).
    #[error("an id has 32 hexadecimal digits, dashes aside")]
    NotHex,
}

macro_rules! id16 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// The raw bytes, as files hold them.
            pub fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Reads 32 hexadecimal digits, with or without dashes.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_dashed(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_dashed(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() {
                    s.collect_str(self)
                } else {
                    serde_bytes::Bytes::new(&self.0).serialize(s)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                    Self::parse(&text).map_err(serde::de::Error::custom)
                } else {
                    serde_bytes::ByteArray::<16>::deserialize(d).map(|b| Self(*b))
                }
            }
        }
    };
}

id16!(
    /// Identity of a usage event: keyed hash of its source and natural key. Never changes.
    EventId
);
id16!(
    /// Hash of everything an event says, without when it was fetched. Equal hash, equal content.
    ContentHash
);
id16!(
    /// Keyed hash of one account identifier; the identifier itself never leaves the collector.
    AccountHash
);
id16!(
    /// Keyed hash of a session, conversation or trace id.
    SessionKey
);
id16!(
    /// Keyed hash of a vendor's request, response or message id.
    RequestKey
);
id16!(
    /// Keyed hash of a branch name.
    BranchKey
);
id16!(
    /// Keyed hash of a ticket id.
    TicketKey
);
id16!(
    /// Keyed hash of a repository or workspace name; resolved to a name only if the directory lists it.
    WorkspaceKey
);
id16!(
    /// Random surrogate of a person; names live in one deletable store outside lake and topics.
    PersonId
);
id16!(
    /// Identity of a reject: keyed hash of its batch and index.
    RejectId
);
id16!(
    /// Identity of a complete fetch of one scope: keyed hash of scope, time of the fetch and what it had.
    FetchId
);

fn parse_hex(text: &str) -> Result<[u8; 16], IdError> {
    let mut out = [0u8; 16];
    let mut n = 0;
    for c in text.bytes().filter(|c| *c != b'-') {
        let digit = (c as char).to_digit(16).ok_or(IdError::NotHex)? as u8;
        if n >= 32 {
            return Err(IdError::NotHex);
        }
        out[n / 2] = out[n / 2] << 4 | digit;
        n += 1;
    }
    if n == 32 { Ok(out) } else { Err(IdError::NotHex) }
}

fn write_dashed(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, b) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{b:02x}")?;
    }
    Ok(())
}

/// Texts up to this length are put together before they are hashed: an identifier costs half as much then
/// as when a hasher is fed its parts.
const GATHERED: usize = 256;

/// The key of the lake: 32 secret bytes from the configuration, never rotated. Whoever holds it can test
/// a guessed identifier against a hash; it cannot turn a hash back.
#[derive(Clone)]
pub struct LakeKey([u8; 32]);

impl LakeKey {
    /// Takes the key's bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Keyed BLAKE3 over a domain and length-prefixed parts, cut to 16 bytes.
    pub fn hash(&self, domain: &str, parts: &[&[u8]]) -> [u8; 16] {
        let parts = std::iter::once(domain.as_bytes()).chain(parts.iter().copied());
        let length: usize = parts.clone().map(|part| size_of::<u64>() + part.len()).sum();
        let hash = if length <= GATHERED {
            let mut text = [0; GATHERED];
            let mut rest = &mut text[..];
            for part in parts {
                let (size, tail) = rest.split_at_mut(size_of::<u64>());
                size.copy_from_slice(&(part.len() as u64).to_le_bytes());
                let (place, tail) = tail.split_at_mut(part.len());
                place.copy_from_slice(part);
                rest = tail;
            }
            blake3::keyed_hash(&self.0, &text[..length])
        } else {
            let mut hasher = blake3::Hasher::new_keyed(&self.0);
            for part in parts {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
            hasher.finalize()
        };
        let mut out = [0u8; 16];
        out.copy_from_slice(&hash.as_bytes()[..16]);
        out
    }

    /// Id of the event with this natural key, as rendered in `source_key`.
    pub fn event_id(&self, source: &str, source_key: &str) -> EventId {
        EventId(self.hash("event", &[source.as_bytes(), source_key.as_bytes()]))
    }

    /// Key of a session, conversation or trace id as the vendor wrote it.
    pub fn session(&self, id: &str) -> SessionKey {
        SessionKey(self.hash("session", &[id.trim().as_bytes()]))
    }

    /// Key of a request, response or message id as the vendor wrote it.
    pub fn request(&self, id: &str) -> RequestKey {
        RequestKey(self.hash("request", &[id.trim().as_bytes()]))
    }

    /// Key of a branch name, compared exactly.
    pub fn branch(&self, name: &str) -> BranchKey {
        BranchKey(self.hash("branch", &[name.trim().as_bytes()]))
    }

    /// Key of a ticket id, compared without case.
    pub fn ticket(&self, id: &str) -> TicketKey {
        TicketKey(self.hash("ticket", &[id.trim().to_uppercase().as_bytes()]))
    }

    /// Key of a repository. `https://`, `git@host:`, a trailing `.git` and letter case do not matter;
    /// a bare `owner/name` stands for `github.com/owner/name`.
    pub fn workspace(&self, name: &str) -> WorkspaceKey {
        WorkspaceKey(self.hash("workspace", &[canonical_workspace(name).as_bytes()]))
    }
}

impl fmt::Debug for LakeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LakeKey(***)")
    }
}

fn canonical_workspace(name: &str) -> String {
    let lower = name.trim().to_lowercase();
    let rest = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    let path = rest.trim_end_matches('/').trim_end_matches(".git").replace(':', "/");
    if path.matches('/').count() == 1 && !path.split('/').next().unwrap_or("").contains('.') {
        format!("github.com/{path}")
    } else {
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let id = EventId([0xab; 16]);
        assert_eq!(EventId::parse(&id.to_string()), Ok(id));
        assert_eq!(EventId::parse("abc"), Err(IdError::NotHex));
        assert_eq!(EventId::parse(&"0".repeat(33)), Err(IdError::NotHex));
    }

    #[test]
    fn spellings_of_one_repository_share_a_key() {
        let key = LakeKey::new([1; 32]);
        let expected = key.workspace("github.com/acme/payments");
        for spelling in
            ["https://github.com/Acme/payments.git", "git@github.com:acme/payments.git", "acme/payments"]
        {
            assert_eq!(key.workspace(spelling), expected, "{spelling}");
        }
        assert_ne!(key.workspace("gitlab.com/acme/payments"), expected);
    }

    #[test]
    fn a_hash_is_the_same_however_long_its_text() {
        let key = LakeKey::new([1; 32]);
        for length in [0, 1, 40, GATHERED - 18, GATHERED - 17, GATHERED - 16, 5_000] {
            let part = vec![7; length];
            let mut hasher = blake3::Hasher::new_keyed(&[1; 32]);
            for bytes in [&b"d"[..], &part] {
                hasher.update(&(bytes.len() as u64).to_le_bytes());
                hasher.update(bytes);
            }
            assert_eq!(key.hash("d", &[&part]), hasher.finalize().as_bytes()[..16], "{length}");
        }
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        let key = LakeKey::new([1; 32]);
        assert_ne!(key.hash("d", &[b"ab", b"c"]), key.hash("d", &[b"a", b"bc"]));
        assert_ne!(LakeKey::new([2; 32]).hash("d", &[b"a"]), key.hash("d", &[b"a"]));
    }
}
