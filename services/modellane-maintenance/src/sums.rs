//! Signed sums of ledger entries, exact.

use crate::MaintenanceError;
use crate::columns::{column, damaged};
use arrow::array::{Array, Decimal128Array, Int8Array, Int64Array, RecordBatch, StringArray};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// What is summed up, by which sign, and within which unit; amounts of different units never meet.
struct Measure {
    column: &'static str,
    sign: &'static str,
    unit: Option<&'static str>,
}

const fn usage(column: &'static str) -> Measure {
    Measure { column, sign: "usage_sign", unit: None }
}

const fn money(column: &'static str) -> Measure {
    Measure { column, sign: "cost_sign", unit: Some("currency") }
}

const MEASURES: [Measure; 12] = [
    usage("requests"),
    usage("input_tokens"),
    usage("cache_read_tokens"),
    usage("cache_write_tokens"),
    usage("output_tokens"),
    usage("reasoning_tokens"),
    usage("lines_accepted"),
    Measure { column: "credits", sign: "usage_sign", unit: Some("credit_unit") },
    money("billed_cost"),
    money("effective_cost"),
    money("contracted_cost"),
    money("list_cost"),
];

/// Columns that [`Amounts`] reads.
pub(crate) const SUMMED: [&str; 17] = [
    "entry_sign",
    "usage_sign",
    "cost_sign",
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "lines_accepted",
    "credits",
    "credit_unit",
    "billed_cost",
    "effective_cost",
    "contracted_cost",
    "list_cost",
    "currency",
];

/// A sum of whole numbers or of billionths. Written as text in JSON, which no reader rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(pub i128);

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// How many entries there are and what they add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Entries.
    pub rows: u64,
    /// Sum of `entry_sign`: events that are current, as far as these entries say.
    pub entry_signs: i64,
    /// Sum of `usage_sign`.
    pub usage_signs: i64,
    /// Sum of `cost_sign`.
    pub cost_signs: i64,
    /// Signed sums by column and unit: numbers as they are, decimals in billionths; the unit is a currency, a
    /// unit of credits, or empty.
    pub amounts: BTreeMap<String, BTreeMap<String, Sum>>,
}

impl Sums {
    /// All of these together.
    pub(crate) fn of_all<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        parts.fold(Self::default(), |mut total, part| {
            total.add(part);
            total
        })
    }

    /// Adds others.
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.entry_signs += other.entry_signs;
        self.usage_signs += other.usage_signs;
        self.cost_signs += other.cost_signs;
        for (column, units) in &other.amounts {
            let mine = self.amounts.entry(column.clone()).or_default();
            for (unit, sum) in units {
                mine.entry(unit.clone()).or_default().0 += sum.0;
            }
        }
    }

    fn add_amount(&mut self, column: &str, unit: &str, amount: i128) {
        if !self.amounts.contains_key(column) {
            self.amounts.insert(column.to_owned(), BTreeMap::new());
        }
        let Some(units) = self.amounts.get_mut(column) else { return };
        match units.get_mut(unit) {
            Some(sum) => sum.0 += amount,
            None => {
                units.insert(unit.to_owned(), Sum(amount));
            }
        }
    }
}

/// The summed columns of a batch.
pub(crate) struct Amounts<'a> {
    entry: &'a Int8Array,
    usage: &'a Int8Array,
    cost: &'a Int8Array,
    measures: Vec<(&'static Measure, Values<'a>, Option<&'a StringArray>)>,
}

enum Values<'a> {
    Whole(&'a Int64Array),
    Decimal(&'a Decimal128Array),
}

impl Values<'_> {
    fn value(&self, row: usize) -> Option<i128> {
        match self {
            Self::Whole(array) => array.is_valid(row).then(|| i128::from(array.value(row))),
            Self::Decimal(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

impl<'a> Amounts<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Self, MaintenanceError> {
        let mut measures = Vec::with_capacity(MEASURES.len());
        for measure in &MEASURES {
            let values = match column::<Int64Array>(batch, measure.column) {
                Ok(array) => Values::Whole(array),
                Err(_) => Values::Decimal(column(batch, measure.column)?),
            };
            let unit = measure.unit.map(|unit| column(batch, unit)).transpose()?;
            measures.push((measure, values, unit));
        }
        Ok(Self {
            entry: column(batch, "entry_sign")?,
            usage: column(batch, "usage_sign")?,
            cost: column(batch, "cost_sign")?,
            measures,
        })
    }

    /// Adds a row to sums.
    pub(crate) fn add_row(&self, row: usize, sums: &mut Sums) -> Result<(), MaintenanceError> {
        let signs = self.signs(row);
        if signs.iter().any(|sign| !(-1..=1).contains(sign)) {
            return Err(damaged("entry_sign, usage_sign or cost_sign"));
        }
        sums.rows += 1;
        sums.entry_signs += i64::from(signs[0]);
        sums.usage_signs += i64::from(signs[1]);
        sums.cost_signs += i64::from(signs[2]);
        for (measure, values, unit) in &self.measures {
            let sign = if measure.sign == "usage_sign" { signs[1] } else { signs[2] };
            if let (Some(value), 1 | -1) = (values.value(row), sign) {
                sums.add_amount(measure.column, text(*unit, row), i128::from(sign) * value);
            }
        }
        Ok(())
    }

    /// `entry_sign`, `usage_sign` and `cost_sign` of a row.
    pub(crate) fn signs(&self, row: usize) -> [i8; 3] {
        [self.entry.value(row), self.usage.value(row), self.cost.value(row)]
    }

    /// Calls `each` with the amounts of a row and their units as they stand, whatever the signs.
    pub(crate) fn each_amount(&self, row: usize, mut each: impl FnMut(usize, &str, i128)) {
        for (place, (_, values, unit)) in self.measures.iter().enumerate() {
            if let Some(value) = values.value(row) {
                each(place, text(*unit, row), value);
            }
        }
    }
}

/// The unit of a row; empty if there is none.
fn text(units: Option<&StringArray>, row: usize) -> &str {
    units.filter(|units| units.is_valid(row)).map_or("", |units| units.value(row))
}
