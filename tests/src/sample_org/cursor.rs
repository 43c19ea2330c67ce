//! `cursor.usage_events`: pages of `filtered-usage-events`, fetched in the night after the day and, for
//! some days, once more on the next evening with final costs and the models behind `default`.

use super::calendar::{DAY_MS, day_number, day_of, days, file_stamp, midnight_ms};
use super::dice::Dice;
use super::files::Files;
use super::models::Tier;
use super::number::{Nano, Number};
use super::people::{Tool, UNKNOWN_LOGIN};
use super::truth::{Fact, Truth};
use super::world::{Actor, Call, World};
use modellane_event::Date;
use serde::Serialize;

const FEED: &str = "cursor.usage_events";
const PAGE: usize = 250;

/// Days (counted from the first) that are fetched again with final costs.
const SYNCED_AGAIN: [i64; 3] = [3, 18, 29];
/// Days on which the vendor reports one event twice.
const REPEATED: [i64; 3] = [1, 9, 22];
/// Day with a row whose timestamp cannot be read.
const UNREADABLE: i64 = 15;

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    timestamp: String,
    user_email: Option<String>,
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_label: Option<&'static str>,
    max_mode: bool,
    requests_costs: Number,
    is_token_based_call: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_chargeable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_headless: Option<bool>,
    charged_cents: Number,
    is_free_bugbot: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_usage: Option<Option<TokenUsage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor_token_fee: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account_id: Option<&'static str>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenUsage {
    input_tokens: i64,
    output_tokens: i64,
    cache_write_tokens: i64,
    cache_read_tokens: i64,
    total_cents: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount_percent_off: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    total_usage_events_count: usize,
    pagination: Pagination,
    usage_events: &'a [Event],
    period: Period,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    num_pages: usize,
    current_page: usize,
    page_size: usize,
    has_next_page: bool,
    has_previous_page: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Period {
    start_date: i64,
    end_date: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    UsageBased,
    Included,
    /// Included, in the layout of older responses: no tokens, no flags.
    OldLayout,
    Errored,
}

/// What does not change between two fetches of the same event.
struct Drawn<'a> {
    call: &'a Call,
    kind: Kind,
    /// Cursor chose the model and at first does not tell which.
    hidden_model: bool,
    /// The cost that the second fetch tells differs from the first.
    corrected: bool,
    discounted: bool,
    email: Option<String>,
}

/// Writes every fetch in order.
pub(crate) fn export(world: &World, seed: u64, files: &mut Files, truth: &mut Truth) {
    let mut dice = Dice::new(seed, "cursor");
    let drawn: Vec<_> = world.calls_of(Tool::Cursor).map(|call| draw(&mut dice, call)).collect();
    for day in days() {
        let own: Vec<_> = drawn.iter().filter(|event| day_of(event.call.at_ms) == day).collect();
        let fetched = Date(day.0 + 1);
        fetch(day, &file_stamp(fetched, 2), &own, false, files, truth);
        if SYNCED_AGAIN.contains(&day_number(day)) {
            fetch(day, &file_stamp(fetched, 20), &own, true, files, truth);
        }
    }
}

fn draw<'a>(dice: &mut Dice, call: &'a Call) -> Drawn<'a> {
    let kind = match call.actor {
        _ if call.failed => Kind::Errored,
        Actor::Person(_) => {
            dice.weighted(&[(Kind::UsageBased, 30), (Kind::Included, 68), (Kind::OldLayout, 2)])
        }
        _ => Kind::UsageBased,
    };
    let nobody = kind == Kind::Errored && dice.percent(20);
    Drawn {
        call,
        kind,
        hidden_model: dice.percent(12),
        corrected: dice.percent(20),
        discounted: call.model.tier == Tier::Frontier && dice.percent(30),
        email: if nobody { None } else { Some(email(dice, call.actor)) },
    }
}

/// The address, in the letter case in which the person once signed up.
fn email(dice: &mut Dice, actor: Actor) -> String {
    match actor {
        Actor::Person(person) if dice.percent(3) => {
            let mut address = person.emails[0].to_owned();
            address[..1].make_ascii_uppercase();
            address
        }
        Actor::Person(person) => person.emails[0].to_owned(),
        Actor::Unknown => format!("{UNKNOWN_LOGIN}@partner.example"),
        _ => "bot+ci@northwind.example".to_owned(),
    }
}

fn fetch(
    day: Date,
    stamp: &str,
    drawn: &[&Drawn<'_>],
    final_costs: bool,
    files: &mut Files,
    truth: &mut Truth,
) {
    let mut events: Vec<Event> = drawn.iter().map(|event| render(event, final_costs, truth)).collect();
    if REPEATED.contains(&day_number(day)) {
        let again = events.len() / 3;
        render(drawn[again], final_costs, truth);
        events.insert(again, events[again].clone());
    }
    if day_number(day) == UNREADABLE {
        let mut broken = events[0].clone();
        broken.timestamp = "not recorded".to_owned();
        events.push(broken);
        truth.rejected(FEED);
    }
    let pages = events.chunks(PAGE).len();
    for (number, page) in (1..).zip(events.chunks(PAGE)) {
        let response = Page {
            total_usage_events_count: events.len(),
            pagination: Pagination {
                num_pages: pages,
                current_page: number,
                page_size: PAGE,
                has_next_page: number < pages,
                has_previous_page: number > 1,
            },
            usage_events: page,
            period: Period { start_date: midnight_ms(day), end_date: midnight_ms(day) + DAY_MS },
        };
        files.json(format!("exports/{FEED}/{stamp}_usage-events_{day}_page-{number:02}.json"), &response);
    }
}

/// Money of one event, exactly.
struct Money {
    total: Nano,
    fee: Nano,
    charged: Nano,
}

fn money(drawn: &Drawn<'_>, final_costs: bool) -> Money {
    let call = drawn.call;
    let mut total = call.model.cost(&call.tokens, day_of(call.at_ms)).floor_to(Nano::millicents(1));
    if final_costs && drawn.corrected {
        total = total + Nano::millicents(130);
    }
    let fee = Nano(call.tokens.total() * 250).floor_to(Nano::millicents(10));
    let discounted = if drawn.discounted { Nano(total.0 / 10 * 9) } else { total };
    Money { total, fee, charged: discounted + fee }
}

fn render(drawn: &Drawn<'_>, final_costs: bool, truth: &mut Truth) -> Event {
    let call = drawn.call;
    let money = money(drawn, final_costs);
    let max_mode = call.model.tier == Tier::Frontier;
    let hidden = drawn.hidden_model && !final_costs;
    let mut event = Event {
        timestamp: call.at_ms.to_string(),
        user_email: drawn.email.clone(),
        model: if hidden { "default" } else { call.model.cursor }.to_owned(),
        kind: Some("Usage-based"),
        kind_label: None,
        max_mode,
        requests_costs: Number::javascript(if max_mode { 2.0 } else { 1.0 }),
        is_token_based_call: true,
        is_chargeable: Some(drawn.kind == Kind::UsageBased),
        is_headless: Some(matches!(call.actor, Actor::Ci)),
        charged_cents: charged_cents(&money, drawn.discounted),
        is_free_bugbot: false,
        token_usage: Some(Some(TokenUsage {
            input_tokens: call.tokens.uncached,
            output_tokens: call.tokens.output,
            cache_write_tokens: call.tokens.cache_write,
            cache_read_tokens: call.tokens.cache_read,
            total_cents: money.total.cents(),
            discount_percent_off: drawn.discounted.then_some(10),
        })),
        cursor_token_fee: Some(money.fee.cents()),
        conversation_id: Some(call.session[..8].to_owned()),
        service_account_id: matches!(call.actor, Actor::Ci).then_some("sa_northwind_ci"),
    };
    match drawn.kind {
        Kind::UsageBased => {}
        Kind::Included => event.kind = Some("Included in Business"),
        Kind::OldLayout => {
            event.kind = None;
            event.kind_label = Some("Included in Business");
            event.is_token_based_call = false;
            event.is_chargeable = None;
            event.is_headless = None;
            event.token_usage = None;
            event.cursor_token_fee = None;
            event.charged_cents = Nano(0).number();
            event.requests_costs = Number::javascript(1.4);
        }
        Kind::Errored => {
            event.kind = Some("Errored, Not Charged");
            event.token_usage = Some(None);
            event.cursor_token_fee = None;
            event.charged_cents = Nano(0).number();
        }
    }
    let who = event.user_email.as_deref().unwrap_or_default().to_lowercase();
    truth.record(FEED, format!("{}|{who}", event.timestamp), fact(drawn, &event, &money, max_mode));
    event
}

/// A discounted amount is the vendor's float arithmetic, odd digits and all.
fn charged_cents(money: &Money, discounted: bool) -> Number {
    if discounted {
        Number::javascript(money.total.float() * 100.0 * 0.9 + money.fee.float() * 100.0)
    } else {
        money.charged.cents()
    }
}

fn fact(drawn: &Drawn<'_>, event: &Event, money: &Money, max_mode: bool) -> Fact {
    let call = drawn.call;
    let actor = if event.user_email.is_none() { Actor::Nobody } else { call.actor };
    let tokens = call.tokens;
    let mut fact = Fact {
        model: event.model.clone(),
        team: actor.team(call.at_ms),
        requests: Some(1),
        credits: Some(Nano::hundredths(if max_mode { 200 } else { 100 })),
        ..Fact::default()
    };
    match drawn.kind {
        Kind::UsageBased => fact.billed = Some(money.charged),
        Kind::Included => {
            fact.billed = Some(Nano(0));
            fact.seat_covered = Some(money.charged);
        }
        Kind::OldLayout => {
            fact.billed = Some(Nano(0));
            fact.seat_covered = Some(Nano(0));
            // Nothing but the amount itself says what it would have cost.
            fact.list_cost = Some(Nano(0));
            fact.credits = Some(Nano::hundredths(140));
        }
        Kind::Errored => {
            fact.billed = Some(Nano(0));
            fact.failed = true;
        }
    }
    if matches!(drawn.kind, Kind::UsageBased | Kind::Included) {
        fact.input_tokens = Some(tokens.input());
        fact.cache_read_tokens = Some(tokens.cache_read);
        fact.cache_write_tokens = Some(tokens.cache_write);
        fact.output_tokens = Some(tokens.output);
        fact.list_cost = Some(money.total + money.fee);
    }
    fact.effective = fact.billed;
    fact
}
