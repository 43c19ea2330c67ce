//! What waits for the disk: a group of changes that is written and synced in one go.

use std::collections::BTreeMap;

use tokio::sync::OwnedSemaphorePermit;

use crate::batch::{self, BatchHeader};
use crate::files::Place;
use crate::frame::{self, PREFIX};
use crate::partition::Placed;
use crate::record::Record;
use crate::state::{Change, State};

/// Bytes that go to the end of a segment; none if the segment only begins.
#[derive(Default)]
pub(crate) struct Append {
    /// Where they go.
    pub(crate) position: u64,
    /// Frames.
    pub(crate) bytes: Vec<u8>,
}

/// Changes that are written together.
#[derive(Default)]
pub(crate) struct Group {
    /// For the metadata journal.
    pub(crate) records: Vec<Vec<u8>>,
    /// For segments.
    pub(crate) appends: BTreeMap<Place, Append>,
    /// Index files of segments that became full.
    pub(crate) seals: Vec<(Place, Vec<u8>)>,
    /// What it changed in memory, in order.
    pub(crate) changes: Vec<Change>,
    /// The room that its bytes take, until they are written.
    pub(crate) permits: Vec<OwnedSemaphorePermit>,
}

impl Group {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.appends.is_empty()
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        let appends = self.appends.values().map(|append| append.bytes.len());
        appends.chain(self.records.iter().map(Vec::len)).sum()
    }

    /// Makes a change and queues its record.
    pub(crate) fn record(&mut self, state: &mut State, record: Record) {
        self.records.push(record.encode());
        self.changes.push(state.apply(record));
    }

    /// Adds a batch to a partition. Gives the offset of its first record, and the change; `None` if there is
    /// no such partition.
    pub(crate) fn place(
        &mut self,
        state: &mut State,
        topic: u32,
        partition: u32,
        header: &BatchHeader,
        bytes: &[u8],
    ) -> Option<(i64, Change)> {
        let rest = bytes.get(batch::STAMP..)?;
        let placed = state.append(topic, partition, header, PREFIX + bytes.len() as u64)?;
        let stamp = batch::stamp(bytes, placed.base)?;
        let (base, position, settled) = (placed.base, placed.position, placed.settled);
        let (append, change) = self.begin(topic, partition, placed);
        frame::put(&mut append.bytes, position, settled, &[&stamp, rest]);
        Some((base, change))
    }

    /// Begins a new segment of a partition, unless the last one is empty.
    pub(crate) fn roll(&mut self, state: &mut State, topic: u32, partition: u32) {
        if let Some(placed) = state.partition_mut(topic, partition).and_then(|partition| partition.roll()) {
            let (_, change) = self.begin(topic, partition, placed);
            self.changes.push(change);
        }
    }

    fn begin(&mut self, topic: u32, partition: u32, placed: Placed) -> (&mut Append, Change) {
        let Placed { segment, position, end, sealed, undo, .. } = placed;
        let place = Place { topic, partition, segment };
        self.seals.extend(sealed.map(|(segment, bytes)| (Place { segment, ..place }, bytes)));
        let append = self.appends.entry(place).or_insert_with(|| Append { position, bytes: Vec::new() });
        (append, Change::Placed { topic, partition, segment, end, undo })
    }
}
