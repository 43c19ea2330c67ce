//! The way of every record, whatever brought it: draft → usage event.
//!
//! A delivery is what is given together: the pages of a fetch, the files of an import, one request. Within
//! it, the last row of a natural key counts, rows that say the same count once, and different rows that the
//! vendor gives no ids for get ordinals in file order. So that a file of any size needs little memory, a
//! delivery is gone through twice: [`Intake::survey`] notes which keys are repeated, [`Intake::read`] hands
//! out the events of all other keys at once and holds only those back.
//!
//! Ordinals need every page of a fetch, so [`Intake::begin`] refuses a page whose predecessors are not in the
//! delivery: its rows would get the ids of other rows.

use crate::connector::{Connector, Draft, JsonRecords, Keys, Page, Payload, Records, Rejection, Scope};
use crate::fetch::Fetch;
use crate::id_search::IdSearch;
use crate::json::for_each_record;
use crate::natural_key::NaturalKey;
use modellane_event::{ContentHash, EventId, Label, LakeKey, RejectReason, UsageEvent, UtcTime};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Days that a record may lie ahead of its observation. Clocks and calendars of vendors differ by a day; a date
/// that is a year ahead is a mistake, and would be told as how far the data reaches.
const MAX_DAYS_AHEAD: i32 = 366;

/// A rejection and the place of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexedRejection {
    /// Index of the record in its payload, from 0.
    pub index: u64,
    /// Line of the payload on which the record starts, from 1; `None` where the payload has no lines or the
    /// rejection is about all of it.
    pub line: Option<u64>,
    /// Why.
    pub rejection: Rejection,
}

/// How many records went where. Accepted, rejected and skipped add up to the records read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that were understood.
    pub accepted: u64,
    /// Records among them that make no event of their own: they say the same as another one of the delivery,
    /// or were restated in it.
    pub repeated: u64,
    /// Records that were not understood.
    pub rejected: u64,
    /// The same by reason.
    pub rejected_by: BTreeMap<&'static str, u64>,
    /// Records that are no usage, by kind.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Fields whose text was no label and became null, by field.
    pub null_labels: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Records read.
    pub fn records(&self) -> u64 {
        self.accepted + self.rejected + self.skipped.values().sum::<u64>()
    }

    /// Adds the counts of a further payload.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.repeated += other.repeated;
        self.rejected += other.rejected;
        for (total, part) in [
            (&mut self.rejected_by, &other.rejected_by),
            (&mut self.skipped, &other.skipped),
            (&mut self.null_labels, &other.null_labels),
        ] {
            for (name, number) in part {
                *total.entry(name).or_default() += number;
            }
        }
    }

    /// Whether there were records and every one of them was rejected.
    pub(crate) fn all_rejected(&self) -> bool {
        self.rejected > 0 && self.records() == self.rejected
    }

    pub(crate) fn reject(&mut self, reason: RejectReason) {
        self.rejected += 1;
        *self.rejected_by.entry(reason.as_str()).or_default() += 1;
    }
}

/// Takes events and rejections as they come.
pub trait Outlet {
    /// A usage event to be published.
    fn event(&mut self, event: UsageEvent);
    /// A record that was not understood.
    fn reject(&mut self, rejection: IndexedRejection);
}

/// A delivery that was small enough to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sealed {
    /// The events.
    pub events: Vec<UsageEvent>,
    /// What was not understood.
    pub rejected: Vec<IndexedRejection>,
    /// How many records went where.
    pub counts: Counts,
}

impl Outlet for Sealed {
    fn event(&mut self, event: UsageEvent) {
        self.events.push(event);
    }
    fn reject(&mut self, rejection: IndexedRejection) {
        self.rejected.push(rejection);
    }
}

/// How a payload of a delivery relates to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It starts another fetch.
    NewFetch,
    /// It goes on with the same fetch.
    NextPage,
    /// It is a page without the pages before it, or pages that do not follow each other. It must not be read.
    OutOfTurn,
}

impl Begun {
    /// What an [`Begun::OutOfTurn`] payload is rejected with, as a whole.
    pub(crate) const OUT_OF_TURN: Rejection =
        Rejection { reason: RejectReason::Truncated, field: Some("pagination"), length: None };
    /// What to do about it.
    pub(crate) const HINT: &'static str = "a page goes together with the pages of the fetch before it: send them in one request, one after \
         another, or import their files with one command, in order";
}

/// Takes in one delivery of one source.
#[derive(Debug)]
pub struct Intake<'a> {
    key: &'a LakeKey,
    source: &'static str,
    /// Fingerprints of natural keys, and of those that were seen more than once. Two keys with one
    /// fingerprint only cost memory, because both are held back then.
    seen: HashSet<u64>,
    repeated: HashSet<u64>,
    held: HashMap<EventId, Held>,
    /// Contents under each repeated key without an id, in order, within the current fetch.
    contents: HashMap<NaturalKey, Vec<ContentHash>>,
    page: Option<Page>,
    /// The current fetch, and whether its events are listed.
    fetch: Fetch,
    lists: bool,
    order: u64,
    counts: Counts,
}

#[derive(Debug)]
struct Held {
    order: u64,
    event: UsageEvent,
}

impl<'a> Intake<'a> {
    /// Starts a delivery.
    pub fn new(key: &'a LakeKey, source: &'static str) -> Self {
        Self {
            key,
            source,
            seen: HashSet::new(),
            repeated: HashSet::new(),
            held: HashMap::new(),
            contents: HashMap::new(),
            page: None,
            fetch: Fetch::default(),
            lists: false,
            order: 0,
            counts: Counts::default(),
        }
    }

    /// Takes in a delivery of one payload that is held in memory.
    pub fn take(connector: &dyn Connector, payload: &Payload<'_>) -> Sealed {
        let mut sealed = Sealed::default();
        let mut intake = Intake::new(payload.key, connector.spec().name);
        intake.survey(connector, payload);
        intake.read(connector, payload, &mut sealed);
        sealed.counts = intake.finish(&mut sealed);
        sealed
    }

    /// Notes the keys of a payload. Every payload of the delivery is surveyed before the first is read.
    pub fn survey(&mut self, connector: &dyn Connector, payload: &Payload<'_>) {
        match connector.json_records() {
            Some(format) => match format.keys() {
                Keys::Id(field) => {
                    self.survey_ids(&IdSearch::new(field), payload.bytes, true);
                }
                Keys::Fields(read) => for_each_record(payload.bytes, format.array_keys(), |_, _, record| {
                    if let Ok(record) = record {
                        self.survey_record(read, record);
                    }
                }),
            },
            None => self.survey_with(payload, &|payload, records| connector.read(payload, records)),
        }
    }

    /// Notes the keys of a payload that something else than a connector reads.
    pub fn survey_with(&mut self, payload: &Payload<'_>, read: &dyn Fn(&Payload<'_>, &mut dyn Records)) {
        read(payload, &mut Survey(self));
    }

    /// Notes the key of one record.
    pub fn survey_record(&mut self, read: fn(&str, &LakeKey) -> Option<NaturalKey>, record: &str) {
        if let Some(natural_key) = read(record, self.key) {
            self.note(&natural_key);
        }
    }

    /// Notes the ids in a window of a payload, and says how many of its bytes are done with.
    pub(crate) fn survey_ids(&mut self, search: &IdSearch, window: &[u8], last: bool) -> usize {
        search.run(window, last, |id| self.note(&NaturalKey::new().id(self.key, id)))
    }

    /// Reads a payload and hands out its events. [`Self::begin`] comes first where there are several.
    pub fn read(&mut self, connector: &dyn Connector, payload: &Payload<'_>, outlet: &mut dyn Outlet) {
        self.read_with(payload, &|payload, records| connector.read(payload, records), outlet);
    }

    /// Reads a payload that something else than a connector reads.
    pub fn read_with(
        &mut self,
        payload: &Payload<'_>,
        read: &dyn Fn(&Payload<'_>, &mut dyn Records),
        outlet: &mut dyn Outlet,
    ) {
        read(payload, &mut Sealing { intake: self, observed_at: payload.observed_at, line: None, outlet });
    }

    /// Reads one record of a file too large to hold, or passes on why there is none. `index` counts from 0,
    /// `line` from 1.
    pub fn read_record(
        &mut self,
        format: &dyn JsonRecords,
        (index, line): (u64, u64),
        record: Result<&str, Rejection>,
        observed_at: UtcTime,
        outlet: &mut dyn Outlet,
    ) {
        let key = self.key;
        let mut records = Sealing { intake: self, observed_at, line: Some(line), outlet };
        match record {
            Ok(record) => {
                let payload = Payload { bytes: record.as_bytes(), observed_at, key };
                format.read_record(index, record, &payload, &mut records);
            }
            Err(rejection) => records.reject(index, rejection),
        }
    }

    /// Starts a payload with its pages: a new fetch, unless they are the next ones of the current one. Says
    /// which it is.
    pub fn begin(&mut self, mut pages: Vec<Page>) -> Begun {
        let in_turn = pages.windows(2).all(|pair| pair[1].follows(&pair[0]));
        let first = pages.first();
        let goes_on = self.page.as_ref().zip(first).is_some_and(|(before, page)| page.follows(before));
        let begun = match first {
            Some(page) if !in_turn || (page.number > 1 && !goes_on) => Begun::OutOfTurn,
            _ if goes_on => Begun::NextPage,
            _ => Begun::NewFetch,
        };
        if begun != Begun::NextPage {
            self.contents.clear();
            self.fetch = Fetch::default();
        }
        self.page = pages.pop().filter(|_| begun != Begun::OutOfTurn);
        begun
    }

    /// Lists the events of fetches from now on, or no longer.
    pub(crate) fn list_fetches(&mut self, lists: bool) {
        self.lists = lists;
    }

    /// Whether the fetch has ended with what was read: the vendor says that no page follows, or it comes in
    /// one piece.
    pub(crate) fn fetch_has_ended(&self) -> bool {
        self.page.as_ref().is_none_or(|page| page.last)
    }

    /// What the current fetch had so far.
    pub(crate) fn take_fetch(&mut self) -> Fetch {
        std::mem::take(&mut self.fetch)
    }

    /// Part of the current fetch was not understood.
    pub(crate) fn fetch_is_short(&mut self) {
        self.fetch.reject();
    }

    /// Rejects a payload as a whole.
    pub(crate) fn refuse(&mut self, rejection: Rejection, outlet: &mut dyn Outlet) {
        self.fetch.reject();
        self.counts.reject(rejection.reason);
        outlet.reject(IndexedRejection { index: 0, line: None, rejection });
    }

    /// How many records went where since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Hands out what was held back, in file order.
    pub fn finish(self, outlet: &mut dyn Outlet) -> Counts {
        let mut held: Vec<Held> = self.held.into_values().collect();
        held.sort_unstable_by_key(|held| held.order);
        for Held { event, .. } in held {
            outlet.event(event);
        }
        self.counts
    }

    fn note(&mut self, natural_key: &NaturalKey) {
        let fingerprint = fingerprint(natural_key);
        if !self.seen.insert(fingerprint) {
            self.repeated.insert(fingerprint);
        }
    }

    fn seal(&mut self, mut draft: Draft, observed_at: UtcTime, outlet: &mut dyn Outlet) {
        self.counts.accepted += 1;
        self.fetch.record();
        self.order += 1;
        let repeated = self.repeated.contains(&fingerprint(&draft.natural_key));
        let content_hash = draft.facts.content_hash();
        let mut ordinal = 0;
        if repeated && draft.needs_ordinal {
            let contents = self.contents.entry(draft.natural_key.clone()).or_default();
            if contents.contains(&content_hash) {
                self.counts.repeated += 1;
                return;
            }
            ordinal = u32::try_from(contents.len()).unwrap_or(u32::MAX);
            contents.push(content_hash);
        }
        let scope = draft.scope.take();
        let event = self.event(draft, scope.as_ref(), ordinal, content_hash, observed_at);
        if let (true, Some(scope), Some(key)) = (self.lists, &scope, &event.scope_key) {
            self.fetch.list(scope, key, event.event_id);
        }
        if repeated {
            self.hold(event);
        } else {
            outlet.event(event);
        }
    }

    fn event(
        &self,
        draft: Draft,
        scope: Option<&Scope>,
        ordinal: u32,
        content_hash: ContentHash,
        observed_at: UtcTime,
    ) -> UsageEvent {
        let source = draft.feed.unwrap_or(self.source);
        let source_key = draft.natural_key.ordinal(ordinal).label(self.key);
        UsageEvent {
            event_id: self.key.event_id(source, source_key.as_str()),
            source: Label::literal(source),
            source_key,
            scope_key: scope.map(|scope| scope.key.label(self.key)),
            // A vendor's clock that runs ahead must not outdate later fetches.
            observed_at: draft.observed_at.map_or(observed_at, |stated| stated.min(observed_at)),
            event_date: draft.event_date,
            content_hash,
            facts: draft.facts,
        }
    }

    /// Keeps the newer of two rows of one key; of equally old ones the later in the delivery.
    fn hold(&mut self, event: UsageEvent) {
        let order = self.order;
        match self.held.entry(event.event_id) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Held { order, event });
            }
            std::collections::hash_map::Entry::Occupied(mut entry) => {
                self.counts.repeated += 1;
                if event.observed_at >= entry.get().event.observed_at {
                    entry.insert(Held { order, event });
                }
            }
        }
    }
}

fn fingerprint(natural_key: &NaturalKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    natural_key.hash(&mut hasher);
    hasher.finish()
}

/// Notes natural keys and nothing else.
struct Survey<'s, 'a>(&'s mut Intake<'a>);

impl Records for Survey<'_, '_> {
    fn accept(&mut self, _index: u64, draft: Draft) {
        self.0.note(&draft.natural_key);
    }
    fn reject(&mut self, _index: u64, _rejection: Rejection) {}
    fn skip(&mut self, _what: &'static str) {}
    fn null_label(&mut self, _field: &'static str) {}
}

/// Seals drafts and counts.
struct Sealing<'s, 'a> {
    intake: &'s mut Intake<'a>,
    observed_at: UtcTime,
    /// Where the record starts that is being read.
    line: Option<u64>,
    outlet: &'s mut dyn Outlet,
}

impl Records for Sealing<'_, '_> {
    fn accept(&mut self, index: u64, draft: Draft) {
        if draft.event_date.0 > self.observed_at.date().0.saturating_add(MAX_DAYS_AHEAD) {
            return self.reject(index, Rejection::new(RejectReason::BadTime));
        }
        self.intake.seal(draft, self.observed_at, self.outlet);
    }
    fn reject(&mut self, index: u64, rejection: Rejection) {
        self.intake.fetch.reject();
        self.intake.counts.reject(rejection.reason);
        self.outlet.reject(IndexedRejection { index, line: self.line, rejection });
    }
    fn skip(&mut self, what: &'static str) {
        *self.intake.counts.skipped.entry(what).or_default() += 1;
    }
    fn null_label(&mut self, field: &'static str) {
        *self.intake.counts.null_labels.entry(field).or_default() += 1;
    }
    fn line(&mut self, line: u64) {
        self.line = Some(line);
    }
}

#[cfg(test)]
mod tests;
