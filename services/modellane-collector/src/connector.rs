//! What a connector is: one vendor format in, drafts of usage events or rejections out. Pure.

use crate::natural_key::NaturalKey;
use modellane_event::{Date, LakeKey, RejectReason, UsageFacts, UtcTime};

/// What a source is, as `modellane sources` prints it and the documentation promises it.
#[derive(Debug, Clone, Copy)]
pub struct SourceSpec {
    /// `vendor.feed`.
    pub name: &'static str,
    /// What one record stands for.
    pub grain: &'static str,
    /// What its money rests on and in which unit the vendor writes it.
    pub cost: &'static str,
    /// Which account kinds name the actor.
    pub identity: &'static str,
    /// Fields of the natural key.
    pub natural_key: &'static str,
    /// How long the vendor restates records.
    pub restatement: &'static str,
}

/// One payload and what is known of how it came.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The bytes, decompressed.
    pub bytes: &'a [u8],
    /// When the data was fetched or received, unless the payload states it.
    pub observed_at: UtcTime,
    /// Key for hashing identifiers.
    pub key: &'a LakeKey,
}

/// A record as the connector understood it; intake seals it into a usage event.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Natural key; holds the vendor account and nothing that the feed restates.
    pub natural_key: NaturalKey,
    /// Whether the vendor gives no id, so that equal keys of a payload need ordinals.
    pub needs_ordinal: bool,
    /// Day of the ledger partition, from the natural key's time.
    pub event_date: Date,
    /// Feed name where it differs from the source's, as for `otlp`.
    pub feed: Option<&'static str>,
    /// Where the record lies, if parts of the source can be fetched whole.
    pub scope: Option<Scope>,
    /// When the data was fetched, if the payload states it.
    pub observed_at: Option<UtcTime>,
    /// What the record says.
    pub facts: UsageFacts,
}

/// A part of a source that can be fetched whole, such as an organisation's month. A record lies in it for
/// good: the scope follows from the natural key, never from the fetch that brought the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Names it within the source.
    pub key: NaturalKey,
    /// First day of its period.
    pub first: Date,
    /// Day after its period.
    pub end: Date,
}

impl Scope {
    /// A scope of one UTC day.
    pub fn day(key: NaturalKey, day: Date) -> Self {
        Self { key, first: day, end: day.next() }
    }

    /// A scope of the month that a day lies in.
    pub fn month(key: NaturalKey, day: Date) -> Self {
        let (first, end) = day.month();
        Self { key, first, end }
    }
}

/// Which scopes a fetch is complete for by the payload's own word, if all of it arrived and was understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// It does not say.
    #[default]
    Unstated,
    /// Every scope that it holds a record of, within these days (first, and the day after) if they are
    /// stated.
    Held(Option<(Date, Date)>),
    /// Every UTC day from the first to before the second, those without a record too.
    Days(Date, Date),
}

/// What a payload says of its fetch as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statement {
    /// What the fetch is complete for.
    pub extent: Extent,
    /// The vendor's own count of the fetch's records, over all pages.
    pub total: Option<u64>,
    /// Whether the fetch may have been of some users only, without the payload saying so.
    pub may_be_filtered: bool,
}

impl Statement {
    /// What counts of it. A fetch that may be filtered is complete only if somebody vouches for it: else the
    /// fetch of one user would take out what everybody else used.
    #[must_use]
    pub fn vouched(self, vouched: bool) -> Self {
        if self.may_be_filtered && !vouched { Self::default() } else { self }
    }
}

/// Why a record was not taken; never holds a value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub reason: RejectReason,
    /// Allowed field that could not be read.
    pub field: Option<&'static str>,
    /// Length of the record in bytes, where known.
    pub length: Option<usize>,
}

impl Rejection {
    /// A reason without a field.
    pub fn new(reason: RejectReason) -> Self {
        Self { reason, field: None, length: None }
    }

    /// A reason at a field.
    pub fn at(reason: RejectReason, field: &'static str) -> Self {
        Self { reason, field: Some(field), length: None }
    }
}

/// Takes what a connector finds, record by record; `index` counts records from 0 in file order.
pub trait Records {
    /// A record that was understood.
    fn accept(&mut self, index: u64, draft: Draft);
    /// A record that was not.
    fn reject(&mut self, index: u64, rejection: Rejection);
    /// A record that is no usage (a prompt event, an error report without usage): counted, not rejected.
    fn skip(&mut self, what: &'static str);
    /// A field whose text was no label and became null.
    fn null_label(&mut self, field: &'static str);
    /// The next record starts on this line of the payload, from 1. Formats that are no text do not say it.
    fn line(&mut self, _line: u64) {}
}

/// Part of a fetch that the vendor delivers in pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Scope of the fetch, equal on all its pages; `None` if the page does not say.
    pub scope: Option<NaturalKey>,
    /// Number of this page, from 1.
    pub number: u32,
    /// Whether the vendor says that no page follows.
    pub last: bool,
}

impl Page {
    /// Whether this is the page behind another one of the same fetch.
    pub(crate) fn follows(&self, before: &Self) -> bool {
        before.scope == self.scope && before.number.checked_add(1) == Some(self.number)
    }
}

/// One vendor format.
pub trait Connector: Send + Sync {
    /// What the source is.
    fn spec(&self) -> &'static SourceSpec;

    /// Reads a payload. Good records go in whatever their neighbours look like; an unreadable payload is
    /// one rejection at the index where reading stopped.
    fn read(&self, payload: &Payload<'_>, records: &mut dyn Records);

    /// Which pages of a fetch the payload holds, in its order; none where a payload stands for itself.
    fn pages(&self, _payload: &Payload<'_>) -> Vec<Page> {
        Vec::new()
    }

    /// What the payload says of its fetch as a whole. Of a file that is read record by record it sees the
    /// first 64 KiB.
    fn statement(&self, _payload: &Payload<'_>) -> Statement {
        Statement::default()
    }

    /// The scope of a day's records, where each UTC day of the source is one.
    fn day_scope(&self, _day: Date, _key: &LakeKey) -> Option<Scope> {
        None
    }

    /// The format as a sequence of JSON records, if it is one whose records do not depend on each other:
    /// then a file of any size is read record by record. Other payloads are held in memory whole.
    fn json_records(&self) -> Option<&dyn JsonRecords> {
        None
    }
}

/// A format of independent JSON records: NDJSON, an array, or a wrapper object around an array.
pub trait JsonRecords: Send + Sync {
    /// Names under which a wrapper object holds the array.
    fn array_keys(&self) -> &'static [&'static str];

    /// Reads one record. `payload.bytes` is the record, already known to be UTF-8 and of bounded size.
    fn read_record(&self, index: u64, record: &str, payload: &Payload<'_>, records: &mut dyn Records);

    /// How to find the natural keys of records without reading them.
    fn keys(&self) -> Keys;
}

/// How the natural keys of a payload are found before it is read. Intake wants to know the repeated ones,
/// because the last row of a key is the one that counts.
#[derive(Debug, Clone, Copy)]
pub enum Keys {
    /// The key is the id in this field and nothing else, as [`NaturalKey::id`] makes it: it is searched for
    /// in the payload, which is not cut into records for that.
    Id(&'static str),
    /// The key is made of several fields. Reads it at a fraction of the cost of reading the record; `None`
    /// for a record that has none.
    Fields(fn(&str, &LakeKey) -> Option<NaturalKey>),
}
