//! One day's export.

use super::Spanned;
use super::manifest::{ExportedFile, Manifest, file_path};
use crate::columns::column;
use crate::stage::{Stage, StageHook};
use crate::sums::{Amounts, Sums};
use crate::{LEDGER_TABLE, MaintenanceError};
use arrow::array::{BooleanArray, Date32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use futures::TryStreamExt;
use modellane_event::Date;
use modellane_lake::{DataFile, Lake, LakeObject, RowFile, RowTally, Table, TableSpec, Tallier, Written};
use std::collections::BTreeMap;
use std::ops::Range;

const BATCH_ROWS: usize = 8_192;

/// Exports a day that no further entry can be recorded on, unless its manifest says that this was done.
pub(crate) async fn export(
    lake: &Lake,
    ledger: &Table,
    spans: &[Spanned],
    day: Date,
    hook: &StageHook,
) -> Result<(), MaintenanceError> {
    let source = Source { ledger, spans, day };
    let path = file_path(day);
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let there = lake.list_objects(directory).await?.into_iter().find(|object| object.path == path);
    let (content, file) = match there {
        Some(object) => (adopt(lake, &source, &object).await?, Some(exported(lake, &object, ledger).await?)),
        None => write(lake, &source, &path).await?,
    };
    hook.reached(Stage::ExportWritten);
    let manifest = Manifest {
        table: LEDGER_TABLE.to_owned(),
        recorded_date: day.to_string(),
        table_version: ledger.version(),
        files: file.into_iter().collect(),
        total: content.total(),
        event_dates: content
            .event_dates
            .iter()
            .map(|(date, sums)| (date.to_string(), sums.clone()))
            .collect(),
        entries_hash: content.tally.to_string(),
    };
    manifest.store(lake).await?;
    hook.reached(Stage::Exported);
    Ok(())
}

/// Writes the day's file, reads it back, and compares. A day without entries has no file.
async fn write(
    lake: &Lake,
    source: &Source<'_>,
    path: &str,
) -> Result<(Content, Option<ExportedFile>), MaintenanceError> {
    let mut output = Output { lake, path, spec: source.ledger.spec(), file: None };
    let content = source.read(Some(&mut output)).await;
    let (content, file) = match (content, output.file) {
        (Ok(content), Some(file)) => (content, file),
        (Ok(content), None) => return Ok((content, None)),
        (Err(error), Some(file)) => {
            file.abandon().await;
            return Err(error);
        }
        (Err(error), None) => return Err(error),
    };
    let Written { bytes, rows, hash } = file.finish().await?;
    let object = LakeObject { path: path.to_owned(), size: bytes };
    if tally(lake, &object, source.ledger).await? != content.tally {
        return Err(differs(path));
    }
    let file = ExportedFile { path: path.to_owned(), bytes, rows, blake3: hash };
    Ok((content, Some(file)))
}

/// Takes a file that a crash left without a manifest, if it holds the day's entries.
async fn adopt(lake: &Lake, source: &Source<'_>, object: &LakeObject) -> Result<Content, MaintenanceError> {
    let content = source.read(None).await?;
    if tally(lake, object, source.ledger).await? != content.tally {
        return Err(differs(&object.path));
    }
    Ok(content)
}

fn differs(path: &str) -> MaintenanceError {
    MaintenanceError::Damaged(format!("{path} does not hold the entries of its day; move it away"))
}

async fn exported(
    lake: &Lake,
    object: &LakeObject,
    ledger: &Table,
) -> Result<ExportedFile, MaintenanceError> {
    let rows = tally(lake, object, ledger).await?.rows;
    let blake3 = lake.object_hash(&object.path).await?;
    Ok(ExportedFile { path: object.path.clone(), bytes: object.size, rows, blake3 })
}

async fn tally(lake: &Lake, object: &LakeObject, ledger: &Table) -> Result<RowTally, MaintenanceError> {
    let mut tallier = Tallier::new(ledger.schema())?;
    let mut batches = lake.read_row_file(object, ledger.schema()).await?;
    while let Some(batch) = batches.try_next().await? {
        tallier.add(&batch)?;
    }
    Ok(tallier.tally())
}

/// What a day's entries amount to.
struct Content {
    tally: RowTally,
    event_dates: BTreeMap<Date, Sums>,
}

impl Content {
    fn total(&self) -> Sums {
        Sums::of_all(self.event_dates.values())
    }
}

/// The day's file, begun with its first entry.
struct Output<'a> {
    lake: &'a Lake,
    path: &'a str,
    spec: &'a TableSpec,
    file: Option<RowFile>,
}

impl Output<'_> {
    async fn write(&mut self, batch: &RecordBatch) -> Result<(), MaintenanceError> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.lake.row_file(self.path, self.spec.schema.clone(), self.spec.unique)?,
        };
        let written = file.write(batch).await;
        self.file = Some(file);
        Ok(written?)
    }
}

/// The entries of one day.
struct Source<'a> {
    ledger: &'a Table,
    spans: &'a [Spanned],
    day: Date,
}

impl Source<'_> {
    fn micros(&self) -> Range<i64> {
        self.day.start().micros()..self.day.next().start().micros()
    }

    /// Files that may hold entries of the day.
    fn files(&self) -> impl Iterator<Item = &DataFile> {
        let micros = self.micros();
        let touches = move |span: &Option<std::ops::RangeInclusive<i64>>| {
            span.as_ref().is_none_or(|span| *span.start() < micros.end && *span.end() >= micros.start)
        };
        self.spans.iter().filter(move |(_, span)| touches(span)).map(|(file, _)| file)
    }

    /// Reads all of them, and writes them to the output if there is one.
    async fn read(&self, mut output: Option<&mut Output<'_>>) -> Result<Content, MaintenanceError> {
        let columns = self.ledger.column_names();
        let mut tallier = Tallier::new(self.ledger.schema())?;
        let mut event_dates: BTreeMap<Date, Sums> = BTreeMap::new();
        for file in self.files() {
            let mut batches = self.ledger.scan(file, &columns, BATCH_ROWS).await?;
            while let Some(batch) = batches.try_next().await? {
                let batch = self.of_day(&batch)?;
                if batch.num_rows() == 0 {
                    continue;
                }
                tallier.add(&batch)?;
                add(&batch, &mut event_dates)?;
                if let Some(output) = &mut output {
                    output.write(&batch).await?;
                }
            }
        }
        Ok(Content { tally: tallier.tally(), event_dates })
    }

    fn of_day(&self, batch: &RecordBatch) -> Result<RecordBatch, MaintenanceError> {
        let times: &TimestampMicrosecondArray = column(batch, "recorded_at")?;
        let micros = self.micros();
        let wanted: BooleanArray = times.values().iter().map(|time| Some(micros.contains(time))).collect();
        Ok(filter_record_batch(batch, &wanted)?)
    }
}

fn add(batch: &RecordBatch, event_dates: &mut BTreeMap<Date, Sums>) -> Result<(), MaintenanceError> {
    let dates: &Date32Array = column(batch, "event_date")?;
    let amounts = Amounts::of(batch)?;
    for row in 0..batch.num_rows() {
        amounts.add_row(row, event_dates.entry(Date(dates.value(row))).or_default())?;
    }
    Ok(())
}
