//! Reads and checks `finance.yaml`: seats, invoices, budgets, exchange rates.

use crate::Period;
use crate::directory::PersonIds;
use crate::problem::{ContextError, Problems};
use crate::reader::{Table, document, text_of};
use modellane_event::{Currency, Label, PersonId, UtcTime};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_yaml_ng::Value;

const FILE: &str = "finance.yaml";

/// One version of the finance file, as the lake keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinanceObject {
    /// Version of this layout.
    pub format: u32,
    /// Currency that reports convert to.
    pub reporting_currency: Currency,
    /// Cost centre of what cannot be attributed.
    pub holding_cost_center: Option<Label>,
    /// Exchange rates.
    pub fx: Vec<FxRate>,
    /// Seats that were bought.
    pub seats: Vec<Seat>,
    /// Invoices as received.
    pub invoices: Vec<Invoice>,
    /// Budgets.
    pub budgets: Vec<Budget>,
}

impl FinanceObject {
    /// Version of the layout that this program writes and reads.
    pub const FORMAT: u32 = 1;
}

/// What one unit of a currency was worth on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FxRate {
    /// Start of the day.
    pub date: UtcTime,
    /// Currency that is sold.
    pub from: Currency,
    /// Currency that is bought.
    pub to: Currency,
    /// Units of `to` for one unit of `from`, exact.
    pub rate: Decimal,
    /// Who publishes it.
    pub source: Option<Label>,
}

/// A seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Who invoices it.
    pub vendor: Label,
    /// Vendor's billing account.
    pub billing_account: Option<Label>,
    /// Product tier.
    pub tier: Option<Label>,
    /// Whose seat; null if it is not assigned.
    pub person: Option<PersonId>,
    /// Price of one month.
    pub price: Decimal,
    /// Currency of the price.
    pub currency: Currency,
    /// When it is held.
    #[serde(flatten)]
    pub period: Period,
}

/// An invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// Vendor's number.
    pub id: Label,
    /// Who sent it.
    pub vendor: Label,
    /// Vendor's billing account.
    pub billing_account: Option<Label>,
    /// Day of issue.
    pub issued: Option<UtcTime>,
    /// What it covers.
    #[serde(flatten)]
    pub period: Period,
    /// Currency of all its amounts.
    pub currency: Currency,
    /// Sum of the lines.
    pub total: Decimal,
    /// Its lines.
    pub lines: Vec<InvoiceLine>,
}

/// A line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// `Usage`, `Purchase`, `Tax`, `Credit` or `Adjustment`, as FOCUS names them.
    pub charge_category: Label,
    /// What is charged, such as `seat` or `overage`.
    pub charge_kind: Option<Label>,
    /// Vendor's article.
    pub sku: Option<Label>,
    /// Units.
    pub quantity: Option<Decimal>,
    /// Amount of the line.
    pub amount: Decimal,
}

/// A budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Id.
    pub id: Label,
    /// Team that it is for.
    pub team: Option<Label>,
    /// Cost centre that it is for.
    pub cost_center: Option<Label>,
    /// What it covers.
    #[serde(flatten)]
    pub period: Period,
    /// Amount at the start.
    pub original: Decimal,
    /// Later amounts.
    pub revisions: Vec<BudgetRevision>,
    /// Currency of the amounts.
    pub currency: Currency,
}

/// A changed budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRevision {
    /// From when the new amount holds.
    pub date: UtcTime,
    /// The new amount of the whole period.
    pub amount: Decimal,
}

/// Reads `finance.yaml` and lists all faults. Persons become surrogates, asked for only if the file is
/// sound.
pub fn parse_finance(bytes: &[u8], ids: &mut dyn PersonIds) -> Result<FinanceObject, ContextError> {
    let mut problems = Problems::new(FILE);
    let read = text_of(bytes, &mut problems)
        .and_then(|text| document(&text, &mut problems))
        .and_then(|value| read(&value, &mut problems));
    match read {
        Some((mut object, holders)) if problems.is_empty() => {
            for (seat, holder) in object.seats.iter_mut().zip(&holders) {
                seat.person = holder.as_deref().map(|id| ids.surrogate(id));
            }
            Ok(object)
        }
        _ => Err(ContextError::Invalid(problems.into_found())),
    }
}

/// The object, and the clear ids of the seats' holders in the same order.
fn read(value: &Value, problems: &mut Problems) -> Option<(FinanceObject, Vec<Option<String>>)> {
    let keys = ["reporting_currency", "holding_cost_center", "fx", "seats", "invoices", "budgets"];
    let top = Table::open(value, "", &keys, problems)?;
    let currency = top.currency("reporting_currency", problems);
    let currency = top.require("reporting_currency", currency, problems);
    let holding_cost_center = top.label("holding_cost_center", problems);
    let fx = each(&top, "fx", read_fx, problems);
    let (seats, holders) = each(&top, "seats", read_seat, problems).into_iter().unzip();
    let invoices = each(&top, "invoices", read_invoice, problems);
    let budgets = each(&top, "budgets", read_budget, problems);
    let object = FinanceObject {
        format: FinanceObject::FORMAT,
        reporting_currency: currency?,
        holding_cost_center,
        fx,
        seats,
        invoices,
        budgets,
    };
    Some((object, holders))
}

fn each<T>(
    top: &Table<'_>,
    key: &str,
    read: fn(&Value, String, &mut Problems) -> Option<T>,
    problems: &mut Problems,
) -> Vec<T> {
    let items = top.list(key, problems);
    items.into_iter().filter_map(|(path, item)| read(item, path, problems)).collect()
}

fn required_decimal(table: &Table<'_>, key: &str, problems: &mut Problems) -> Option<Decimal> {
    let amount = table.decimal(key, problems);
    table.require(key, amount, problems)
}

fn required_currency(table: &Table<'_>, key: &str, problems: &mut Problems) -> Option<Currency> {
    let currency = table.currency(key, problems);
    table.require(key, currency, problems)
}

fn required_time(table: &Table<'_>, key: &str, problems: &mut Problems) -> Option<UtcTime> {
    let time = table.time(key, problems);
    table.require(key, time, problems)
}

fn read_fx(item: &Value, path: String, problems: &mut Problems) -> Option<FxRate> {
    let table = Table::open(item, path, &["date", "from", "to", "rate", "source"], problems)?;
    let date = required_time(&table, "date", problems);
    let from = required_currency(&table, "from", problems);
    let to = required_currency(&table, "to", problems);
    let rate = required_decimal(&table, "rate", problems);
    if rate.is_some_and(|rate| rate <= Decimal::ZERO) {
        problems.add(table.path_of("rate"), "a rate is greater than zero");
    }
    let source = table.label("source", problems);
    Some(FxRate { date: date?, from: from?, to: to?, rate: rate?, source })
}

fn read_seat(item: &Value, path: String, problems: &mut Problems) -> Option<(Seat, Option<String>)> {
    let keys = ["vendor", "billing_account", "tier", "person", "price", "currency", "from", "to"];
    let table = Table::open(item, path, &keys, problems)?;
    let vendor = table.required_label("vendor", problems);
    let billing_account = table.label("billing_account", problems);
    let tier = table.label("tier", problems);
    let holder = table.text("person", problems).map(str::to_owned);
    let price = required_decimal(&table, "price", problems);
    let currency = required_currency(&table, "currency", problems);
    let period = table.period(problems);
    let seat = Seat {
        vendor: vendor?,
        billing_account,
        tier,
        person: None,
        price: price?,
        currency: currency?,
        period,
    };
    Some((seat, holder))
}

fn read_invoice(item: &Value, path: String, problems: &mut Problems) -> Option<Invoice> {
    let keys = ["id", "vendor", "billing_account", "issued", "from", "to", "currency", "total", "lines"];
    let table = Table::open(item, path, &keys, problems)?;
    let id = table.required_label("id", problems);
    let vendor = table.required_label("vendor", problems);
    let billing_account = table.label("billing_account", problems);
    let issued = table.time("issued", problems);
    let period = table.period(problems);
    let currency = required_currency(&table, "currency", problems);
    let total = required_decimal(&table, "total", problems);
    let lines = each(&table, "lines", read_line, problems);
    Some(Invoice {
        id: id?,
        vendor: vendor?,
        billing_account,
        issued,
        period,
        currency: currency?,
        total: total?,
        lines,
    })
}

fn read_line(item: &Value, path: String, problems: &mut Problems) -> Option<InvoiceLine> {
    let keys = ["charge_category", "charge_kind", "sku", "quantity", "amount"];
    let table = Table::open(item, path, &keys, problems)?;
    let charge_category = table.required_label("charge_category", problems);
    let charge_kind = table.label("charge_kind", problems);
    let sku = table.label("sku", problems);
    let quantity = table.decimal("quantity", problems);
    let amount = required_decimal(&table, "amount", problems);
    Some(InvoiceLine { charge_category: charge_category?, charge_kind, sku, quantity, amount: amount? })
}

fn read_budget(item: &Value, path: String, problems: &mut Problems) -> Option<Budget> {
    let keys = ["id", "team", "cost_center", "from", "to", "original", "revisions", "currency"];
    let table = Table::open(item, path, &keys, problems)?;
    let id = table.required_label("id", problems);
    let team = table.label("team", problems);
    let cost_center = table.label("cost_center", problems);
    let period = table.period(problems);
    let original = required_decimal(&table, "original", problems);
    let revisions = each(&table, "revisions", read_revision, problems);
    let currency = required_currency(&table, "currency", problems);
    Some(Budget { id: id?, team, cost_center, period, original: original?, revisions, currency: currency? })
}

fn read_revision(item: &Value, path: String, problems: &mut Problems) -> Option<BudgetRevision> {
    let table = Table::open(item, path, &["date", "amount"], problems)?;
    let date = required_time(&table, "date", problems);
    let amount = required_decimal(&table, "amount", problems);
    Some(BudgetRevision { date: date?, amount: amount? })
}
