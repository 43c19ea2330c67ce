//! Rows of the table `commits`.

use crate::MaintenanceError;
use crate::columns::{column, damaged};
use arrow::array::{
    Array, ArrayRef, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use modellane_event::UtcTime;
use modellane_lake::{CommitInfo, LogEntry};
use modellane_ledger::StreamRange;
use serde_json::Value;
use std::sync::Arc;

/// What became of the messages of a commit and what complete fetches did, by the names under which the sink
/// counts them.
const COUNTERS: [(&str, &str); 9] = [
    ("modellaneCounters", "original"),
    ("modellaneCounters", "restated"),
    ("modellaneCounters", "rejudged"),
    ("modellaneCounters", "observed"),
    ("modellaneCounters", "duplicate"),
    ("modellaneCounters", "stale"),
    ("modellaneCounters", "rejects"),
    ("modellanePresence", "withdrawn"),
    ("modellanePresence", "reinstated"),
];

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn range_fields() -> Fields {
    Fields::from(vec![
        Field::new("stream", DataType::Utf8, true),
        Field::new("partition", DataType::Int32, true),
        Field::new("from_offset", DataType::Int64, true),
        Field::new("to_offset", DataType::Int64, true),
    ])
}

fn ranges_type() -> DataType {
    DataType::List(Arc::new(Field::new("element", DataType::Struct(range_fields()), true)))
}

/// One row a version of a table. `recorded_at`, `owner_epoch`, `ranges` and the counters are null for versions
/// that the sink did not write; `commit_id` is null for those of other programs. `fetches_applied` is up to when
/// the ledger takes account of complete fetches since this commit; null if no further than before.
pub(super) fn schema() -> SchemaRef {
    let mut fields = vec![
        Field::new("table_name", DataType::Utf8, false),
        Field::new("version", DataType::Int64, false),
        Field::new("commit_id", DataType::Utf8, true),
        Field::new("operation", DataType::Utf8, false),
        Field::new("written_at", time(), true),
        Field::new("recorded_at", time(), true),
        Field::new("owner_epoch", DataType::Int64, true),
        Field::new("ranges", ranges_type(), true),
        Field::new("fetches_applied", time(), true),
    ];
    fields.extend(COUNTERS.map(|(_, name)| Field::new(name, DataType::Int64, true)));
    Arc::new(Schema::new(fields))
}

/// The rows of entries of one table's log.
pub(super) fn batch(table: &str, entries: &[LogEntry]) -> Result<RecordBatch, MaintenanceError> {
    let each = || entries.iter();
    let times = |values: Vec<Option<i64>>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
    };
    let versions = each().map(|entry| i64::try_from(entry.version).unwrap_or(i64::MAX));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(each().map(|_| table))),
        Arc::new(Int64Array::from_iter_values(versions)),
        Arc::new(StringArray::from_iter(each().map(|entry| entry.commit_id.as_deref()))),
        Arc::new(StringArray::from_iter_values(each().map(|entry| entry.operation.as_str()))),
        times(each().map(|entry| entry.written_at.map(UtcTime::micros)).collect()),
        times(each().map(|entry| whole(&entry.info, "modellaneRecordedAt")).collect()),
        Arc::new(Int64Array::from_iter(each().map(|entry| whole(&entry.info, "modellaneOwner")))),
        ranges_column(entries)?,
        times(each().map(|entry| whole(&entry.info, "modellaneFetches")).collect()),
    ];
    for (key, name) in COUNTERS {
        let counter = |entry: &LogEntry| entry.info.get(key)?.as_object()?.get(name)?.as_i64();
        columns.push(Arc::new(Int64Array::from_iter(each().map(counter))));
    }
    Ok(RecordBatch::try_new(schema(), columns)?)
}

fn whole(info: &CommitInfo, key: &str) -> Option<i64> {
    info.get(key).and_then(Value::as_i64)
}

fn ranges_column(entries: &[LogEntry]) -> Result<ArrayRef, MaintenanceError> {
    let of = |entry: &LogEntry| {
        entry.info.get("modellaneRanges").and_then(Value::as_array).map(|ranges| {
            ranges.iter().map(range).collect::<Option<Vec<_>>>().ok_or_else(|| damaged("ranges"))
        })
    };
    let ranges: Vec<Option<Vec<StreamRange>>> =
        entries.iter().map(|entry| of(entry).transpose()).collect::<Result<_, _>>()?;
    let nulls = ranges.iter().map(Option::is_some).collect::<Vec<bool>>().into();
    let offsets = OffsetBuffer::from_lengths(ranges.iter().map(|ranges| ranges.as_ref().map_or(0, Vec::len)));
    let all: Vec<&StreamRange> = ranges.iter().flatten().flatten().collect();
    let all = || all.iter();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(all().map(|range| range.stream.as_str()))),
        Arc::new(Int32Array::from_iter_values(all().map(|range| range.partition))),
        Arc::new(Int64Array::from_iter_values(all().map(|range| range.from))),
        Arc::new(Int64Array::from_iter_values(all().map(|range| range.to))),
    ];
    let values = Arc::new(StructArray::try_new(range_fields(), columns, None)?);
    let DataType::List(element) = ranges_type() else { return Err(damaged("ranges")) };
    Ok(Arc::new(ListArray::try_new(element, offsets, values, Some(nulls))?))
}

fn range(value: &Value) -> Option<StreamRange> {
    Some(StreamRange {
        stream: value.get("stream")?.as_str()?.to_owned(),
        partition: i32::try_from(value.get("partition")?.as_i64()?).ok()?,
        from: value.get("from")?.as_i64()?,
        to: value.get("to")?.as_i64()?,
    })
}

/// A row of the table, as far as it says what was taken and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCommit {
    /// Version of the table that it is.
    pub version: i64,
    /// Time of its entries; null for versions that the sink did not write.
    pub recorded_at: Option<UtcTime>,
    /// What it took.
    pub ranges: Vec<StreamRange>,
    /// Up to when the ledger takes account of complete fetches since then; null if no further than before.
    pub fetches_applied: Option<UtcTime>,
}

impl KeptCommit {
    /// The columns that it takes.
    pub(crate) const COLUMNS: [&str; 4] = ["version", "recorded_at", "ranges", "fetches_applied"];
}

/// The rows of a batch.
pub(crate) fn kept_commits(batch: &RecordBatch) -> Result<Vec<KeptCommit>, MaintenanceError> {
    let versions: &Int64Array = column(batch, "version")?;
    let times: &TimestampMicrosecondArray = column(batch, "recorded_at")?;
    let lists: &ListArray = column(batch, "ranges")?;
    let fetches: &TimestampMicrosecondArray = column(batch, "fetches_applied")?;
    let time =
        |times: &TimestampMicrosecondArray, row| times.is_valid(row).then(|| UtcTime(times.value(row)));
    (0..batch.num_rows())
        .map(|row| {
            let ranges = if lists.is_valid(row) { stream_ranges(&lists.value(row))? } else { Vec::new() };
            Ok(KeptCommit {
                version: versions.value(row),
                recorded_at: time(times, row),
                ranges,
                fetches_applied: time(fetches, row),
            })
        })
        .collect()
}

fn stream_ranges(list: &ArrayRef) -> Result<Vec<StreamRange>, MaintenanceError> {
    let values: &StructArray = list.as_any().downcast_ref().ok_or_else(|| damaged("ranges"))?;
    let streams: &StringArray = field(values, "stream")?;
    let partitions: &Int32Array = field(values, "partition")?;
    let starts: &Int64Array = field(values, "from_offset")?;
    let ends: &Int64Array = field(values, "to_offset")?;
    let ranges = (0..values.len()).map(|row| StreamRange {
        stream: streams.value(row).to_owned(),
        partition: partitions.value(row),
        from: starts.value(row),
        to: ends.value(row),
    });
    Ok(ranges.collect())
}

fn field<'a, A: Array + 'static>(values: &'a StructArray, name: &str) -> Result<&'a A, MaintenanceError> {
    let column = values.column_by_name(name).and_then(|column| column.as_any().downcast_ref());
    column.ok_or_else(|| damaged("ranges"))
}
