//! `cursor.usage_events`: pages of Cursor's `filtered-usage-events`.
//!
//! A row is one use, without an id: its natural key is the account and the millisecond. The model is not
//! part of it, because Cursor restates it (`default` becomes a name the next day), nor is the cost. Rows of
//! one key that say the same count once; different ones are told apart by their order over all pages of the
//! fetch. Nothing else tells them apart for good: rows of one millisecond can differ in their cost alone. So
//! the pages have to be given together, and a later one without those before it is refused: its rows would
//! take the ids of others.
//!
//! A scope is a UTC day of the team, not the period that was asked for: a use lies in one day, whichever
//! fetches bring it. A fetch whose pages are all there is complete for each day that lies whole in its period,
//! and `totalUsageEventsCount` confirms it, if somebody vouches for it: the payload names neither the team nor
//! a filter, and a fetch of one user looks like one of all.
//!
//! Amounts are fractional cents. `chargedCents` includes the token fee and comes after the discount;
//! `tokenUsage.totalCents` is the model's cost before it. A row that the seat includes states what it would
//! have cost. The four token counts are disjoint, so that the input is the sum of three of them.

use crate::connector::{
    Connector, Draft, Extent, Page, Payload, Records, Rejection, Scope, SourceSpec, Statement,
};
use crate::framing::{objects, outer_field};
use crate::json::{self, Field, not_negative, required};
use crate::model_names::model_name;
use crate::natural_key::NaturalKey;
use modellane_event::{
    AccountKind, AccountRef, Amount, CostBasis, CostEvidence, Currency, Date, Grain, Label, LakeKey, Outcome,
    RejectReason, Surface, Tokens, UsageFacts, Who, Work,
};
use serde::Deserialize;

#[cfg(test)]
mod tests;

static SPEC: SourceSpec = SourceSpec {
    name: "cursor.usage_events",
    grain: "request",
    cost: "vendor_reported or seat_included: chargedCents, fractional cents, USD",
    identity: "email, cursor",
    natural_key: "account, timestamp; ordinal over the pages of a fetch, which are given together",
    restatement: "a day, model and cost",
};

/// Cursor's usage events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CursorUsageEvents;

impl Connector for CursorUsageEvents {
    fn spec(&self) -> &'static SourceSpec {
        &SPEC
    }

    fn read(&self, payload: &Payload<'_>, records: &mut dyn Records) {
        json::for_each_record(payload.bytes, &["usageEvents"], |index, line, record| {
            records.line(line);
            let length = record.as_ref().ok().map(|record| record.len());
            let draft =
                record.and_then(json::parse::<Row<'_>>).and_then(|row| row.draft(payload.key, records));
            match draft {
                Ok(draft) => records.accept(index, draft),
                Err(rejection) => {
                    records.reject(index, Rejection { length: length.or(rejection.length), ..rejection });
                }
            }
        });
    }

    fn pages(&self, payload: &Payload<'_>) -> Vec<Page> {
        objects(payload.bytes).filter_map(|object| page(object, payload.key)).collect()
    }

    fn statement(&self, payload: &Payload<'_>) -> Statement {
        // All pages of a payload are of one fetch, or it is refused.
        objects(payload.bytes).next().and_then(statement).unwrap_or_default()
    }

    fn day_scope(&self, day: Date, key: &LakeKey) -> Option<Scope> {
        Some(Scope::day(NaturalKey::new().id(key, &day.to_string()), day))
    }
}

/// Without a page number nothing tells whether more pages follow.
fn statement(object: &[u8]) -> Option<Statement> {
    let pagination: Pagination<'_> = outer_object(object, "pagination")?;
    pagination.hasNextPage.flag()?;
    let period: Period<'_> = outer_object(object, "period")?;
    let start = period.startDate.time("startDate").ok()??;
    let end = period.endDate.time("endDate").ok()??;
    let first = if start == start.date().start() { start.date() } else { start.date().next() };
    let total = outer_field(object, "totalUsageEventsCount").and_then(|text| std::str::from_utf8(text).ok());
    let total = total.and_then(|text| text.trim().parse().ok());
    Some(Statement { extent: Extent::Days(first, end.date()), total, may_be_filtered: true })
}

fn page(object: &[u8], key: &LakeKey) -> Option<Page> {
    let pagination: Pagination<'_> = outer_object(object, "pagination")?;
    let number = pagination.currentPage.count("currentPage").ok()??;
    Some(Page {
        scope: scope(object, key),
        number: u32::try_from(number).ok()?,
        last: pagination.hasNextPage.flag() == Some(false),
    })
}

/// The period that was asked for; it stands behind the rows.
fn scope(object: &[u8], key: &LakeKey) -> Option<NaturalKey> {
    let period: Period<'_> = outer_object(object, "period")?;
    let start = period.startDate.text("startDate").ok()??;
    let end = period.endDate.text("endDate").ok()??;
    Some(NaturalKey::new().id(key, &start).id(key, &end))
}

fn outer_object<'a, T: Deserialize<'a>>(bytes: &'a [u8], name: &str) -> Option<T> {
    json::parse(std::str::from_utf8(outer_field(bytes, name)?).ok()?).ok()
}

#[derive(Deserialize, Default)]
#[serde(default)]
#[allow(non_snake_case, reason = "the vendor's names")]
struct Pagination<'a> {
    #[serde(borrow)]
    currentPage: Field<'a>,
    #[serde(borrow)]
    hasNextPage: Field<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
#[allow(non_snake_case, reason = "the vendor's names")]
struct Period<'a> {
    #[serde(borrow)]
    startDate: Field<'a>,
    #[serde(borrow)]
    endDate: Field<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
#[allow(non_snake_case, reason = "the vendor's names")]
struct Row<'a> {
    #[serde(borrow)]
    timestamp: Field<'a>,
    #[serde(borrow)]
    userEmail: Field<'a>,
    #[serde(borrow)]
    serviceAccountId: Field<'a>,
    #[serde(borrow)]
    conversationId: Field<'a>,
    #[serde(borrow)]
    model: Field<'a>,
    #[serde(borrow)]
    kind: Field<'a>,
    /// What `kind` was called before.
    #[serde(borrow)]
    kindLabel: Field<'a>,
    #[serde(borrow)]
    isChargeable: Field<'a>,
    #[serde(borrow)]
    isHeadless: Field<'a>,
    #[serde(borrow)]
    requestsCosts: Field<'a>,
    #[serde(borrow)]
    chargedCents: Field<'a>,
    #[serde(borrow)]
    cursorTokenFee: Field<'a>,
    #[serde(borrow)]
    tokenUsage: Field<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
#[allow(non_snake_case, reason = "the vendor's names")]
struct TokenUsage<'a> {
    #[serde(borrow)]
    inputTokens: Field<'a>,
    #[serde(borrow)]
    outputTokens: Field<'a>,
    #[serde(borrow)]
    cacheWriteTokens: Field<'a>,
    #[serde(borrow)]
    cacheReadTokens: Field<'a>,
    #[serde(borrow)]
    totalCents: Field<'a>,
}

/// What the row's kind says of its end and of who pays. Kinds are an open list; an unknown one is charged
/// unless the row says that it is not chargeable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Charged,
    Included,
    Failed,
    Aborted,
}

impl Row<'_> {
    fn draft(&self, key: &LakeKey, records: &mut dyn Records) -> Result<Draft, Rejection> {
        let time = required(self.timestamp.time("timestamp")?, "timestamp")?;
        let email = self.userEmail.text("userEmail")?;
        let email = email.and_then(|email| AccountRef::new(key, AccountKind::Email, &email));
        let service = self.serviceAccountId.text("serviceAccountId")?;
        let service = service.and_then(|id| AccountRef::new(key, AccountKind::Cursor, &id));
        let name = self.model.text("model")?.map(|text| model_name(&text)).unwrap_or_default();
        if name.unreadable {
            records.null_label("model");
        }
        let kind = self.kind()?;
        let usage = self.usage()?;
        let facts = UsageFacts {
            grain: Grain::Request,
            period_start: time,
            period_end: time,
            vendor: Label::literal("cursor"),
            tool: Some(Label::literal("cursor")),
            surface: self.isHeadless.flag().map(|agent| if agent { Surface::Agent } else { Surface::Ide }),
            provider: name.provider,
            model: name.model,
            model_raw: name.raw,
            outcome: match kind {
                Kind::Charged | Kind::Included => Outcome::Ok,
                Kind::Failed => Outcome::Error,
                Kind::Aborted => Outcome::Cancelled,
            },
            billing_account_id: None,
            who: Who {
                accounts: service.into_iter().chain(email).collect(),
                session_key: self.conversationId.text("conversationId")?.map(|id| key.session(&id)),
                request_key: None,
            },
            work: Work::default(),
            cost: self.cost(kind, &usage)?,
            tokens: self.tokens(usage)?,
        };
        let millis = (time.micros() / 1_000).to_string();
        Ok(Draft {
            natural_key: NaturalKey::new().account(email.as_ref().or(service.as_ref())).id(key, &millis),
            needs_ordinal: true,
            event_date: time.date(),
            feed: None,
            scope: CursorUsageEvents.day_scope(time.date(), key),
            observed_at: None,
            facts,
        })
    }

    fn kind(&self) -> Result<Kind, Rejection> {
        let kind = self.kind.text("kind")?;
        let kind = if kind.is_some() { kind } else { self.kindLabel.text("kindLabel")? };
        let kind = kind.map(|kind| kind.to_ascii_lowercase()).unwrap_or_default();
        Ok(if kind.contains("aborted") {
            Kind::Aborted
        } else if kind.contains("error") {
            Kind::Failed
        } else if kind.contains("included") || self.isChargeable.flag() == Some(false) {
            Kind::Included
        } else {
            Kind::Charged
        })
    }

    fn usage(&self) -> Result<Option<Usage>, Rejection> {
        if self.tokenUsage.is_null() {
            return Ok(None);
        }
        let wrong = Rejection::at(RejectReason::BadNumber, "tokenUsage");
        let text = self.tokenUsage.nested().ok_or(wrong)?;
        let usage: TokenUsage<'_> = json::parse(&text).map_err(|_| wrong)?;
        Ok(Some(Usage {
            uncached: usage.inputTokens.count("inputTokens")?,
            cache_read: usage.cacheReadTokens.count("cacheReadTokens")?,
            cache_write: usage.cacheWriteTokens.count("cacheWriteTokens")?,
            output: usage.outputTokens.count("outputTokens")?,
            cost: not_negative(usage.totalCents.cents("totalCents")?, "totalCents")?,
        }))
    }

    /// The parts of the input are disjoint; a part that is not stated adds nothing.
    fn tokens(&self, usage: Option<Usage>) -> Result<Tokens, Rejection> {
        let credits = not_negative(self.requestsCosts.amount("requestsCosts")?, "requestsCosts")?;
        let mut tokens = Tokens {
            requests: Some(1),
            credits,
            credit_unit: credits.map(|_| Label::literal("cursor_request")),
            ..Tokens::default()
        };
        if let Some(usage) = usage {
            let cached = usage.cache_read.unwrap_or(0) + usage.cache_write.unwrap_or(0);
            tokens.input_tokens = usage.uncached.map(|uncached| uncached + cached);
            tokens.cache_read_tokens = usage.cache_read;
            tokens.cache_write_tokens = usage.cache_write;
            tokens.output_tokens = usage.output;
        }
        Ok(tokens)
    }

    fn cost(&self, kind: Kind, usage: &Option<Usage>) -> Result<CostEvidence, Rejection> {
        let charged = not_negative(self.chargedCents.cents("chargedCents")?, "chargedCents")?;
        let fee = not_negative(self.cursorTokenFee.cents("cursorTokenFee")?, "cursorTokenFee")?;
        let before_discount = usage.as_ref().and_then(|usage| usage.cost);
        let list_amount = before_discount.and_then(|cost| cost.checked_add(fee.unwrap_or(Amount::ZERO)));
        let (basis, amount) = match kind {
            Kind::Failed | Kind::Aborted => (CostBasis::VendorReported, Some(Amount::ZERO)),
            Kind::Included => (CostBasis::SeatIncluded, charged),
            Kind::Charged if charged.is_some() => (CostBasis::VendorReported, charged),
            Kind::Charged => (CostBasis::None, None),
        };
        let currency = amount.or(list_amount).map(|_| Currency::usd());
        Ok(CostEvidence { basis, amount, list_amount, currency })
    }
}

/// Token counts and the model's cost of a row.
struct Usage {
    uncached: Option<i64>,
    cache_read: Option<i64>,
    cache_write: Option<i64>,
    output: Option<i64>,
    cost: Option<Amount>,
}
