//! The sink in small: a table, an observations table, offsets, and a process that may crash.

use crate::fetches::{FetchChunk, FetchTable};
use modellane_event::{Cause, ContentHash, EntryKind, EventId, FetchId, UtcTime, Verdict};
use modellane_ledger::{
    CommitRecord, Content, Counters, Decision, EntryView, Incoming, JudgementVersion, Observation,
    OffsetDecision, Presence, PresenceChange, PresenceCounters, StreamRange, Version, commit_decision,
    decide,
};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

/// A message of the judged topic. What it is worth and how it is judged follow from its content and
/// judgement version, as judging is a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) event: u8,
    pub(crate) content: u8,
    pub(crate) observed_at: i64,
    pub(crate) context_version: i64,
    pub(crate) settle_run: i32,
}

impl Message {
    pub(crate) fn event_id(&self) -> EventId {
        EventId([self.event; 16])
    }

    pub(crate) fn incoming(&self) -> Incoming {
        Incoming {
            content: Content {
                observed_at: UtcTime(self.observed_at),
                hash: ContentHash([self.content; 16]),
            },
            judged: JudgementVersion { settle_run: self.settle_run, context_version: self.context_version },
        }
    }
}

/// Three outcomes over many versions, so that equal and differing judgements both occur.
pub(crate) fn judge(content: ContentHash, judged: JudgementVersion) -> i64 {
    let mixed = i64::from(content.0[0]) * 5 + i64::from(judged.settle_run) * 7 + judged.context_version * 11;
    (mixed / 4) % 3
}

/// The scope that an event lies in for good.
pub(crate) fn scope_of(id: EventId) -> u8 {
    id.0[0] / 2
}

/// A row of the ledger table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) view: EntryView,
    pub(crate) content: Content,
    pub(crate) judged: JudgementVersion,
    /// Price of the content, a different one for each.
    pub(crate) amount: i64,
    pub(crate) outcome: i64,
}

/// Bugs to plant, each of which the properties must catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    NoTieBreak,
    DropObserve,
    ForgetObservations,
    TurnOnlyEntrySign,
    StoreLastInsteadOfNext,
    OffsetsBeforeEntries,
    TrustMemoryAfterCrash,
    /// A fetch counts as applied although the commit that applied it was lost.
    AppliedBeforeEntries,
    /// A fetch is held against what is in the table alone, not against what waits for its commit.
    ApplyToTableAlone,
    /// A message is decided without a look at the fetches that are known.
    DecideWithoutFetches,
    /// What a fetch has again stays withdrawn until a message says so.
    NeverReinstate,
    /// Any fetch that lacks an event takes it away.
    WithdrawAfterOne,
    /// Content that comes while an event is withdrawn is dropped.
    StaleWhileWithdrawn,
}

/// Where a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    BeforeAnything,
    AfterObservations,
    AfterCommit,
}

/// What survives a crash.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
    pub(crate) offsets: HashMap<(String, i32), i64>,
    pub(crate) observations: Vec<(EventId, Observation)>,
    pub(crate) commits: Vec<CommitRecord>,
    pub(crate) counters: Counters,
    pub(crate) presence: PresenceCounters,
    pub(crate) fetches: FetchTable,
    /// Rows of the table of fetches that the entries take account of.
    pub(crate) applied: usize,
}

/// What one commit adds.
#[derive(Default)]
struct Pending {
    recorded_at: UtcTime,
    rows: Vec<Row>,
    observations: Vec<(EventId, Observation)>,
    counters: Counters,
    presence: PresenceCounters,
    /// Events that the commit touched.
    touched: Vec<EventId>,
}

/// The process.
pub(crate) struct Sink<'a> {
    pub(crate) logs: &'a BTreeMap<(String, i32), Vec<Message>>,
    pub(crate) table: Table,
    pub(crate) fault: Fault,
    positions: HashMap<(String, i32), i64>,
    batch: Vec<Message>,
    ranges: Vec<StreamRange>,
    page: HashMap<EventId, (Version, Row)>,
    /// Rows of the table of fetches that this process knows.
    known_fetches: usize,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(logs: &'a BTreeMap<(String, i32), Vec<Message>>, fault: Fault) -> Self {
        Self {
            logs,
            table: Table::default(),
            fault,
            positions: HashMap::new(),
            batch: Vec::new(),
            ranges: Vec::new(),
            page: HashMap::new(),
            known_fetches: 0,
        }
    }

    /// Reads up to `count` messages of one partition into the batch.
    pub(crate) fn take(&mut self, stream: &str, partition: i32, count: usize) {
        let key = (stream.to_owned(), partition);
        let stored = self.table.offsets.get(&key).copied();
        let from = *self.positions.entry(key.clone()).or_insert(stored.unwrap_or(0));
        let log = &self.logs[&key];
        let to = (from as usize + count).min(log.len());
        if to as i64 == from {
            return;
        }
        self.batch.extend(&log[from as usize..to]);
        self.positions.insert(key, to as i64);
        let end = to as i64;
        match self.ranges.iter_mut().find(|r| r.stream == stream && r.partition == partition) {
            Some(range) => range.to = end,
            None => self.ranges.push(StreamRange { stream: stream.into(), partition, from, to: end }),
        }
    }

    /// Loses everything that is not in a table.
    pub(crate) fn crash(&mut self) {
        if self.fault != Fault::TrustMemoryAfterCrash {
            self.page.clear();
        }
        self.positions.clear();
        self.batch.clear();
        self.ranges.clear();
        self.known_fetches = self.table.applied;
    }

    pub(crate) fn lose_pages(&mut self) {
        self.page.clear();
    }

    /// Decides the batch and commits it, or dies at a point. Fetches that arrived are applied before the
    /// batch or behind it.
    pub(crate) fn commit(&mut self, crash: Option<CrashPoint>, fetches_first: bool) {
        let recorded_at = UtcTime(self.table.commits.len() as i64 + 1);
        let mut pending = Pending { recorded_at, ..Pending::default() };
        if fetches_first {
            self.apply_fetches(&mut pending);
        }
        for message in std::mem::take(&mut self.batch) {
            self.decide(&message, &mut pending);
        }
        if !fetches_first {
            self.apply_fetches(&mut pending);
        }
        if crash == Some(CrashPoint::BeforeAnything) {
            return self.crash();
        }
        if self.fault != Fault::ForgetObservations {
            self.table.observations.extend(pending.observations);
        }
        if self.fault == Fault::OffsetsBeforeEntries {
            self.store_offsets();
        }
        if self.fault == Fault::AppliedBeforeEntries {
            self.table.applied = self.known_fetches;
        }
        if crash == Some(CrashPoint::AfterObservations) {
            return self.crash();
        }
        self.store_offsets();
        self.table.applied = self.known_fetches;
        self.table.rows.extend(pending.rows);
        self.table.counters.add(&pending.counters);
        self.table.presence.add(&pending.presence);
        self.table.commits.push(CommitRecord { recorded_at, ranges: std::mem::take(&mut self.ranges) });
        if crash == Some(CrashPoint::AfterCommit) {
            self.crash();
        }
    }

    /// Takes a fetch's message into its table, where it stays whatever happens.
    pub(crate) fn take_fetch(&mut self, chunk: &FetchChunk) {
        self.table.fetches.add(chunk);
    }

    /// Holds every known event of a scope against its fetches, if one of them is new.
    fn apply_fetches(&mut self, pending: &mut Pending) {
        let news = self.table.fetches.scopes_since(self.known_fetches);
        self.known_fetches = self.table.fetches.len();
        let mut known: Vec<EventId> = self.table.rows.iter().map(|row| row.view.event_id).collect();
        if self.fault == Fault::ApplyToTableAlone {
            known.retain(|id| !pending.touched.contains(id));
        } else {
            known.extend(&pending.touched);
        }
        known.sort();
        known.dedup();
        for id in known {
            if news.contains(&scope_of(id)) {
                self.settle(id, pending);
            }
        }
    }

    /// Brings an event's presence in line with the fetches that are known.
    fn settle(&mut self, id: EventId, pending: &mut Pending) {
        let Some((version, row)) = self.page.get(&id).copied().or_else(|| self.load(id)) else { return };
        let (scope, chunks) = self.table.fetches.scope(scope_of(id), self.known_fetches);
        let has = |fetch: FetchId| chunks.iter().any(|chunk| chunk.fetch_id() == fetch && chunk.lists(id));
        let presence = if self.fault == Fault::WithdrawAfterOne {
            let lacks = scope.both().any(|f| f.observed_at > version.content.observed_at && !has(f.fetch_id));
            if lacks { Presence::Withdrawn } else { Presence::Live }
        } else {
            scope.presence(version.content.observed_at, has)
        };
        let Some(change) = PresenceChange::needed(&version, presence) else { return };
        if self.fault == Fault::NeverReinstate && change == PresenceChange::Reinstate {
            return;
        }
        let after = change.after(&version);
        let sign = if change == PresenceChange::Withdraw { -1 } else { 1 };
        let view = EntryView {
            revision: after.revision,
            kind: change.kind(),
            entry_sign: sign,
            usage_sign: sign,
            cost_sign: sign * row.view.cost_sign.abs(),
            recorded_at: pending.recorded_at,
            ..row.view
        };
        let changed = Row { view, ..row };
        pending.rows.push(changed);
        match change {
            PresenceChange::Withdraw => pending.presence.withdrawn += 1,
            PresenceChange::Reinstate => pending.presence.reinstated += 1,
        }
        self.page.insert(id, (after, changed));
    }

    fn store_offsets(&mut self) {
        for range in &self.ranges {
            let key = (range.stream.clone(), range.partition);
            let decision = commit_decision(self.table.offsets.get(&key).copied(), range);
            assert_eq!(decision, OffsetDecision::Commit, "{range}");
            let next = range.to - i64::from(self.fault == Fault::StoreLastInsteadOfNext);
            self.table.offsets.insert(key, next);
        }
    }

    fn decide(&mut self, message: &Message, pending: &mut Pending) {
        let id = message.event_id();
        let incoming = message.incoming();
        let current = self.page.get(&id).copied().or_else(|| self.load(id));
        let version = current.map(|(version, _)| version);
        let outcome = judge(incoming.content.hash, incoming.judged);
        let decision: Result<_, Infallible> = decide(version.as_ref(), &incoming, || {
            let old = current.map(|(_, row)| row.outcome);
            Ok((old != Some(outcome)).then_some(Cause::Policy))
        });
        let decision = self.spoil(decision.unwrap(), version.as_ref(), &incoming);
        let after = decision.after(version.as_ref(), &incoming);
        count(&mut pending.counters, &decision);
        pending.observations.extend(decision.observation(id, &after).map(|fact| (id, fact)));
        pending.touched.push(id);

        let entry = decision.entry(version.as_ref());
        let row = entry.map(|entry| Row {
            view: EntryView {
                event_id: id,
                revision: entry.revision,
                kind: entry.kind,
                entry_sign: 1,
                usage_sign: 1,
                cost_sign: i8::from(outcome != 2),
                recorded_at: pending.recorded_at,
                verdict: Some(Verdict::Followed),
            },
            content: after.content,
            judged: incoming.judged,
            amount: 10i64.pow(u32::from(message.content)) * i64::from(message.event + 1),
            outcome,
        });
        if let (Some(entry), Some((_, old))) = (entry, current) {
            pending.rows.extend(entry.reverses.then(|| self.reverse(old, pending.recorded_at)));
        }
        pending.rows.extend(row);
        let kept = row.or(current.map(|(_, row)| row)).expect("an event without an entry is appended");
        self.page.insert(id, (after, kept));
        if self.fault != Fault::DecideWithoutFetches {
            self.settle(id, pending);
        }
    }

    fn reverse(&self, old: Row, recorded_at: UtcTime) -> Row {
        let mut view = EntryView { kind: EntryKind::Reversal, recorded_at, ..old.view };
        view.entry_sign = -view.entry_sign;
        if self.fault != Fault::TurnOnlyEntrySign {
            view.usage_sign = -view.usage_sign;
            view.cost_sign = -view.cost_sign;
        }
        Row { view, ..old }
    }

    fn spoil(&self, decision: Decision, current: Option<&Version>, incoming: &Incoming) -> Decision {
        let tied = current.is_some_and(|version| {
            version.content.hash != incoming.content.hash
                && version.content.observed_at == incoming.content.observed_at
        });
        match (self.fault, decision) {
            (Fault::NoTieBreak, Decision::Replace { kind: EntryKind::Restatement, .. }) if tied => {
                Decision::Stale
            }
            (Fault::DropObserve, Decision::Observe) => Decision::Duplicate,
            (Fault::StaleWhileWithdrawn, Decision::Replace { .. })
                if current.is_some_and(|version| version.presence == Presence::Withdrawn) =>
            {
                Decision::Stale
            }
            _ => decision,
        }
    }

    /// The event's version from the table: its latest entry and its observations.
    fn load(&self, id: EventId) -> Option<(Version, Row)> {
        let latest = self
            .table
            .rows
            .iter()
            .filter(|row| row.view.event_id == id && row.view.kind != EntryKind::Reversal)
            .max_by_key(|row| (row.view.revision, row.view.kind == EntryKind::Withdrawal))?;
        let mut version =
            Version::of_entry(latest.view.revision, latest.view.kind, latest.content, latest.judged);
        for (_, fact) in self.table.observations.iter().filter(|(event, _)| *event == id) {
            version.observe(fact);
        }
        Some((version, *latest))
    }
}

fn count(counters: &mut Counters, decision: &Decision) {
    let count = match decision {
        Decision::Append => &mut counters.original,
        Decision::Replace { kind: EntryKind::Rejudgement, .. } => &mut counters.rejudged,
        Decision::Replace { .. } => &mut counters.restated,
        Decision::Observe => &mut counters.observed,
        Decision::Duplicate => &mut counters.duplicate,
        Decision::Stale => &mut counters.stale,
    };
    *count += 1;
}
