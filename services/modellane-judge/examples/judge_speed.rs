//! How many events a core judges in a second: 25 people, 1,000 intents, the sample bundle.
//!
//! `cargo run --release -p modellane-judge --example judge_speed`

use modellane_event::{
    AccountKind, AccountRef, ContextPointer, CostEvidence, EventId, Grain, IntentEvent, IntentOrigin, Label,
    LakeKey, Outcome, PersonId, Surface, Tokens, UsageEvent, UsageFacts, UtcTime, Verdict, Who, Work,
};
use modellane_judge::{
    ContextObject, ContextState, PersonIds, PolicyObject, judge, parse_directory, parse_prices,
};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

const PEOPLE: usize = 25;
const INTENTS: i64 = 1_000;
const EVENTS: usize = 2_000_000;
const MINUTE: i64 = 60_000_000;
const MODELS: [&str; 6] =
    ["claude-sonnet-5-5", "claude-opus-5-5", "gpt-6.1-sol", "gemini-3.8-flash", "deepseek-v4", "mystery-1"];
const TASKS: [&str; 4] = ["routine", "review", "architecture", "incident"];

struct Numbered(u8);

impl PersonIds for Numbered {
    fn surrogate(&mut self, _clear_id: &str) -> PersonId {
        self.0 += 1;
        PersonId([self.0; 16])
    }
}

fn email(key: &LakeKey, person: usize) -> anyhow::Result<AccountRef> {
    let address = format!("person{person}@acme.example");
    AccountRef::new(key, AccountKind::Email, &address).ok_or_else(|| anyhow::anyhow!("no address"))
}

fn start() -> anyhow::Result<UtcTime> {
    Ok(UtcTime::parse("2026-11-03T00:00:00Z")?)
}

fn context(key: &LakeKey) -> anyhow::Result<ContextState> {
    let mut directory = String::from("teams: [{ id: a }]\ncost_centers: [{ id: CC-1 }]\npeople:\n");
    for person in 0..PEOPLE {
        writeln!(
            directory,
            "  - {{ id: p-{person}, accounts: [{{ kind: email, id: person{person}@acme.example }}, {{ kind: github, \
             id: gh{person} }}, {{ kind: anthropic, id: u{person} }}], memberships: [{{ team: a, cost_center: CC-1 }}] }}"
        )?;
    }
    let mut prices = String::from("prices:\n");
    for model in ["claude-sonnet-5-5", "claude-opus-5-5"] {
        for kind in ["input", "cache_read", "cache_write", "output"] {
            writeln!(
                prices,
                "  - {{ provider: anthropic, model: {model}, kind: {kind}, per: 1000000, amount: \"2.5\", currency: USD }}"
            )?;
        }
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policy/2026.11.1");
    let mut files = BTreeMap::new();
    for name in ["bundle.yaml", "catalogue.csv", "rules.cedar", "tests.yaml"] {
        files.insert(name.to_owned(), std::fs::read(folder.join(name))?);
    }
    let parsed = parse_directory(directory.as_bytes(), key, &mut Numbered(0))?;
    let mut state = ContextState::new();
    for object in [
        ContextObject::Directory(parsed.object),
        ContextObject::Prices(parse_prices(prices.as_bytes())?),
        ContextObject::Policy(PolicyObject::from_files(&files)?),
    ] {
        let object = object.encode()?;
        let pointer =
            ContextPointer { kind: object.kind, hash: object.hash, effective: None, recorded_at: start()? };
        let before = Instant::now();
        state.apply(&pointer, state.version() + 1, &object.bytes)?;
        println!("{:<10} applied in {:>8.1?}", object.kind.as_str(), before.elapsed());
    }
    for number in 0..INTENTS {
        let started_at = UtcTime(start()?.0 + number * 10 * MINUTE);
        state.apply_intent(&IntentEvent {
            intent_id: Label::new(&format!("i-{number}"))?,
            account: email(key, number as usize % PEOPLE)?,
            workspace_key: None,
            branch_key: None,
            ticket_key: None,
            session_key: (number % 3 == 0).then(|| key.session(&format!("s-{number}"))),
            task: Some(Label::new(TASKS[number as usize % TASKS.len()])?),
            tool: Some(Label::literal("claude_code")),
            started_at,
            ended_at: Some(UtcTime(started_at.0 + 200 * MINUTE)),
            recorded_at: started_at,
            origin: IntentOrigin::Http,
        });
    }
    Ok(state)
}

fn event(key: &LakeKey, number: usize) -> anyhow::Result<UsageEvent> {
    let model = Label::new(MODELS[number % MODELS.len()])?;
    let time = UtcTime(start()?.0 + (number as i64 * 7 % (INTENTS * 10)) * MINUTE);
    let facts = UsageFacts {
        grain: Grain::Request,
        period_start: time,
        period_end: time,
        vendor: Label::literal("anthropic"),
        tool: Some(Label::literal("claude_code")),
        surface: Some(Surface::Cli),
        provider: Some(Label::literal("anthropic")),
        model: Some(model.clone()),
        model_raw: Some(model),
        outcome: Outcome::Ok,
        billing_account_id: None,
        who: Who {
            accounts: vec![email(key, number % (PEOPLE + 1))?],
            session_key: number.is_multiple_of(4).then(|| key.session(&format!("s-{}", number % 900))),
            request_key: None,
        },
        work: Work::default(),
        tokens: Tokens {
            requests: Some(1),
            input_tokens: Some(12_000 + number as i64 % 5_000),
            cache_read_tokens: Some(9_000),
            cache_write_tokens: Some(500),
            output_tokens: Some(700),
            ..Tokens::default()
        },
        cost: CostEvidence::none(),
    };
    Ok(UsageEvent {
        event_id: EventId([0; 16]),
        source: Label::literal("claude_code.otel"),
        source_key: Label::literal("r"),
        scope_key: None,
        observed_at: time,
        event_date: time.date(),
        content_hash: facts.content_hash(),
        facts,
    })
}

fn main() -> anyhow::Result<()> {
    let key = LakeKey::new([7; 32]);
    let state = context(&key)?;
    let events: Vec<UsageEvent> = (0..20_000).map(|number| event(&key, number)).collect::<Result<_, _>>()?;
    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    let before = Instant::now();
    for number in 0..EVENTS {
        let judged = std::hint::black_box(judge(&state, &events[number % events.len()]));
        *verdicts.entry(judged.verdict.as_str()).or_default() += 1;
    }
    let elapsed = before.elapsed();
    println!("{EVENTS} events in {elapsed:.2?}: {:.0} a second", EVENTS as f64 / elapsed.as_secs_f64());
    println!("{verdicts:?}, {} intents", state.intents());
    debug_assert!(verdicts.contains_key(Verdict::Followed.as_str()));
    Ok(())
}
