//! List prices, effective-dated.

mod index;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use index::{Offer, PriceIndex};
pub use parse::parse_prices;

use crate::Period;
use modellane_event::{Currency, Label};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What a price buys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceKind {
    /// Input tokens that were neither read from nor written to a cache.
    Input,
    /// Input tokens read from a cache.
    CacheRead,
    /// Input tokens written to a cache for the usual lifetime.
    CacheWrite,
    /// Input tokens written to a cache for an hour.
    #[serde(rename = "cache_write_1h")]
    CacheWrite1h,
    /// Output tokens, reasoning included.
    Output,
    /// Requests.
    Request,
    /// Vendor credits.
    Credit,
}

impl PriceKind {
    /// All kinds with their names in `prices.yaml`.
    pub const ALL: [(&'static str, Self); 7] = [
        ("input", Self::Input),
        ("cache_read", Self::CacheRead),
        ("cache_write", Self::CacheWrite),
        ("cache_write_1h", Self::CacheWrite1h),
        ("output", Self::Output),
        ("request", Self::Request),
        ("credit", Self::Credit),
    ];
}

/// One price.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PriceEntry {
    /// Who runs the model, in the spelling of `gen_ai.provider.name`; for credits, who sells them.
    pub provider: Label,
    /// Model in the product's spelling; null for every model of the provider.
    pub model: Option<Label>,
    /// What it buys.
    pub kind: PriceKind,
    /// When it holds.
    #[serde(flatten)]
    pub period: Period,
    /// Units that `amount` buys.
    pub per: u64,
    /// Price of `per` units, exact.
    pub amount: Decimal,
    /// Currency of `amount`.
    pub currency: Currency,
}

/// One version of the price list, as the lake keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceObject {
    /// Version of this layout.
    pub format: u32,
    /// Prices in a fixed order.
    pub prices: Vec<PriceEntry>,
}

impl PriceObject {
    /// Version of the layout that this program writes and reads.
    pub const FORMAT: u32 = 1;

    pub(crate) fn new(mut prices: Vec<PriceEntry>) -> Self {
        prices.sort();
        Self { format: Self::FORMAT, prices }
    }
}
