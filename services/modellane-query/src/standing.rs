//! What every answer says beside its rows: which version it rests on, how far the data reaches, and how
//! much of it nobody can explain.

use crate::QueryError;
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Int64Type, TimestampMicrosecondType};
use datafusion::prelude::SessionContext;
use modellane_event::UtcTime;
use std::fmt::Write;

/// The state of the ledger, or of the part that a report speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Delta version of `usage_ledger`; null while there is none.
    pub table_version: Option<u64>,
    /// Latest commit among the entries; null without any.
    pub recorded_through: Option<UtcTime>,
    /// Every source that has rows reaches at least here: the earliest of their latest ends of use.
    pub data_through: Option<UtcTime>,
    /// The rows that nobody can explain.
    pub gap: Gap,
}

/// Current rows whose verdict is `unknown` or `unmatched`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gap {
    /// Rows.
    pub rows: i64,
    /// Those that count for money and have no effective cost.
    pub unpriced_rows: i64,
    /// Billed and list cost by currency; a null currency has no amounts.
    pub costs: Vec<GapCost>,
}

/// The gap's cost in one currency, in billionths; null if no row states one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapCost {
    /// ISO 4217 code.
    pub currency: String,
    /// What vendors charge for it.
    pub billed: Option<i128>,
    /// What it costs at list prices.
    pub list: Option<i128>,
}

const GAP: &str = "
    SELECT currency,
           COUNT(*),
           COUNT(*) FILTER (WHERE cost_sign = 1 AND effective_cost IS NULL),
           CAST(SUM(billed_cost) FILTER (WHERE cost_sign = 1) AS DECIMAL(38, 9)),
           CAST(SUM(list_cost) FILTER (WHERE cost_sign = 1) AS DECIMAL(38, 9))
    FROM usage WHERE verdict IN ('unknown', 'unmatched')
    GROUP BY currency ORDER BY currency";

const REACH: &str = "
    SELECT (SELECT MAX(recorded_at) FROM usage_ledger),
           (SELECT MIN(reached) FROM (SELECT MAX(period_end) AS reached FROM usage GROUP BY source))";

impl Standing {
    /// Works it out over what the session sees.
    pub(crate) async fn of(context: &SessionContext, table_version: Option<u64>) -> Result<Self, QueryError> {
        let reach = context.sql(REACH).await?.collect().await?;
        let gap = context.sql(GAP).await?.collect().await?;
        Ok(Self {
            table_version,
            recorded_through: time(&reach, 0),
            data_through: time(&reach, 1),
            gap: Gap::from_batches(&gap)?,
        })
    }
}

fn time(batches: &[RecordBatch], column: usize) -> Option<UtcTime> {
    let batch = batches.iter().find(|batch| batch.num_rows() > 0)?;
    let times = batch.column(column).as_primitive_opt::<TimestampMicrosecondType>()?;
    times.is_valid(0).then(|| UtcTime(times.value(0)))
}

impl Gap {
    fn from_batches(batches: &[RecordBatch]) -> Result<Self, QueryError> {
        let unexpected = || QueryError::Internal("the gap has other columns than asked for".to_owned());
        let mut gap = Self::default();
        for batch in batches {
            let currency = cast(batch.column(0), &DataType::Utf8).map_err(|_| unexpected())?;
            let currency = currency.as_string::<i32>();
            let count = |column: usize| batch.column(column).as_primitive_opt::<Int64Type>();
            let amount = |column: usize| batch.column(column).as_primitive_opt::<Decimal128Type>();
            let (rows, unpriced) = (count(1).ok_or_else(unexpected)?, count(2).ok_or_else(unexpected)?);
            let (billed, list) = (amount(3).ok_or_else(unexpected)?, amount(4).ok_or_else(unexpected)?);
            for row in 0..batch.num_rows() {
                gap.rows += rows.value(row);
                gap.unpriced_rows += unpriced.value(row);
                if currency.is_valid(row) {
                    gap.costs.push(GapCost {
                        currency: currency.value(row).to_owned(),
                        billed: billed.is_valid(row).then(|| billed.value(row)),
                        list: list.is_valid(row).then(|| list.value(row)),
                    });
                }
            }
        }
        Ok(gap)
    }

    /// Billed cost as `12.500000000 USD, 3.000000000 EUR`; `0` without a gap, `unknown` if no row states one.
    pub fn billed_text(&self) -> String {
        self.text(|cost| cost.billed)
    }

    /// List cost, likewise.
    pub fn list_text(&self) -> String {
        self.text(|cost| cost.list)
    }

    fn text(&self, amount: impl Fn(&GapCost) -> Option<i128>) -> String {
        if self.rows == 0 {
            return "0".to_owned();
        }
        let mut text = String::new();
        for cost in &self.costs {
            if let Some(billionths) = amount(cost) {
                let separator = if text.is_empty() { "" } else { ", " };
                let sign = if billionths < 0 { "-" } else { "" };
                let size = billionths.unsigned_abs();
                // Writing to a String cannot fail.
                let _ = write!(
                    text,
                    "{separator}{sign}{}.{:09} {}",
                    size / 1_000_000_000,
                    size % 1_000_000_000,
                    cost.currency
                );
            }
        }
        if text.is_empty() { "unknown".to_owned() } else { text }
    }
}
