//! The content hash: which fields hold what, independent of any file format.

use crate::{
    AccountRef, Amount, BranchKey, ContentHash, CostBasis, Currency, Label, RequestKey, SessionKey,
    TicketKey, UtcTime, WorkspaceKey,
};

/// Collects named values. Null fields add nothing, so a schema that grows keeps old hashes.
pub struct ContentHasher(Vec<u8>);

/// Room for the content of an ordinary record.
const ORDINARY: usize = 1024;

impl ContentHasher {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(ORDINARY))
    }

    /// Collects, because hashing once is several times cheaper than feeding a hasher dozens of short fields.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn field<T: HashContent>(&mut self, name: &str, value: &T) {
        if !value.is_null() {
            self.bytes(name.as_bytes());
            value.hash_content(self);
        }
    }

    pub(crate) fn finish(self) -> ContentHash {
        let mut out = [0u8; 16];
        out.copy_from_slice(&blake3::hash(&self.0).as_bytes()[..16]);
        ContentHash(out)
    }
}

pub(crate) trait HashContent {
    fn is_null(&self) -> bool {
        false
    }
    fn hash_content(&self, hasher: &mut ContentHasher);
}

impl<T: HashContent> HashContent for Option<T> {
    fn is_null(&self) -> bool {
        self.is_none()
    }
    fn hash_content(&self, hasher: &mut ContentHasher) {
        if let Some(value) = self {
            value.hash_content(hasher);
        }
    }
}

impl HashContent for Vec<AccountRef> {
    fn is_null(&self) -> bool {
        self.is_empty()
    }
    fn hash_content(&self, hasher: &mut ContentHasher) {
        for account in self {
            hasher.bytes(account.kind.as_str().as_bytes());
            hasher.bytes(account.hash.as_bytes());
        }
    }
}

macro_rules! hash_as {
    ($($type:ty => |$value:ident| $bytes:expr),+ $(,)?) => {
        $(impl HashContent for $type {
            fn hash_content(&self, hasher: &mut ContentHasher) {
                let $value = self;
                hasher.bytes($bytes);
            }
        })+
    };
}

hash_as! {
    i64 => |v| &v.to_le_bytes(),
    UtcTime => |v| &v.0.to_le_bytes(),
    Amount => |v| &v.billionths().to_le_bytes(),
    Label => |v| v.as_str().as_bytes(),
    Currency => |v| v.as_str().as_bytes(),
    CostBasis => |v| v.as_str().as_bytes(),
    SessionKey => |v| v.as_bytes(),
    RequestKey => |v| v.as_bytes(),
    BranchKey => |v| v.as_bytes(),
    TicketKey => |v| v.as_bytes(),
    WorkspaceKey => |v| v.as_bytes(),
}
