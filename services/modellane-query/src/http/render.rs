//! Rows as CSV, JSON and newline-delimited JSON. Decimals are text everywhere, times are RFC 3339 in UTC.

use crate::QueryError;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Json,
    NdJson,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::NdJson => "application/x-ndjson",
        }
    }
}

/// Writes the whole answer.
pub(super) fn render(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    format: Format,
) -> Result<Vec<u8>, QueryError> {
    let written = match format {
        Format::Csv => csv(schema, batches),
        Format::Json | Format::NdJson => json(batches, format),
    };
    written.map_err(|error| QueryError::Internal(error.to_string()))
}

fn options() -> FormatOptions<'static> {
    FormatOptions::new()
        .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"))
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"))
}

fn csv(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let mut text = String::new();
    for (index, field) in schema.fields().iter().enumerate() {
        push_cell(&mut text, index, &guarded(field.name()));
    }
    text.push_str("\r\n");
    for batch in batches {
        let columns = cells(batch)?;
        for row in 0..batch.num_rows() {
            for (index, column) in columns.iter().enumerate() {
                let cell = column.csv(row)?;
                push_cell(&mut text, index, &cell);
            }
            text.push_str("\r\n");
        }
    }
    Ok(text.into_bytes())
}

/// RFC 4180: a cell with a quote, comma or line break stands in quotes.
fn push_cell(text: &mut String, index: usize, cell: &str) {
    if index > 0 {
        text.push(',');
    }
    if cell.contains(['"', ',', '\n', '\r']) {
        text.push('"');
        text.push_str(&cell.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(cell);
    }
}

/// Text that a spreadsheet would run as a formula is marked as text.
fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn json(batches: &[RecordBatch], format: Format) -> Result<Vec<u8>, ArrowError> {
    let (open, between, close) = match format {
        Format::NdJson => ("", "\n", "\n"),
        _ => ("[", ",\n", "]\n"),
    };
    let mut out = Vec::from(open);
    let mut first = true;
    for batch in batches {
        let names: Vec<String> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| Value::String(field.name().clone()).to_string())
            .collect();
        let columns = cells(batch)?;
        for row in 0..batch.num_rows() {
            if !first {
                out.extend_from_slice(between.as_bytes());
            }
            first = false;
            out.push(b'{');
            for (index, (name, column)) in names.iter().zip(&columns).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(name.as_bytes());
                out.push(b':');
                out.extend_from_slice(column.json(row)?.to_string().as_bytes());
            }
            out.push(b'}');
        }
    }
    if !(first && format == Format::NdJson) {
        out.extend_from_slice(close.as_bytes());
    }
    Ok(out)
}

/// One column, ready to be written.
struct Cells<'a> {
    array: &'a ArrayRef,
    formatter: ArrayFormatter<'a>,
}

fn cells(batch: &RecordBatch) -> Result<Vec<Cells<'_>>, ArrowError> {
    static OPTIONS: std::sync::LazyLock<FormatOptions<'static>> = std::sync::LazyLock::new(options);
    batch
        .columns()
        .iter()
        .map(|array| Ok(Cells { array, formatter: ArrayFormatter::try_new(array, &OPTIONS)? }))
        .collect()
}

impl Cells<'_> {
    fn text(&self, row: usize) -> Result<String, ArrowError> {
        self.formatter.value(row).try_to_string()
    }

    /// Null is an empty cell; the elements of a list are parted by semicolons.
    fn csv(&self, row: usize) -> Result<String, ArrowError> {
        if self.array.is_null(row) {
            return Ok(String::new());
        }
        match self.array.data_type() {
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => Ok(guarded(&self.text(row)?)),
            DataType::List(_) => {
                let texts: Vec<String> = self
                    .elements(row)?
                    .into_iter()
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                    .collect();
                Ok(guarded(&texts.join(";")))
            }
            _ => self.text(row),
        }
    }

    fn json(&self, row: usize) -> Result<Value, ArrowError> {
        if self.array.is_null(row) {
            return Ok(Value::Null);
        }
        let text = || self.text(row).map(Value::String);
        Ok(match self.array.data_type() {
            DataType::Boolean => Value::Bool(self.array.as_boolean().value(row)),
            data_type if data_type.is_integer() => serde_json::from_str(&self.text(row)?)
                .map_err(|error| ArrowError::JsonError(error.to_string()))?,
            DataType::Float64 => {
                let number =
                    self.array.as_primitive::<datafusion::arrow::datatypes::Float64Type>().value(row);
                serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
            }
            DataType::List(_) => Value::Array(self.elements(row)?),
            _ => text()?,
        })
    }

    fn elements(&self, row: usize) -> Result<Vec<Value>, ArrowError> {
        let elements = self.array.as_list::<i32>().value(row);
        let options = options();
        let cells = Cells { array: &elements, formatter: ArrayFormatter::try_new(&elements, &options)? };
        (0..elements.len()).map(|index| cells.json(index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{
        Decimal128Array, Int64Array, ListArray, StringArray, TimestampMicrosecondArray,
    };
    use datafusion::arrow::datatypes::{Field, Int64Type, Schema};
    use std::sync::Arc;

    fn sample() -> (SchemaRef, RecordBatch) {
        let money =
            Decimal128Array::from(vec![Some(-1_500_000_000), None]).with_precision_and_scale(20, 9).unwrap();
        let time = TimestampMicrosecondArray::from(vec![1_794_218_400_000_000, 1_794_218_400_500_000])
            .with_timezone("UTC");
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), Some(2)]), None]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("=1+1"), Some("a,\"b\"")])),
            Arc::new(money),
            Arc::new(Int64Array::from(vec![Some(-7), Some(9_007_199_254_740_993)])),
            Arc::new(time),
            Arc::new(list),
        ];
        let fields: Vec<Field> = ["text", "money", "count", "time", "list"]
            .into_iter()
            .zip(&columns)
            .map(|(name, column)| Field::new(name, column.data_type().clone(), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        (Arc::clone(&schema), RecordBatch::try_new(schema, columns).unwrap())
    }

    #[test]
    fn csv_marks_formulas_and_leaves_numbers_alone() {
        let (schema, batch) = sample();
        let text = String::from_utf8(render(&schema, &[batch], Format::Csv).unwrap()).unwrap();
        assert_eq!(
            text,
            "text,money,count,time,list\r\n\
             '=1+1,-1.500000000,-7,2026-11-09T10:00:00Z,1;2\r\n\
             \"a,\"\"b\"\"\",,9007199254740993,2026-11-09T10:00:00.500Z,\r\n"
        );
    }

    #[test]
    fn json_keeps_decimals_as_text_and_null_as_null() {
        let (schema, batch) = sample();
        let text = String::from_utf8(render(&schema, &[batch], Format::NdJson).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"text\":\"=1+1\",\"money\":\"-1.500000000\",\"count\":-7,\"time\":\"2026-11-09T10:00:00Z\",\"list\":[1,2]}\n\
             {\"text\":\"a,\\\"b\\\"\",\"money\":null,\"count\":9007199254740993,\"time\":\"2026-11-09T10:00:00.500Z\",\"list\":null}\n"
        );
        let none = String::from_utf8(render(&schema, &[], Format::Json).unwrap()).unwrap();
        assert_eq!(none, "[]\n");
    }
}
