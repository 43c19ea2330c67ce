//! `litellm.spend_logs`: pages fetched every third night. Some rows come first without their final cost and
//! again, with it, in the next fetch.

use super::calendar::{FIRST_DAY, day_number, day_of, file_stamp, python};
use super::dice::Dice;
use super::files::Files;
use super::models::{Model, Tier, Tokens};
use super::number::{Nano, Number};
use super::people::{CI_KEY, NIGHTLY_KEY, Person, SHARED_KEY, SHARED_KEY_ALIAS, Tool};
use super::truth::{Fact, Truth};
use super::world::{Actor, Call, World};
use modellane_event::Date;
use serde::Serialize;

const FEED: &str = "litellm.spend_logs";
const PAGE: usize = 100;
const DAYS_PER_FETCH: i64 = 3;
/// The fetch with a row whose spend cannot be read.
const UNREADABLE: i64 = 6;

/// One row of the spend log, in the gateway's order of fields.
#[derive(Clone, Serialize)]
pub(crate) struct SpendLog {
    pub(crate) request_id: String,
    call_type: &'static str,
    api_key: String,
    spend: Spend,
    total_tokens: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    #[serde(rename = "startTime")]
    start_time: String,
    #[serde(rename = "endTime")]
    end_time: String,
    #[serde(rename = "completionStartTime")]
    completion_start_time: (),
    request_duration_ms: i64,
    model: &'static str,
    model_id: &'static str,
    model_group: &'static str,
    custom_llm_provider: &'static str,
    api_base: &'static str,
    user: String,
    metadata: Nested<Metadata>,
    cache_hit: &'static str,
    cache_key: &'static str,
    request_tags: Nested<[&'static str; 1]>,
    team_id: &'static str,
    organization_id: (),
    end_user: &'static str,
    messages: Empty,
    response: Empty,
    proxy_server_request: Empty,
    session_id: String,
    status: &'static str,
    mcp_namespaced_tool_name: (),
    litellm_call_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_finalized: Option<bool>,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Spend {
    Amount(Number),
    Unreadable(&'static str),
}

/// A JSON column, which the gateway gives sometimes as a document and sometimes as its text.
#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Nested<T> {
    Document(T),
    Text(String),
}

impl<T: Serialize> Nested<T> {
    fn new(document: T, as_text: bool) -> Self {
        if !as_text {
            return Self::Document(document);
        }
        Self::Text(serde_json::to_string(&document).expect("the generator's documents are JSON"))
    }
}

#[derive(Clone, Serialize)]
struct Empty {}

#[derive(Clone, Serialize)]
struct Metadata {
    user_api_key_alias: String,
    user_api_key_user_email: Option<&'static str>,
    user_api_key_team_alias: &'static str,
    usage_object: UsageObject,
}

#[derive(Clone, Serialize)]
struct UsageObject {
    prompt_tokens: i64,
    cache_read_input_tokens: i64,
}

#[derive(Serialize)]
struct Page<'a> {
    data: &'a [SpendLog],
    total: usize,
    page: usize,
    page_size: usize,
    total_pages: usize,
}

/// How a request went through the gateway.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    Answered,
    /// Answered by the gateway's own cache: tokens, but no spend.
    FromCache,
    Failed,
}

/// Writes every page in order.
pub(crate) fn export(world: &World, seed: u64, files: &mut Files, truth: &mut Truth) {
    let mut dice = Dice::new(seed, "litellm");
    let mut late: Vec<(SpendLog, Fact)> = Vec::new();
    let calls: Vec<&Call> = world.calls_of(Tool::Gateway).collect();
    let fetch_of = |call: &Call| day_number(day_of(call.at_ms)) / DAYS_PER_FETCH;
    for fetched in calls.chunk_by(|a, b| fetch_of(a) == fetch_of(b)) {
        let mut rows: Vec<SpendLog> = Vec::new();
        for (row, fact) in late.split_off(0) {
            truth.record(FEED, row.request_id.clone(), fact);
            rows.push(row);
        }
        for call in fetched {
            let (mut row, mut fact) = draw(&mut dice, call);
            if fact.vendor_estimate > Some(Nano(0)) && dice.percent(3) {
                late.push((SpendLog { cost_finalized: Some(true), ..row.clone() }, fact.clone()));
                row.cost_finalized = Some(false);
                row.spend = Spend::Amount(Number::python(0.0));
                fact.vendor_estimate = Some(Nano(0));
                fact.effective = fact.list_cost;
            }
            truth.record(FEED, row.request_id.clone(), fact);
            rows.push(row);
        }
        let number = fetch_of(fetched[0]);
        if number == UNREADABLE {
            let request_id = dice.uuid();
            let spend = Spend::Unreadable("n/a");
            rows.push(SpendLog { request_id, spend, ..rows[rows.len() - 1].clone() });
            truth.rejected(FEED);
        }
        write_pages(&rows, number, files);
    }
}

fn write_pages(rows: &[SpendLog], number: i64, files: &mut Files) {
    let fetched = Date(FIRST_DAY.0 + ((number + 1) * DAYS_PER_FETCH) as i32);
    let total_pages = rows.chunks(PAGE).len();
    for (page, data) in (1..).zip(rows.chunks(PAGE)) {
        let response = Page { data, total: rows.len(), page, page_size: PAGE, total_pages };
        files.json(
            format!("exports/{FEED}/{}_spend-logs_page-{page:02}.json", file_stamp(fetched, 3)),
            &response,
        );
    }
}

fn draw(dice: &mut Dice, call: &Call) -> (SpendLog, Fact) {
    let passage = match call.failed {
        true => Passage::Failed,
        false if dice.percent(6) => Passage::FromCache,
        false => Passage::Answered,
    };
    let request = Request {
        id: dice.uuid(),
        at_ms: call.at_ms,
        duration_ms: dice.between(300, 19_000),
        key: Key::of(call.actor),
        model: call.model,
        tokens: call.tokens,
        session: call.session.clone(),
        passage,
        columns_as_text: dice.percent(5),
    };
    let tokens = request.counted();
    let cost = request.cost();
    let fact = Fact {
        model: call.model.litellm.to_owned(),
        team: call.actor.team(call.at_ms),
        failed: call.failed,
        requests: Some(1),
        input_tokens: Some(tokens.input()),
        cache_read_tokens: Some(tokens.cache_read),
        output_tokens: Some(tokens.output),
        vendor_estimate: Some(request.spend()),
        effective: cost.effective,
        list_cost: cost.list,
        ..Fact::default()
    };
    (request.row(), fact)
}

/// One request through the gateway.
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) at_ms: i64,
    pub(crate) duration_ms: i64,
    pub(crate) key: Key,
    pub(crate) model: &'static Model,
    pub(crate) tokens: Tokens,
    pub(crate) session: String,
    pub(crate) passage: Passage,
    /// `metadata` and `request_tags` arrive as texts.
    pub(crate) columns_as_text: bool,
}

impl Request {
    /// Tokens that the row states: a failed request has none.
    pub(crate) fn counted(&self) -> Tokens {
        if self.passage == Passage::Failed { Tokens::default() } else { self.tokens }
    }

    /// Spend that the row states, exactly. The gateway knows no price for models outside its list.
    pub(crate) fn spend(&self) -> Nano {
        if self.passage == Passage::Answered && self.model.listed {
            self.model.cost(&self.tokens, day_of(self.at_ms))
        } else {
            Nano(0)
        }
    }

    /// What the row says of cost. A spend of 0 beside tokens only says that the gateway knows no price, unless
    /// its own cache answered: that costs nothing, at list prices too.
    fn cost(&self) -> Cost {
        if self.passage == Passage::FromCache {
            return Cost { effective: Some(Nano(0)), list: Some(Nano(0)) };
        }
        let tokens = self.counted();
        let list = self.model.list_cost(&tokens, day_of(self.at_ms));
        let stated = self.spend() > Nano(0) || tokens.total() == 0;
        Cost { effective: if stated { Some(self.spend()) } else { list }, list }
    }

    /// The same in the gateway's float arithmetic, which gives the spend its odd digits.
    fn spend_float(&self) -> f64 {
        if self.spend() == Nano(0) {
            return 0.0;
        }
        let price = self.model.price_on(day_of(self.at_ms));
        let part = |tokens: i64, nano: i64| tokens as f64 * (nano as f64 / 1e9);
        part(self.tokens.uncached, price.input)
            + part(self.tokens.cache_read, price.cache_read)
            + part(self.tokens.output, price.output)
    }

    /// The row as the gateway exports it.
    pub(crate) fn row(&self) -> SpendLog {
        let tokens = self.counted();
        let (provider, api_base) = provider(self.model);
        let metadata = Metadata {
            user_api_key_alias: self.key.alias.to_owned(),
            user_api_key_user_email: self.key.email,
            user_api_key_team_alias: self.key.team,
            usage_object: UsageObject {
                prompt_tokens: tokens.input(),
                cache_read_input_tokens: tokens.cache_read,
            },
        };
        SpendLog {
            request_id: self.id.clone(),
            call_type: "acompletion",
            api_key: self.key.hash.clone(),
            spend: Spend::Amount(Number::python(self.spend_float())),
            total_tokens: tokens.total(),
            prompt_tokens: tokens.input(),
            completion_tokens: tokens.output,
            start_time: python(self.at_ms),
            end_time: python(self.at_ms + self.duration_ms),
            completion_start_time: (),
            request_duration_ms: self.duration_ms,
            model: self.model.litellm,
            model_id: "d1",
            model_group: if self.model.tier == Tier::Light { "light" } else { "default" },
            custom_llm_provider: provider,
            api_base,
            user: self.key.user.clone(),
            metadata: Nested::new(metadata, self.columns_as_text),
            cache_hit: match self.passage {
                Passage::FromCache => "True",
                Passage::Failed => "None",
                Passage::Answered => "False",
            },
            cache_key: "Cache OFF",
            request_tags: Nested::new(["User-Agent: AsyncOpenAI/Python 2.30.0"], self.columns_as_text),
            team_id: self.key.team,
            organization_id: (),
            end_user: "",
            messages: Empty {},
            response: Empty {},
            proxy_server_request: Empty {},
            session_id: self.session.clone(),
            status: if self.passage == Passage::Failed { "failure" } else { "success" },
            mcp_namespaced_tool_name: (),
            litellm_call_id: format!("lc-{}", &self.id[..8]),
            cost_finalized: None,
        }
    }
}

/// Dollars of one request, where the row or the price list states them.
#[derive(Debug, PartialEq)]
struct Cost {
    effective: Option<Nano>,
    list: Option<Nano>,
}

/// A gateway key and whom it belongs to.
pub(crate) struct Key {
    hash: String,
    alias: &'static str,
    user: String,
    email: Option<&'static str>,
    team: &'static str,
}

impl Key {
    /// The key under which an actor works.
    pub(crate) fn of(actor: Actor) -> Self {
        let machine = |(hash, alias): (&str, &'static str), team| Self {
            hash: hash.to_owned(),
            alias,
            user: String::new(),
            email: None,
            team,
        };
        match actor {
            Actor::Person(person) => Self::own(person),
            Actor::Ci => machine(CI_KEY, "fleet"),
            Actor::Nightly => machine(NIGHTLY_KEY, "perception"),
            _ => Self {
                user: "default_user_id".to_owned(),
                ..machine((SHARED_KEY, SHARED_KEY_ALIAS), "perception")
            },
        }
    }

    /// A person's own key; its hash is made up from the person's number.
    fn own(person: &'static Person) -> Self {
        Self {
            hash: format!("{:07x}", person.github_number() * 40_503).repeat(10)[..64].to_owned(),
            alias: "laptop",
            user: person.gateway_user(),
            email: Some(person.emails[0]),
            team: person.team,
        }
    }
}

/// The gateway's name of a provider and where it sends requests.
fn provider(model: &Model) -> (&'static str, &'static str) {
    match model.provider {
        "anthropic" => ("anthropic", "https://api.anthropic.example/v1/messages"),
        "openai" => ("openai", "https://api.openai.example/v1"),
        "gcp.gemini" => ("gemini", "https://gemini.example/v1beta"),
        _ => ("deepseek", "https://api.deepseek.example/v1"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::models::model;
    use super::*;

    #[test]
    fn a_spend_of_zero_means_what_its_row_makes_of_it() {
        let cost = |id: &str, passage| {
            let tokens = Tokens { uncached: 1_000, output: 100, ..Tokens::default() };
            Request {
                id: "a".into(),
                at_ms: 0,
                duration_ms: 1,
                key: Key::of(Actor::Ci),
                model: model(id),
                tokens,
                session: "s".into(),
                passage,
                columns_as_text: false,
            }
            .cost()
        };
        // 1,000 tokens at 2 dollars and 100 at 10 dollars a million.
        let price = Some(Nano::micros(3_000));
        let zero = Some(Nano(0));
        let listed = "gpt-6.1-sol";
        assert_eq!(cost(listed, Passage::Answered), Cost { effective: price, list: price });
        assert_eq!(cost(listed, Passage::FromCache), Cost { effective: zero, list: zero });
        assert_eq!(cost(listed, Passage::Failed), Cost { effective: zero, list: zero });
        let unlisted = "deepseek-v4";
        assert_eq!(cost(unlisted, Passage::Answered), Cost { effective: None, list: None });
        assert_eq!(cost(unlisted, Passage::FromCache), Cost { effective: zero, list: zero });
        assert_eq!(cost(unlisted, Passage::Failed), Cost { effective: zero, list: None });
    }
}
