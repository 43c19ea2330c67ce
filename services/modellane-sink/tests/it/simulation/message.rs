//! Messages of the judged topic, and what they say without any ledger.

use super::dice::Dice;
use super::fetch::{Fetch, is_gone};
use crate::support::Told;
use modellane_event::{ContentHash, EventId};
use modellane_ledger::JudgementVersion;
use modellane_schema::judged_codec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// When everything is observed that is observed at 0.
pub(crate) const BASE: i64 = 1_793_836_800_000_000;

/// Tokens tell contents apart: each content of each event has its own.
const TOKENS: [i64; 3] = [100, 2_000, 30_000];
/// Outcomes of judging, told apart by the team.
const TEAMS: [&str; 3] = ["payments", "search", "platform"];

/// One message. What it is worth and how it is judged follow from its content and judgement version, as
/// judging is a function.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) event: u32,
    content: usize,
    observed_at: i64,
    judged: JudgementVersion,
    facts: Option<Facts>,
}

/// What follows from the fields above.
#[derive(Clone)]
struct Facts {
    id: EventId,
    hash: ContentHash,
    bytes: Arc<Vec<u8>>,
}

/// What a reader should find of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    pub(crate) tokens: i64,
    /// Billionths.
    pub(crate) cost: i128,
    pub(crate) team: &'static str,
    pub(crate) usage_sign: i8,
    pub(crate) cost_sign: i8,
}

impl Message {
    fn throw(dice: &mut Dice, events: u32) -> Self {
        Self {
            event: dice.below(events as usize) as u32,
            content: dice.below(TOKENS.len()),
            observed_at: dice.between(0, 5),
            judged: JudgementVersion {
                settle_run: dice.between(0, 1) as i32,
                context_version: dice.between(0, 4),
            },
            facts: None,
        }
    }

    fn told(&self) -> Told {
        let tokens = TOKENS[self.content] + i64::from(self.event);
        let mut told = Told::new(self.event, tokens, self.observed_at);
        told.settle_run = self.judged.settle_run;
        told.judged(self.judged.context_version, TEAMS[self.outcome()])
    }

    /// Three outcomes over many versions, so that equal and differing judgements both occur.
    fn outcome(&self) -> usize {
        let judged = self.judged;
        let mixed = self.content as i64 * 5 + i64::from(judged.settle_run) * 7 + judged.context_version * 11;
        (mixed / 4 % 3) as usize
    }

    fn seal(&mut self) {
        let mut event = self.told().to_event();
        // Another feed may count for tokens or for money.
        event.judgement.counts_usage = self.outcome() != 1;
        event.judgement.counts_cost = self.outcome() != 2;
        let mut bytes = Vec::new();
        judged_codec().encode(&event, &mut bytes).expect("an event of the tests is in bounds");
        let facts =
            Facts { id: event.usage.event_id, hash: event.usage.content_hash, bytes: Arc::new(bytes) };
        self.facts = Some(facts);
    }

    fn facts(&self) -> &Facts {
        self.facts.as_ref().expect("messages are sealed before they are used")
    }

    pub(crate) fn id(&self) -> EventId {
        self.facts().id
    }

    pub(crate) fn bytes(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.facts().bytes)
    }

    pub(crate) fn standing(&self) -> Standing {
        let told = self.told();
        Standing {
            tokens: told.tokens,
            cost: i128::from(told.tokens) * 1_000_000,
            team: told.team,
            usage_sign: i8::from(self.outcome() != 1),
            cost_sign: i8::from(self.outcome() != 2),
        }
    }

    fn hash(&self) -> ContentHash {
        self.facts().hash
    }

    /// The documented order of contents: later observed is newer, ties by hash.
    fn order(&self) -> (i64, ContentHash) {
        (self.observed_at, self.hash())
    }
}

/// A set of messages whose result is defined.
pub(crate) fn messages(dice: &mut Dice) -> Vec<Message> {
    let events = dice.between(1, 5) as u32;
    let count = dice.between(2, 24) as usize;
    let mut messages: Vec<Message> = (0..count).map(|_| Message::throw(dice, events)).collect();
    messages.iter_mut().for_each(Message::seal);
    for event in 0..events {
        define_result(&mut messages, event);
    }
    messages
}

/// The greatest judgement version of the winning content must come with a message of the last stretch
/// (documentation of `modellane_ledger`, condition 2): the oldest message of the stretch is given it.
fn define_result(messages: &mut [Message], event: u32) {
    let of_event = || messages.iter().filter(move |message| message.event == event);
    let Some(winner) = of_event().map(Message::order).max() else { return };
    let greatest = of_event().filter(|m| m.hash() == winner.1).map(|m| m.judged).max();
    let last_other = of_event().map(Message::order).filter(|order| order.1 != winner.1).max();
    let stretch = messages.iter_mut().filter(|message| {
        message.event == event && message.hash() == winner.1 && Some(message.order()) > last_other
    });
    if let (Some(first), Some(greatest)) = (stretch.min_by_key(|message| message.observed_at), greatest) {
        first.judged = greatest;
        first.seal();
    }
}

/// The documented rule over the messages alone: of each event the latest content by (`observed_at`, hash),
/// then of its judgements the greatest by (`settle_run`, `context_version`); what is gone by then is left out.
pub(crate) fn truth(messages: &[Message], fetches: &[Fetch]) -> BTreeMap<EventId, Standing> {
    let mut winners: BTreeMap<EventId, (i64, ContentHash)> = BTreeMap::new();
    for message in messages {
        let winner = winners.entry(message.id()).or_insert(message.order());
        *winner = message.order().max(*winner);
    }
    let judged = |(id, (_, hash)): (EventId, (i64, ContentHash))| {
        let same = messages.iter().filter(|message| message.id() == id && message.hash() == hash);
        let last = same.max_by_key(|message| message.judged).expect("the winner is one of them");
        (id, last.standing())
    };
    let scope = |id: EventId| {
        let of_it = messages.iter().find(|message| message.id() == id).expect("the winner is one of them");
        of_it.told().scope()
    };
    winners.retain(|id, (last_seen, _)| !is_gone(fetches, &scope(*id), *id, *last_seen));
    winners.into_iter().map(judged).collect()
}
