//! `github_copilot.user_day`: the users-1-day report of the Copilot usage metrics, as NDJSON, as an array
//! or as a wrapper object with `day_totals`.
//!
//! A row is one user's day within one organisation of one enterprise, and one event. Its breakdowns by
//! editor, feature, language and model are cuts of the same total and never become events; as several
//! models may share a day, the event names none.
//!
//! - `requests` is `user_initiated_interaction_count`: the prompts that the person sent in an editor. The
//!   requests that agents make on their own and the prompts of the command line come by another way of
//!   measuring and are not added.
//! - Tokens are reported for the command line and the Copilot app alone; they are summed. A day without
//!   either has unknown tokens, not zero.
//! - `credits` is `ai_credits_used`; absent and null are unknown, which is not zero. They are no cost: the
//!   seats' pool covers them, and what it does not cover `github_copilot.billing_csv` charges.
//! - `lines_accepted` is `loc_added_sum`.

use crate::connector::{
    Connector, Draft, Extent, JsonRecords, Keys, Payload, Records, Rejection, Scope, SourceSpec, Statement,
};
use crate::framing::{opens_array, outer_field};
use crate::json::{self, Field, not_negative, required};
use crate::natural_key::NaturalKey;
use modellane_event::{
    AccountKind, AccountRef, CostEvidence, Date, Grain, Label, LakeKey, Outcome, RejectReason, Tokens,
    UsageFacts, Who, Work,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;

#[cfg(test)]
mod tests;

static SPEC: SourceSpec = SourceSpec {
    name: "github_copilot.user_day",
    grain: "user_day",
    cost: "none; AI credits have a list price, the billing report charges them",
    identity: "github login and user id",
    natural_key: "enterprise, organization, user id, day",
    restatement: "three days",
};

/// Languages that a row may name. Any other text is not kept.
const LANGUAGES: [&str; 48] = [
    "apex",
    "bash",
    "bicep",
    "c",
    "clojure",
    "cpp",
    "csharp",
    "css",
    "cuda",
    "dart",
    "dockerfile",
    "elixir",
    "elm",
    "erlang",
    "fsharp",
    "go",
    "graphql",
    "groovy",
    "haskell",
    "hcl",
    "html",
    "java",
    "javascript",
    "javascriptreact",
    "json",
    "julia",
    "kotlin",
    "lua",
    "makefile",
    "markdown",
    "objective-c",
    "perl",
    "php",
    "powershell",
    "proto",
    "python",
    "r",
    "ruby",
    "rust",
    "scala",
    "scss",
    "shellscript",
    "sql",
    "swift",
    "terraform",
    "typescript",
    "typescriptreact",
    "yaml",
];

/// The users-1-day report.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CopilotUserDay;

impl Connector for CopilotUserDay {
    fn spec(&self) -> &'static SourceSpec {
        &SPEC
    }

    fn read(&self, payload: &Payload<'_>, records: &mut dyn Records) {
        json::read_records(self, payload, records);
    }

    /// A wrapper object that states one day holds that day's report. Rows by themselves state nothing, and a
    /// longer period is one of another report.
    fn statement(&self, payload: &Payload<'_>) -> Statement {
        let day = |name| {
            let text = std::str::from_utf8(outer_field(payload.bytes, name)?).ok()?;
            Date::parse(text.trim_matches('"')).ok()
        };
        let days = (day("report_start_day"), day("report_end_day"));
        match days {
            (Some(start), Some(end)) if start == end && opens_array(payload.bytes, "day_totals") => {
                Statement { extent: Extent::Held(Some((start, start.next()))), ..Statement::default() }
            }
            _ => Statement::default(),
        }
    }

    fn json_records(&self) -> Option<&dyn JsonRecords> {
        Some(self)
    }
}

impl JsonRecords for CopilotUserDay {
    fn array_keys(&self) -> &'static [&'static str] {
        &["day_totals"]
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
        Keys::Fields(natural_key)
    }
}

fn natural_key(record: &str, key: &LakeKey) -> Option<NaturalKey> {
    json::parse::<KeyFields<'_>>(record).ok()?.identity(key).ok().map(|identity| identity.natural_key)
}

#[derive(Deserialize)]
struct KeyFields<'a> {
    #[serde(borrow, default)]
    enterprise_id: Field<'a>,
    #[serde(borrow, default)]
    organization_id: Field<'a>,
    #[serde(borrow, default)]
    user_id: Field<'a>,
    #[serde(borrow, default)]
    day: Field<'a>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, default)]
    enterprise_id: Field<'a>,
    #[serde(borrow, default)]
    organization_id: Field<'a>,
    #[serde(borrow, default)]
    user_id: Field<'a>,
    #[serde(borrow, default)]
    user_login: Field<'a>,
    #[serde(borrow, default)]
    day: Field<'a>,
    #[serde(borrow, default)]
    user_initiated_interaction_count: Field<'a>,
    #[serde(borrow, default)]
    loc_added_sum: Field<'a>,
    #[serde(borrow, default)]
    ai_credits_used: Field<'a>,
    #[serde(borrow, default)]
    totals_by_cli: Option<Totals<'a>>,
    #[serde(borrow, default)]
    totals_by_copilot_app: Option<Totals<'a>>,
    #[serde(borrow, default)]
    totals_by_language_feature: Option<Vec<Language<'a>>>,
    #[serde(borrow, default)]
    totals_by_language_model: Option<Vec<Language<'a>>>,
    /// Only the usage-records feed has it: the full prompt and completion.
    body: Option<IgnoredAny>,
    /// Only the answer of the API has it: where the report can be fetched.
    download_links: Option<IgnoredAny>,
    /// Only the user-teams report has it.
    team_id: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Totals<'a> {
    #[serde(borrow, default)]
    token_usage: Option<TokenUsage<'a>>,
}

#[derive(Deserialize)]
struct TokenUsage<'a> {
    #[serde(borrow, default)]
    prompt_tokens_sum: Field<'a>,
    #[serde(borrow, default)]
    output_tokens_sum: Field<'a>,
}

#[derive(Deserialize)]
struct Language<'a> {
    #[serde(borrow, default)]
    language: Option<Cow<'a, str>>,
}

/// Who and when, as the natural key holds it.
struct Identity {
    user: AccountRef,
    day: Date,
    natural_key: NaturalKey,
    scope: NaturalKey,
}

impl KeyFields<'_> {
    fn identity(&self, key: &LakeKey) -> Result<Identity, Rejection> {
        let user_id = required(self.user_id.count("user_id")?, "user_id")?;
        let user = AccountRef::new(key, AccountKind::Github, &user_id.to_string());
        let user = required(user, "user_id")?;
        let day = required(self.day.text("day")?, "day")?;
        let day = Date::parse(&day).map_err(|_| Rejection::at(RejectReason::BadTime, "day"))?;
        let entity = |id: Field<'_>, field, natural_key: NaturalKey| match id.text(field)? {
            Some(id) => Ok(natural_key.id(key, &id)),
            None => Ok(natural_key.id(key, "-")),
        };
        let base = entity(self.enterprise_id, "enterprise_id", NaturalKey::new())?;
        let base = entity(self.organization_id, "organization_id", base)?;
        let (id, scope) = (base.clone().account(Some(&user)), base);
        let day_text = day.to_string();
        Ok(Identity { user, day, natural_key: id.id(key, &day_text), scope: scope.id(key, &day_text) })
    }
}

impl Row<'_> {
    fn draft(&self, key: &LakeKey, records: &mut dyn Records) -> Result<Draft, Rejection> {
        if self.body.is_some() {
            return Err(Rejection::new(RejectReason::ContentRefused));
        }
        if self.download_links.is_some() || self.team_id.is_some() {
            return Err(Rejection::new(RejectReason::WrongSource));
        }
        let Identity { user, day, natural_key, scope } = KeyFields {
            enterprise_id: self.enterprise_id,
            organization_id: self.organization_id,
            user_id: self.user_id,
            day: self.day,
        }
        .identity(key)?;
        let login = self.user_login.text("user_login")?;
        let login = login.and_then(|login| AccountRef::new(key, AccountKind::Github, &login));
        let facts = UsageFacts {
            grain: Grain::UserDay,
            period_start: day.start(),
            period_end: day.next().start(),
            vendor: Label::literal("github"),
            tool: Some(Label::literal("copilot")),
            surface: None,
            provider: None,
            model: None,
            model_raw: None,
            outcome: Outcome::Ok,
            billing_account_id: self.billing_account(records)?,
            who: Who { accounts: login.into_iter().chain([user]).collect(), ..Who::default() },
            work: Work { language: self.language(records), ..Work::default() },
            tokens: self.tokens()?,
            cost: CostEvidence::none(),
        };
        Ok(Draft {
            natural_key,
            needs_ordinal: false,
            event_date: day,
            feed: None,
            scope: Some(Scope::day(scope, day)),
            observed_at: None,
            facts,
        })
    }

    /// The organisation, else the enterprise; both are numbers.
    fn billing_account(&self, records: &mut dyn Records) -> Result<Option<Label>, Rejection> {
        let organization = self.organization_id.text("organization_id")?;
        let Some(id) = organization.or(self.enterprise_id.text("enterprise_id")?) else { return Ok(None) };
        let is_number = id.trim().bytes().all(|b| b.is_ascii_digit());
        let label = if is_number { Label::new(&id).ok() } else { None };
        if label.is_none() {
            records.null_label("organization_id");
        }
        Ok(label)
    }

    fn tokens(&self) -> Result<Tokens, Rejection> {
        let usage = [&self.totals_by_cli, &self.totals_by_copilot_app];
        let (mut input_tokens, mut output_tokens) = (None, None);
        for usage in usage.into_iter().flatten().filter_map(|totals| totals.token_usage.as_ref()) {
            add(&mut input_tokens, usage.prompt_tokens_sum.count("prompt_tokens_sum")?);
            add(&mut output_tokens, usage.output_tokens_sum.count("output_tokens_sum")?);
        }
        let credits = not_negative(self.ai_credits_used.amount("ai_credits_used")?, "ai_credits_used")?;
        Ok(Tokens {
            requests: self.user_initiated_interaction_count.count("user_initiated_interaction_count")?,
            input_tokens,
            output_tokens,
            lines_accepted: self.loc_added_sum.count("loc_added_sum")?,
            credits,
            credit_unit: credits.map(|_| Label::literal("github_ai_credit")),
            ..Tokens::default()
        })
    }

    /// The day's language if it has exactly one and that is a known one.
    fn language(&self, records: &mut dyn Records) -> Option<Label> {
        let cuts = [&self.totals_by_language_feature, &self.totals_by_language_model];
        let mut languages = cuts.into_iter().flatten().flatten().filter_map(|cut| cut.language.as_deref());
        let first = languages.next()?;
        if languages.any(|language| language != first) {
            return None;
        }
        let known = LANGUAGES.iter().find(|known| known.eq_ignore_ascii_case(first.trim()));
        if known.is_none() {
            records.null_label("language");
        }
        known.map(|known| Label::literal(known))
    }
}

/// Counts are bounded far below 64 bits, so that two of them cannot overflow.
fn add(total: &mut Option<i64>, part: Option<i64>) {
    if let Some(part) = part {
        *total = Some(total.unwrap_or(0) + part);
    }
}
