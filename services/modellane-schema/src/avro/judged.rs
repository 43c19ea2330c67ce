//! Adding a judgement to a usage message without coding the usage again.

use super::{AvroCodec, CodecError, judged_codec, positional, usage_codec, wire};
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
        let current = wire::Named::Fingerprint(self.usage.fingerprint());
        let datum = wire::header(message).filter(|(named, _)| *named == current).map(|(_, datum)| datum);
        Ok(UsageMessage { event, datum })
    }

    /// Why this version cannot read a usage message that another one may; see
    /// [`AvroCodec::unknown_schema`].
    pub fn unknown_schema(&self, message: &[u8]) -> Option<CodecError> {
        self.usage.unknown_schema(message)
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
        wire::write_fingerprint(self.judged.fingerprint(), out);
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
