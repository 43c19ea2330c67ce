//! The attributes that may be read, by name and type. Any other is dropped where it stands.

use crate::connector::Rejection;
use crate::json;
use modellane_event::{Amount, RejectReason};
use smol_str::SmolStr;

/// Longest text that is read; no identifier of a vendor comes near it, and prompts mostly do not fit.
const LONGEST: usize = 256;

/// What an attribute may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An identifier or name, as a string.
    Text,
    /// A whole number that is not negative, as an integer or its decimal text.
    Count,
    /// A decimal number that is not negative, as a number or its decimal text.
    Decimal,
    /// Whatever it holds, only its presence counts.
    Presence,
}

macro_rules! allow {
    ($($name:ident: $kind:ident = $text:literal,)+) => {
        /// An allowed attribute.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(super) enum Name { $($name),+ }

        impl Name {
            /// The attribute of this name, if it may be read.
            pub(super) fn find(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)+ _ => None }
            }

            /// The name as telemetry spells it.
            pub(super) fn text(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind),+ }
            }
        }
    };
}

allow! {
    Service: Text = "service.name",
    Event: Text = "event.name",
    EventTimestamp: Text = "event.timestamp",
    EventSequence: Count = "event.sequence",
    EventKind: Text = "event.kind",
    SessionId: Text = "session.id",
    ConversationId: Text = "conversation.id",
    OrganizationId: Text = "organization.id",
    UserEmail: Text = "user.email",
    UserAccountId: Text = "user.account_id",
    UserAccountUuid: Text = "user.account_uuid",
    UserId: Text = "user.id",
    EnduserId: Text = "enduser.id",
    TerminalType: Text = "terminal.type",
    Originator: Text = "originator",
    AuthType: Text = "auth_type",
    Model: Text = "model",
    RequestId: Text = "request_id",
    PromptId: Text = "prompt_id",
    DurationMs: Decimal = "duration_ms",
    InputTokens: Count = "input_tokens",
    OutputTokens: Count = "output_tokens",
    CacheReadTokens: Count = "cache_read_tokens",
    CacheCreationTokens: Count = "cache_creation_tokens",
    CostUsd: Decimal = "cost_usd",
    CostUsdMicros: Count = "cost_usd_micros",
    InputTokenCount: Count = "input_token_count",
    OutputTokenCount: Count = "output_token_count",
    CachedTokenCount: Count = "cached_token_count",
    ReasoningTokenCount: Count = "reasoning_token_count",
    CachedContentTokenCount: Count = "cached_content_token_count",
    ThoughtsTokenCount: Count = "thoughts_token_count",
    ToolTokenCount: Count = "tool_token_count",
    GenAiOperation: Text = "gen_ai.operation.name",
    GenAiProvider: Text = "gen_ai.provider.name",
    GenAiSystem: Text = "gen_ai.system",
    GenAiRequestModel: Text = "gen_ai.request.model",
    GenAiResponseModel: Text = "gen_ai.response.model",
    GenAiResponseId: Text = "gen_ai.response.id",
    GenAiConversationId: Text = "gen_ai.conversation.id",
    GenAiInputTokens: Count = "gen_ai.usage.input_tokens",
    GenAiOutputTokens: Count = "gen_ai.usage.output_tokens",
    GenAiCacheRead: Count = "gen_ai.usage.cache_read.input_tokens",
    GenAiCacheCreation: Count = "gen_ai.usage.cache_creation.input_tokens",
    GenAiReasoning: Count = "gen_ai.usage.reasoning.output_tokens",
    GenAiPromptTokens: Count = "gen_ai.usage.prompt_tokens",
    GenAiCompletionTokens: Count = "gen_ai.usage.completion_tokens",
    ErrorType: Presence = "error.type",
}

/// An attribute value as it came, before the check of its type.
pub(super) enum Scalar<'a> {
    /// A string.
    Text(&'a str),
    /// An integer.
    Int(i64),
    /// A number with a fraction, in decimal text.
    Decimal(&'a str),
    /// Bytes that should have been a string: a text that is absent.
    NotUtf8,
    /// A truth value, a list, a map, bytes or nothing: never read.
    Other,
}

/// A value whose type was checked.
enum Value {
    Text(SmolStr),
    Count(Result<Option<i64>, Rejection>),
    Decimal(Result<Option<Amount>, Rejection>),
    Present,
}

/// The allowed attributes of a resource, span or log record.
#[derive(Default)]
pub(super) struct Attributes(Vec<(Name, Value)>);

impl Attributes {
    /// Keeps an allowed attribute of the right type. A text attribute of another type is as good as
    /// absent; a number that cannot be read is kept as its reason, because a count is never guessed.
    pub(super) fn keep(&mut self, name: Name, scalar: Scalar<'_>) {
        let value = match name.kind() {
            Kind::Text => match scalar {
                Scalar::Text(text) if text.len() <= LONGEST => Value::Text(SmolStr::new(text.trim())),
                _ => return,
            },
            Kind::Count => Value::Count(count(&scalar, name)),
            Kind::Decimal => Value::Decimal(decimal(&scalar, name)),
            Kind::Presence => Value::Present,
        };
        self.0.push((name, value));
    }

    /// The text of an attribute; an empty one is absent.
    pub(super) fn text(&self, name: Name) -> Option<&str> {
        match self.find(name)? {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A count, absent or read.
    pub(super) fn count(&self, name: Name) -> Result<Option<i64>, Rejection> {
        match self.find(name) {
            Some(Value::Count(value)) => *value,
            _ => Ok(None),
        }
    }

    /// A decimal number, absent or read.
    pub(super) fn decimal(&self, name: Name) -> Result<Option<Amount>, Rejection> {
        match self.find(name) {
            Some(Value::Decimal(value)) => *value,
            _ => Ok(None),
        }
    }

    /// Whether the attribute is there at all.
    pub(super) fn has(&self, name: Name) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: Name) -> Option<&Value> {
        self.0.iter().find(|(kept, _)| *kept == name).map(|(_, value)| value)
    }
}

fn count(scalar: &Scalar<'_>, name: Name) -> Result<Option<i64>, Rejection> {
    match scalar {
        Scalar::Int(value) => json::count(&value.to_string(), name.text()),
        Scalar::Text(text) | Scalar::Decimal(text) => json::count(text, name.text()),
        Scalar::NotUtf8 | Scalar::Other => Err(Rejection::at(RejectReason::BadNumber, name.text())),
    }
}

fn decimal(scalar: &Scalar<'_>, name: Name) -> Result<Option<Amount>, Rejection> {
    let amount = match scalar {
        Scalar::Int(value) => json::amount(&value.to_string(), name.text()),
        Scalar::Text(text) | Scalar::Decimal(text) => json::amount(text, name.text()),
        Scalar::NotUtf8 | Scalar::Other => Err(Rejection::at(RejectReason::BadNumber, name.text())),
    };
    json::not_negative(amount?, name.text())
}
