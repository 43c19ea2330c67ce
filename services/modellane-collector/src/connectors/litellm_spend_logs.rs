//! `litellm.spend_logs`: rows of LiteLLM's table of spend logs, as its API returns them (`data`, an array)
//! or as a database export writes them (NDJSON).
//!
//! A row is one request. `prompt_tokens` includes what came from a cache. `spend` is LiteLLM's own estimate
//! in US dollars: zero for a failed request, for an answer from LiteLLM's cache, and for a model that it has
//! no price for. Rows are updated once the cost is final, under the same `request_id`: the last row of a
//! payload counts, and `updated_at` says when it was known. So a zero beside tokens is no cost, unless the
//! request failed or the cache answered it; no model was called for the latter, and its list price is zero too.
//!
//! Messages, responses and errors are columns of the same table and are passed over. Team, tags and end user
//! are text of the user's making: no field of an event takes them.

use crate::connector::{Connector, Draft, JsonRecords, Keys, Payload, Records, Rejection, Scope, SourceSpec};
use crate::json::{self, Field, not_negative, required};
use crate::model_names::{model_name, provider_name};
use crate::natural_key::NaturalKey;
use crate::tools::tool_of_user_agent;
use modellane_event::{
    AccountKind, AccountRef, Amount, CostBasis, CostEvidence, Currency, Date, Grain, Label, LakeKey, Outcome,
    Surface, TicketKey, Tokens, UsageFacts, UtcTime, Who, Work,
};
use serde::Deserialize;

#[cfg(test)]
mod tests;

static SPEC: SourceSpec = SourceSpec {
    name: "litellm.spend_logs",
    grain: "request",
    cost: "vendor_estimate: spend, USD; a zero beside tokens is unknown",
    identity: "email, litellm, api_key",
    natural_key: "request_id",
    restatement: "until the cost is final",
};

/// LiteLLM's user of requests that name none.
const NO_USER: &str = "default_user_id";
/// How LiteLLM tags a request with the client's name.
const USER_AGENT_TAG: &str = "User-Agent: ";

/// LiteLLM's spend logs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LitellmSpendLogs;

impl Connector for LitellmSpendLogs {
    fn spec(&self) -> &'static SourceSpec {
        &SPEC
    }

    fn read(&self, payload: &Payload<'_>, records: &mut dyn Records) {
        json::read_records(self, payload, records);
    }

    /// By the start of the request, which the table never changes. Only who exports the rows knows whether
    /// they are a day's rows, all of them.
    fn day_scope(&self, day: Date, key: &LakeKey) -> Option<Scope> {
        Some(Scope::day(NaturalKey::new().id(key, &day.to_string()), day))
    }

    fn json_records(&self) -> Option<&dyn JsonRecords> {
        Some(self)
    }
}

impl JsonRecords for LitellmSpendLogs {
    fn array_keys(&self) -> &'static [&'static str] {
        &["data"]
    }

    fn read_record(&self, index: u64, record: &str, payload: &Payload<'_>, records: &mut dyn Records) {
        let draft = json::parse::<Row<'_>>(record).and_then(|row| row.draft(payload.key, records));
        match draft {
            Ok(draft) => records.accept(index, draft),
            Err(rejection) => {
                records.reject(index, Rejection { length: Some(record.len()), ..rejection });
            }
        }
    }

    fn keys(&self) -> Keys {
        Keys::Id("request_id")
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
#[allow(non_snake_case, reason = "the vendor's names")]
struct Row<'a> {
    #[serde(borrow)]
    request_id: Field<'a>,
    #[serde(borrow)]
    litellm_call_id: Field<'a>,
    #[serde(borrow)]
    session_id: Field<'a>,
    #[serde(borrow)]
    startTime: Field<'a>,
    #[serde(borrow)]
    endTime: Field<'a>,
    #[serde(borrow)]
    updated_at: Field<'a>,
    #[serde(borrow)]
    spend: Field<'a>,
    #[serde(borrow)]
    prompt_tokens: Field<'a>,
    #[serde(borrow)]
    completion_tokens: Field<'a>,
    #[serde(borrow)]
    model: Field<'a>,
    #[serde(borrow)]
    custom_llm_provider: Field<'a>,
    #[serde(borrow)]
    api_key: Field<'a>,
    #[serde(borrow)]
    user: Field<'a>,
    #[serde(borrow)]
    status: Field<'a>,
    #[serde(borrow)]
    cache_hit: Field<'a>,
    #[serde(borrow)]
    metadata: Field<'a>,
    #[serde(borrow)]
    request_tags: Field<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    user_api_key_user_email: Field<'a>,
    #[serde(borrow)]
    user_api_key_alias: Field<'a>,
    #[serde(borrow)]
    usage_object: Field<'a>,
    /// Whatever the caller sent along.
    #[serde(borrow)]
    spend_logs_metadata: Field<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct UsageObject<'a> {
    #[serde(borrow)]
    cache_read_input_tokens: Field<'a>,
    #[serde(borrow)]
    cache_creation_input_tokens: Field<'a>,
    #[serde(borrow)]
    prompt_tokens_details: Option<Details<'a>>,
    #[serde(borrow)]
    completion_tokens_details: Option<Details<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    cached_tokens: Field<'a>,
    #[serde(borrow)]
    reasoning_tokens: Field<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SpendLogsMetadata<'a> {
    #[serde(borrow)]
    ticket: Field<'a>,
}

impl Row<'_> {
    fn draft(&self, key: &LakeKey, records: &mut dyn Records) -> Result<Draft, Rejection> {
        let request_id = required(self.request_id.text("request_id")?, "request_id")?;
        let start = required(self.startTime.time("startTime")?, "startTime")?;
        let nested = self.metadata.nested();
        let metadata: Metadata<'_> = match &nested {
            Some(text) => {
                json::parse(text).map_err(|rejection| Rejection::at(rejection.reason, "metadata"))?
            }
            None => Metadata::default(),
        };
        let call_id = self.litellm_call_id.text("litellm_call_id")?;
        let name = self.model.text("model")?.map(|text| model_name(&text)).unwrap_or_default();
        if name.unreadable {
            records.null_label("model");
        }
        let (outcome, tokens) = (self.outcome()?, self.tokens(&metadata)?);
        let facts = UsageFacts {
            grain: Grain::Request,
            period_start: start,
            period_end: self.end(start)?,
            vendor: Label::literal("litellm"),
            tool: self.tool(),
            surface: Some(Surface::Api),
            provider: self.provider(records)?.or(name.provider),
            model: name.model,
            model_raw: name.raw,
            outcome,
            billing_account_id: None,
            who: Who {
                accounts: self.accounts(&metadata, key)?,
                session_key: self.session_id.text("session_id")?.map(|id| key.session(&id)),
                request_key: Some(key.request(call_id.as_deref().unwrap_or(&request_id))),
            },
            work: Work { ticket_key: metadata.ticket(key), ..Work::default() },
            cost: self.cost(outcome, &tokens)?,
            tokens,
        };
        Ok(Draft {
            natural_key: NaturalKey::new().id(key, &request_id),
            needs_ordinal: false,
            event_date: start.date(),
            feed: None,
            scope: LitellmSpendLogs.day_scope(start.date(), key),
            observed_at: self.updated_at.time("updated_at")?,
            facts,
        })
    }

    /// The end; a clock that ran backwards makes the request an instant.
    fn end(&self, start: UtcTime) -> Result<UtcTime, Rejection> {
        Ok(self.endTime.time("endTime")?.map_or(start, |end| end.max(start)))
    }

    fn outcome(&self) -> Result<Outcome, Rejection> {
        Ok(match self.status.text("status")?.as_deref() {
            None | Some("success") => Outcome::Ok,
            Some("failure") => Outcome::Error,
            Some(_) => Outcome::Unknown,
        })
    }

    fn provider(&self, records: &mut dyn Records) -> Result<Option<Label>, Rejection> {
        let Some(text) = self.custom_llm_provider.text("custom_llm_provider")? else { return Ok(None) };
        let provider = provider_name(&text);
        if provider.is_none() {
            records.null_label("provider");
        }
        Ok(provider)
    }

    /// The person's address, then LiteLLM's user, then the key by its name and by its hash.
    fn accounts(&self, metadata: &Metadata<'_>, key: &LakeKey) -> Result<Vec<AccountRef>, Rejection> {
        let email = metadata.user_api_key_user_email.text("user_api_key_user_email")?;
        let user = self.user.text("user")?.filter(|user| user != NO_USER);
        let alias = metadata.user_api_key_alias.text("user_api_key_alias")?;
        let hash = self.api_key.text("api_key")?;
        let named = [
            (AccountKind::Email, email),
            (AccountKind::Litellm, user),
            (AccountKind::ApiKey, alias),
            (AccountKind::ApiKey, hash),
        ];
        Ok(named.into_iter().filter_map(|(kind, id)| AccountRef::new(key, kind, &id?)).collect())
    }

    fn tokens(&self, metadata: &Metadata<'_>) -> Result<Tokens, Rejection> {
        let mut tokens = Tokens {
            requests: Some(1),
            input_tokens: self.prompt_tokens.count("prompt_tokens")?,
            output_tokens: self.completion_tokens.count("completion_tokens")?,
            ..Tokens::default()
        };
        if let Some(text) = metadata.usage_object.nested() {
            let usage: UsageObject<'_> =
                json::parse(&text).map_err(|rejection| Rejection::at(rejection.reason, "usage_object"))?;
            let anthropic = usage.cache_read_input_tokens.count("cache_read_input_tokens")?;
            let openai = usage.prompt_tokens_details.as_ref().map(|details| details.cached_tokens);
            tokens.cache_read_tokens = match (anthropic, openai) {
                (None, Some(cached)) => cached.count("cached_tokens")?,
                (read, _) => read,
            };
            tokens.cache_write_tokens =
                usage.cache_creation_input_tokens.count("cache_creation_input_tokens")?;
            if let Some(details) = &usage.completion_tokens_details {
                tokens.reasoning_tokens = details.reasoning_tokens.count("reasoning_tokens")?;
            }
        }
        Ok(tokens)
    }

    /// What LiteLLM says that the request cost, unless that is the zero of a model without a price.
    fn cost(&self, outcome: Outcome, tokens: &Tokens) -> Result<CostEvidence, Rejection> {
        let spend = not_negative(self.spend.amount("spend")?, "spend")?;
        let from_cache = self.cache_hit.flag() == Some(true);
        let used_nothing = tokens.input_tokens == Some(0) && tokens.output_tokens == Some(0);
        let amount = match spend {
            _ if from_cache => spend.or(Some(Amount::ZERO)),
            Some(Amount::ZERO) if outcome != Outcome::Error && !used_nothing => None,
            spend => spend,
        };
        let Some(amount) = amount else { return Ok(CostEvidence::none()) };
        Ok(CostEvidence {
            basis: CostBasis::VendorEstimate,
            amount: Some(amount),
            list_amount: from_cache.then_some(Amount::ZERO),
            currency: Some(Currency::usd()),
        })
    }

    /// The client among the tags, if it is a known one.
    fn tool(&self) -> Option<Label> {
        let tags = self.request_tags.nested()?;
        let tags: Vec<Field<'_>> = serde_json::from_str(&tags).ok()?;
        tags.iter().find_map(|tag| {
            let text = tag.text("request_tags").ok()??;
            tool_of_user_agent(text.strip_prefix(USER_AGENT_TAG)?)
        })
    }
}

impl Metadata<'_> {
    /// The ticket, if the caller sends one under this name; callers send other things as they like.
    fn ticket(&self, key: &LakeKey) -> Option<TicketKey> {
        let text = self.spend_logs_metadata.nested()?;
        let metadata: SpendLogsMetadata<'_> = json::parse(&text).ok()?;
        let ticket = metadata.ticket.text("ticket").ok()??;
        Some(key.ticket(&ticket))
    }
}
