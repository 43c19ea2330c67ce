//! `github_copilot.billing_csv`: the AI-credit and premium-request report of GitHub's billing, as CSV.
//!
//! A row is one user's day (or, without a user name, an organisation's day) with one SKU, model,
//! repository and cost centre. Columns are found by name; the report has grown before and unknown columns
//! are skipped. Amounts are US dollars as written, credits and refunds below zero included.
//!
//! During the move from requests to credits a row states the same use twice, as `quantity` and
//! `gross_amount` and as `aic_quantity` and `aic_gross_amount`. They are never added: the list amount is
//! the gross amount, and the credit value only where the gross amount is zero because the quota of the
//! seat included the use.

use crate::connector::{Connector, Draft, Extent, Payload, Records, Rejection, Scope, SourceSpec, Statement};
use crate::framing::MAX_RECORD;
use crate::json::{amount, not_negative};
use crate::model_names::model_name;
use crate::natural_key::NaturalKey;
use csv::StringRecord;
use memchr::memchr_iter;
use modellane_event::{
    AccountKind, AccountRef, Amount, CostBasis, CostEvidence, Currency, Date, Grain, Label, LakeKey, Outcome,
    RejectReason, Surface, Tokens, UsageFacts, Who, Work,
};

#[cfg(test)]
mod tests;

static SPEC: SourceSpec = SourceSpec {
    name: "github_copilot.billing_csv",
    grain: "user_day; org_day without a user name",
    cost: "vendor_reported: net amount, list is the gross amount; USD",
    identity: "github login",
    natural_key: "organization, date, user name, product, sku, model, repository, cost centre; ordinal over \
                  the organisation's month",
    restatement: "any re-export of the month",
};

/// GitHub's billing report.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CopilotBillingCsv;

impl Connector for CopilotBillingCsv {
    fn spec(&self) -> &'static SourceSpec {
        &SPEC
    }

    fn read(&self, payload: &Payload<'_>, records: &mut dyn Records) {
        let bytes = payload.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(payload.bytes);
        if matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return records.reject(0, Rejection::new(RejectReason::WrongSource));
        }
        // As a spreadsheet saves "Unicode text".
        if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
            return records.reject(0, Rejection::new(RejectReason::InvalidUtf8));
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
        let mut row = csv::ByteRecord::new();
        let columns = match reader.read_byte_record(&mut row) {
            Ok(true) => Columns::of(&row),
            Ok(false) | Err(_) => Err(Rejection::new(RejectReason::Malformed)),
        };
        let columns = match columns {
            Ok(columns) => columns,
            Err(rejection) => return records.reject(0, rejection),
        };
        let mut index = 0;
        let mut lines = Lines { bytes, counted: 0, line: 1 };
        loop {
            let start = reader.position().byte() as usize;
            match reader.read_byte_record(&mut row) {
                Ok(true) => {}
                // Reading from memory with any number of cells leaves nothing to fail but the end.
                Ok(false) | Err(_) => return,
            }
            let end = reader.position().byte() as usize;
            let text = bytes.get(start..end).unwrap_or_default();
            records.line(lines.of(start));
            match read_row(&columns, text, &row, payload.key, records) {
                Ok(draft) => records.accept(index, draft),
                Err(rejection) => {
                    records.reject(index, Rejection { length: Some(text.len()), ..rejection });
                }
            }
            index += 1;
        }
    }

    /// The report is made for a period, and says all that the organisation has for each month in it.
    fn statement(&self, _payload: &Payload<'_>) -> Statement {
        Statement { extent: Extent::Held(None), ..Statement::default() }
    }
}

/// Counts lines. The reader's own count is behind by the line break that it has not passed yet.
struct Lines<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line, from 1, of the row whose reading began at this offset; offsets never go back.
    fn of(&mut self, start: usize) -> u64 {
        let rest = &self.bytes[start.min(self.bytes.len())..];
        let breaks = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let row = self.bytes.len() - rest.len() + breaks;
        self.line += memchr_iter(b'\n', &self.bytes[self.counted..row]).count() as u64;
        self.counted = row;
        self.line
    }
}

macro_rules! columns {
    ($($field:ident: $kind:ident,)+) => {
        /// Where the columns of interest are.
        struct Columns {
            width: usize,
            $($field: columns!(@type $kind),)+
        }

        impl Columns {
            /// Finds the columns by name, whatever their order and letter case.
            fn of(header: &csv::ByteRecord) -> Result<Self, Rejection> {
                // A spreadsheet writes the separator of its country.
                if header.len() == 1 && header[0].iter().any(|byte| matches!(byte, b';' | b'\t')) {
                    return Err(Rejection::at(RejectReason::Malformed, "separator"));
                }
                let find = |name: &str| {
                    header.iter().position(|cell| cell.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
                };
                Ok(Self {
                    width: header.len(),
                    $($field: columns!(@find $kind find, $field),)+
                })
            }
        }
    };
    (@type required) => { usize };
    (@type optional) => { Option<usize> };
    (@find required $find:ident, $field:ident) => {
        $find(stringify!($field))
            .ok_or(Rejection::at(RejectReason::Malformed, stringify!($field)))?
    };
    (@find optional $find:ident, $field:ident) => { $find(stringify!($field)) };
}

columns! {
    date: required,
    username: required,
    product: required,
    sku: required,
    model: required,
    quantity: required,
    unit_type: required,
    gross_amount: required,
    net_amount: required,
    organization: required,
    repository: optional,
    cost_center_name: optional,
    aic_quantity: optional,
    aic_gross_amount: optional,
}

fn read_row(
    columns: &Columns,
    text: &[u8],
    row: &csv::ByteRecord,
    key: &LakeKey,
    records: &mut dyn Records,
) -> Result<Draft, Rejection> {
    if text.len() > MAX_RECORD {
        return Err(Rejection::new(RejectReason::TooLarge));
    }
    if is_cut(columns, text, row) {
        return Err(Rejection::new(RejectReason::Truncated));
    }
    if row.len() != columns.width {
        return Err(Rejection::new(RejectReason::Malformed));
    }
    let row =
        StringRecord::from_byte_record(row.clone()).map_err(|_| Rejection::new(RejectReason::InvalidUtf8))?;
    Row { columns, cells: &row, key }.draft(records)
}

/// Whether the row is the last one of a payload that ends in its middle: without a line break behind it,
/// and short of cells, inside quotes, or without the quotes that its first cell shows the report to write.
fn is_cut(columns: &Columns, text: &[u8], row: &csv::ByteRecord) -> bool {
    let text = text.trim_ascii_start();
    let open = text.iter().filter(|b| **b == b'"').count() % 2 == 1;
    let unquoted = text.starts_with(b"\"") && !text.ends_with(b"\"");
    !text.ends_with(b"\n") && !text.ends_with(b"\r") && (row.len() < columns.width || open || unquoted)
}

struct Row<'a> {
    columns: &'a Columns,
    cells: &'a StringRecord,
    key: &'a LakeKey,
}

impl Row<'_> {
    fn cell(&self, column: impl Into<Option<usize>>) -> &str {
        column.into().and_then(|column| self.cells.get(column)).unwrap_or_default().trim()
    }

    fn draft(&self, records: &mut dyn Records) -> Result<Draft, Rejection> {
        let day = Date::parse(self.cell(self.columns.date))
            .map_err(|_| Rejection::at(RejectReason::BadTime, "date"))?;
        let account = AccountRef::new(self.key, AccountKind::Github, self.cell(self.columns.username));
        let sku = self.sku()?;
        let model = model_name(self.cell(self.columns.model));
        if model.unreadable {
            records.null_label("model");
        }
        let facts = UsageFacts {
            grain: if account.is_some() { Grain::UserDay } else { Grain::OrgDay },
            period_start: day.start(),
            period_end: day.next().start(),
            vendor: Label::literal("github"),
            tool: Some(Label::literal("copilot")),
            surface: sku.starts_with("coding_agent_").then_some(Surface::Agent),
            provider: None,
            model: model.model,
            model_raw: model.raw,
            outcome: Outcome::Ok,
            billing_account_id: self.billing_account(records),
            who: Who { accounts: account.into_iter().collect(), ..Who::default() },
            work: self.work(),
            tokens: self.tokens()?,
            cost: self.cost()?,
        };
        Ok(Draft {
            natural_key: self.natural_key(day, account.as_ref()),
            needs_ordinal: true,
            event_date: day,
            feed: None,
            scope: Some(self.scope(day)),
            observed_at: None,
            facts,
        })
    }

    /// A SKU that is not known yet is taken as it is; a text that is no identifier is none.
    fn sku(&self) -> Result<&str, Rejection> {
        let sku = self.cell(self.columns.sku);
        if sku.is_empty() {
            return Err(Rejection::at(RejectReason::MissingField, "sku"));
        }
        Label::new(sku).map_err(|_| Rejection::at(RejectReason::BadLabel, "sku"))?;
        Ok(sku)
    }

    /// An organisation's login: at most 39 letters, digits and hyphens.
    fn billing_account(&self, records: &mut dyn Records) -> Option<Label> {
        let organization = self.cell(self.columns.organization);
        let is_login =
            organization.len() <= 39 && organization.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let label = if is_login { Label::new(organization).ok() } else { None };
        if label.is_none() && !organization.is_empty() {
            records.null_label("organization");
        }
        label
    }

    fn work(&self) -> Work {
        let repository = self.cell(self.columns.repository);
        Work {
            workspace_key: (!repository.is_empty()).then(|| self.key.workspace(repository)),
            ..Work::default()
        }
    }

    /// Nothing that a re-export changes: no quantity, amount or quota.
    fn natural_key(&self, day: Date, account: Option<&AccountRef>) -> NaturalKey {
        NaturalKey::new()
            .id(self.key, self.cell(self.columns.organization))
            .id(self.key, &day.to_string())
            .account(account)
            .id(self.key, self.cell(self.columns.product))
            .id(self.key, self.cell(self.columns.sku))
            .id(self.key, self.cell(self.columns.model))
            .hashed(self.key, self.cell(self.columns.repository))
            .hashed(self.key, self.cell(self.columns.cost_center_name))
    }

    /// The organisation's month. A report without a rejected row is complete for each month it contains.
    fn scope(&self, day: Date) -> Scope {
        let (year, month) = day.year_month();
        let key = NaturalKey::new()
            .id(self.key, self.cell(self.columns.organization))
            .id(self.key, &format!("{year:04}-{month:02}"));
        Scope::month(key, day)
    }

    /// Premium requests carry model multipliers: 2.7 requests are a charge and no count, so a quantity
    /// with a fraction gives no `requests`. Quantities in credits are in `credits` alone.
    fn tokens(&self) -> Result<Tokens, Rejection> {
        let quantity = not_negative(amount(self.cell(self.columns.quantity), "quantity")?, "quantity")?;
        let credits =
            not_negative(amount(self.cell(self.columns.aic_quantity), "aic_quantity")?, "aic_quantity")?;
        let counts_requests = self.cell(self.columns.unit_type).eq_ignore_ascii_case("requests");
        Ok(Tokens {
            requests: quantity.filter(|_| counts_requests).and_then(whole),
            credits,
            credit_unit: credits.map(|_| Label::literal("github_ai_credit")),
            ..Tokens::default()
        })
    }

    fn cost(&self) -> Result<CostEvidence, Rejection> {
        let net = amount(self.cell(self.columns.net_amount), "net_amount")?;
        let gross = amount(self.cell(self.columns.gross_amount), "gross_amount")?;
        let credit_value = amount(self.cell(self.columns.aic_gross_amount), "aic_gross_amount")?;
        let list = match (gross, credit_value) {
            (None | Some(Amount::ZERO), Some(value)) if value > Amount::ZERO => Some(value),
            _ => gross,
        };
        if net.is_none() && list.is_none() {
            return Ok(CostEvidence::none());
        }
        Ok(CostEvidence {
            basis: CostBasis::VendorReported,
            amount: net,
            list_amount: list,
            currency: Some(Currency::usd()),
        })
    }
}

fn whole(quantity: Amount) -> Option<i64> {
    let unit = 10i128.pow(Amount::SCALE);
    let billionths = quantity.billionths();
    if billionths % unit == 0 { i64::try_from(billionths / unit).ok() } else { None }
}
