//! `github_copilot.billing_csv`: the AI-credit report of each month. October is exported twice; the first
//! export lacks what was counted late.

use super::calendar::{DAY_MS, HOUR_MS, NOVEMBER, day_of, days, file_stamp, is_weekend, midnight_ms};
use super::copilot::{account, chosen_automatically, credits, organization};
use super::dice::Dice;
use super::files::Files;
use super::models::Tier;
use super::number::Nano;
use super::people::{TEAMS, Tool, UNLISTED_WORKSPACE};
use super::truth::{Fact, Truth};
use super::world::{Actor, Call, World};
use modellane_event::Date;
use std::collections::{BTreeMap, HashMap};

const FEED: &str = "github_copilot.billing_csv";

/// Credits a month that the seat includes.
const QUOTA: i64 = 300;

const HEADER: &str = "\u{feff}\"date\",\"username\",\"product\",\"sku\",\"model\",\"quantity\",\"unit_type\",\
    \"applied_cost_per_quantity\",\"gross_amount\",\"discount_amount\",\"net_amount\",\"total_monthly_quota\",\
    \"organization\",\"repository\",\"cost_center_name\",\"aic_quantity\",\"aic_gross_amount\"\n";

/// What GitHub groups by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    day: Date,
    username: &'static str,
    sku: &'static str,
    model: String,
    organization: &'static str,
    repository: &'static str,
    cost_center: String,
}

/// Credits of one group, exactly and as a running float sum, which is how the report gets its odd digits.
#[derive(Default)]
struct Sum {
    exact: Nano,
    float: f64,
    team: String,
}

/// Writes the three exports in order.
pub(crate) fn export(world: &World, seed: u64, files: &mut Files, truth: &mut Truth) {
    let october = |call: &&Call| day_of(call.at_ms) < NOVEMBER;
    let last_days = midnight_ms(Date(NOVEMBER.0 - 4));
    let counted_in_time = |call: &Call| call.at_ms < last_days || call.at_ms % DAY_MS < 12 * HOUR_MS;
    let all: Vec<&Call> = world.calls_of(Tool::Copilot).filter(october).collect();
    let first: Vec<&Call> = all.iter().filter(|call| counted_in_time(call)).copied().collect();
    let november: Vec<&Call> = world.calls_of(Tool::Copilot).filter(|call| !october(call)).collect();
    let exports = [
        (NOVEMBER, "2026-10", first),
        (Date(NOVEMBER.0 + 3), "2026-10", all),
        (Date(NOVEMBER.0 + 10), "2026-11", november),
    ];
    for (fetched, month, calls) in exports {
        let mut groups = group(&calls);
        coding_agent(seed, month, &mut groups);
        let mut report = HEADER.to_owned();
        let mut used: HashMap<&str, Nano> = HashMap::new();
        for (key, sum) in &groups {
            report.push_str(&row(key, sum, used.entry(key.username).or_default(), truth));
        }
        files.text(format!("exports/{FEED}/{}_ai-credit-report_{month}.csv", file_stamp(fetched, 7)), report);
    }
}

fn group(calls: &[&Call]) -> BTreeMap<Key, Sum> {
    let mut groups: BTreeMap<Key, Sum> = BTreeMap::new();
    for call in calls {
        let team = call.actor.team(midnight_ms(day_of(call.at_ms)));
        let sum = groups.entry(key(call, &team)).or_default();
        sum.exact = sum.exact + credits(call);
        sum.float += credits(call).float();
        sum.team = team;
    }
    groups
}

fn key(call: &Call, team: &str) -> Key {
    let repository = match call.at_ms % 50 {
        0 => UNLISTED_WORKSPACE,
        1..=19 => call.workspace.id,
        _ => "",
    };
    let automatic = if chosen_automatically(call) { "Auto: " } else { "" };
    let cost_center = TEAMS.iter().find(|known| known.id == team).map_or("", |known| known.name);
    Key {
        day: day_of(call.at_ms),
        username: account(call).0,
        sku: if call.model.tier == Tier::Light { "copilot_premium_request" } else { "copilot_ai_credit" },
        model: format!("{automatic}{}", call.model.copilot_bill),
        organization: organization(call).0,
        repository,
        // A repository's rows are charged to a cost centre with a comma and quotes in its name.
        cost_center: match repository {
            UNLISTED_WORKSPACE => "Platform, \"shared\"".to_owned(),
            _ => cost_center.to_owned(),
        },
    }
}

/// The coding agent works without a person, on working days.
fn coding_agent(seed: u64, month: &str, groups: &mut BTreeMap<Key, Sum>) {
    let mut dice = Dice::new(seed, &format!("agent {month}"));
    for day in days().filter(|day| !is_weekend(*day) && day.to_string().starts_with(month)) {
        let exact = Nano::hundredths(dice.between(400, 9_000));
        let key = Key {
            day,
            username: "",
            sku: "coding_agent_ai_credit",
            model: "Coding Agent model".to_owned(),
            organization: "northwind-robotics",
            repository: "northwind-robotics/fleet-api",
            cost_center: String::new(),
        };
        let team = Actor::Nobody.team(midnight_ms(day));
        groups.insert(key, Sum { exact, float: exact.float(), team });
    }
}

/// One line. The seat's quota discounts the first credits of the month; a light model is counted in credits
/// but not charged by the request.
fn row(key: &Key, sum: &Sum, used: &mut Nano, truth: &mut Truth) -> String {
    let seat = key.sku != "coding_agent_ai_credit";
    let included_model = key.sku == "copilot_premium_request";
    let gross = if included_model { Nano(0) } else { Nano(sum.exact.0 / 100) };
    let left = if seat { Nano(QUOTA * 10_000_000) - *used } else { Nano(0) };
    let discount = gross.min(left.max(Nano(0)));
    *used = *used + gross;
    let net = gross - discount;
    let gross_float = if included_model { 0.0 } else { sum.float * 0.01 };
    let (discount_text, net_text) = match (discount.0, net.0) {
        (_, 0) => (gross_float.to_string(), "0".to_owned()),
        (0, _) => ("0".to_owned(), gross_float.to_string()),
        _ => (discount.to_string(), (gross_float - discount.float()).to_string()),
    };
    let quantity = if included_model { "0".to_owned() } else { sum.float.to_string() };
    let (unit, price) = if included_model { ("requests", "0.04") } else { ("ai-credits", "0.01") };
    let quota = if seat { QUOTA } else { 0 };
    let cells = [
        key.day.to_string(),
        key.username.to_owned(),
        "copilot".to_owned(),
        key.sku.to_owned(),
        key.model.clone(),
        quantity,
        unit.to_owned(),
        price.to_owned(),
        gross_float.to_string(),
        discount_text,
        net_text,
        quota.to_string(),
        key.organization.to_owned(),
        key.repository.to_owned(),
        key.cost_center.clone(),
        sum.float.to_string(),
        (sum.float * 0.01).to_string(),
    ];
    let fact = Fact {
        model: key.model.clone(),
        team: sum.team.clone(),
        day_of: (!key.username.is_empty()).then(|| format!("{} {}", key.username, key.day).to_lowercase()),
        requests: included_model.then_some(0),
        credits: Some(sum.exact),
        gross: Some(gross),
        billed: Some(net),
        effective: Some(net),
        // Where the quota includes the use, only the credits say what it is worth.
        list_cost: Some(Nano(sum.exact.0 / 100)),
        ..Fact::default()
    };
    truth.record(FEED, [&cells[..5], &cells[12..15]].concat().join("|"), fact);
    let quoted: Vec<_> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
    quoted.join(",") + "\n"
}
