//! What all processes of a run share: time, topics, tables, and the dice that decide what fails.

use super::dice::Dice;
use arrow::array::RecordBatch;
use modellane_event::UtcTime;
use modellane_lake::{DataFile, LakeError};
use modellane_runtime::Clock;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;
use uuid::Uuid;

/// Any time at which tables may be written.
const BEGINNING: i64 = 1_794_218_400_000_000;

/// How often, of a thousand calls, something fails.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// A read of the store or the log.
    pub(crate) read: u32,
    /// Writing a file, before or after it is there.
    pub(crate) stage: u32,
    /// A commit, in one of five ways.
    pub(crate) commit: u32,
    /// The index is lost or damaged before a poll is decided.
    pub(crate) index: u32,
    /// The log repeats messages that it gave already.
    pub(crate) repeat: u32,
}

/// One partition of a topic.
#[derive(Default)]
pub(crate) struct Partition {
    /// Offset and content; offsets may leave gaps, as transactions do.
    pub(crate) messages: Vec<(i64, Option<Arc<Vec<u8>>>)>,
    /// What a later version reads where this one only finds the name of a schema that it does not know.
    pub(crate) early: BTreeMap<i64, Arc<Vec<u8>>>,
    /// First offset that the log admits to have, while retention has run ahead of the reader.
    pub(crate) low: i64,
    /// Next offset that the log admits to have, while it was restored to an earlier point.
    pub(crate) cut_at: Option<i64>,
}

impl Partition {
    /// Next offset after the last message.
    pub(crate) fn end(&self) -> i64 {
        self.messages.last().map_or(0, |(offset, _)| offset + 1)
    }

    /// The version that can read everything has come.
    pub(crate) fn upgrade(&mut self) {
        for (offset, payload) in std::mem::take(&mut self.early) {
            let found = self.messages.iter_mut().find(|(at, _)| *at == offset);
            found.expect("it is in the log").1 = Some(payload);
        }
    }

    pub(crate) fn high(&self) -> i64 {
        self.cut_at.unwrap_or_else(|| self.end())
    }
}

/// A version of a table.
pub(crate) struct Entry {
    pub(crate) id: Option<Uuid>,
    pub(crate) files: Vec<DataFile>,
    pub(crate) positions: Vec<(String, i64)>,
    pub(crate) info: BTreeMap<String, Value>,
    /// The process that wrote it.
    pub(crate) writer: u32,
}

impl Entry {
    /// The position that it gave an application.
    pub(crate) fn position(&self, application: &str) -> Option<i64> {
        let position = self.positions.iter().find(|(name, _)| name == application);
        position.map(|(_, value)| *value)
    }
}

/// A write that the store has not finished although its caller was told that it failed.
pub(crate) struct Late {
    pub(crate) table: &'static str,
    pub(crate) version: u64,
    pub(crate) entry: Entry,
}

pub(crate) struct State {
    pub(crate) dice: Dice,
    pub(crate) weather: Weather,
    pub(crate) topics: BTreeMap<String, Vec<Partition>>,
    pub(crate) tables: BTreeMap<&'static str, Vec<Entry>>,
    pub(crate) files: HashMap<String, RecordBatch>,
    pub(crate) late: Vec<Late>,
    /// What was found wrong while it happened.
    pub(crate) violations: Vec<String>,
    /// Since the beginning, in microseconds; sleeping is measured by it.
    now: i64,
    /// What the machine's clock is off by.
    pub(crate) clock_error: i64,
    deadlines: Vec<i64>,
    /// Counts what happened, so that standing still is noticed.
    pub(crate) progress: u64,
    /// Of everything that happened, so that two runs can be compared.
    fingerprint: u64,
    verbose: bool,
}

impl State {
    /// Notes that something happened.
    pub(crate) fn note(&mut self, what: &str, who: u32, value: i64) {
        self.progress += 1;
        for byte in what.bytes().chain(who.to_le_bytes()).chain(value.to_le_bytes()) {
            self.fingerprint = (self.fingerprint ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.verbose {
            eprintln!("{:>12} µs  {what} (process {who}, {value})", self.now);
        }
    }

    /// Makes an entry the next version of its table, if that is still free.
    pub(crate) fn land(&mut self, table: &'static str, version: u64, entry: Entry) -> bool {
        let entries = self.tables.entry(table).or_default();
        if entries.len() as u64 != version {
            return false;
        }
        let writer = entry.writer;
        entries.push(entry);
        self.note(table, writer, version as i64);
        true
    }

    /// The position that an application has at a version.
    pub(crate) fn position(&self, table: &str, version: u64, application: &str) -> Option<i64> {
        let entries = &self.tables[table][..=version as usize];
        entries.iter().rev().find_map(|entry| entry.position(application))
    }

    pub(crate) fn newest(&self, table: &str) -> u64 {
        self.tables[table].len() as u64 - 1
    }

    /// Whether an operation fails this time.
    pub(crate) fn fails(&mut self, permille: u32) -> bool {
        permille > 0 && self.dice.permille(permille)
    }
}

/// A run's world. Cheap to clone.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

impl World {
    pub(crate) fn new(dice: Dice, verbose: bool) -> Self {
        let created =
            || Entry { id: None, files: Vec::new(), positions: Vec::new(), info: BTreeMap::new(), writer: 0 };
        let tables = super::store::TABLES.map(|table| (table, vec![created()]));
        Self(Arc::new(Mutex::new(State {
            dice,
            weather: Weather::default(),
            topics: BTreeMap::new(),
            tables: tables.into(),
            files: HashMap::new(),
            late: Vec::new(),
            violations: Vec::new(),
            now: 0,
            clock_error: 0,
            deadlines: Vec::new(),
            progress: 0,
            fingerprint: 0xcbf2_9ce4_8422_2325,
            verbose,
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("a run has one thread")
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.state().fingerprint
    }

    /// Lets time pass until the first sleeper wakes.
    pub(crate) fn pass_time(&self) {
        let mut state = self.state();
        let next = state.deadlines.iter().copied().min();
        state.now = next.unwrap_or(state.now + 1_000).max(state.now + 1);
        state.deadlines.clear();
    }

    pub(crate) fn forget_sleepers(&self) {
        self.state().deadlines.clear();
    }
}

/// The machine's clock, which may be wrong; sleeping goes by the true time.
impl Clock for World {
    fn now(&self) -> UtcTime {
        let state = self.state();
        UtcTime(BEGINNING + state.now + state.clock_error)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let until = self.state().now + duration.as_micros() as i64;
        Box::pin(Sleep { world: self, until })
    }
}

struct Sleep<'a> {
    world: &'a World,
    until: i64,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let mut state = self.world.state();
        if state.now >= self.until {
            return Poll::Ready(());
        }
        state.deadlines.push(self.until);
        Poll::Pending
    }
}

/// Lets others go first. Every operation begins and ends with one, so that a process can be stopped or killed
/// before and after its effect.
#[derive(Default)]
pub(crate) struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What a store says that does not answer.
pub(crate) fn unreachable(action: &'static str) -> LakeError {
    LakeError::Unreachable { action, source: "the weather".into() }
}
