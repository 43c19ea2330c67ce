//! Merging sorted files of one partition into one, without holding any of them.

use crate::row_file::RowFile;
use crate::scan::RowStream;
use crate::tally::{RowTally, Tallier};
use crate::{DataFile, LakeError, Table};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use futures::TryStreamExt;
use modellane_event::UtcTime;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use uuid::Uuid;

const ACTION: &str = "merge files";
/// Rows that are read from an input at a time: inputs are many and all of them are open.
const INPUT_ROWS: usize = 1_024;
/// Rows that are written at a time.
const OUTPUT_ROWS: usize = 8_192;

/// A file that holds the rows of several others, and belongs to no version yet.
#[derive(Clone, Debug)]
pub struct MergedFile {
    /// The file.
    pub file: DataFile,
    /// The files whose rows it holds.
    pub inputs: Vec<DataFile>,
    pub(crate) staged_at: UtcTime,
}

impl Table {
    /// Merges files of one partition by the table's order of rows. What was written is read back and compared
    /// with the inputs, row for row whatever the order, before it is handed out; a difference is an error and
    /// the file is removed. Memory: a row group of each input and of the output, and 1,024 rows of each input
    /// decoded. `id` makes the name unique.
    pub async fn merge(&self, inputs: &[DataFile], id: Uuid, now: UtcTime) -> Result<MergedFile, LakeError> {
        self.refuse_unknown_columns()?;
        let damaged = |detail: &str| LakeError::Damaged { action: ACTION, detail: detail.to_owned() };
        let partition = inputs.first().ok_or_else(|| damaged("there is nothing to merge"))?.partition.clone();
        if inputs.iter().any(|input| input.partition != partition) {
            return Err(damaged("files of different partitions do not belong together"));
        }
        let path = self.new_path(partition.as_deref(), id);
        let mut output = RowFile::create(
            self.delta.object_store(),
            &Path::from(path.as_str()),
            self.spec.file_schema(),
            self.spec.unique,
        )?;
        let wanted = match self.merge_into(inputs, &mut output).await {
            Ok(tally) => tally,
            Err(error) => {
                output.abandon().await;
                return Err(error);
            }
        };
        let written = output.finish().await?;
        let file = DataFile {
            path,
            size: written.bytes,
            partition,
            rows: Some(usize::try_from(written.rows).unwrap_or(usize::MAX)),
        };
        let stated: Option<usize> = inputs.iter().map(|input| input.rows).sum();
        let all_read = stated.is_none_or(|rows| rows as u64 == wanted.rows);
        if !all_read || self.tally_of(&file).await? != wanted {
            self.delete(&file).await?;
            return Err(damaged(
                "the merged file does not hold the rows of its inputs; nothing was replaced",
            ));
        }
        Ok(MergedFile { file, inputs: inputs.to_vec(), staged_at: now })
    }

    async fn merge_into(&self, inputs: &[DataFile], output: &mut RowFile) -> Result<RowTally, LakeError> {
        let mut merge = Merge::open(self, inputs).await?;
        while let Some(batch) = merge.next().await? {
            output.write(&batch).await?;
        }
        Ok(merge.tallier.tally())
    }

    /// What a file's rows amount to, the partition column left out.
    async fn tally_of(&self, file: &DataFile) -> Result<RowTally, LakeError> {
        let schema = self.spec.file_schema();
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let mut tallier = Tallier::new(&schema)?;
        let mut batches = self.scan(file, &columns, OUTPUT_ROWS).await?;
        while let Some(batch) = batches.try_next().await? {
            tallier.add(&batch)?;
        }
        Ok(tallier.tally())
    }

    async fn delete(&self, file: &DataFile) -> Result<(), LakeError> {
        let deleted = self.delta.object_store().delete(&Path::from(file.path.as_str())).await;
        deleted.map_err(|error| LakeError::store("remove a file", error))
    }
}

/// One input, at its next row.
struct Input<'a> {
    rest: RowStream<'a>,
    keys: Option<Rows>,
    /// Place of the batch at hand among those that the next output is put together from.
    slot: usize,
    row: usize,
}

/// Inputs while they are merged.
struct Merge<'a> {
    inputs: Vec<Input<'a>>,
    /// The next row of each input that has one.
    next: BinaryHeap<Reverse<(OwnedRow, usize)>>,
    batches: Vec<RecordBatch>,
    picked: Vec<(usize, usize)>,
    sort: Vec<usize>,
    converter: RowConverter,
    tallier: Tallier,
}

impl<'a> Merge<'a> {
    async fn open(table: &'a Table, files: &'a [DataFile]) -> Result<Self, LakeError> {
        let schema = table.spec.file_schema();
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let mut sort: Vec<usize> =
            table.spec.sort.iter().filter_map(|name| schema.index_of(name).ok()).collect();
        if sort.is_empty() {
            // Rows of a table without an order may come in any; the merge needs one.
            sort.push(0);
        }
        let fields = sort.iter().map(|column| SortField::new(schema.field(*column).data_type().clone()));
        let converter =
            RowConverter::new(fields.collect()).map_err(|error| LakeError::arrow(ACTION, error))?;
        let mut merge = Self {
            inputs: Vec::with_capacity(files.len()),
            next: BinaryHeap::with_capacity(files.len()),
            batches: Vec::new(),
            picked: Vec::with_capacity(OUTPUT_ROWS),
            sort,
            converter,
            tallier: Tallier::new(&schema)?,
        };
        for (number, file) in files.iter().enumerate() {
            let rest = table.scan(file, &columns, INPUT_ROWS).await?;
            merge.inputs.push(Input { rest, keys: None, slot: 0, row: 0 });
            merge.load(number).await?;
        }
        Ok(merge)
    }

    /// Takes an input's next batch, if there is one.
    async fn load(&mut self, number: usize) -> Result<(), LakeError> {
        let input = &mut self.inputs[number];
        input.keys = None;
        while let Some(batch) = input.rest.try_next().await? {
            if batch.num_rows() == 0 {
                continue;
            }
            self.tallier.add(&batch)?;
            let keys = keys(&self.converter, &self.sort, &batch)?;
            self.next.push(Reverse((keys.row(0).owned(), number)));
            (input.keys, input.slot, input.row) = (Some(keys), self.batches.len(), 0);
            self.batches.push(batch);
            break;
        }
        Ok(())
    }

    /// The next rows in order; null after the last.
    async fn next(&mut self) -> Result<Option<RecordBatch>, LakeError> {
        while self.picked.len() < OUTPUT_ROWS {
            let Some(Reverse((_, number))) = self.next.pop() else { break };
            if self.take_run(number) {
                self.load(number).await?;
            }
        }
        if self.picked.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let output = interleave_record_batch(&batches, &self.picked);
        self.picked.clear();
        self.drop_used();
        output.map(Some).map_err(|error| LakeError::arrow(ACTION, error))
    }

    /// Picks rows of an input as long as no other input has a smaller one, and says whether its batch is used
    /// up.
    fn take_run(&mut self, number: usize) -> bool {
        let input = &mut self.inputs[number];
        let Some(keys) = &input.keys else { return true };
        let rival = self.next.peek().map(|Reverse((key, _))| key.row());
        let following = loop {
            self.picked.push((input.slot, input.row));
            input.row += 1;
            if input.row == keys.num_rows() {
                break None;
            }
            let key = keys.row(input.row);
            if rival.is_some_and(|rival| key > rival) || self.picked.len() >= OUTPUT_ROWS {
                break Some(key.owned());
            }
        };
        match following {
            Some(key) => {
                self.next.push(Reverse((key, number)));
                false
            }
            None => true,
        }
    }

    /// Keeps only the batches that an input still stands in.
    fn drop_used(&mut self) {
        let mut kept = Vec::with_capacity(self.inputs.len());
        for input in self.inputs.iter_mut().filter(|input| input.keys.is_some()) {
            kept.push(self.batches[input.slot].clone());
            input.slot = kept.len() - 1;
        }
        self.batches = kept;
    }
}

/// Keys that compare as the columns sort.
fn keys(converter: &RowConverter, sort: &[usize], batch: &RecordBatch) -> Result<Rows, LakeError> {
    let columns: Vec<ArrayRef> = sort.iter().map(|column| ArrayRef::clone(batch.column(*column))).collect();
    converter.convert_columns(&columns).map_err(|error| LakeError::arrow(ACTION, error))
}

#[cfg(test)]
mod tests;
