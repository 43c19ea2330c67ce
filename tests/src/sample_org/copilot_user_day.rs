//! `github_copilot.user_day`: the users-1-day report, fetched every morning and again three days later
//! for some days, when telemetry that came late has been counted.

use super::calendar::{DAY_MS, HOUR_MS, day_number, days, file_stamp, is_weekend, javascript, midnight_ms};
use super::copilot::{ENTERPRISE_ID, account, chosen_automatically, credits, organization};
use super::files::Files;
use super::number::{Nano, Number};
use super::people::Tool;
use super::truth::{Fact, Truth};
use super::world::{Actor, Call, World};
use modellane_event::Date;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

const FEED: &str = "github_copilot.user_day";

/// Days (counted from the first) that are fetched a second time.
const FETCHED_AGAIN: [i64; 6] = [2, 8, 11, 16, 22, 24];
/// The day whose report comes as one wrapper object; it is fetched once only.
const WRAPPED: i64 = 17;
/// In a first fetch, telemetry up to this hour has arrived.
const ARRIVED_BY: i64 = 13;
/// People who also use the command line client, and one who uses the app.
const CLI_USERS: [&str; 3] = ["ohaddad", "hcohen", "raviiyer42"];
const APP_USER: &str = "fz-elidrissi";
/// A person for whom GitHub states no credits until the report has settled.
const LATE_CREDITS: &str = "samo-dev";

#[derive(Clone, Copy, Default, Serialize)]
struct Activity {
    code_generation_activity_count: i64,
    code_acceptance_activity_count: i64,
    loc_suggested_to_add_sum: i64,
    loc_suggested_to_delete_sum: i64,
    loc_added_sum: i64,
    loc_deleted_sum: i64,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Interactions {
    user_initiated_interaction_count: i64,
    #[serde(flatten)]
    activity: Activity,
}

#[derive(Serialize)]
struct IdeTotals {
    ide: &'static str,
    #[serde(flatten)]
    counts: Interactions,
    last_known_ide_version: IdeVersion,
    last_known_plugin_version: PluginVersion,
}

#[derive(Serialize)]
struct IdeVersion {
    ide_version: &'static str,
    sampled_at: String,
}

#[derive(Serialize)]
struct PluginVersion {
    plugin: &'static str,
    plugin_version: &'static str,
    sampled_at: String,
}

#[derive(Serialize)]
struct Cut<'a, T: Serialize> {
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<&'a str>,
    #[serde(flatten)]
    counts: T,
}

#[derive(Serialize)]
struct ClientTotals {
    session_count: i64,
    request_count: i64,
    prompt_count: i64,
    token_usage: TokenUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_known_cli_version: Option<CliVersion>,
}

#[derive(Serialize)]
struct TokenUsage {
    output_tokens_sum: i64,
    prompt_tokens_sum: i64,
    avg_tokens_per_request: Number,
}

#[derive(Serialize)]
struct CliVersion {
    cli_version: &'static str,
    sampled_at: String,
}

#[derive(Serialize)]
struct Phase {
    phase_number: i64,
    phase: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct UserDay<'a> {
    user_id: i64,
    user_login: &'a str,
    day: String,
    organization_id: &'a str,
    enterprise_id: &'a str,
    #[serde(flatten)]
    counts: Interactions,
    used_agent: bool,
    used_chat: bool,
    used_cli: bool,
    totals_by_ide: Vec<IdeTotals>,
    totals_by_feature: Vec<Cut<'a, Interactions>>,
    totals_by_language_feature: Vec<Cut<'a, Activity>>,
    totals_by_language_model: Vec<Cut<'a, Activity>>,
    totals_by_model_feature: Vec<Cut<'a, Interactions>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ai_credits_used: Option<Option<Number>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    totals_by_cli: Option<ClientTotals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    totals_by_copilot_app: Option<ClientTotals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_copilot_app: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ai_adoption_phase: Option<Phase>,
}

#[derive(Serialize)]
struct Wrapper<'a> {
    report_start_day: String,
    report_end_day: String,
    organization_id: &'static str,
    enterprise_id: &'static str,
    created_at: String,
    day_totals: &'a [UserDay<'a>],
}

/// Writes every fetch in order.
pub(crate) fn export(world: &World, files: &mut Files, truth: &mut Truth) {
    let mut fetches: BTreeMap<(Date, Date), bool> = BTreeMap::new();
    for day in days() {
        let again = FETCHED_AGAIN.contains(&day_number(day));
        fetches.insert((Date(day.0 + 1), day), !again);
        if again {
            fetches.insert((Date(day.0 + 4), day), true);
        }
    }
    for ((fetched, day), settled) in fetches {
        let rows = rows_of(world, day, settled, truth);
        let name = format!("exports/{FEED}/{}_users-1-day_{day}", file_stamp(fetched, 6));
        if day_number(day) == WRAPPED {
            let wrapper = Wrapper {
                report_start_day: day.to_string(),
                report_end_day: day.to_string(),
                organization_id: "710001",
                enterprise_id: ENTERPRISE_ID,
                created_at: javascript(midnight_ms(fetched) + 3 * HOUR_MS + 2_551),
                day_totals: &rows,
            };
            files.json(format!("{name}.json"), &wrapper);
        } else {
            files.lines(format!("{name}.ndjson"), &rows);
        }
    }
}

fn rows_of(world: &World, day: Date, settled: bool, truth: &mut Truth) -> Vec<UserDay<'static>> {
    let from = midnight_ms(day);
    let until = from + if settled { DAY_MS } else { ARRIVED_BY * HOUR_MS };
    let mut groups: BTreeMap<(i64, &str), Vec<&Call>> = BTreeMap::new();
    for call in world.calls_of(Tool::Copilot).filter(|call| (from..until).contains(&call.at_ms)) {
        groups.entry((account(call).1, organization(call).1)).or_default().push(call);
    }
    let mut rows: Vec<_> = groups
        .into_iter()
        .map(|((_, organization), calls)| user_day(day, organization, &calls, settled, truth))
        .collect();
    if day_number(day) % 7 == 0 && !is_weekend(day) {
        rows.push(idle_machine(day, truth));
    }
    rows
}

/// The row of one person in one organisation.
fn user_day(
    day: Date,
    organization: &'static str,
    calls: &[&Call],
    settled: bool,
    truth: &mut Truth,
) -> UserDay<'static> {
    let (login, user_id) = account(calls[0]);
    let on_cli = |call: &&&Call| CLI_USERS.contains(&login) && call.at_ms % 10 < 3;
    let in_app = |call: &&&Call| login == APP_USER && call.at_ms % 10 < 2;
    let cli: Vec<&Call> = calls.iter().filter(on_cli).copied().collect();
    let app: Vec<&Call> = calls.iter().filter(in_app).copied().collect();
    let ide: Vec<&Call> = calls.iter().filter(|call| !on_cli(call) && !in_app(call)).copied().collect();
    let counts = interactions(&ide);
    let feature = if ide.len() >= 6 { "chat_panel_agent_mode" } else { "chat_panel_ask_mode" };
    let sum: Nano = calls.iter().map(|call| credits(call)).sum();
    let stated = match calls[0].actor {
        Actor::Unknown => None,
        _ if login == LATE_CREDITS && !settled => None,
        _ => Some(sum),
    };
    let sampled_at = javascript(calls[calls.len() - 1].at_ms);
    let mut fact = Fact {
        team: calls[0].actor.team(midnight_ms(day)),
        day_of: Some(format!("{login} {day}").to_lowercase()),
        requests: Some(counts.user_initiated_interaction_count),
        lines_accepted: Some(counts.activity.loc_added_sum),
        credits: stated,
        list_cost: stated.map(|credits| Nano(credits.0 / 100)),
        ..Fact::default()
    };
    if !(cli.is_empty() && app.is_empty()) {
        let outside_ide = || cli.iter().chain(&app);
        fact.input_tokens = Some(outside_ide().map(|call| call.tokens.input()).sum());
        fact.output_tokens = Some(outside_ide().map(|call| call.tokens.output).sum());
    }
    truth.record(FEED, format!("{user_id}|{day}|{organization}"), fact);
    UserDay {
        user_id,
        user_login: login,
        day: day.to_string(),
        organization_id: organization,
        enterprise_id: ENTERPRISE_ID,
        counts,
        used_agent: ide.len() >= 6,
        used_chat: !ide.is_empty(),
        used_cli: !cli.is_empty(),
        totals_by_ide: vec![ide_totals(counts, &sampled_at)],
        totals_by_feature: vec![Cut { language: None, model: None, feature: Some(feature), counts }],
        totals_by_language_feature: by_language(&ide, feature),
        totals_by_language_model: by_model(&ide, |model, calls| Cut {
            language: Some(calls[0].workspace.language),
            model: Some(model),
            feature: None,
            counts: activity(calls),
        }),
        totals_by_model_feature: by_model(&ide, |model, calls| Cut {
            language: None,
            model: Some(model),
            feature: Some(feature),
            counts: interactions(calls),
        }),
        ai_credits_used: match stated {
            None if login == LATE_CREDITS => None,
            stated => Some(stated.map(|credits| Number::python(credits.float()))),
        },
        totals_by_cli: client_totals(&cli, Some(&sampled_at)),
        totals_by_copilot_app: client_totals(&app, None),
        used_copilot_app: (!app.is_empty()).then_some(true),
        ai_adoption_phase: (ide.len() >= 10).then_some(Phase {
            phase_number: 3,
            phase: "Phase 3",
            version: "v1",
        }),
    }
}

/// A machine account that did nothing: zero credits are stated, which is not the same as none.
fn idle_machine(day: Date, truth: &mut Truth) -> UserDay<'static> {
    let zero = Some(Nano(0));
    let fact = Fact {
        team: Actor::Nightly.team(midnight_ms(day)),
        requests: Some(0),
        lines_accepted: Some(0),
        credits: zero,
        list_cost: zero,
        ..Fact::default()
    };
    truth.record(FEED, format!("svc|{day}"), fact);
    UserDay {
        user_id: 5_900,
        user_login: "svc-nightly",
        day: day.to_string(),
        organization_id: "710001",
        enterprise_id: ENTERPRISE_ID,
        counts: Interactions::default(),
        used_agent: false,
        used_chat: false,
        used_cli: false,
        totals_by_ide: Vec::new(),
        totals_by_feature: Vec::new(),
        totals_by_language_feature: Vec::new(),
        totals_by_language_model: Vec::new(),
        totals_by_model_feature: Vec::new(),
        ai_credits_used: Some(Some(Number::python(0.0))),
        totals_by_cli: None,
        totals_by_copilot_app: None,
        used_copilot_app: None,
        ai_adoption_phase: None,
    }
}

fn activity(calls: &[&Call]) -> Activity {
    let suggested = |call: &&&Call| call.tokens.output / 14;
    let accepted = |call: &&&Call| call.at_ms % 5 < 3;
    Activity {
        code_generation_activity_count: calls.iter().map(|call| 1 + call.tokens.output % 3).sum(),
        code_acceptance_activity_count: calls.iter().filter(accepted).count() as i64,
        loc_suggested_to_add_sum: calls.iter().map(|call| suggested(&call)).sum(),
        loc_suggested_to_delete_sum: 0,
        loc_added_sum: calls.iter().filter(accepted).map(|call| suggested(&call)).sum(),
        loc_deleted_sum: calls.iter().filter(accepted).map(|call| call.tokens.output / 90).sum(),
    }
}

fn interactions(calls: &[&Call]) -> Interactions {
    Interactions { user_initiated_interaction_count: calls.len() as i64, activity: activity(calls) }
}

fn ide_totals(counts: Interactions, sampled_at: &str) -> IdeTotals {
    let sampled_at = sampled_at.to_owned();
    IdeTotals {
        ide: "vscode",
        counts,
        last_known_ide_version: IdeVersion { ide_version: "1.118.0", sampled_at: sampled_at.clone() },
        last_known_plugin_version: PluginVersion {
            plugin: "copilot-chat",
            plugin_version: "0.55.2",
            sampled_at,
        },
    }
}

fn by_language(calls: &[&Call], feature: &'static str) -> Vec<Cut<'static, Activity>> {
    let languages: BTreeSet<_> = calls.iter().map(|call| call.workspace.language).collect();
    languages
        .into_iter()
        .map(|language| {
            let own: Vec<_> =
                calls.iter().filter(|call| call.workspace.language == language).copied().collect();
            Cut { language: Some(language), model: None, feature: Some(feature), counts: activity(&own) }
        })
        .collect()
}

/// Cuts by model: the first by name (`Auto` where GitHub chose it), the rest as `others`.
fn by_model<T: Serialize>(
    calls: &[&Call],
    cut: impl Fn(&'static str, &[&Call]) -> Cut<'static, T>,
) -> Vec<Cut<'static, T>> {
    let mut names: Vec<&'static str> = Vec::new();
    let mut groups: BTreeMap<&'static str, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        let own = if chosen_automatically(call) { "Auto" } else { call.model.copilot };
        if !names.contains(&own) && names.is_empty() {
            names.push(own);
        }
        let name = if names.contains(&own) { own } else { "others" };
        groups.entry(name).or_default().push(call);
    }
    groups.into_iter().map(|(name, calls)| cut(name, &calls)).collect()
}

fn client_totals(calls: &[&Call], cli_sampled_at: Option<&str>) -> Option<ClientTotals> {
    let requests = calls.len() as i64;
    let prompt_tokens_sum: i64 = calls.iter().map(|call| call.tokens.input()).sum();
    let output_tokens_sum: i64 = calls.iter().map(|call| call.tokens.output).sum();
    (requests > 0).then(|| ClientTotals {
        session_count: 1 + requests / 4,
        request_count: requests,
        prompt_count: 1 + requests / 2,
        token_usage: TokenUsage {
            output_tokens_sum,
            prompt_tokens_sum,
            avg_tokens_per_request: Number::python(
                (prompt_tokens_sum + output_tokens_sum) as f64 / requests as f64,
            ),
        },
        last_known_cli_version: cli_sampled_at
            .map(|at| CliVersion { cli_version: "1.4.2", sampled_at: at.to_owned() }),
    })
}
