//! Results for people and programs.

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde_json::{Map, Value};

/// Rows as text; an absent value is `None`.
pub(crate) struct Rows {
    pub(crate) columns: Vec<String>,
    numeric: Vec<bool>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// Formats batches: decimals exactly, times as RFC 3339.
    pub(crate) fn of(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Self> {
        let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%SZ"));
        let mut rows = Vec::new();
        for batch in batches {
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &options).map(|format| (column, format)))
                .collect::<Result<_, _>>()?;
            for row in 0..batch.num_rows() {
                let cell = |(column, format): &(&arrow::array::ArrayRef, ArrayFormatter<'_>)| {
                    column.is_valid(row).then(|| format.value(row).to_string())
                };
                rows.push(columns.iter().map(cell).collect());
            }
        }
        Ok(Self {
            columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
            numeric: schema.fields().iter().map(|field| field.data_type().is_numeric()).collect(),
            rows,
        })
    }

    /// Rows of text under these names; a column of nothing but numbers is shown as one.
    pub(crate) fn texts(names: &[&str], rows: Vec<Vec<Option<String>>>) -> Self {
        let is_number = |cell: &Option<String>| cell.as_ref().is_none_or(|text| text.parse::<f64>().is_ok());
        let numeric = |column: usize| rows.iter().all(|row| row.get(column).is_none_or(is_number));
        Self {
            columns: names.iter().map(|name| (*name).to_owned()).collect(),
            numeric: (0..names.len()).map(numeric).collect(),
            rows,
        }
    }

    /// Only the named columns, in that order.
    pub(crate) fn pick(mut self, names: &[&str]) -> Self {
        let places: Vec<usize> =
            names.iter().filter_map(|name| self.columns.iter().position(|column| column == name)).collect();
        let pick = |row: &Vec<Option<String>>| places.iter().map(|place| row[*place].clone()).collect();
        self.rows = self.rows.iter().map(pick).collect();
        self.numeric = places.iter().map(|place| self.numeric[*place]).collect();
        self.columns = places.iter().map(|place| self.columns[*place].clone()).collect();
        self
    }

    /// More columns, found by the first cell of each row.
    pub(crate) fn extended(mut self, names: &[&str], cells: impl Fn(&str) -> Option<Vec<String>>) -> Self {
        for row in &mut self.rows {
            let found = row.first().and_then(Option::as_deref).and_then(&cells).unwrap_or_default();
            row.extend((0..names.len()).map(|place| found.get(place).cloned()));
        }
        self.columns.extend(names.iter().map(|name| (*name).to_owned()));
        self.numeric.extend(names.iter().map(|_| false));
        self
    }

    /// A table with at most `limit` rows and a line that says how many more there are.
    pub(crate) fn table(&self, limit: usize) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(&self.columns);
        let shown = &self.rows[..self.rows.len().min(limit)];
        let places: Vec<_> = (0..self.columns.len()).map(|column| self.places(shown, column)).collect();
        for row in shown {
            table.add_row(row.iter().zip(&places).map(|(cell, places)| match (cell, places) {
                (Some(number), Some(places)) => padded(number, *places),
                (Some(text), None) => text.clone(),
                (None, _) => String::new(),
            }));
        }
        for (place, numeric) in self.numeric.iter().enumerate() {
            if let (true, Some(column)) = (*numeric, table.column_mut(place)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let more = self.rows.len().saturating_sub(limit);
        let rest = if more == 0 { String::new() } else { format!("\n  and {more} more rows") };
        format!("{table}{rest}")
    }

    /// Decimal places that the numbers of a column need, so that their points stand below each other; none
    /// for text.
    fn places(&self, rows: &[Vec<Option<String>>], column: usize) -> Option<usize> {
        let numbers = rows.iter().filter_map(|row| row[column].as_deref());
        self.numeric[column].then(|| numbers.map(|text| places(trimmed(text))).max().unwrap_or(0))
    }

    /// Comma-separated values with a header; an absent value is empty.
    pub(crate) fn csv(&self) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(|cell| cell.as_deref().unwrap_or("")))?;
        }
        Ok(writer.into_inner()?)
    }

    /// One object a row; numbers stay text so that no reader rounds them.
    pub(crate) fn json(&self) -> Value {
        let object = |row: &Vec<Option<String>>| {
            let fields = self.columns.iter().cloned().zip(row.iter().cloned().map(Value::from));
            Value::Object(fields.collect::<Map<_, _>>())
        };
        Value::Array(self.rows.iter().map(object).collect())
    }
}

/// A decimal without the zeros that its type pads it with.
fn trimmed(text: &str) -> &str {
    let is_decimal = text.contains('.') && text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    if is_decimal { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn places(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

/// A number with so many decimal places, of which it needs no more.
fn padded(text: &str, wanted: usize) -> String {
    let text = trimmed(text);
    let missing = wanted.saturating_sub(places(text));
    let point = if missing > 0 && !text.contains('.') { "." } else { "" };
    format!("{text}{point}{:0<missing$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(numeric: bool, cells: &[&str]) -> Rows {
        let rows = cells.iter().map(|cell| vec![Some((*cell).to_owned())]).collect();
        Rows { columns: vec!["cost".to_owned()], numeric: vec![numeric], rows }
    }

    #[test]
    fn the_points_of_numbers_stand_below_each_other() {
        let lines = |rows: &Rows, limit| -> Vec<String> {
            rows.table(limit).lines().map(|line| line.trim_end().to_owned()).collect()
        };
        let money = rows(true, &["1234.500000000", "-0.250000000", "7.000000000", "0.000000001"]);
        assert_eq!(lines(&money, 3), ["    cost", " 1234.50", "   -0.25", "    7.00", "  and 1 more rows"]);
        assert_eq!(lines(&rows(true, &["10", "9"]), 9), [" cost", "   10", "    9"]);
        assert_eq!(lines(&rows(false, &["2026.11.10", "a"]), 9), [" cost", " 2026.11.10", " a"]);
    }
}
