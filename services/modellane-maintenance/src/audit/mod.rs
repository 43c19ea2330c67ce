//! The audit: reads back what the lake holds and checks the invariants that can be seen in it.
//!
//! - I6 and I9 over `commits`: versions follow one another, ranges tile their streams and end where the table
//!   stands, times increase.
//! - I2, I4 and I8 over the entries of each date; a date whose files have not changed since it was found whole
//!   is not read again.
//! - I5 between ledger and exports: for each exported day and each date the same signed sums, and among the
//!   exports exactly the files that the manifests name.
//!
//! Current entries are those that nothing took back. A pair of an entry and its reversal adds up to nothing
//! (I4, compared amount by amount), so the sum over all signs is the sum over the current entries.

mod entries;
mod tiling;

use crate::MaintenanceError;
use crate::commits::{Commits, KeptCommit, kept_commits};
use crate::export::manifest::{EXPORTS, Manifest, manifests};
use crate::sums::Sums;
use entries::DateAudit;
use futures::TryStreamExt;
use modellane_event::Date;
use modellane_lake::{DataFile, Lake, Table};
use modellane_ledger::{Invariant, Violation};
use std::collections::{BTreeMap, BTreeSet};
use tiling::Tiling;

/// Violations that are named one by one; of further ones only the number is kept.
const NAMED: usize = 100;
const BATCH_ROWS: usize = 8_192;

/// Violations by invariant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    /// How many of each.
    pub counts: BTreeMap<Invariant, u64>,
    /// The first hundred, by id and offset only.
    pub named: Vec<Violation>,
}

impl Violations {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    pub(crate) fn extend(&mut self, violations: Vec<Violation>) {
        for violation in violations {
            *self.counts.entry(violation.invariant).or_default() += 1;
            if self.named.len() < NAMED {
                self.named.push(violation);
            }
        }
    }

    fn add(&mut self, invariant: Invariant, place: String) {
        self.extend(vec![Violation { invariant, place }]);
    }

    fn merge(&mut self, other: &Self) {
        for (invariant, count) in &other.counts {
            *self.counts.entry(*invariant).or_default() += count;
        }
        let room = NAMED.saturating_sub(self.named.len());
        self.named.extend(other.named.iter().take(room).cloned());
    }
}

/// What an audit remembers of the one before: dates that it found whole, with the files that they had.
#[derive(Debug, Default)]
pub(crate) struct Memory(BTreeMap<String, (BTreeSet<String>, DateAudit)>);

/// Audits the lake. `owned` are tables whose commits are kept, the ledger among them.
pub(crate) async fn audit(
    lake: &Lake,
    owned: &[Table],
    ledger: Option<&Table>,
    commits: &mut Commits,
    keeps_from: Option<Date>,
    memory: &mut Memory,
) -> Result<Violations, MaintenanceError> {
    let mut violations = Violations::default();
    for table in owned {
        commits.hold().await?;
        violations.extend(offsets(table, &commits.table).await?);
    }
    if let Some(ledger) = ledger {
        let dates = dates(ledger, commits, memory).await?;
        dates.values().for_each(|date| violations.merge(&date.violations));
        let manifests = manifests(lake).await?;
        compare(&manifests, &dates, keeps_from, &mut violations);
        violations.merge(&files(lake, &manifests).await?);
    }
    Ok(violations)
}

/// I6 and I9 of one table.
async fn offsets(table: &Table, commits: &Table) -> Result<Vec<Violation>, MaintenanceError> {
    let mut tiling = Tiling::default();
    let mut files: Vec<(i64, DataFile)> = Vec::new();
    for file in commits.files(Some(table.name())).await? {
        let span = commits.span(&file, "version").await?;
        files.push((span.map_or(i64::MIN, |span| *span.start()), file));
    }
    files.sort_unstable_by(|(one, a), (other, b)| (one, &a.path).cmp(&(other, &b.path)));
    // Files overlap after a merge at most, so only what may still come between is held.
    let mut held: BTreeMap<i64, KeptCommit> = BTreeMap::new();
    for (place, (_, file)) in files.iter().enumerate() {
        let mut batches = commits.scan(file, &KeptCommit::COLUMNS, BATCH_ROWS).await?;
        while let Some(batch) = batches.try_next().await? {
            for commit in kept_commits(&batch)? {
                let version = commit.version;
                if held.insert(version, commit).is_some() {
                    let place = format!("table {}: version {version} is kept twice", table.name());
                    tiling.violated(Invariant::I6, place);
                }
            }
        }
        let next_file = files.get(place + 1).map_or(i64::MAX, |(first, _)| *first);
        while let Some(first) = held.first_entry().filter(|first| *first.key() < next_file) {
            tiling.step(&first.remove());
        }
    }
    let ends: Vec<(String, i64)> =
        tiling.ends().map(|(stream, partition, next)| (format!("{stream}/{partition}"), next)).collect();
    for (stream, next) in ends {
        let stands = table.position(&stream).await?;
        if stands != Some(next) {
            let place =
                format!("table {}: {stream} ends at {next}, the table stands elsewhere", table.name());
            tiling.violated(Invariant::I6, place);
        }
    }
    Ok(tiling.violations)
}

/// I2, I4, I8 and the sums of every date.
async fn dates(
    ledger: &Table,
    commits: &mut Commits,
    memory: &mut Memory,
) -> Result<BTreeMap<Date, DateAudit>, MaintenanceError> {
    let mut files: BTreeMap<String, Vec<DataFile>> = BTreeMap::new();
    for file in ledger.files(None).await? {
        files.entry(file.partition.clone().unwrap_or_default()).or_default().push(file);
    }
    let mut before = std::mem::take(&mut memory.0);
    let mut dates = BTreeMap::new();
    for (partition, files) in files {
        commits.hold().await?;
        let paths: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
        let known = before.remove(&partition).filter(|(known, _)| *known == paths);
        let audit = match known {
            Some((_, audit)) => audit,
            None => match entries::audit(ledger, &files).await {
                Err(error) if error.is_retryable() => return Err(error),
                // What is lost or damaged is a finding, and no reason to leave the other dates unread.
                Err(error) => DateAudit::unreadable(&partition, &error),
                Ok(audit) => audit,
            },
        };
        if audit.violations.is_empty() {
            memory.0.insert(partition.clone(), (paths, audit.clone()));
        }
        let date = Date::parse(&partition)
            .map_err(|_| MaintenanceError::Damaged("a partition of the ledger is no date".to_owned()))?;
        dates.insert(date, audit);
    }
    Ok(dates)
}

/// I5: what was exported is what the ledger holds of those days. Dates before `keeps_from` have left the
/// ledger and are in the exports alone.
fn compare(
    manifests: &BTreeMap<Date, Manifest>,
    dates: &BTreeMap<Date, DateAudit>,
    keeps_from: Option<Date>,
    violations: &mut Violations,
) {
    let mut ledger: BTreeMap<(Date, String), &Sums> = BTreeMap::new();
    for (date, audit) in dates {
        for (recorded, sums) in &audit.recorded {
            ledger.insert((*recorded, date.to_string()), sums);
        }
    }
    let (Some(first), Some(last)) = (manifests.keys().next(), manifests.keys().next_back()) else { return };
    for day in first.0..=last.0 {
        let day = Date(day);
        let Some(manifest) = manifests.get(&day) else {
            violations.add(Invariant::I5, format!("exports: {day} has no manifest"));
            continue;
        };
        if !manifest.adds_up() {
            violations.add(
                Invariant::I5,
                format!("manifest of {day}: its total is not that of its dates or files"),
            );
        }
        let held: BTreeMap<&String, &Sums> =
            ledger.iter().filter(|((recorded, _), _)| *recorded == day).map(|((_, d), s)| (d, *s)).collect();
        let dates: BTreeSet<&String> = manifest.event_dates.keys().chain(held.keys().copied()).collect();
        for date in dates {
            let dropped = || keeps_from.is_some_and(|from| Date::parse(date).is_ok_and(|date| date < from));
            if manifest.event_dates.get(date) != held.get(date).copied() && !dropped() {
                let place = format!("entries of {date} recorded on {day}: ledger and exports differ");
                violations.add(Invariant::I5, place);
            }
        }
    }
    if let Some(((recorded, _), _)) = ledger.iter().find(|((recorded, _), _)| recorded < first) {
        violations.add(Invariant::I5, format!("entries recorded on {recorded} were never exported"));
    }
}

/// I5: whoever globs the exports reads the files of the manifests and no others.
async fn files(lake: &Lake, manifests: &BTreeMap<Date, Manifest>) -> Result<Violations, MaintenanceError> {
    let mut violations = Violations::default();
    let there: BTreeMap<String, u64> =
        lake.list_objects(EXPORTS).await?.into_iter().map(|object| (object.path, object.size)).collect();
    let named: BTreeMap<&String, u64> = manifests
        .values()
        .flat_map(|manifest| &manifest.files)
        .map(|file| (&file.path, file.bytes))
        .collect();
    for (path, bytes) in &named {
        match there.get(*path) {
            Some(size) if size == bytes => {}
            Some(_) => violations.add(Invariant::I5, format!("{path} has another size than it had")),
            None => violations.add(Invariant::I5, format!("{path} is gone")),
        }
    }
    let manifest_days: BTreeSet<String> =
        manifests.keys().map(|day| format!("recorded_date={day}/")).collect();
    for path in there.keys().filter(|path| !named.contains_key(path)) {
        // A day whose export was cut off has its file, and the next round writes its manifest.
        if manifest_days.iter().any(|day| path.contains(day)) || !path.contains("/recorded_date=") {
            violations.add(Invariant::I5, format!("{path} belongs to no manifest"));
        }
    }
    Ok(violations)
}
