use super::*;
use arrow::array::Int64Array;

/// A span for some columns only would have one reader leave out every row (see `statistics`).
#[test]
fn the_log_states_rows_and_no_spans() {
    let column: arrow::array::ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
    let stated: serde_json::Value = serde_json::from_str(&statistics(&batch)).unwrap();
    assert_eq!(stated, json!({ "numRecords": 3 }));
}
