//! The price list as judging looks things up in it.

use super::{PriceEntry, PriceKind, PriceObject};
use crate::Period;
use modellane_event::{Currency, Label, UtcTime};
use rust_decimal::Decimal;
use std::collections::HashMap;

/// A price that holds for a while.
#[derive(Clone, Debug)]
pub(crate) struct Price {
    period: Period,
    per: Decimal,
    amount: Decimal,
    pub(crate) currency: Currency,
}

impl Price {
    /// Exact cost of a quantity, or `None` if it does not fit a decimal of 28 digits.
    pub(crate) fn cost(&self, quantity: Decimal) -> Option<Decimal> {
        quantity.checked_mul(self.amount)?.checked_div(self.per)
    }
}

/// Prices of one model, or of every model of a provider, by the position of their kind.
type Sheet = [Vec<Price>; PriceKind::ALL.len()];

#[derive(Debug, Default)]
pub(crate) struct PriceIndex {
    by_provider: HashMap<Label, ProviderPrices>,
}

#[derive(Debug, Default)]
struct ProviderPrices {
    any_model: Sheet,
    models: HashMap<Label, Sheet>,
}

/// The prices of one provider's model at a moment. A price of the model goes before one of `*`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer<'a> {
    own: Option<&'a Sheet>,
    any: &'a Sheet,
    at: UtcTime,
}

impl<'a> Offer<'a> {
    pub(crate) fn price(&self, kind: PriceKind) -> Option<&'a Price> {
        let find =
            |sheet: &'a Sheet| sheet[kind as usize].iter().find(|price| price.period.contains(self.at));
        self.own.and_then(find).or_else(|| find(self.any))
    }
}

impl PriceIndex {
    pub(crate) fn new(object: PriceObject) -> Self {
        let mut index = Self::default();
        for entry in object.prices {
            let PriceEntry { provider, model, kind, period, per, amount, currency } = entry;
            let prices = index.by_provider.entry(provider).or_default();
            let sheet = match model {
                Some(model) => prices.models.entry(model).or_default(),
                None => &mut prices.any_model,
            };
            sheet[kind as usize].push(Price { period, per: Decimal::from(per), amount, currency });
        }
        index
    }

    /// The prices of a provider, or of one of its models, at a moment.
    pub(crate) fn offer(&self, provider: &Label, model: Option<&Label>, at: UtcTime) -> Option<Offer<'_>> {
        let prices = self.by_provider.get(provider)?;
        let own = model.and_then(|model| prices.models.get(model));
        Some(Offer { own, any: &prices.any_model, at })
    }
}
