//! The intents that a use may belong to, and its link by weighed evidence.

use crate::context::ContextState;
use crate::directory::{Actor, DirectoryIndex};
use crate::identity::Identity;
use crate::intents::{Intent, IntentIndex};
use crate::linker::{Candidate as Linked, Link, Target, intents_of, intents_of_session};
use crate::matching::{
    Candidate, CandidateSet, Comparison, KeyLevel, MatchModel, Posterior, SourceModel, Trace, shares_of_day,
};
use crate::reason::Reason;
use modellane_event::{Grain, Label, Share, UsageEvent, UsageFacts, UtcTime};

const MINUTE: i64 = 60_000_000;
/// How far outside its time an intent is still a candidate.
const WINDOW: i64 = 240 * MINUTE;
/// How long an intent that nobody ended remains a candidate.
const UNENDED: i64 = 48 * 60 * MINUTE;
/// Most candidates of one use.
const MOST: usize = 64;

/// A use's candidates with their intents, in one order.
pub(crate) struct Gathered<'a> {
    pub(crate) intents: Vec<&'a Intent>,
    pub(crate) set: CandidateSet,
    crowded: bool,
}

/// Somebody who may stand behind a use.
struct Owner<'a> {
    actor: Option<(u32, &'a Actor)>,
    probability: f64,
}

fn owners<'a>(identity: &Identity<'a>) -> Vec<Owner<'a>> {
    match identity {
        Identity::Nobody => vec![Owner { actor: None, probability: 1.0 }],
        Identity::One { number, actor } => vec![Owner { actor: Some((*number, actor)), probability: 1.0 }],
        Identity::Shared(actors) => {
            let probability = 1.0 / actors.len().max(1) as f64;
            actors.iter().map(|actor| Owner { actor: Some(*actor), probability }).collect()
        }
    }
}

/// All intents that a use may belong to: those of its possible persons around its time, and those that declare
/// its session.
pub(crate) fn gather<'a>(
    intents: &'a IntentIndex,
    directory: &DirectoryIndex,
    facts: &UsageFacts,
    identity: &Identity<'a>,
) -> Gathered<'a> {
    let trace = &Trace::new(facts.period_start, &facts.who, &facts.work);
    let at = trace.at();
    let window = (UtcTime(at.0 - WINDOW), UtcTime(at.0 + WINDOW + 1));
    let is_alive = |intent: &&Intent| intent.ended_at.is_some() || at.0 - intent.started_at.0 < UNENDED;
    let owners = owners(identity);
    let mut found: Vec<(usize, &'a Intent)> = Vec::new();
    for (number, owner) in owners.iter().enumerate() {
        let Some((actor_number, actor)) = owner.actor else { continue };
        let own = intents_of(intents, directory, actor_number, actor, window);
        found.extend(own.into_iter().filter(is_alive).map(|intent| (number, intent)));
    }
    let keyed = trace.session().map(|key| intents_of_session(intents, directory, key, identity));
    for intent in keyed.into_iter().flatten() {
        if !found.iter().any(|(_, other)| other.intent_id == intent.intent_id) {
            found.push((owner_of(&owners, directory, intent), intent));
        }
    }
    // A fixed order, whatever the order in which they came; the latest are kept.
    found.sort_by(|(_, a), (_, b)| (b.started_at, &a.intent_id).cmp(&(a.started_at, &b.intent_id)));
    let crowded = found.len() > MOST;
    found.truncate(MOST);
    let candidates = found.iter().enumerate().map(|(place, (owner, intent))| {
        // Later starts stand before it.
        let is_latest = !found[..place].iter().any(|(other, later)| {
            other == owner && later.started_at > intent.started_at && later.started_at <= at
        });
        let mut comparison = Comparison::of(trace, &intent.declaration(), is_latest);
        // That a session of another tool has another id is no sign against the intent. This is all that a tool
        // does here, and it can only withhold evidence against a link, whatever guidance thinks of the tool.
        let comparable = intent.tool.is_some() && intent.tool == facts.tool;
        if comparison.key == KeyLevel::Differs && !comparable {
            comparison.key = KeyLevel::Missing;
        }
        Candidate::new(comparison, owners[*owner].probability)
    });
    let is_idle = |number: usize| !found.iter().any(|(owner, _)| *owner == number);
    let idle = owners.iter().enumerate().filter(|(number, _)| is_idle(*number));
    let elsewhere = Share::nearest(idle.map(|(_, owner)| owner.probability).sum());
    let set = CandidateSet::new(trace.workspace(), elsewhere, candidates.collect());
    Gathered { intents: found.into_iter().map(|(_, intent)| intent).collect(), set, crowded }
}

/// The possible person whose account an intent declares; the first if that is not known.
fn owner_of(owners: &[Owner<'_>], directory: &DirectoryIndex, intent: &Intent) -> usize {
    let declarers: Vec<u32> = directory.owners(intent.account, intent.started_at).collect();
    let is_declarer = |owner: &Owner<'_>| owner.actor.is_some_and(|(number, _)| declarers.contains(&number));
    owners.iter().position(is_declarer).unwrap_or(0)
}

/// Links one record by all evidence.
pub(crate) fn link_by_evidence<'a>(
    state: &'a ContextState,
    model: &MatchModel,
    event: &UsageEvent,
    identity: &Identity<'a>,
) -> Link<'a> {
    let facts = &event.facts;
    if let Some(task) = identity.task() {
        return Link::one(Target::Standing(task), Share::ONE, vec![Reason::StandingIntent]);
    }
    let source = model.source(&event.source);
    match facts.grain {
        Grain::Request | Grain::Session => {
            let gathered = gather(&state.intents, &state.directory, facts, identity);
            link_gathered(gathered, model, source, identity)
        }
        Grain::UserDay => link_day(state, source, facts, identity),
        Grain::UserMonth | Grain::ModelDay | Grain::OrgDay | Grain::Unknown => {
            Link::none(identity.gap().unwrap_or(Reason::AggregateOnly))
        }
    }
}

fn link_gathered<'a>(
    gathered: Gathered<'a>,
    model: &MatchModel,
    source: &SourceModel,
    identity: &Identity<'_>,
) -> Link<'a> {
    let Gathered { intents, set, crowded } = gathered;
    if intents.is_empty() {
        return Link::none(identity.gap().unwrap_or(Reason::NoCandidate));
    }
    let Posterior { candidates, none } = set.posterior(model, source);
    let ranked = ranked(&intents, &candidates, none);
    let best = ranked[0].0;
    let steps = set.waterfall(model, source, best);
    let mut reasons: Vec<Reason> =
        steps.iter().map(|step| step.reason).filter(|reason| *reason != Reason::Prior).collect();
    let keyed = set.candidates[best].comparison.key == KeyLevel::Equal;
    reasons.extend((!keyed && !source.is_calibrated()).then_some(Reason::UncalibratedSource));
    reasons.extend(crowded.then_some(Reason::TooManyCandidates));
    let tied = ranked.get(1).is_some_and(|(_, second)| 2 * second.millionths() >= ranked[0].1.millionths());
    let against = steps.iter().filter(|step| step.reason != Reason::Prior && step.millibits < 0);
    let gap = match against.min_by_key(|step| step.millibits) {
        _ if tied => Reason::TiedIntents,
        Some(step) => step.reason,
        None => Reason::WeakEvidence,
    };
    // Every outcome that reaches the floor is in the conformal set; `high` needs to be alone in it.
    let floor = source.calibration.map_or(Share::ONE, |calibration| calibration.floor);
    let others = ranked.iter().skip(1).map(|(_, share)| *share).chain([Share::nearest(none)]);
    Link {
        is_ambiguous: others.into_iter().any(|share| share >= floor),
        candidates: targets(&intents, &ranked),
        reasons,
        gap: Some(gap),
        rivals: Vec::new(),
    }
}

/// A day's record is split by the time that intents were open.
fn link_day<'a>(
    state: &'a ContextState,
    source: &SourceModel,
    facts: &UsageFacts,
    identity: &Identity<'a>,
) -> Link<'a> {
    let Identity::One { number, actor } = identity else {
        return Link::none(identity.gap().unwrap_or(Reason::NoCandidate));
    };
    let day = (facts.period_start, facts.period_end.max(UtcTime(facts.period_start.0 + 1)));
    let mut intents = intents_of(&state.intents, &state.directory, *number, actor, day);
    intents.sort_by(|a, b| (b.started_at, &a.intent_id).cmp(&(a.started_at, &b.intent_id)));
    intents.truncate(MOST);
    if intents.is_empty() {
        return Link::none(Reason::NoCandidate);
    }
    let minutes: Vec<i64> = intents.iter().map(|intent| intent.open_during(day) / MINUTE).collect();
    let shares = shares_of_day(&minutes, source.null_prior);
    let (none, shares) = shares.split_last().map_or((1.0, &[][..]), |(none, shares)| (*none, shares));
    Link {
        candidates: targets(&intents, &ranked(&intents, shares, none)),
        reasons: vec![Reason::TimeInside, Reason::UncalibratedSource, Reason::AggregateOnly],
        gap: Some(if intents.len() > 1 { Reason::TiedIntents } else { Reason::WeakEvidence }),
        ..Link::default()
    }
}

fn targets<'a>(intents: &[&'a Intent], ranked: &[(usize, Share)]) -> Vec<Linked<'a>> {
    let target = |(number, probability): &(usize, Share)| Linked {
        target: Target::Declared(intents[*number]),
        probability: *probability,
    };
    ranked.iter().map(target).collect()
}

/// Numbers of the candidates with their probabilities in millionths, the most probable first, ties by id. With
/// what they leave to none they sum to exactly one: the largest remainders are rounded up.
fn ranked(intents: &[&Intent], probabilities: &[f64], none: f64) -> Vec<(usize, Share)> {
    let scaled: Vec<f64> = probabilities.iter().chain([&none]).map(|p| p * 1e6).collect();
    let mut millionths: Vec<i32> = scaled.iter().map(|value| value.floor() as i32).collect();
    let mut order: Vec<usize> = (0..scaled.len()).collect();
    let id = |number: usize| intents.get(number).map(|intent| &intent.intent_id);
    order.sort_by(|a, b| {
        let remainder = |number: usize| scaled[number] - scaled[number].floor();
        remainder(*b).total_cmp(&remainder(*a)).then_with(|| id(*a).cmp(&id(*b)))
    });
    let left = usize::try_from(1_000_000 - millionths.iter().sum::<i32>()).unwrap_or(0);
    order.iter().take(left).for_each(|number| millionths[*number] += 1);
    let mut ranked: Vec<(usize, Share)> = (0..probabilities.len())
        .map(|number| (number, Share::new(millionths[number]).unwrap_or(Share::ZERO)))
        .collect();
    ranked.sort_by(|(a, p), (b, q)| q.cmp(p).then_with(|| id(*a).cmp(&id(*b))));
    ranked
}

/// The candidates of one use, for counting, reviewing and explaining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseCandidates {
    /// Ids of the intents.
    pub intent_ids: Vec<Label>,
    /// The same candidates as they are scored.
    pub set: CandidateSet,
}

impl ContextState {
    /// What a use may belong to. Empty for what sums up a day or more.
    pub fn candidates(&self, event: &UsageEvent) -> UseCandidates {
        let facts = &event.facts;
        if !matches!(facts.grain, Grain::Request | Grain::Session) {
            return UseCandidates { intent_ids: Vec::new(), set: CandidateSet::default() };
        }
        let identity = crate::identity::identify(&self.directory, &facts.who.accounts, facts.period_start);
        let Gathered { intents, set, .. } = gather(&self.intents, &self.directory, facts, &identity);
        UseCandidates { intent_ids: intents.iter().map(|intent| intent.intent_id.clone()).collect(), set }
    }
}
