//! `otlp`: OpenTelemetry logs, traces and metrics of coding tools and of any application that follows
//! the conventions for generative AI.
//!
//! Which feed a record belongs to is told from its scope and resource; each feed counts exactly one
//! signal, because the products report every request several times over:
//!
//! | feed | counted | not counted, because it repeats |
//! |---|---|---|
//! | `claude_code.otel` | log event `api_request` | spans, metrics |
//! | `codex.otel` | log event `codex.sse_event` of kind `response.completed` | spans, metrics |
//! | `gemini_cli.otel` | log event `gemini_cli.api_response` | `gen_ai…operation.details`, metrics |
//! | `github_copilot.otel` | spans `chat` and alike | `invoke_agent` (a sum), log events, metrics |
//! | `otel.gen_ai` | spans `chat`, `generate_content`, `text_completion`, `embeddings` | sums, log events, metrics |
//!
//! What is not counted is skipped and reported as such. Log bodies, span events and names, and lists, maps
//! and bytes among the values have no field to be read into; attributes pass the allow-list of
//! `attributes`, by name and type.

mod attributes;
mod claude_code;
mod codex;
mod feed;
mod gemini_cli;
mod gen_ai;
mod protobuf;
mod record;
mod request;
#[cfg(test)]
mod tests;

use crate::connector::{Connector, Payload, Records, Rejection, SourceSpec};
use crate::json::{for_each_record, parse};
use bytes::Bytes;
use feed::Found;
use modellane_event::{LakeKey, RejectReason};
use record::{Origin, Record, Sink};

/// Longest event or scope name that is compared with the known ones.
const TELEMETRY_NAME: usize = 128;

/// Source of imported telemetry and of the OTLP endpoints.
pub static SPEC: SourceSpec = SourceSpec {
    name: "otlp",
    grain: "request",
    cost: "see the feeds",
    identity: "see the feeds",
    natural_key: "see the feeds",
    restatement: "none",
};

/// The feeds that telemetry is told apart into.
pub static FEEDS: [SourceSpec; 5] = [
    SourceSpec {
        name: claude_code::FEED,
        grain: "request",
        cost: "estimate of the client, USD (millionths, else decimal)",
        identity: "email, anthropic; none with an API key",
        natural_key: "request id, else session, sequence and time",
        restatement: "none",
    },
    SourceSpec {
        name: codex::FEED,
        grain: "request",
        cost: "none",
        identity: "email, openai",
        natural_key: "conversation and time, ordinal",
        restatement: "none",
    },
    SourceSpec {
        name: gemini_cli::FEED,
        grain: "request",
        cost: "none",
        identity: "email",
        natural_key: "session, prompt and time, ordinal",
        restatement: "none",
    },
    SourceSpec {
        name: gen_ai::COPILOT_FEED,
        grain: "request",
        cost: "none",
        identity: "email or enduser, if the resource names one",
        natural_key: "response id, else trace and span",
        restatement: "none",
    },
    SourceSpec {
        name: gen_ai::FEED,
        grain: "request",
        cost: "none",
        identity: "email or enduser, if span or resource names one",
        natural_key: "response id, else trace and span",
        restatement: "none",
    },
];

/// What an export request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
    /// Metrics, which are counted and not read.
    Metrics,
}

/// How many records of a request went where, for the `partial_success` of the reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Records that became usage events.
    pub accepted: u64,
    /// Records that are no usage, or repeat usage of another signal. They are not rejected.
    pub skipped: u64,
    /// Records that could not be read, and requests that could not be read as a whole.
    pub rejected: u64,
    /// Whether a request could not be read as a whole, which the protocol answers with 400.
    pub unreadable: bool,
}

/// OpenTelemetry in files: JSON export requests, one a line or one a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Otlp;

impl Connector for Otlp {
    fn spec(&self) -> &'static SourceSpec {
        &SPEC
    }

    fn read(&self, payload: &Payload<'_>, records: &mut dyn Records) {
        read_json(payload, records);
    }
}

/// Reads one export request in the binary encoding. A request that cannot be decoded as a whole is one
/// rejection, and the records that were handed out before it stand.
pub fn read_protobuf(signal: Signal, payload: &Payload<'_>, records: &mut dyn Records) -> Received {
    let mut intake = Intake::new(payload.key, records);
    if let Err(rejection) = protobuf::read(signal, Bytes::copy_from_slice(payload.bytes), &mut intake) {
        intake.refuse(Rejection { length: Some(payload.bytes.len()), ..rejection });
    }
    intake.received
}

/// Reads JSON export requests: one, or several one a line. A request that is unreadable as a whole is one
/// rejection, and the requests beside it stand.
pub fn read_json(payload: &Payload<'_>, records: &mut dyn Records) -> Received {
    let mut intake = Intake::new(payload.key, records);
    // One request may be of any size and its skipped parts of any depth; only lines need framing.
    if let Ok(request) = serde_json::from_slice::<request::ExportRequest<'_>>(payload.bytes) {
        intake.request(request, payload.bytes);
        return intake.received;
    }
    for_each_record(payload.bytes, &[], |_, line, record| {
        intake.records.line(line);
        match record.and_then(|text| Ok((parse::<request::ExportRequest<'_>>(text)?, text))) {
            Ok((request, text)) => intake.request(request, text.as_bytes()),
            Err(rejection) => intake.refuse(rejection),
        }
    });
    intake.received
}

struct Intake<'a> {
    key: &'a LakeKey,
    records: &'a mut dyn Records,
    index: u64,
    received: Received,
}

impl<'a> Intake<'a> {
    fn new(key: &'a LakeKey, records: &'a mut dyn Records) -> Self {
        Self { key, records, index: 0, received: Received::default() }
    }

    /// Takes a request. The protocol lets it be empty, and that is a success; any other object is none.
    fn request(&mut self, request: request::ExportRequest<'_>, text: &[u8]) {
        let is_empty = || text.trim_ascii().strip_prefix(b"{").is_some_and(|rest| rest.trim_ascii() == b"}");
        if request.is_telemetry() {
            request.read(self);
        } else if !is_empty() {
            self.refuse(Rejection::new(RejectReason::WrongSource));
        }
    }

    /// Rejects a request as a whole.
    fn refuse(&mut self, rejection: Rejection) {
        self.received.unreadable = true;
        self.reject(rejection);
    }

    fn reject(&mut self, rejection: Rejection) {
        self.records.reject(self.index, rejection);
        self.received.rejected += 1;
        self.index += 1;
    }
}

impl Sink for Intake<'_> {
    fn record(&mut self, origin: &Origin, record: Result<Record, Rejection>) {
        let found = record.and_then(|record| feed::interpret(self.key, origin, &record, self.records));
        match found {
            Ok(Found::Usage(draft)) => {
                self.records.accept(self.index, *draft);
                self.received.accepted += 1;
                self.index += 1;
            }
            Ok(Found::Skip(what)) => {
                self.records.skip(what);
                self.received.skipped += 1;
                self.index += 1;
            }
            Err(rejection) => self.reject(rejection),
        }
    }
}
