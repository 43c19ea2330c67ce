//! `otlp`, Claude Code: one export request a line, one file a day. Requests and the other events between
//! them, prompts redacted as the tool does by default.

use super::calendar::{MINUTE_MS, day_number, day_of, days, file_stamp, javascript, unix_nano};
use super::dice::Dice;
use super::files::Files;
use super::number::{Nano, Number};
use super::otlp::{Attribute, Body, LogRecord, LogsRequest, double, integer, logs, text};
use super::people::{Person, Tool};
use super::truth::{Fact, Truth};
use super::world::{Call, Stint, World};
use modellane_event::Date;

const FEED: &str = "claude_code.otel";
const RECORDS_PER_REQUEST: usize = 12;

/// Days (counted from the first) whose first request reaches the collector again on the next day.
const SENT_AGAIN: [i64; 3] = [4, 15, 23];
/// A person whose requests run through Bedrock: no request id, no cost, a model id of AWS.
const ON_BEDROCK: &str = "p-0010";
/// A person without an address in the telemetry, known by the account id alone.
const WITHOUT_EMAIL: &str = "p-0024";

/// Writes a file for each day.
pub(crate) fn export(world: &World, seed: u64, files: &mut Files, truth: &mut Truth) {
    let mut dice = Dice::new(seed, "claude code");
    let mut sent_again: Option<(LogsRequest, Vec<Recorded>)> = None;
    for day in days() {
        let mut requests: Vec<LogsRequest> = Vec::new();
        let mut first: Option<(LogsRequest, Vec<Recorded>)> = None;
        if let Some((request, recorded)) = sent_again.take() {
            recorded.into_iter().for_each(|(key, fact)| truth.record(FEED, key, fact));
            requests.push(request);
        }
        for (index, stint) in world.stints.iter().enumerate() {
            if stint.tool != Tool::ClaudeCode || day_of(stint.start_ms) != day {
                continue;
            }
            let calls: Vec<_> =
                world.calls_of(Tool::ClaudeCode).filter(|call| call.stint == Some(index)).collect();
            for (records, recorded) in session(&mut dice, stint, &calls) {
                for (key, fact) in &recorded {
                    truth.record(FEED, key.clone(), fact.clone());
                }
                let request = logs(resource(), "com.anthropic.claude_code.events", records);
                if stint.person.id != ON_BEDROCK && first.is_none() {
                    first = Some((request.clone(), recorded));
                }
                requests.push(request);
            }
        }
        if SENT_AGAIN.contains(&day_number(day)) {
            sent_again = first;
        }
        files.lines(
            format!("exports/otlp/{}_claude-code.logs.ndjson", file_stamp(Date(day.0 + 1), 0)),
            &requests,
        );
    }
}

/// Key and fact of one usage record.
type Recorded = (String, Fact);

/// The records of one session, cut as the exporter does.
fn session(dice: &mut Dice, stint: &Stint, calls: &[&Call]) -> Vec<(Vec<LogRecord>, Vec<Recorded>)> {
    let mut all: Vec<(LogRecord, Option<Recorded>)> = Vec::new();
    let mut sequence = 0;
    let mut prompt = dice.uuid();
    for (number, call) in calls.iter().enumerate() {
        if number % 2 == 0 {
            prompt = dice.uuid();
            let extra = vec![integer("prompt_length", dice.between(20, 900)), text("prompt", "<REDACTED>")];
            let at = (call.at_ms - 1_500).max(stint.start_ms);
            all.push((record(stint, &mut sequence, &prompt, "user_prompt", at, extra), None));
        }
        if dice.percent(3) {
            let extra = vec![
                text("model", call.model.id),
                text("status_code", "529"),
                integer("duration_ms", dice.between(20, 900)),
                integer("attempt", 1),
            ];
            all.push((record(stint, &mut sequence, &prompt, "api_error", call.at_ms - 400, extra), None));
        }
        let (extra, fact, request_id) = api_request(dice, stint.person, call);
        let event = record(stint, &mut sequence, &prompt, "api_request", call.at_ms, extra);
        let key = request_id.unwrap_or_else(|| format!("{}|{sequence}", stint.session));
        all.push((event, Some((key, fact))));
        if dice.percent(12) {
            let extra = vec![
                text("tool_name", "Edit"),
                text("success", "true"),
                text("duration_ms", dice.between(2, 90).to_string()),
            ];
            all.push((record(stint, &mut sequence, &prompt, "tool_result", call.at_ms + 700, extra), None));
        }
    }
    all.chunks(RECORDS_PER_REQUEST)
        .map(|chunk| {
            let records = chunk.iter().map(|(record, _)| record.clone()).collect();
            (records, chunk.iter().filter_map(|(_, recorded)| recorded.clone()).collect())
        })
        .collect()
}

/// Attributes of a request, what it says, and its id if the provider gives one.
fn api_request(dice: &mut Dice, person: &Person, call: &Call) -> (Vec<Attribute>, Fact, Option<String>) {
    let bedrock = person.id == ON_BEDROCK && call.model.id == "claude-opus-5-5";
    let tokens = call.tokens;
    let cost = call.model.cost(&tokens, day_of(call.at_ms));
    let micros = if bedrock { 0 } else { (cost.0 + 500) / 1_000 };
    let model = if bedrock { "us.anthropic.claude-opus-5-5-v1:0" } else { call.model.id };
    let mut attributes = vec![
        text("model", model),
        double("cost_usd", Number::javascript(Nano::micros(micros).float())),
        integer("cost_usd_micros", micros),
        integer("duration_ms", dice.between(600, 24_000)),
        integer("input_tokens", tokens.uncached),
        integer("output_tokens", tokens.output),
        integer("cache_read_tokens", tokens.cache_read),
        integer("cache_creation_tokens", tokens.cache_write),
    ];
    let request_id = (!bedrock).then(|| format!("req_011C{}", dice.opaque(20)));
    if let Some(id) = &request_id {
        attributes.push(text("request_id", id));
    }
    attributes.push(text("speed", "normal"));
    attributes.push(text("query_source", "repl_main_thread"));
    let fact = Fact {
        model: model.to_owned(),
        team: call.actor.team(call.at_ms),
        requests: Some(1),
        input_tokens: Some(tokens.input()),
        cache_read_tokens: Some(tokens.cache_read),
        cache_write_tokens: Some(tokens.cache_write),
        output_tokens: Some(tokens.output),
        vendor_estimate: Some(Nano::micros(micros)),
        effective: Some(Nano::micros(micros)),
        list_cost: call.model.list_cost(&tokens, day_of(call.at_ms)),
        ..Fact::default()
    };
    (attributes, fact, request_id)
}

fn record(
    stint: &Stint,
    sequence: &mut i64,
    prompt: &str,
    name: &str,
    at_ms: i64,
    extra: Vec<Attribute>,
) -> LogRecord {
    *sequence += 1;
    let person = stint.person;
    let mut attributes = vec![
        text("session.id", &stint.session),
        text("organization.id", "2f6a0c1d-0b7e-4c53-9a41-6e0d5b8f7a10"),
        text("user.account_id", person.anthropic_id()),
        text("user.id", format!("{:0>32}", person.employee_number().replace('-', ""))),
    ];
    if person.id != WITHOUT_EMAIL {
        attributes.push(text("user.email", person.emails[person.emails.len() - 1]));
    }
    attributes.extend([
        text("terminal.type", "vscode"),
        text("event.name", name),
        text("event.timestamp", javascript(at_ms)),
        integer("event.sequence", *sequence),
        text("prompt.id", prompt),
    ]);
    attributes.extend(extra);
    let event_name = format!("claude_code.{name}");
    LogRecord {
        time_unix_nano: unix_nano(at_ms),
        observed_time_unix_nano: unix_nano(at_ms + MINUTE_MS / 60),
        severity_number: 9,
        event_name: event_name.clone(),
        body: Body { string_value: event_name },
        attributes,
    }
}

fn resource() -> Vec<Attribute> {
    vec![
        text("service.name", "claude-code"),
        text("service.version", "2.2.40"),
        text("os.type", "linux"),
        text("os.version", "6.8"),
        text("host.arch", "amd64"),
    ]
}
