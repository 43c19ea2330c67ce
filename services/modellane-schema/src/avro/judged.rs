//! Adding a judgement to a usage message without coding the usage again.

use super::{AvroCodec, CodecError, MARKER, judged_codec, positional, usage_codec};
use modellane_event::{JudgedEvent, Judgement, UsageEvent};

/// Writes judged events. A record's datum is the data of its fields one after another (Avro specification,
/// "Binary encoding"), so the datum of a usage message is the first half of the judged one as it stands.
#[derive(Clone, Copy, Debug)]
pub struct JudgedEncoder {
    pub(super) usage: AvroCodec<UsageEvent>,
    pub(super) judged: AvroCodec<JudgedEvent>,
}

impl JudgedEncoder {
    /// Writes under the schema of this version.
    pub fn new() -> Self {
        Self { usage: usage_codec(), judged: judged_codec() }
    }

    /// Reads a usage message.
    pub fn usage<'m>(&self, message: &'m [u8]) -> Result<UsageMessage<'m>, CodecError> {
        let event = self.usage.decode(message)?;
        let header = MARKER.len() + size_of::<u64>();
        let current = self.usage.fingerprint().to_le_bytes();
        let datum = message.split_at_checked(header).filter(|(header, _)| header.ends_with(&current));
        Ok(UsageMessage { event, datum: datum.map(|(_, datum)| datum) })
    }

    /// Appends the judged message to `out`; on an error `out` is left as it was.
    pub fn encode(
        &self,
        usage: UsageMessage<'_>,
        judgement: Judgement,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let Some(datum) = usage.datum else {
            // Written under an older schema, whose bytes mean something else.
            return self.judged.encode(&JudgedEvent { usage: usage.event, judgement }, out);
        };
        let start = out.len();
        out.extend_from_slice(&MARKER);
        out.extend_from_slice(&self.judged.fingerprint().to_le_bytes());
        out.extend_from_slice(datum);
        let written = positional::write(&judgement, out);
        written.map_err(|_| {
            out.truncate(start);
            CodecError::Unencodable { schema: self.judged.subject.name }
        })
    }
}

impl Default for JudgedEncoder {
    fn default() -> Self {
        Self::new()
    }
}

/// A usage event together with the message that it was read from.
#[derive(Clone, Debug)]
pub struct UsageMessage<'m> {
    /// What the message says.
    pub event: UsageEvent,
    /// Its datum, where that is what this version would write.
    pub(super) datum: Option<&'m [u8]>,
}
