//! Links a record to declared intents.
//!
//! What follows reads only the [`Link`], a distribution over intents and over none of them. Under weights
//! ([`crate::matching`]) it comes from [`crate::candidates`]; before any are published, from exact keys: an
//! intent that declares the record's session is the one; else the one intent that the person had open at
//! that time; anything else stays unlinked, with its reason.

use crate::directory::{Actor, DirectoryIndex};
use crate::identity::Identity;
use crate::intents::{Intent, IntentIndex};
use crate::reason::Reason;
use modellane_event::{Grain, Label, SessionKey, Share, UsageFacts, UtcTime};

/// Prior-file weight of an equal session key. Not calibrated on reviewed rows, but an identifier that
/// the tool itself issued is as good as evidence gets; it is the precision measured for keyed sessions.
const KEY_EQUAL: Share = millionths(999_000);
/// Prior-file weight of the only open intent. Not calibrated: such a link is labelled medium at most.
const SINGLE_OPEN: Share = millionths(900_000);
/// Names these weights in `model_id`.
pub(crate) const WEIGHTS: &str = "prior-exact-1";
/// Most rivals that a record names; a person with more open intents has a habit to look at, not a list.
const MOST_RIVALS: usize = 5;

const fn millionths(value: i32) -> Share {
    match Share::new(value) {
        Ok(share) => share,
        Err(_) => Share::ZERO,
    }
}

/// What a record may belong to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    /// A declared intent.
    Declared(&'a Intent),
    /// The task of a service account.
    Standing(&'a Label),
}

impl<'a> Target<'a> {
    pub(crate) fn task(self) -> Option<&'a Label> {
        match self {
            Self::Declared(intent) => intent.task.as_ref(),
            Self::Standing(task) => Some(task),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) target: Target<'a>,
    pub(crate) probability: Share,
}

/// A distribution over candidates; what they leave to one is the probability of none.
#[derive(Debug, Default)]
pub(crate) struct Link<'a> {
    /// The most probable first.
    pub(crate) candidates: Vec<Candidate<'a>>,
    /// Intents that fit equally well: named for the reader, without a probability of their own.
    pub(crate) rivals: Vec<&'a Intent>,
    /// What speaks for and against the most probable candidate.
    pub(crate) reasons: Vec<Reason>,
    /// Why there is no link, if the candidates are not probable enough for one.
    pub(crate) gap: Option<Reason>,
    /// Whether another outcome cannot be excluded at the confidence that `high` stands for.
    pub(crate) is_ambiguous: bool,
}

impl<'a> Link<'a> {
    pub(crate) fn none(reason: Reason) -> Self {
        Self { gap: Some(reason), ..Self::default() }
    }

    pub(crate) fn one(target: Target<'a>, probability: Share, reasons: Vec<Reason>) -> Self {
        let gap = reasons.first().copied();
        Self { candidates: vec![Candidate { target, probability }], reasons, gap, ..Self::default() }
    }

    /// Probability that the record belongs to none of the candidates.
    pub(crate) fn null(&self) -> Share {
        self.candidates.iter().fold(Share::ONE, |left, candidate| {
            Share::new(left.millionths() - candidate.probability.millionths()).unwrap_or(Share::ZERO)
        })
    }

    /// Whether the probability rests on weights that nobody has checked against reviewed rows.
    pub(crate) fn is_uncalibrated(&self) -> bool {
        self.reasons.contains(&Reason::UncalibratedSource)
    }
}

/// Links one record by exact keys.
pub(crate) fn link_exactly<'a>(
    intents: &'a IntentIndex,
    directory: &DirectoryIndex,
    facts: &UsageFacts,
    identity: &Identity<'a>,
) -> Link<'a> {
    if let Some(link) = by_session(intents, directory, facts, identity) {
        return link;
    }
    let Identity::One { number, actor } = identity else {
        return Link::none(identity.gap().unwrap_or(Reason::NoCandidate));
    };
    if let Some(task) = identity.task() {
        return Link::one(Target::Standing(task), Share::ONE, vec![Reason::StandingIntent]);
    }
    let (from, to) = match facts.grain {
        Grain::Request | Grain::Session => (facts.period_start, UtcTime(facts.period_start.0 + 1)),
        Grain::UserDay => (facts.period_start, facts.period_end.max(UtcTime(facts.period_start.0 + 1))),
        Grain::UserMonth | Grain::ModelDay | Grain::OrgDay | Grain::Unknown => {
            return Link::none(Reason::AggregateOnly);
        }
    };
    let open = intents_of(intents, directory, *number, actor, (from, to));
    match open.as_slice() {
        [] => Link::none(Reason::NoCandidate),
        [intent] => {
            let mut reasons = vec![Reason::TimeInside, Reason::UncalibratedSource];
            if facts.grain == Grain::UserDay {
                reasons.push(Reason::AggregateOnly);
            }
            reasons.extend(agreement(intent, facts));
            Link::one(Target::Declared(intent), SINGLE_OPEN, reasons)
        }
        _ => tied(open),
    }
}

/// An actor's intents that were open at some moment of `from..to`, each once.
pub(crate) fn intents_of<'a>(
    intents: &'a IntentIndex,
    directory: &DirectoryIndex,
    number: u32,
    actor: &Actor,
    (from, to): (UtcTime, UtcTime),
) -> Vec<&'a Intent> {
    let mut open: Vec<&'a Intent> = Vec::new();
    for (account, period) in &actor.accounts {
        // An account that others use too does not say whose intent it is.
        let own = |intent: &&Intent| {
            period.contains(intent.started_at)
                && directory.owners(*account, intent.started_at).all(|owner| owner == number)
        };
        for intent in intents.of_account(*account, from, to).filter(own) {
            if !open.iter().any(|other| other.intent_id == intent.intent_id) {
                open.push(intent);
            }
        }
    }
    open
}

/// Intents that declare the record's session, and of nobody who cannot stand behind the record.
pub(crate) fn intents_of_session<'a>(
    intents: &'a IntentIndex,
    directory: &DirectoryIndex,
    session: SessionKey,
    identity: &Identity<'_>,
) -> Vec<&'a Intent> {
    let admissible = |intent: &&Intent| {
        let mut owners = directory.owners(intent.account, intent.started_at).peekable();
        owners.peek().is_none() || owners.any(|owner| identity.admits(owner))
    };
    intents.of_session(session).filter(admissible).collect()
}

/// The intent that declares the record's session. Of several it is the one that was open then.
fn by_session<'a>(
    intents: &'a IntentIndex,
    directory: &DirectoryIndex,
    facts: &UsageFacts,
    identity: &Identity<'a>,
) -> Option<Link<'a>> {
    let found = intents_of_session(intents, directory, facts.who.session_key?, identity);
    let open: Vec<&Intent> = found.iter().copied().filter(|i| i.is_open(facts.period_start)).collect();
    let one = |intent: &'a Intent, inside: bool| {
        let mut reasons = vec![Reason::KeyEqual];
        reasons.extend(inside.then_some(Reason::TimeInside));
        reasons.extend(agreement(intent, facts));
        Link::one(Target::Declared(intent), KEY_EQUAL, reasons)
    };
    match (found.as_slice(), open.as_slice()) {
        ([], _) => None,
        (_, [intent]) => Some(one(intent, true)),
        ([intent], _) => Some(one(intent, false)),
        _ => Some(tied(if open.is_empty() { found } else { open })),
    }
}

/// Rivals in a fixed order, whatever the order in which they came.
fn tied(mut rivals: Vec<&Intent>) -> Link<'_> {
    rivals.sort_by(|a, b| (b.started_at, &a.intent_id).cmp(&(a.started_at, &b.intent_id)));
    rivals.truncate(MOST_RIVALS);
    Link { rivals, ..Link::none(Reason::TiedIntents) }
}

/// Where intent and record both state something, whether they agree.
fn agreement(intent: &Intent, facts: &UsageFacts) -> impl Iterator<Item = Reason> {
    fn differ<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
        a.is_some() && b.is_some() && a != b
    }
    let ticket_equal = intent.ticket_key.is_some() && intent.ticket_key == facts.work.ticket_key;
    [
        ticket_equal.then_some(Reason::TicketEqual),
        differ(&intent.ticket_key, &facts.work.ticket_key).then_some(Reason::TicketConflict),
        differ(&intent.workspace_key, &facts.work.workspace_key).then_some(Reason::RepoConflict),
        differ(&intent.tool, &facts.tool).then_some(Reason::ToolConflict),
    ]
    .into_iter()
    .flatten()
}
