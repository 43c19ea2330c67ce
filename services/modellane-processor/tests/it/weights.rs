//! Versioned weights on the stream: sound ones hold, refused ones change nothing, and the same inputs give the
//! same bytes.

use crate::support::{Bench, lake_key, usage};
use modellane_event::*;
use modellane_judge::matching::MatchModel;
use modellane_judge::{ContextObject, PersonIds, parse_directory};
use modellane_kafka::Topic;
use modellane_processor::ProcessorConfig;
use modellane_schema::judged_codec;
use std::collections::BTreeMap;

const DIRECTORY: &str = "people: [{ id: p-ana, accounts: [{ kind: email, id: ana@acme.example }] }]";

struct OnePerson;

impl PersonIds for OnePerson {
    fn surrogate(&mut self, _: &str) -> PersonId {
        PersonId([1; 16])
    }
}

fn ana() -> AccountRef {
    AccountRef::new(&lake_key(), AccountKind::Email, "ana@acme.example").unwrap()
}

/// A use of Ana's on a ticket.
fn use_of_ana(number: u32) -> UsageEvent {
    let mut event = usage(number);
    event.facts.who.accounts = vec![ana()];
    event.facts.work.ticket_key = Some(lake_key().ticket("PAY-12"));
    event.content_hash = event.facts.content_hash();
    event
}

/// An intent of Ana's around her uses.
fn intent(id: &str, ticket: Option<&str>) -> IntentEvent {
    IntentEvent {
        intent_id: Label::new(id).unwrap(),
        account: ana(),
        workspace_key: None,
        branch_key: None,
        ticket_key: ticket.map(|ticket| lake_key().ticket(ticket)),
        session_key: None,
        task: None,
        tool: None,
        started_at: UtcTime::parse("2026-11-01T07:00:00Z").unwrap(),
        ended_at: Some(UtcTime::parse("2026-11-01T09:00:00Z").unwrap()),
        recorded_at: UtcTime::parse("2026-11-01T07:00:00Z").unwrap(),
        origin: IntentOrigin::Http,
    }
}

async fn organisation(bench: &Bench) {
    let directory = parse_directory(DIRECTORY.as_bytes(), &lake_key(), &mut OnePerson).unwrap().object;
    let directory = ContextObject::Directory(directory).encode().unwrap();
    bench.put_context(directory.kind, &directory.bytes).await;
    bench.put_intent(&intent("i-1", Some("PAY-12"))).await;
    bench.put_intent(&intent("i-2", None)).await;
}

/// Prior weights with another probability that work is not declared.
fn weights(null_prior: i32) -> MatchModel {
    let mut model = MatchModel::prior();
    let mut own = *model.source(&Label::literal("litellm.spend_logs"));
    own.null_prior = Share::new(null_prior).unwrap();
    model.sources.insert(Label::literal("litellm.spend_logs"), own);
    model
}

/// What was judged, by event; of an event that was judged twice both must be the same.
async fn judged(bench: &Bench) -> BTreeMap<EventId, (JudgedEvent, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for record in bench.read(Topic::Judged).await {
        let payload = record.payload.unwrap();
        let event = judged_codec().decode(&payload).unwrap();
        if let Some((_, before)) = found.insert(event.usage.event_id, (event, payload.clone())) {
            assert_eq!(before, payload);
        }
    }
    found
}

fn total(progress: &modellane_processor::Progress) -> i64 {
    progress.values().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_hold_until_sound_ones_replace_them() {
    let bench = Bench::new().await;
    organisation(&bench).await;
    let mut running = bench.start().await;
    let mut sent = Vec::new();

    let first = bench.put_event(use_of_ana(0)).await;
    running.until(|progress| total(progress) == 1).await;
    sent.push((first, "prior-exact-1".to_owned()));

    bench.put_context(ContextKind::Weights, &weights(300_000).encode().unwrap()).await;
    sent.push((bench.put_event(use_of_ana(1)).await, weights(300_000).id().to_string()));
    running.until(|progress| total(progress) == 2).await;

    let later = String::from_utf8(weights(400_000).encode().unwrap()).unwrap();
    let later = later.replacen("\"format\":1", "\"format\":2", 1);
    bench.put_context(ContextKind::Weights, later.as_bytes()).await;
    sent.push((bench.put_event(use_of_ana(2)).await, weights(300_000).id().to_string()));
    running.until(|progress| total(progress) == 3).await;
    let refused = r#"modellane_context_refused_total{service="processor",kind="weights"} 1"#;
    assert!(running.metrics.render().contains(refused), "{}", running.metrics.render());
    assert!(running.readiness.is_ready(), "judging goes on");

    bench.put_context(ContextKind::Weights, &weights(400_000).encode().unwrap()).await;
    sent.push((bench.put_event(use_of_ana(3)).await, weights(400_000).id().to_string()));
    running.until(|progress| total(progress) == 4).await;
    running.stop().await;

    let judged = judged(&bench).await;
    for (number, (event_id, model_id)) in sent.iter().enumerate() {
        let model = judged[event_id].0.judgement.model_id.clone().map(|id| id.to_string());
        // Two intents fit, so exact keys alone link neither.
        assert_eq!(model, Some(model_id.clone()).filter(|_| number > 0), "{number}");
    }
    let confidence = |number: usize| judged[&sent[number].0].0.judgement.match_confidence;
    assert!(confidence(1) == confidence(2) && confidence(1) > confidence(3));
    assert_eq!(judged[&sent[3].0].0.judgement.intent_id, Some(Label::literal("i-1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_processor_judges_byte_for_byte_the_same() {
    let bench = Bench::new().await;
    organisation(&bench).await;
    bench.put_context(ContextKind::Weights, &weights(300_000).encode().unwrap()).await;
    for number in 0..50 {
        bench.put_event(use_of_ana(number)).await;
    }
    for group in ["first", "second"] {
        let config = ProcessorConfig { group: group.to_owned(), ..ProcessorConfig::default() };
        let mut running = bench.start_with(config).await;
        running.until(|progress| total(progress) == 50).await;
        running.stop().await;
    }
    assert_eq!(bench.read(Topic::Judged).await.len(), 100);
    let judged = judged(&bench).await;
    assert_eq!(judged.len(), 50);
    let id = weights(300_000).id();
    assert!(judged.values().all(|(event, _)| event.judgement.model_id.as_ref() == Some(&id)));
}
