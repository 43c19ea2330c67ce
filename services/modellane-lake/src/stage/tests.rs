use super::*;
use arrow::array::Int64Array;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

fn numbers(values: &[i64]) -> RecordBatch {
    let column: arrow::array::ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_from_iter([("x", column)]).unwrap()
}

/// Every row is written once, in order, whichever batch it came in, and is found again by its number.
#[test]
fn rows_of_all_batches_are_written_in_one_order() {
    let rows = SORTED_ROWS as i64 + 5;
    let descending: Vec<i64> = (0..rows).rev().collect();
    let batches: Vec<RecordBatch> = descending.chunks(3_000).map(numbers).collect();
    let schema = batches[0].schema();
    let spec = TableSpec {
        name: "numbers".into(),
        schema: SchemaRef::clone(&schema),
        partition: None,
        sort: &["x"],
        unique: &[],
    };
    let (bytes, order) = encode(&batches, &schema, &spec).unwrap();

    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let mut written = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let values = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        written.extend(values.values().iter().copied());
    }
    assert_eq!(written, (0..rows).collect::<Vec<_>>());
    assert_eq!(order, (0..rows as u32).rev().collect::<Vec<_>>());
}
