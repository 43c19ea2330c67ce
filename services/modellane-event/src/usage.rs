//! The normalized usage event: one record of a vendor's evidence.

use crate::content::{ContentHasher, HashContent};
use crate::{
    AccountRef, Amount, BranchKey, ContentHash, CostBasis, Currency, Date, EventId, Label, RequestKey,
    SessionKey, TicketKey, UtcTime, WorkspaceKey,
};
use serde::{Deserialize, Serialize};

macro_rules! closed_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Name in files and SQL.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl $crate::content::HashContent for $name {
            fn hash_content(&self, hasher: &mut $crate::ContentHasher) {
                hasher.bytes(self.as_str().as_bytes());
            }
        }
    };
}
pub(crate) use closed_enum;

closed_enum! {
    /// What one record stands for.
    Grain {
        /// One request to a model.
        Request = "request",
        /// One session.
        Session = "session",
        /// One person's day.
        UserDay = "user_day",
        /// One person's month.
        UserMonth = "user_month",
        /// One model's day.
        ModelDay = "model_day",
        /// An organisation's day.
        OrgDay = "org_day",
        /// A grain that this version does not know.
        Unknown = "unknown",
    }
}

closed_enum! {
    /// Where the tool was used.
    Surface {
        /// Inside an editor.
        Ide = "ide",
        /// On a command line.
        Cli = "cli",
        /// In a browser.
        Web = "web",
        /// By an agent working on its own.
        Agent = "agent",
        /// In continuous integration.
        Ci = "ci",
        /// Through an API.
        Api = "api",
        /// A surface that this version does not know.
        Unknown = "unknown",
    }
}

closed_enum! {
    /// How the request ended.
    Outcome {
        /// It was answered.
        Ok = "ok",
        /// It failed.
        Error = "error",
        /// It was cancelled.
        Cancelled = "cancelled",
        /// An outcome that this version does not know; judged like `ok`.
        Unknown = "unknown",
    }
}

/// Quantities of one record. Null is not zero: an absent count is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Requests that the record stands for.
    pub requests: Option<i64>,
    /// Input tokens, cached ones included, as OpenTelemetry counts.
    pub input_tokens: Option<i64>,
    /// Part of the input read from a cache.
    pub cache_read_tokens: Option<i64>,
    /// Part of the input written to a cache, all lifetimes.
    pub cache_write_tokens: Option<i64>,
    /// Part of the cache writes kept for an hour, priced apart by some vendors.
    pub cache_write_1h_tokens: Option<i64>,
    /// Output tokens, reasoning included.
    pub output_tokens: Option<i64>,
    /// Part of the output spent on reasoning.
    pub reasoning_tokens: Option<i64>,
    /// Lines of code that the person accepted.
    pub lines_accepted: Option<i64>,
    /// Vendor credits or request units.
    pub credits: Option<Amount>,
    /// Unit of `credits`, such as `github_ai_credit` or `cursor_request`.
    pub credit_unit: Option<Label>,
}

/// Money as the vendor's record states it, before any price is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostEvidence {
    /// What the amount rests on; `none` if the record states no amount.
    pub basis: CostBasis,
    /// The stated amount. Under `seat_included` it is what the use would have cost.
    pub amount: Option<Amount>,
    /// The amount before discounts, where the record states it.
    pub list_amount: Option<Amount>,
    /// Currency of both amounts; present whenever one of them is.
    pub currency: Option<Currency>,
}

impl CostEvidence {
    /// The record states no amount.
    pub fn none() -> Self {
        Self { basis: CostBasis::None, amount: None, list_amount: None, currency: None }
    }
}

/// Who used it, as keyed hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Accounts of the record, the most specific first. Empty if the record names none.
    pub accounts: Vec<AccountRef>,
    /// Session, conversation or trace.
    pub session_key: Option<SessionKey>,
    /// Vendor's request, response or message id, for joining feeds.
    pub request_key: Option<RequestKey>,
}

/// Where the work happened, as far as the record says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Repository, as keyed hash until the directory resolves it.
    pub workspace_key: Option<WorkspaceKey>,
    /// Branch.
    pub branch_key: Option<BranchKey>,
    /// Ticket.
    pub ticket_key: Option<TicketKey>,
    /// Programming language, from a known list.
    pub language: Option<Label>,
    /// File extension, from a known list.
    pub file_type: Option<Label>,
}

/// Everything that a record says: the content of a usage event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageFacts {
    /// What the record stands for.
    pub grain: Grain,
    /// Start of the use.
    pub period_start: UtcTime,
    /// End of the use, exclusive; equal to the start for an instant.
    pub period_end: UtcTime,
    /// Who invoices, such as `github` or `cursor`.
    pub vendor: Label,
    /// Product used, such as `copilot`, `cursor`, `claude_code`.
    pub tool: Option<Label>,
    /// Where the product was used.
    pub surface: Option<Surface>,
    /// Who runs the model, in the spelling of `gen_ai.provider.name`.
    pub provider: Option<Label>,
    /// Model in one spelling across vendors (see the collector's model names); null if none is stated.
    pub model: Option<Label>,
    /// Model as the vendor wrote it.
    pub model_raw: Option<Label>,
    /// How the request ended.
    pub outcome: Outcome,
    /// Vendor's billing account.
    pub billing_account_id: Option<Label>,
    /// Who.
    pub who: Who,
    /// Where.
    pub work: Work,
    /// How much.
    pub tokens: Tokens,
    /// Stated money.
    pub cost: CostEvidence,
}

/// A normalized usage event, as the topic `modellane.usage.v1` carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageEvent {
    /// Keyed hash of source and natural key.
    pub event_id: EventId,
    /// Feed, named `vendor.feed`.
    pub source: Label,
    /// Natural key, accounts replaced by keyed hashes.
    pub source_key: Label,
    /// Account, report and period of the fetch that brought the record.
    pub scope_key: Option<Label>,
    /// When the vendor's data was fetched or received.
    pub observed_at: UtcTime,
    /// Day of the ledger partition, from the natural key's time: never changes for an event.
    pub event_date: Date,
    /// Hash of `facts`.
    pub content_hash: ContentHash,
    /// What the record says.
    pub facts: UsageFacts,
}

macro_rules! hash_fields {
    ($type:ty: $($field:ident),+ $(,)?) => {
        impl HashContent for $type {
            fn hash_content(&self, hasher: &mut ContentHasher) {
                $(hasher.field(stringify!($field), &self.$field);)+
            }
        }
    };
}

hash_fields!(Tokens: requests, input_tokens, cache_read_tokens, cache_write_tokens,
    cache_write_1h_tokens, output_tokens, reasoning_tokens, lines_accepted, credits, credit_unit);
hash_fields!(CostEvidence: basis, amount, list_amount, currency);
hash_fields!(Who: accounts, session_key, request_key);
hash_fields!(Work: workspace_key, branch_key, ticket_key, language, file_type);
hash_fields!(UsageFacts: grain, period_start, period_end, vendor, tool, surface, provider, model,
    model_raw, outcome, billing_account_id, who, work, tokens, cost);

impl UsageFacts {
    /// One answered request, of which nothing else is known yet.
    pub fn request(vendor: Label, period_start: UtcTime, period_end: UtcTime) -> Self {
        Self {
            grain: Grain::Request,
            period_start,
            period_end,
            vendor,
            tool: None,
            surface: None,
            provider: None,
            model: None,
            model_raw: None,
            outcome: Outcome::Ok,
            billing_account_id: None,
            who: Who::default(),
            work: Work::default(),
            tokens: Tokens { requests: Some(1), ..Tokens::default() },
            cost: CostEvidence::none(),
        }
    }

    /// Hash of the content. A field added later leaves the hash of records without it unchanged.
    pub fn content_hash(&self) -> ContentHash {
        let mut hasher = ContentHasher::new();
        self.hash_content(&mut hasher);
        hasher.finish()
    }
}
