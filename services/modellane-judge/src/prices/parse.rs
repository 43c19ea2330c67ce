//! Reads and checks `prices.yaml`.

use super::{PriceEntry, PriceKind, PriceObject};
use crate::problem::{ContextError, Problems};
use crate::reader::{Table, document, overlapping, text_of};
use modellane_event::Label;
use serde_yaml_ng::Value;
use std::collections::BTreeMap;

const FILE: &str = "prices.yaml";

/// Reads `prices.yaml` and lists all faults. Two prices for the same thing at the same time are a fault,
/// also in two currencies: a row has one list price.
pub fn parse_prices(bytes: &[u8]) -> Result<PriceObject, ContextError> {
    let mut problems = Problems::new(FILE);
    let entries = text_of(bytes, &mut problems)
        .and_then(|text| document(&text, &mut problems))
        .map(|value| read(&value, &mut problems))
        .unwrap_or_default();
    let object = PriceObject::new(entries);
    problems.finish(object)
}

fn read(value: &Value, problems: &mut Problems) -> Vec<PriceEntry> {
    let Some(top) = Table::open(value, "", &["prices"], problems) else { return Vec::new() };
    let mut entries = Vec::new();
    let mut paths = Vec::new();
    for (path, item) in top.list("prices", problems) {
        if let Some(entry) = read_entry(item, &path, problems) {
            entries.push(entry);
            paths.push(path);
        }
    }
    check_overlaps(&entries, &paths, problems);
    entries
}

fn read_entry(item: &Value, path: &str, problems: &mut Problems) -> Option<PriceEntry> {
    let keys = ["provider", "model", "kind", "per", "amount", "currency", "from", "to"];
    let table = Table::open(item, path, &keys, problems)?;
    let period = table.period(problems);
    let provider = table.required_label("provider", problems);
    let model = read_model(&table, problems);
    let kind = table.word("kind", &PriceKind::ALL, problems);
    let kind = table.require("kind", kind, problems);
    let per = table.count("per", problems);
    let per = table.require("per", per, problems);
    let amount = table.decimal("amount", problems);
    let amount = table.require("amount", amount, problems);
    let currency = table.currency("currency", problems);
    let currency = table.require("currency", currency, problems);
    if amount.is_some_and(|amount| amount.is_sign_negative() && !amount.is_zero()) {
        problems.add(table.path_of("amount"), "a price is not negative");
    }
    Some(PriceEntry {
        provider: provider?,
        model: model?,
        kind: kind?,
        period,
        per: per?,
        amount: amount?.normalize(),
        currency: currency?,
    })
}

/// `*` is every model of the provider.
fn read_model(table: &Table<'_>, problems: &mut Problems) -> Option<Option<Label>> {
    let text = table.text("model", problems);
    if table.require("model", text, problems)? == "*" {
        return Some(None);
    }
    table.label("model", problems).map(Some)
}

fn check_overlaps(entries: &[PriceEntry], paths: &[String], problems: &mut Problems) {
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (i, entry) in entries.iter().enumerate() {
        groups.entry((&entry.provider, &entry.model, entry.kind)).or_default().push(i);
    }
    for members in groups.values() {
        let periods: Vec<_> = members.iter().map(|i| entries[*i].period).collect();
        for (later, earlier) in overlapping(&periods) {
            let (later, earlier) = (&paths[members[later]], &paths[members[earlier]]);
            problems.add(
                later.clone(),
                format!("overlaps {earlier}; end one price (`to`, exclusive) where the next begins"),
            );
        }
    }
}
