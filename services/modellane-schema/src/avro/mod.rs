//! Single-object Avro: `C3 01`, the fingerprint of the writer's schema, the datum.

mod compact;
mod judged;
mod positional;
mod subject;
pub mod wire;

use compact::Compact;
pub use judged::{JudgedEncoder, UsageMessage};
use modellane_event::{ContextPointer, IntentEvent, JudgedEvent, RejectEvent, ScopeClosed, UsageEvent};
use serde::{Serialize, de::DeserializeOwned};
use serde_avro_fast::Schema;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState, read::SliceRead};
use std::fmt;
use std::io::BufRead;
use std::marker::PhantomData;
use std::sync::LazyLock;
pub use subject::{SCHEMA_FILES, SchemaFile};
use subject::{Subject, Version};

/// Why a value or message could not be coded. Never repeats a value.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum CodecError {
    /// The message is no single-object Avro at all: it was not written by this system.
    #[error("the message is not single-object Avro")]
    NotSingleObject,
    /// The message was written under a schema that this version does not embed: a newer version can
    /// read it.
    #[error("the message was written under an unknown schema, fingerprint {fingerprint:016x}")]
    UnknownSchema {
        /// CRC-64-AVRO of the writer's schema.
        fingerprint: u64,
    },
    /// The message names its schema by an id of a schema registry that nobody has resolved: with the registry
    /// at hand it can be read.
    #[error(
        "the message names schema {id} of a schema registry, which is not configured, not reachable or does \
         not know it"
    )]
    UnknownSchemaId {
        /// The registry's id.
        id: u32,
    },
    /// The message names a known schema and does not follow it, or holds a value outside its bounds.
    #[error("the message does not follow its schema, {schema}")]
    Malformed {
        /// Name of the schema, as its file's.
        schema: &'static str,
    },
    /// The value does not fit the schema: a fault of this program.
    #[error("the value does not fit its schema, {schema}")]
    Unencodable {
        /// Name of the schema, as its file's.
        schema: &'static str,
    },
}

/// Encodes and decodes one type under the schemas of one subject. Costs nothing to copy or to share.
pub struct AvroCodec<T> {
    subject: &'static Subject,
    value: PhantomData<fn(T) -> T>,
}

macro_rules! codecs {
    ($($(#[$doc:meta])* $function:ident: $type:ty = $name:literal;)+) => {
        $(
            $(#[$doc])*
            pub fn $function() -> AvroCodec<$type> {
                static SUBJECT: LazyLock<Subject> = LazyLock::new(|| Subject::embedded($name));
                AvroCodec { subject: &SUBJECT, value: PhantomData }
            }
        )+
    };
}

codecs! {
    /// Codec of the topic `modellane.usage.v1`.
    usage_codec: UsageEvent = "usage_event";
    /// Codec of the topic `modellane.judged.v1`.
    judged_codec: JudgedEvent = "judged_event";
    /// Codec of the topic `modellane.intents.v1`.
    intent_codec: IntentEvent = "intent";
    /// Codec of the topic `modellane.context.v1`.
    context_codec: ContextPointer = "context_pointer";
    /// Codec of the topic `modellane.rejects.v1`.
    reject_codec: RejectEvent = "reject";
    /// Codec of the topic `modellane.fetches.v1`.
    fetch_codec: ScopeClosed = "scope_closed";
}

impl<T> AvroCodec<T> {
    /// CRC-64-AVRO of the schema under which this version writes.
    pub fn fingerprint(&self) -> u64 {
        self.subject.current().fingerprint
    }

    /// Why this version cannot read a message that another one may: it names a schema, and not one that is
    /// embedded here. `None` for messages that can be read and for those that nobody can read.
    pub fn unknown_schema(&self, bytes: &[u8]) -> Option<CodecError> {
        self.version_of(bytes).err().filter(CodecError::names_a_schema)
    }

    /// The version under which a message was written, and its datum.
    fn version_of<'a>(&self, bytes: &'a [u8]) -> Result<(&'static Version, &'a [u8]), CodecError> {
        match wire::header(bytes) {
            Some((wire::Named::Fingerprint(fingerprint), datum)) => match self.subject.find(fingerprint) {
                Some(version) => Ok((version, datum)),
                None => Err(CodecError::UnknownSchema { fingerprint }),
            },
            Some((wire::Named::Id(id), _)) => Err(CodecError::UnknownSchemaId { id }),
            None => Err(CodecError::NotSingleObject),
        }
    }
}

impl CodecError {
    /// Whether the message says under which schema it was written, so that a version that knows the schema
    /// can read it.
    fn names_a_schema(&self) -> bool {
        matches!(self, Self::UnknownSchema { .. } | Self::UnknownSchemaId { .. })
    }
}

impl<T: Serialize> AvroCodec<T> {
    /// Appends the message to `out`; on an error `out` is left as it was.
    pub fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let version = self.subject.current();
        let start = out.len();
        wire::write_fingerprint(version.fingerprint, out);
        if positional::write(value, out).is_err() {
            out.truncate(start);
            return Err(CodecError::Unencodable { schema: self.subject.name });
        }
        Ok(())
    }
}

impl<T: DeserializeOwned> AvroCodec<T> {
    /// Reads one message, written under any embedded version of the schema.
    pub fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let (version, datum) = self.version_of(bytes)?;
        let value = if version.fingerprint == self.fingerprint() {
            positional::read(datum).ok()
        } else {
            resolve(&version.schema, datum)
        };
        value.ok_or(CodecError::Malformed { schema: self.subject.name })
    }
}

/// Reads a datum of an older version, field by field by name.
fn resolve<T: DeserializeOwned>(schema: &Schema, datum: &[u8]) -> Option<T> {
    let mut config = DeserializerConfig::new(schema);
    // No element of any list is shorter than a byte, so a longer list is a lie.
    config.max_seq_size = datum.len();
    let mut state = DeserializerState::with_config(SliceRead::new(datum), config);
    let value = T::deserialize(Compact(state.deserializer())).ok()?;
    state.into_reader().fill_buf().is_ok_and(<[u8]>::is_empty).then_some(value)
}

impl<T> Clone for AvroCodec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for AvroCodec<T> {}

impl<T> fmt::Debug for AvroCodec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AvroCodec({})", self.subject.name)
    }
}

#[cfg(test)]
mod tests;
