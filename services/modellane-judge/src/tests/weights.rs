//! Versions of the weights on the stream of context.

use super::fixture::*;
use crate::matching::{Level, MatchModel, SourceModel};
use crate::{ContextError, ContextObject, object_hash};
use modellane_event::*;
use proptest::prelude::*;
use std::sync::LazyLock;

/// Weights of Claude Code's events that give so many bits for an open intent.
fn weighing(millibits: i32) -> MatchModel {
    let mut own = SourceModel { keyed_rows: 1_000, ..SourceModel::PRIOR };
    own.bits[Level::Inside] = millibits;
    let mut model = MatchModel::prior();
    model.sources.insert(label("claude_code.otel"), own);
    model
}

fn announce(world: &mut World, bytes: &[u8]) -> Result<(), ContextError> {
    let recorded_at = at("2026-10-01T00:00:00Z");
    let pointer =
        ContextPointer { kind: ContextKind::Weights, hash: object_hash(bytes), effective: None, recorded_at };
    let next = world.0.version() + 1;
    world.0.apply(&pointer, next, bytes)
}

#[test]
fn without_weights_only_exact_keys_link() {
    let mut world = World::new();
    world.intent(intent("i-1", "routine"));
    let judged = world.judge(&request("claude-sonnet-5-5"));
    assert_eq!(judged.model_id, Some(label("prior-exact-1")));
    assert_eq!(millionths(judged.match_confidence), Some(900_000));
}

#[test]
fn the_newest_weights_hold_and_their_hash_stands_on_the_row() {
    let mut world = World::new();
    world.intent(intent("i-1", "routine"));
    for millibits in [1_000, 3_000] {
        let object = ContextObject::Weights(weighing(millibits)).encode().unwrap();
        announce(&mut world, &object.bytes).unwrap();
        let judged = world.judge(&request("claude-sonnet-5-5"));
        assert_eq!(judged.model_id, Some(label(&format!("match-{}", &object.hash.as_str()[..16]))));
        assert_eq!(judged.context_version, world.0.version());
        let odds = 0.65 / 0.35 * 2f64.powf(f64::from(millibits) / 1_000.0);
        let stated = f64::from(millionths(judged.match_confidence).unwrap()) / 1e6;
        assert!((stated - odds / (1.0 + odds)).abs() < 0.001, "{stated}");
    }
}

#[test]
fn refused_weights_leave_the_old_ones_in_force() {
    let mut world = World::new();
    world.intent(intent("i-1", "routine"));
    announce(&mut world, &weighing(1_000).encode().unwrap()).unwrap();
    let before = world.judge(&request("claude-sonnet-5-5"));
    let sound = String::from_utf8(weighing(2_000).encode().unwrap()).unwrap();
    for bad in [
        "not weights".to_owned(),
        sound.replacen("\"format\":1", "\"format\":2", 1),
        sound.replacen(":2000", ":2000000", 1),
    ] {
        assert_ne!(bad, sound);
        assert!(matches!(announce(&mut world, bad.as_bytes()), Err(ContextError::Invalid(_))));
        assert_eq!(world.judge(&request("claude-sonnet-5-5")), before);
    }
    announce(&mut world, sound.as_bytes()).unwrap();
    assert_ne!(world.judge(&request("claude-sonnet-5-5")).model_id, before.model_id);
}

/// A world with weights that was told of twelve intents in this order. Most of them fit alike, so that only a
/// fixed order tells them apart.
fn told_in(order: impl IntoIterator<Item = usize>) -> World {
    let mut world = World::new();
    announce(&mut world, &weighing(1_800).encode().unwrap()).unwrap();
    for n in order {
        world.0.apply_intent(&IntentEvent {
            ticket_key: (n % 3 == 0).then(|| key().ticket("PAY-12")),
            workspace_key: (n % 4 == 0).then(|| key().workspace("acme/core")),
            ended_at: (n % 5 != 0).then(|| at("2026-11-03T11:00:00Z")),
            ..intent(&format!("i-{n}"), ["routine", "incident"][n % 2])
        });
    }
    world
}

static IN_ORDER: LazyLock<World> = LazyLock::new(|| told_in(0..12));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// The same weights, intents and event give the same judgement to the last byte, whatever the order in which
    /// intents came and however often.
    #[test]
    fn the_same_inputs_give_the_same_bytes(
        order in Just((0usize..12).collect::<Vec<_>>()).prop_shuffle(),
        again in prop::collection::vec(0usize..12, 0..6),
        minute in 0i64..300,
        ticket in any::<bool>(),
    ) {
        let event = with(request("claude-opus-5-5"), |facts| {
            facts.period_start = UtcTime(at("2026-11-03T08:00:00Z").0 + minute * 60_000_000);
            facts.period_end = facts.period_start;
            facts.work.ticket_key = ticket.then(|| key().ticket("PAY-12"));
            facts.work.workspace_key = Some(key().workspace("acme/core"));
        });
        let judged = |world: &World| serde_json::to_vec(&world.judge(&event)).unwrap();
        prop_assert_eq!(judged(&IN_ORDER), judged(&told_in(order.into_iter().chain(again))));
    }
}
