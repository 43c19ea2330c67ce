//! A use that several feeds report counts once for tokens and once for money.
//!
//! Which feed counts is decided for a whole group of events at once, so that it depends neither on the order in which
//! they came nor on how often. Events of one feed never take each other's place: they are several uses, or one that
//! the feed tells in parts. What cannot be told to be the same use counts, each for itself.

use crate::context::ContextState;
use crate::cost::costs;
use crate::identity::identify;
use modellane_event::{
    AccountRef, CostBasis, Date, EventId, Grain, Judgement, Label, PersonId, RequestKey, UsageEvent,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

static REQUEST_ID: LazyLock<Label> = LazyLock::new(|| Label::literal("request_id"));
static PERSON_DAY: LazyLock<Label> = LazyLock::new(|| Label::literal("person_day"));

/// By what two feeds are known to report the same use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Use {
    /// Both state the vendor's id of the request or of its response.
    Request(RequestKey),
    /// Both hold the sums of a person's day with a product.
    PersonDay(Box<PersonDay>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PersonDay {
    owner: Owner,
    vendor: Label,
    tool: Option<Label>,
    day: Date,
}

/// Whose day it is: the person, or the account where nobody is known to have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Owner {
    Person(PersonId),
    Account(AccountRef),
}

/// What is known of a current event for this decision.
#[derive(Clone, Debug)]
pub struct Sighting {
    event_id: EventId,
    source: Label,
    of: Use,
    has_usage: bool,
    basis: CostBasis,
}

impl Sighting {
    /// `None` for an event that no other feed can be told to report as well.
    pub fn of(state: &ContextState, event: &UsageEvent) -> Option<Self> {
        let facts = &event.facts;
        let of = match (facts.grain, facts.who.request_key) {
            (Grain::Request, Some(key)) => Use::Request(key),
            (Grain::UserDay, _) => {
                let person = identify(&state.directory, &facts.who.accounts, facts.period_start).person();
                let account = || facts.who.accounts.first().copied().map(Owner::Account);
                Use::PersonDay(Box::new(PersonDay {
                    owner: person.map(Owner::Person).or_else(account)?,
                    vendor: facts.vendor.clone(),
                    tool: facts.tool.clone(),
                    day: facts.period_start.date(),
                }))
            }
            _ => return None,
        };
        let tokens = &facts.tokens;
        let has_usage =
            [tokens.requests, tokens.input_tokens, tokens.output_tokens].iter().any(Option::is_some);
        let basis = costs(&state.prices, facts).basis;
        Some(Self { event_id: event.event_id, source: event.source.clone(), of, has_usage, basis })
    }
}

/// How an event counts beside those of other feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    counts_usage: bool,
    counts_cost: bool,
    /// The event that counts instead, if this one counts for nothing.
    duplicate_of: Option<EventId>,
    rule: Label,
}

/// The events of a time that more than one feed reports.
#[derive(Debug, Default)]
pub struct Overlaps {
    standings: HashMap<EventId, Standing>,
}

impl Overlaps {
    /// Decides each use that more than one feed reports. The result does not depend on the order.
    pub fn among<'a>(sightings: impl IntoIterator<Item = &'a Sighting>) -> Self {
        let mut uses: HashMap<&Use, Vec<&Sighting>> = HashMap::new();
        for sighting in sightings {
            uses.entry(&sighting.of).or_default().push(sighting);
        }
        let mut standings = HashMap::new();
        for (of, group) in uses {
            decide(of, &group, &mut standings);
        }
        Self { standings }
    }

    /// Says in a judgement what was decided of its event.
    pub fn apply(&self, id: EventId, judgement: &mut Judgement) {
        let Some(standing) = self.standings.get(&id) else { return };
        judgement.counts_usage = standing.counts_usage;
        judgement.counts_cost = standing.counts_cost;
        judgement.duplicate_of = standing.duplicate_of;
        judgement.overlap_rule = Some(standing.rule.clone());
    }
}

/// What a feed says of one use.
struct Report {
    first: EventId,
    has_usage: bool,
    /// The best that any of its events rests on.
    money: u8,
}

fn decide(of: &Use, group: &[&Sighting], standings: &mut HashMap<EventId, Standing>) {
    let mut feeds: BTreeMap<&Label, Report> = BTreeMap::new();
    for sighting in group {
        let money = money_rank(sighting.basis);
        let report = Report { first: sighting.event_id, has_usage: sighting.has_usage, money };
        let feed = feeds.entry(&sighting.source).or_insert(report);
        feed.first = feed.first.min(sighting.event_id);
        feed.has_usage |= sighting.has_usage;
        feed.money = feed.money.min(money);
    }
    if feeds.len() < 2 {
        return;
    }
    let by_usage =
        feeds.iter().min_by_key(|(source, feed)| (!feed.has_usage, knowledge_rank(source), **source));
    let by_money = feeds.iter().min_by_key(|(source, feed)| (feed.money, knowledge_rank(source), **source));
    let (Some((usage, instead)), Some((money, _))) = (by_usage, by_money) else { return };
    for sighting in group {
        let (counts_usage, counts_cost) = (sighting.source == **usage, sighting.source == **money);
        let standing = Standing {
            counts_usage,
            counts_cost,
            duplicate_of: (!counts_usage && !counts_cost).then_some(instead.first),
            rule: of.rule().clone(),
        };
        standings.insert(sighting.event_id, standing);
    }
}

impl Use {
    fn rule(&self) -> &'static Label {
        match self {
            Self::Request(_) => &REQUEST_ID,
            Self::PersonDay(_) => &PERSON_DAY,
        }
    }
}

/// The feed that knows usage best comes first. A gateway sees every answer, whatever becomes of the client that asked;
/// a product's own events know more of a request than spans by the general conventions; a report of use says what a
/// person did, where a bill says what is charged for.
fn knowledge_rank(source: &Label) -> u8 {
    match source.as_str() {
        "litellm.spend_logs" | "github_copilot.user_day" => 0,
        "otel.gen_ai" => 2,
        "github_copilot.billing_csv" => 3,
        _ => 1,
    }
}

/// What a cost rests on, the surest first: what the vendor charges or says to be included, then what it estimates, then
/// what the price list gives.
fn money_rank(basis: CostBasis) -> u8 {
    match basis {
        CostBasis::Invoiced => 0,
        CostBasis::VendorReported => 1,
        CostBasis::SeatIncluded => 2,
        CostBasis::VendorEstimate => 3,
        CostBasis::Computed => 4,
        CostBasis::None => 5,
    }
}
