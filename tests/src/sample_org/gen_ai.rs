//! `otlp`, spans of the GenAI conventions: the internal assistant that everybody asks, and the Copilot chat
//! of one person's editor for one week.

use super::calendar::{DAY_MS, HOUR_MS, day_of, days, file_stamp, is_weekend, midnight_ms, unix_nano};
use super::dice::Dice;
use super::files::Files;
use super::models::{Model, Tokens, model};
use super::otlp::{Attribute, Span, Status, TracesRequest, integer, text, traces};
use super::people::{PEOPLE, Person, Tool};
use super::truth::{Fact, Truth};
use super::world::{Actor, Call, World};
use modellane_event::Date;

const ASSISTANT: &str = "otel.gen_ai";
const COPILOT: &str = "github_copilot.otel";
const SPANS_PER_REQUEST: usize = 16;

/// Whose editor exports Copilot's traces.
const TRACED: &str = "p-0016";
/// The week in which it does.
const TRACED_FROM: Date = Date(20_759);

/// Writes the files of both.
pub(crate) fn export(world: &World, seed: u64, files: &mut Files, truth: &mut Truth) {
    assistant(seed, files, truth);
    copilot_chat(world, seed, files, truth);
}

fn assistant(seed: u64, files: &mut Files, truth: &mut Truth) {
    let mut dice = Dice::new(seed, "assistant");
    for day in days() {
        let mut spans = Vec::new();
        for person in PEOPLE.iter().filter(|person| person.is_here(day)) {
            let conversations = if is_weekend(day) { 0 } else { dice.weighted(&[(0, 5), (1, 4), (2, 1)]) };
            for _ in 0..conversations {
                conversation(&mut dice, person, day, &mut spans, truth);
            }
        }
        spans.sort_by(|a: &Span, b| a.start_time_unix_nano.cmp(&b.start_time_unix_nano));
        let mut requests: Vec<TracesRequest> = Vec::new();
        while !spans.is_empty() {
            let rest = spans.split_off(SPANS_PER_REQUEST.min(spans.len()));
            let resource =
                vec![text("service.name", "helpdesk-assistant"), text("service.namespace", "tools")];
            requests.push(traces(resource, "opentelemetry.instrumentation.openai", spans));
            spans = rest;
        }
        let stamp = file_stamp(Date(day.0 + 1), 1);
        files.lines(format!("exports/otlp/{stamp}_helpdesk-assistant.traces.ndjson"), &requests);
    }
}

/// One or more questions; now and then the assistant looks something up, which is no request to a model.
fn conversation(
    dice: &mut Dice,
    person: &'static Person,
    day: Date,
    spans: &mut Vec<Span>,
    truth: &mut Truth,
) {
    let trace = dice.hex(32);
    let chosen = model(dice.weighted(&[("gpt-6.1-sol", 7), ("claude-haiku-5-5", 3)]));
    let mut at_ms = midnight_ms(day) + dice.between(7 * HOUR_MS, 18 * HOUR_MS);
    for _ in 0..dice.weighted(&[(1, 5), (2, 4), (3, 1)]) {
        if dice.percent(5) {
            let attributes = vec![text("gen_ai.operation.name", "retrieval")];
            spans.push(span(dice, &trace, "retrieval".to_owned(), at_ms - 900, attributes, false));
        }
        let tokens = Tokens {
            uncached: dice.octaves(7, 12),
            cache_read: if dice.percent(50) { dice.octaves(8, 11) } else { 0 },
            cache_write: 0,
            output: dice.octaves(5, 9),
        };
        let question = Question { person, model: chosen, tokens, failed: dice.permille(12), at_ms };
        spans.push(question.span(dice, &trace, truth));
        at_ms += dice.between(20_000, 400_000);
    }
}

/// One request of the assistant.
struct Question {
    person: &'static Person,
    model: &'static Model,
    tokens: Tokens,
    failed: bool,
    at_ms: i64,
}

impl Question {
    fn span(&self, dice: &mut Dice, trace: &str, truth: &mut Truth) -> Span {
        // An older library of the assistant still writes the names from before the conventions.
        let legacy = self.model.provider == "anthropic" && dice.percent(30);
        let day = day_of(self.at_ms);
        let mut fact = Fact {
            model: self.model.id.to_owned(),
            team: self.person.team_on(day).to_owned(),
            failed: self.failed,
            requests: Some(1),
            input_tokens: Some(self.tokens.input()),
            ..Fact::default()
        };
        let mut priced = self.tokens;
        let mut attributes = vec![
            text("gen_ai.operation.name", "chat"),
            text(if legacy { "gen_ai.system" } else { "gen_ai.provider.name" }, self.model.provider),
            text("gen_ai.request.model", self.model.id),
            text("enduser.id", self.person.employee_number()),
            integer(
                if legacy { "gen_ai.usage.prompt_tokens" } else { "gen_ai.usage.input_tokens" },
                self.tokens.input(),
            ),
        ];
        if legacy {
            // The old names have none for the cache, so all input counts as uncached.
            priced.uncached = self.tokens.input();
            priced.cache_read = 0;
        } else {
            fact.cache_read_tokens = Some(self.tokens.cache_read);
            attributes.push(text("gen_ai.conversation.id", format!("hd-{}", &trace[..8])));
            attributes.push(integer("gen_ai.usage.cache_read.input_tokens", self.tokens.cache_read));
        }
        if self.failed {
            attributes.push(text("error.type", "timeout"));
        } else {
            fact.output_tokens = Some(self.tokens.output);
            let name = if legacy { "gen_ai.usage.completion_tokens" } else { "gen_ai.usage.output_tokens" };
            attributes.push(integer(name, self.tokens.output));
            attributes.extend(self.response(dice, legacy, &mut fact));
        }
        // A failed call does not say what it wrote: its price is unknown, not that of its input.
        fact.list_cost = fact.output_tokens.and_then(|_| self.model.list_cost(&priced, day));
        fact.effective = fact.list_cost;
        let span = span(dice, trace, format!("chat {}", self.model.id), self.at_ms, attributes, self.failed);
        truth.record(ASSISTANT, format!("{trace}|{}", span.span_id), fact);
        span
    }

    /// What only an answer has: its id, the dated model, and reasoning where the provider counts it.
    fn response(&self, dice: &mut Dice, legacy: bool, fact: &mut Fact) -> Vec<Attribute> {
        if legacy {
            return Vec::new();
        }
        if self.model.provider != "openai" {
            return vec![
                text("gen_ai.response.model", self.model.id),
                text("gen_ai.response.id", format!("msg_01{}", dice.opaque(18))),
            ];
        }
        let reasoning = self.tokens.output * dice.between(10, 60) / 100;
        fact.reasoning_tokens = Some(reasoning);
        vec![
            text("gen_ai.response.model", format!("{}-2026-10-02", self.model.id)),
            text("gen_ai.response.id", format!("resp_{}", dice.hex(18))),
            integer("gen_ai.usage.reasoning.output_tokens", reasoning),
        ]
    }
}

/// Each turn is an `invoke_agent` span with the sum of its requests and, under it, one span a request. Only
/// the latter are requests.
fn copilot_chat(world: &World, seed: u64, files: &mut Files, truth: &mut Truth) {
    let mut dice = Dice::new(seed, "copilot chat");
    let from = midnight_ms(TRACED_FROM);
    let traced = |call: &&Call| {
        matches!(call.actor, Actor::Person(person) if person.id == TRACED)
            && (from..from + 7 * DAY_MS).contains(&call.at_ms)
    };
    let calls: Vec<&Call> = world.calls_of(Tool::Copilot).filter(traced).collect();
    let Some(Actor::Person(person)) = calls.first().map(|call| call.actor) else { return };
    let mut requests: Vec<TracesRequest> = Vec::new();
    for turn in calls.chunk_by(|a, b| a.session == b.session) {
        let trace = dice.hex(32);
        let mut spans = vec![agent_span(&mut dice, &trace, turn)];
        for call in turn {
            spans.push(chat_span(&mut dice, &trace, call, truth));
        }
        let resource = vec![
            text("service.name", "copilot-chat"),
            text("service.version", "0.55.2"),
            text("enduser.id", person.emails[0]),
            text("team.id", person.team),
        ];
        requests.push(traces(resource, "copilot-chat", spans));
    }
    let stamp = file_stamp(Date(TRACED_FROM.0 + 7), 2);
    files.lines(format!("exports/otlp/{stamp}_copilot-chat.traces.ndjson"), &requests);
}

fn agent_span(dice: &mut Dice, trace: &str, turn: &[&Call]) -> Span {
    let attributes = vec![
        text("gen_ai.operation.name", "invoke_agent"),
        text("gen_ai.provider.name", "github"),
        text("gen_ai.agent.name", "copilot"),
        text("gen_ai.conversation.id", &turn[0].session),
        text("gen_ai.request.model", turn[0].model.copilot),
        integer("gen_ai.usage.input_tokens", turn.iter().map(|call| call.tokens.input()).sum()),
        integer("gen_ai.usage.output_tokens", turn.iter().map(|call| call.tokens.output).sum()),
        integer("copilot_chat.turn_count", turn.len() as i64),
    ];
    span(dice, trace, "invoke_agent copilot".to_owned(), turn[0].at_ms - 500, attributes, false)
}

fn chat_span(dice: &mut Dice, trace: &str, call: &Call, truth: &mut Truth) -> Span {
    let attributes = vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.provider.name", "github"),
        text("gen_ai.conversation.id", &call.session),
        text("gen_ai.request.model", call.model.copilot),
        text("gen_ai.response.model", call.model.id),
        text("gen_ai.response.id", format!("msg-{}", dice.hex(20))),
        integer("gen_ai.usage.input_tokens", call.tokens.input()),
        integer("gen_ai.usage.output_tokens", call.tokens.output),
    ];
    let span = span(dice, trace, format!("chat {}", call.model.copilot), call.at_ms, attributes, false);
    let fact = Fact {
        model: call.model.id.to_owned(),
        team: call.actor.team(call.at_ms),
        requests: Some(1),
        input_tokens: Some(call.tokens.input()),
        output_tokens: Some(call.tokens.output),
        ..Fact::default()
    };
    truth.record(COPILOT, format!("{trace}|{}", span.span_id), fact);
    span
}

fn span(
    dice: &mut Dice,
    trace: &str,
    name: String,
    at_ms: i64,
    attributes: Vec<Attribute>,
    failed: bool,
) -> Span {
    Span {
        trace_id: trace.to_owned(),
        span_id: dice.hex(16),
        name,
        kind: 3,
        start_time_unix_nano: unix_nano(at_ms),
        end_time_unix_nano: unix_nano(at_ms + dice.between(400, 9_000)),
        attributes,
        events: [],
        status: Status { code: failed.then_some(2) },
    }
}
