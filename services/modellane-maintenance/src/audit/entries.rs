//! I2, I4 and I8 over the entries of one date. Events are looked at in groups, by their ids, so that memory is
//! bounded whatever a date holds.

use super::Violations;
use crate::MaintenanceError;
use crate::columns::{column, damaged};
use crate::sums::{Amounts, SUMMED, Sums};
use arrow::array::{Array, BinaryArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use futures::TryStreamExt;
use modellane_event::{Date, EntryKind, EventId, UtcTime, Verdict};
use modellane_lake::{DataFile, Table};
use modellane_ledger::{EntryView, Invariant, Violation, check_entries, check_verdicts};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Entries that are held at once, about: 64 bytes each.
const HELD: usize = 2_000_000;
const BATCH_ROWS: usize = 16_384;
const IDS: [&str; 5] = ["event_id", "revision", "entry_kind", "recorded_at", "verdict"];

/// What an audit found in the entries of one date.
#[derive(Clone, Debug, Default)]
pub(crate) struct DateAudit {
    /// Sums by the day of recording.
    pub(crate) recorded: BTreeMap<Date, Sums>,
    pub(crate) violations: Violations,
}

impl DateAudit {
    /// A file of the date cannot be read, so neither can its sums.
    pub(super) fn unreadable(date: &str, error: &MaintenanceError) -> Self {
        let mut audit = Self::default();
        audit.violations.add(Invariant::I5, format!("entries of {date} cannot be read: {error}"));
        audit
    }
}

/// An entry and a hash of its amounts.
struct Entry {
    view: EntryView,
    amounts: u64,
}

/// Checks the files of one date.
pub(crate) async fn audit(ledger: &Table, files: &[DataFile]) -> Result<DateAudit, MaintenanceError> {
    let rows: usize = files.iter().map(|file| file.rows.unwrap_or(HELD)).sum();
    let groups = rows.div_ceil(HELD).max(1) as u64;
    let mut audit = DateAudit::default();
    for group in 0..groups {
        let mut entries = Vec::with_capacity(rows.min(HELD));
        for file in files {
            let columns: Vec<&str> = IDS.iter().chain(&SUMMED).copied().collect();
            let mut batches = ledger.scan(file, &columns, BATCH_ROWS).await?;
            while let Some(batch) = batches.try_next().await? {
                read(&batch, group, groups, &mut entries, &mut audit.recorded)?;
            }
        }
        entries.sort_unstable_by_key(|entry| entry.view.event_id);
        for event in entries.chunk_by(|one, other| one.view.event_id == other.view.event_id) {
            audit.violations.extend(check_event(event));
        }
    }
    Ok(audit)
}

fn read(
    batch: &RecordBatch,
    group: u64,
    groups: u64,
    entries: &mut Vec<Entry>,
    recorded: &mut BTreeMap<Date, Sums>,
) -> Result<(), MaintenanceError> {
    let ids: &BinaryArray = column(batch, IDS[0])?;
    let revisions: &Int32Array = column(batch, IDS[1])?;
    let kinds: &StringArray = column(batch, IDS[2])?;
    let times: &TimestampMicrosecondArray = column(batch, IDS[3])?;
    let verdicts: &StringArray = column(batch, IDS[4])?;
    let amounts = Amounts::of(batch)?;
    for row in 0..batch.num_rows() {
        let id: [u8; 16] = ids.value(row).try_into().map_err(|_| damaged(IDS[0]))?;
        let [a, b, c, d, ..] = id;
        if u64::from(u32::from_le_bytes([a, b, c, d])) % groups != group {
            continue;
        }
        let recorded_at = UtcTime(times.value(row));
        amounts.add_row(row, recorded.entry(recorded_at.date()).or_default())?;
        let [entry_sign, usage_sign, cost_sign] = amounts.signs(row);
        entries.push(Entry {
            view: EntryView {
                event_id: EventId(id),
                revision: revisions.value(row),
                kind: kind(kinds.value(row))?,
                entry_sign,
                usage_sign,
                cost_sign,
                recorded_at,
                // Which one it is says nothing here, only that there is one.
                verdict: verdicts.is_valid(row).then_some(Verdict::Unknown),
            },
            amounts: hash(&amounts, row),
        });
    }
    Ok(())
}

fn hash(amounts: &Amounts<'_>, row: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    amounts.each_amount(row, |place, unit, amount| (place, unit, amount).hash(&mut hasher));
    hasher.finish()
}

fn kind(text: &str) -> Result<EntryKind, MaintenanceError> {
    let kinds = [
        EntryKind::Original,
        EntryKind::Reversal,
        EntryKind::Restatement,
        EntryKind::Rejudgement,
        EntryKind::Withdrawal,
    ];
    kinds.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| damaged(IDS[2]))
}

/// All entries of one event.
fn check_event(entries: &[Entry]) -> Vec<Violation> {
    let views: Vec<EntryView> = entries.iter().map(|entry| entry.view).collect();
    let mut violations = check_entries(&views);
    violations.extend(check_verdicts(&views));
    // What takes an entry back must be that entry again, or the two do not add up to nothing.
    let taken_back = entries.iter().filter(|entry| entry.view.entry_sign < 0);
    for reversal in taken_back {
        let mut entry = entries
            .iter()
            .filter(|entry| entry.view.entry_sign > 0 && entry.view.revision == reversal.view.revision);
        if entry.any(|entry| entry.amounts != reversal.amounts) {
            let view = &reversal.view;
            let place =
                format!("event {} revision {}: a reversal with other amounts", view.event_id, view.revision);
            violations.push(Violation { invariant: Invariant::I4, place });
        }
    }
    violations
}
