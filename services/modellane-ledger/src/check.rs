//! Checks of the invariants over what a table holds, for tests and audits alike.

use crate::{Invariant, RangeSet, StreamRange};
use modellane_event::{EntryKind, EventId, UtcTime, Verdict};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// An invariant that does not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// Event, revision or range; ids only.
    pub place: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.invariant, self.place)
    }
}

/// The columns of an entry that the checks read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryView {
    /// The event.
    pub event_id: EventId,
    /// Revision.
    pub revision: i32,
    /// What the entry does.
    pub kind: EntryKind,
    /// −1 or +1.
    pub entry_sign: i8,
    /// −1, 0 or +1.
    pub usage_sign: i8,
    /// −1, 0 or +1.
    pub cost_sign: i8,
    /// Time of its commit.
    pub recorded_at: UtcTime,
    /// Verdict; null in no entry that holds I8.
    pub verdict: Option<Verdict>,
}

#[derive(Default)]
struct RevisionSum {
    plus: u32,
    minus: u32,
    withdrawn: bool,
    usage: i32,
    cost: i32,
}

/// I2 and I4 over all entries of a table.
pub fn check_entries(entries: &[EntryView]) -> Vec<Violation> {
    let mut events: HashMap<EventId, BTreeMap<i32, RevisionSum>> = HashMap::new();
    let mut violations = Vec::new();
    for entry in entries {
        let takes_away = matches!(entry.kind, EntryKind::Reversal | EntryKind::Withdrawal);
        if entry.entry_sign != if takes_away { -1 } else { 1 } {
            violations.push(at(Invariant::I4, entry.event_id, entry.revision));
        }
        let sum = events.entry(entry.event_id).or_default().entry(entry.revision).or_default();
        if entry.entry_sign > 0 {
            sum.plus += 1
        } else {
            sum.minus += 1
        }
        sum.withdrawn |= entry.kind == EntryKind::Withdrawal;
        sum.usage += i32::from(entry.usage_sign);
        sum.cost += i32::from(entry.cost_sign);
    }
    for (event_id, revisions) in &events {
        check_event(*event_id, revisions, &mut violations);
    }
    violations
}

fn check_event(event_id: EventId, revisions: &BTreeMap<i32, RevisionSum>, violations: &mut Vec<Violation>) {
    let newest = revisions.keys().next_back().copied();
    let mut current = 0;
    for (revision, sum) in revisions {
        if sum.plus != 1 || sum.minus > 1 {
            violations.push(at(Invariant::I4, event_id, *revision));
        }
        let cancelled = sum.minus == 1;
        let is_newest = newest == Some(*revision);
        current += u32::from(!cancelled);
        // The newest revision stands unless the vendor withdrew the event; the others fell.
        let should_stand = is_newest && !sum.withdrawn;
        if cancelled == should_stand {
            violations.push(at(Invariant::I4, event_id, *revision));
        }
        let counted_on = cancelled && (sum.usage, sum.cost) != (0, 0);
        if counted_on || sum.usage.abs() > 1 || sum.cost.abs() > 1 {
            violations.push(at(Invariant::I2, event_id, *revision));
        }
    }
    if current > 1 {
        violations.push(at(Invariant::I2, event_id, newest.unwrap_or_default()));
    }
}

fn at(invariant: Invariant, event_id: EventId, revision: i32) -> Violation {
    Violation { invariant, place: format!("event {event_id} revision {revision}") }
}

/// I8 over all entries of a table: no entry lacks a verdict. That there is one current row an event is I4.
pub fn check_verdicts(entries: &[EntryView]) -> Vec<Violation> {
    let without = entries.iter().filter(|entry| entry.verdict.is_none());
    without.map(|entry| at(Invariant::I8, entry.event_id, entry.revision)).collect()
}

/// Entries of a commit that no message brought by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceCounters {
    /// Entries taken away because the vendor no longer has the event.
    pub withdrawn: u64,
    /// Entries put back because the vendor has the event again.
    pub reinstated: u64,
}

impl PresenceCounters {
    /// Adds another commit's.
    pub fn add(&mut self, other: &Self) {
        self.withdrawn += other.withdrawn;
        self.reinstated += other.reinstated;
    }
}

/// How many messages a commit took, by what became of them. Every message is in exactly one count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// New events.
    pub original: u64,
    /// Newer content, also of an event that is withdrawn.
    pub restated: u64,
    /// Same content, another judgement.
    pub rejudged: u64,
    /// Nothing new but a later sighting or an equal judgement with more knowledge: a kind of duplicate.
    pub observed: u64,
    /// Nothing new.
    pub duplicate: u64,
    /// Older content.
    pub stale: u64,
    /// Undecodable messages.
    pub rejects: u64,
}

impl Counters {
    /// Messages that were taken.
    pub fn messages(&self) -> u64 {
        self.original
            + self.restated
            + self.rejudged
            + self.observed
            + self.duplicate
            + self.stale
            + self.rejects
    }

    /// Adds another commit's.
    pub fn add(&mut self, other: &Self) {
        self.original += other.original;
        self.restated += other.restated;
        self.rejudged += other.rejudged;
        self.observed += other.observed;
        self.duplicate += other.duplicate;
        self.stale += other.stale;
        self.rejects += other.rejects;
    }
}

/// I7: `produced` messages were read, each counted once, and the entries agree with the counts: an event is
/// current or was withdrawn, and everything that was replaced has its reversal. What fetches do to entries
/// [`check_presence`] compares.
pub fn check_counters(produced: u64, counters: &Counters, entries: &[EntryView]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut fail = |place: String| violations.push(Violation { invariant: Invariant::I7, place });
    if counters.messages() != produced {
        fail(format!("{produced} produced, {} accounted for", counters.messages()));
    }
    let count = |of: fn(&&EntryView) -> bool| entries.iter().filter(of).count() as u64;
    let added = count(|entry| entry.entry_sign > 0);
    let withdrawn = count(|entry| entry.kind == EntryKind::Withdrawal);
    let counted = counters.original + counters.restated + counters.rejudged;
    // What was withdrawn may have been put back.
    if !(counted..=counted + withdrawn).contains(&added) {
        fail(format!("{added} current and superseded entries, {counted} counted"));
    }
    violations
}

/// I7 for what fetches did: each withdrawal and each entry put back is counted.
pub fn check_presence(
    counters: &Counters,
    presence: &PresenceCounters,
    entries: &[EntryView],
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut compare = |what: &str, found: u64, counted: u64| {
        if found != counted {
            let place = format!("{found} entries {what}, {counted} counted");
            violations.push(Violation { invariant: Invariant::I7, place });
        }
    };
    let count = |of: fn(&&EntryView) -> bool| entries.iter().filter(of).count() as u64;
    compare("withdrawn", count(|entry| entry.kind == EntryKind::Withdrawal), presence.withdrawn);
    let by_messages = counters.original + counters.restated + counters.rejudged;
    compare("added", count(|entry| entry.entry_sign > 0), by_messages + presence.reinstated);
    violations
}

/// What a commit says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRecord {
    /// One time for all its entries.
    pub recorded_at: UtcTime,
    /// The ranges it took.
    pub ranges: Vec<StreamRange>,
}

/// I6 and the part of I9 that commits show: ranges tile, times strictly increase. In order of commit.
pub fn check_commits(commits: &[CommitRecord]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut tiled = RangeSet::default();
    for commit in commits {
        for range in &commit.ranges {
            if let Err(error) = tiled.extend(range) {
                violations.push(Violation { invariant: Invariant::I6, place: error.to_string() });
            }
        }
    }
    for pair in commits.windows(2) {
        if pair[1].recorded_at <= pair[0].recorded_at {
            let place = format!("commit at {} after one at {}", pair[1].recorded_at, pair[0].recorded_at);
            violations.push(Violation { invariant: Invariant::I9, place });
        }
    }
    violations
}

#[cfg(test)]
mod tests;
