//! What a seed makes of a run: which messages, in which topics, in which order, in which weather.

use super::dice::Dice;
use super::fetch::{Fetch, fetches};
use super::message::{Message, messages};
use super::world::{Partition, Weather, World};
use modellane_event::{Label, RejectEvent, RejectId, RejectReason, UtcTime};
use modellane_schema::reject_codec;
use modellane_sink::SinkConfig;
use std::sync::Arc;

/// The judged topic of one cluster, and of a second one that comes to hold the same data.
pub(crate) const JUDGED: [&str; 2] = ["one/judged", "two/judged"];
pub(crate) const INTENTS: &str = "one/intents";
pub(crate) const REJECTS: &str = "one/rejects";
pub(crate) const FETCHES: &str = "one/fetches";
/// All of them.
pub(crate) const TOPICS: [&str; 5] = [JUDGED[0], JUDGED[1], INTENTS, REJECTS, FETCHES];

/// A message on its way into a topic.
pub(crate) struct Delivery {
    topic: &'static str,
    /// Taken modulo the partitions that the topic has then.
    partition: usize,
    payload: Option<Arc<Vec<u8>>>,
    /// Offsets that are left out before it.
    gap: i64,
    /// Whether only a later version can read it.
    early: bool,
}

/// All of a run that does not depend on what happens in it.
pub(crate) struct Plan {
    pub(crate) messages: Vec<Message>,
    pub(crate) fetches: Vec<Fetch>,
    /// Messages of fetches, with repetitions.
    pub(crate) fetch_messages: usize,
    /// In reverse, so that the next one is popped.
    pub(crate) deliveries: Vec<Delivery>,
    /// Messages that nobody can decode.
    pub(crate) undecodable: usize,
    /// Valid records of the topic of rejects.
    pub(crate) rejects: usize,
    pub(crate) weather: Weather,
    /// Whether processes are killed, frozen and joined by others, topics grow, and clocks jump.
    pub(crate) trouble: u32,
    /// Steps before the calm.
    pub(crate) steps: usize,
    pub(crate) config: SinkConfig,
}

impl Plan {
    pub(crate) fn throw(dice: &mut Dice) -> Self {
        let messages = messages(dice);
        let mut plan = Self {
            fetches: fetches(dice, &messages),
            fetch_messages: 0,
            deliveries: Vec::new(),
            undecodable: 0,
            rejects: 0,
            weather: weather(dice),
            trouble: dice.pick(&[0, 1, 1, 2, 4]),
            steps: dice.between(60, 400) as usize,
            config: config(dice),
            messages,
        };
        plan.deliver(dice);
        plan
    }

    fn deliver(&mut self, dice: &mut Dice) {
        let mut first: Vec<usize> = (0..self.messages.len()).collect();
        let mut second = first.clone();
        let repeats = dice.between(0, 10);
        first.extend((0..repeats).map(|_| dice.below(self.messages.len())));
        // A part of the runs has a second cluster: with everything, or with some of it.
        match dice.below(4) {
            0 => second.clear(),
            1 => second.truncate(second.len() / 2),
            _ => {}
        }
        dice.shuffle(&mut first);
        dice.shuffle(&mut second);
        let judged = first.into_iter().map(|message| (JUDGED[0], message));
        let mut all: Vec<Delivery> = judged
            .chain(second.into_iter().map(|message| (JUDGED[1], message)))
            .map(|(topic, message)| (topic, Some(self.messages[message].bytes())))
            .map(|(topic, payload)| delivery(dice, topic, payload))
            .collect();
        for payload in self.fetches.iter().flat_map(Fetch::messages) {
            for _ in 0..=usize::from(dice.permille(250)) {
                all.push(delivery(dice, FETCHES, Some(Arc::clone(&payload))));
                self.fetch_messages += 1;
            }
        }
        for topic in TOPICS {
            for _ in 0..dice.between(0, 2) - 1 {
                // A tombstone, or bytes that are no message.
                let payload = dice.permille(700).then(|| Arc::new(vec![0xC3, 0x01, 7]));
                all.push(delivery(dice, topic, payload));
                self.undecodable += 1;
            }
        }
        for number in 0..dice.between(0, 2) as u8 {
            all.push(delivery(dice, REJECTS, Some(Arc::new(reject(number)))));
            self.rejects += 1;
        }
        dice.shuffle(&mut all);
        self.deliveries = all;
    }

    /// Creates the topics.
    pub(crate) fn prepare(&self, world: &World) {
        let mut state = world.state();
        for topic in TOPICS {
            let partitions = state.dice.between(1, 3);
            let partitions = (0..partitions).map(|_| Partition::default()).collect();
            state.topics.insert(topic.to_owned(), partitions);
        }
    }

    /// Puts the next message into its topic.
    pub(crate) fn feed(&mut self, world: &World) {
        let Some(delivery) = self.deliveries.pop() else { return };
        let mut state = world.state();
        let state = &mut *state;
        let partitions = state.topics.get_mut(delivery.topic).expect("topics are created first");
        let number = delivery.partition % partitions.len();
        let partition = &mut partitions[number];
        let offset = partition.end() + delivery.gap;
        match delivery.payload {
            // Another version's name of a schema, as far as this one can tell.
            Some(payload) if delivery.early => {
                let mut unknown = payload.to_vec();
                unknown[2..10].fill(0xAA);
                partition.early.insert(offset, payload);
                partition.messages.push((offset, Some(Arc::new(unknown))));
            }
            payload => partition.messages.push((offset, payload)),
        }
        state.note(delivery.topic, number as u32, offset);
    }
}

fn delivery(dice: &mut Dice, topic: &'static str, payload: Option<Arc<Vec<u8>>>) -> Delivery {
    let gap = if dice.permille(30) { dice.between(1, 3) } else { 0 };
    let early = payload.as_ref().is_some_and(|bytes| bytes.len() > 10) && dice.permille(10);
    Delivery { topic, partition: dice.below(60), payload, gap, early }
}

fn reject(number: u8) -> Vec<u8> {
    let reject = RejectEvent {
        reject_id: RejectId([number + 1; 16]),
        source: Label::literal("litellm.spend_logs"),
        batch_id: Label::literal("batch-1"),
        index: i64::from(number),
        reason: RejectReason::BadNumber,
        field: None,
        length: Some(10),
        recorded_at: UtcTime(1_794_218_400_000_000),
    };
    let mut bytes = Vec::new();
    reject_codec().encode(&reject, &mut bytes).expect("a reject of the tests is in bounds");
    bytes
}

/// Fair for a third of the runs, bad for some.
fn weather(dice: &mut Dice) -> Weather {
    let by = dice.pick(&[0u32, 0, 1, 1, 3, 8]);
    let index = dice.pick(&[0u32, 0, 40, 150]);
    Weather { read: 4 * by, stage: 15 * by, commit: 40 * by, index, repeat: dice.pick(&[0, 0, 30, 100]) }
}

fn config(dice: &mut Dice) -> SinkConfig {
    SinkConfig {
        commit_interval_ms: dice.pick(&[1, 50, 2_000]),
        spacing_per_day_ms: dice.pick(&[0, 0, 500]),
        max_rows: dice.pick(&[1, 3, 8, 40]),
        // With no memory at all no page outlives the poll that needs it.
        index_mib: dice.pick(&[0, 512, 512]),
        file_cache_mib: 0,
        ..SinkConfig::default()
    }
}
