//! Whether two ledgers say the same (I10).

use crate::print::Rows;
use anyhow::{Context, Result};
use arrow::datatypes::{DataType, Field, Schema};
use modellane_event::UtcTime;
use modellane_lake::LakeConfig;
use modellane_query::{Query, QueryConfig};
use modellane_schema::ledger_schema;
use modellane_sink::JUDGEMENT_COLUMNS;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Ids that are named.
const NAMED: usize = 10;

/// Entries that are compared at once; a day is compared whole.
const ENTRIES_AT_ONCE: u64 = 400_000;

/// Columns of the judgement that say with how much knowledge it was made, not what it says.
const VERSIONS: [&str; 2] = ["settle_run", "context_version"];

/// Sums that every reader takes, beside the number of events.
const USAGE_SUMS: [&str; 4] = ["requests", "input_tokens", "output_tokens", "credits"];
const MONEY_SUMS: [&str; 4] = ["billed_cost", "effective_cost", "contracted_cost", "list_cost"];

/// A ledger as it was known at a time.
pub(crate) struct Side {
    query: Query,
    /// Null for now.
    known_at: Option<UtcTime>,
    /// What a row says, as one expression.
    said: String,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Current events of the first ledger.
    pub(crate) events: u64,
    /// How many events differ.
    pub(crate) different: u64,
    /// The first of them by id, and how.
    pub(crate) named: Vec<(String, Difference)>,
    /// Totals of each currency: what the first ledger sums up to, and the second.
    pub(crate) totals: Vec<(Totals, Totals)>,
    /// What became of complete fetches, where they were compared.
    pub(crate) fetches: Option<Fetches>,
}

/// Complete fetches of two lakes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fetches {
    /// Fetches that both have.
    pub(crate) both: u64,
    /// Fetches that one lacks or has with other facts.
    pub(crate) different: u64,
}

/// The sums of one currency, a name and a value each; none if the ledger does not have the currency.
pub(crate) type Totals = Vec<(String, Option<String>)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// The second ledger lacks it.
    Missing,
    /// The first ledger lacks it.
    Added,
    /// Content, judgement or signs are others.
    Changed,
}

impl Difference {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing in the rebuilt lake",
            Self::Added => "in the rebuilt lake alone",
            Self::Changed => "with another content, judgement or signs",
        }
    }
}

impl Comparison {
    pub(crate) fn is_equal(&self) -> bool {
        self.different == 0
            && self.fetches.is_none_or(|fetches| fetches.different == 0)
            && self.totals.iter().all(|(first, second)| first == second)
    }
}

impl Side {
    pub(crate) async fn open(lake: &LakeConfig, known_at: Option<UtcTime>) -> Result<Self> {
        // A day of a large ledger is one answer.
        let config =
            QueryConfig { max_rows: usize::MAX, statement_timeout_s: 3_600, ..QueryConfig::default() };
        let query = Query::open(config, lake).await?;
        let said = digest(&ledger_schema());
        Ok(Self { query, known_at, said })
    }

    async fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let batches = self.query.sql(sql).await?;
        let Some(first) = batches.first() else { return Ok(Vec::new()) };
        Ok(Rows::of(&first.schema(), &batches)?.rows)
    }

    fn known(&self, entry: &str) -> String {
        self.known_at.map_or_else(String::new, |at| format!(" AND {entry}.recorded_at <= TIMESTAMP '{at}'"))
    }

    /// Entries by day.
    async fn days(&self) -> Result<BTreeMap<String, u64>> {
        let sql = "SELECT CAST(event_date AS VARCHAR), COUNT(*) FROM usage_ledger GROUP BY 1";
        let pair = |row: Vec<Option<String>>| {
            let mut cells = row.into_iter();
            Some((cells.next()??, cells.next()??.parse().ok()?))
        };
        self.rows(sql).await?.into_iter().map(|row| pair(row).context("a day has entries")).collect()
    }

    /// What each current event of some days says, by id.
    async fn events(&self, (first, last): &(String, String)) -> Result<BTreeMap<String, String>> {
        let sql = format!(
            "SELECT entry.event_id, {said} FROM usage_ledger AS entry \
             WHERE entry.event_date BETWEEN DATE '{first}' AND DATE '{last}' AND entry.entry_sign = 1{entry_known} \
             AND NOT EXISTS (SELECT 1 FROM usage_ledger AS reversal WHERE reversal.entry_sign = -1 \
             AND reversal.event_date = entry.event_date AND reversal.event_id = entry.event_id \
             AND reversal.revision = entry.revision{reversal_known})",
            said = self.said,
            entry_known = self.known("entry"),
            reversal_known = self.known("reversal"),
        );
        let pair = |row: Vec<Option<String>>| {
            let mut cells = row.into_iter();
            Some((cells.next()??, cells.next()??))
        };
        self.rows(&sql).await?.into_iter().map(|row| pair(row).context("an event has an id")).collect()
    }

    /// Every complete fetch that was recorded by a time, as one text.
    async fn fetches(&self, through: Option<UtcTime>) -> Result<BTreeSet<String>> {
        let recorded =
            through.map_or_else(String::new, |at| format!(" WHERE recorded_at <= TIMESTAMP '{at}'"));
        let sql = format!(
            "SELECT concat_ws('|', source, scope_key, CAST(period_start AS VARCHAR), \
             CAST(period_end AS VARCHAR), fetch_id, CAST(observed_at AS VARCHAR), CAST(events AS VARCHAR), \
             CAST(confirmed AS VARCHAR)) FROM fetches{recorded}"
        );
        Ok(self.rows(&sql).await?.into_iter().filter_map(|mut row| row.pop().flatten()).collect())
    }

    async fn totals(&self) -> Result<BTreeMap<String, Totals>> {
        let sums = |sign: &str, columns: &[&str]| -> String {
            columns.iter().map(|column| format!(", SUM({sign} * {column}) AS {column}")).collect()
        };
        let sql = format!(
            "SELECT COALESCE(entry.currency, '') AS currency, SUM(entry_sign) AS events{}{} \
             FROM usage_ledger AS entry WHERE TRUE{} GROUP BY 1 ORDER BY 1",
            sums("usage_sign", &USAGE_SUMS),
            sums("cost_sign", &MONEY_SUMS),
            self.known("entry"),
        );
        let names = || ["events"].into_iter().chain(USAGE_SUMS).chain(MONEY_SUMS).map(str::to_owned);
        let totals = self.rows(&sql).await?.into_iter().map(|row| {
            let mut cells = row.into_iter();
            (cells.next().flatten().unwrap_or_default(), names().zip(cells).collect())
        });
        Ok(totals.collect())
    }
}

/// Compares the current state of every event and the totals of each currency, some days at a time.
pub(crate) async fn compare(first: &Side, second: &Side) -> Result<Comparison> {
    let mut found = Comparison::default();
    for span in spans(first.days().await?, second.days().await?) {
        found.add(&first.events(&span).await?, &second.events(&span).await?);
    }
    found.named.sort_by(|(first, _), (second, _)| first.cmp(second));
    found.named.truncate(NAMED);
    let (first, second) = (first.totals().await?, second.totals().await?);
    let currencies: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let of = |totals: &BTreeMap<String, Totals>, currency: &String| {
        let mut named = vec![("currency".to_owned(), Some(currency.clone()))];
        named.extend(totals.get(currency).cloned().unwrap_or_default());
        named
    };
    found.totals =
        currencies.into_iter().map(|currency| (of(&first, currency), of(&second, currency))).collect();
    Ok(found)
}

/// First and last day of stretches that hold about as many entries as are compared at once, on both sides.
fn spans(first: BTreeMap<String, u64>, second: BTreeMap<String, u64>) -> Vec<(String, String)> {
    let mut days = first;
    for (day, entries) in second {
        *days.entry(day).or_default() += entries;
    }
    let mut spans: Vec<(String, String)> = Vec::new();
    let mut held = 0;
    for (day, entries) in days {
        held += entries;
        match spans.last_mut().filter(|_| held <= ENTRIES_AT_ONCE) {
            Some((_, last)) => *last = day,
            None => {
                spans.push((day.clone(), day));
                held = entries;
            }
        }
    }
    spans
}

/// Compares the complete fetches that the first ledger takes account of with all of the second lake's.
pub(crate) async fn compare_fetches(
    first: &Side,
    second: &Side,
    applied: Option<UtcTime>,
) -> Result<Fetches> {
    let known = match applied {
        Some(_) => first.fetches(applied).await?,
        None => BTreeSet::new(),
    };
    let rebuilt = second.fetches(None).await?;
    Ok(Fetches {
        both: known.intersection(&rebuilt).count() as u64,
        different: known.symmetric_difference(&rebuilt).count() as u64,
    })
}

impl Comparison {
    fn add(&mut self, first: &BTreeMap<String, String>, second: &BTreeMap<String, String>) {
        self.events += first.len() as u64;
        let missing = first.iter().filter_map(|(id, said)| match second.get(id) {
            None => Some((id, Difference::Missing)),
            Some(other) if other != said => Some((id, Difference::Changed)),
            Some(_) => None,
        });
        let added = second.keys().filter(|id| !first.contains_key(*id)).map(|id| (id, Difference::Added));
        for (id, difference) in missing.chain(added) {
            self.different += 1;
            self.named.push((id.clone(), difference));
        }
        // Of many days the smallest ids are kept, and no more of them than are named.
        self.named.sort_by(|(first, _), (second, _)| first.cmp(second));
        self.named.truncate(NAMED);
    }
}

/// One text for all that an entry says: content and judgement. What is null is told from what is empty.
fn digest(schema: &Schema) -> String {
    let said = |name: &str| {
        name == "content_hash" || (JUDGEMENT_COLUMNS.contains(&name) && !VERSIONS.contains(&name))
    };
    let text = |field: &Arc<Field>| match field.data_type() {
        DataType::List(_) => format!("array_to_string(entry.{}, ',')", field.name()),
        _ => format!("CAST(entry.{} AS VARCHAR)", field.name()),
    };
    let texts = schema.fields().iter().filter(|field| said(field.name())).map(text);
    let texts: Vec<String> = texts.map(|text| format!("COALESCE({text}, '-')")).collect();
    // No label holds a bar.
    format!("md5(concat_ws('|', {}))", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(events: &[(&str, &str)]) -> BTreeMap<String, String> {
        events.iter().map(|(id, said)| ((*id).to_owned(), (*said).to_owned())).collect()
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let mut found = Comparison::default();
        found.add(&side(&[("a", "1"), ("b", "1"), ("c", "1")]), &side(&[("a", "1"), ("b", "2"), ("d", "1")]));
        let named: Vec<_> = found.named.iter().map(|(id, difference)| (id.as_str(), *difference)).collect();
        let expected = [("b", Difference::Changed), ("c", Difference::Missing), ("d", Difference::Added)];
        assert_eq!(named, expected);
        assert_eq!((found.events, found.different, found.is_equal()), (3, 3, false));
    }

    #[test]
    fn days_are_compared_together_as_long_as_they_are_small() {
        let days = |days: &[(&str, u64)]| days.iter().map(|(day, n)| ((*day).to_owned(), *n)).collect();
        let first = days(&[("2026-11-01", 1), ("2026-11-02", ENTRIES_AT_ONCE - 3), ("2026-11-04", 5)]);
        let second = days(&[("2026-11-02", 2), ("2026-11-03", 1)]);
        let span = |first: &str, last: &str| (first.to_owned(), last.to_owned());
        let expected = [span("2026-11-01", "2026-11-02"), span("2026-11-03", "2026-11-04")];
        assert_eq!(spans(first, second), expected);
        assert_eq!(spans(BTreeMap::new(), BTreeMap::new()), []);
    }

    #[test]
    fn totals_that_differ_are_a_difference() {
        let totals = |value: &str| vec![("events".to_owned(), Some(value.to_owned()))];
        let mut found = Comparison { totals: vec![(totals("1"), totals("1"))], ..Comparison::default() };
        assert!(found.is_equal());
        found.fetches = Some(Fetches { both: 2, different: 1 });
        assert!(!found.is_equal());
        found.fetches = Some(Fetches { both: 2, different: 0 });
        assert!(found.is_equal());
        found.totals.push((totals("1"), Vec::new()));
        assert!(!found.is_equal());
    }
}
