//! What a use cost: billed, effective and list, never mixed.

use crate::prices::{Offer, PriceIndex, PriceKind};
use modellane_event::{Amount, CostBasis, Currency, Tokens, UsageFacts};
use rust_decimal::Decimal;

/// The costs of one event, in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Costs {
    pub(crate) billed: Option<Amount>,
    pub(crate) effective: Option<Amount>,
    pub(crate) list: Option<Amount>,
    pub(crate) currency: Option<Currency>,
    pub(crate) basis: CostBasis,
    /// Whether the price list computed one of them.
    pub(crate) priced: bool,
}

/// Applies the contract's definitions:
///
/// | the record says | billed | effective | list |
/// |---|---|---|---|
/// | an invoiced or reported amount | it | it | stated, else computed |
/// | an estimate | null | it | stated, else computed |
/// | covered by a seat | 0 | 0 | stated before discounts, else computed, else the stated amount |
/// | nothing | null | computed | computed |
///
/// A computed price in another currency than the record's is left out: a row has one currency.
pub(crate) fn costs(prices: &PriceIndex, facts: &UsageFacts) -> Costs {
    let stated = &facts.cost;
    let computed = compute_list(prices, facts)
        .filter(|(_, currency)| stated.currency.as_ref().is_none_or(|stated| stated == currency));
    let computed_amount = computed.as_ref().map(|(amount, _)| *amount);
    let currency = stated.currency.clone().or_else(|| computed.map(|(_, currency)| currency));
    let or_computed = stated.list_amount.or(computed_amount);
    let (billed, effective, list, basis) = match (stated.basis, stated.amount) {
        (CostBasis::SeatIncluded, amount) => {
            (Some(Amount::ZERO), Some(Amount::ZERO), or_computed.or(amount), CostBasis::SeatIncluded)
        }
        (basis @ (CostBasis::Invoiced | CostBasis::VendorReported), Some(amount)) => {
            (Some(amount), Some(amount), or_computed, basis)
        }
        (CostBasis::VendorEstimate, Some(amount)) => {
            (None, Some(amount), or_computed, CostBasis::VendorEstimate)
        }
        _ => {
            let basis = computed_amount.map_or(CostBasis::None, |_| CostBasis::Computed);
            (None, computed_amount, or_computed, basis)
        }
    };
    let priced = computed_amount.is_some() && (stated.list_amount.is_none() || basis == CostBasis::Computed);
    Costs { billed, effective, list, currency, basis, priced }
}

/// Quantities times dated prices, exact, rounded once. Null unless every part that was used has a price.
fn compute_list(prices: &PriceIndex, facts: &UsageFacts) -> Option<(Amount, Currency)> {
    let bill = credits(prices, facts).or_else(|| {
        // A record without a provider can only mean the vendor's own models.
        let provider = facts.provider.as_ref().unwrap_or(&facts.vendor);
        let offer = prices.offer(provider, facts.model.as_ref(), facts.period_start)?;
        tokens(&offer, &facts.tokens)
    })?;
    Some((Amount::from_decimal(bill.sum).ok()?, bill.currency?))
}

/// Credits are sold by the vendor; some price lists name the provider instead.
fn credits(prices: &PriceIndex, facts: &UsageFacts) -> Option<Bill> {
    let quantity = facts.tokens.credits?.to_decimal();
    [Some(&facts.vendor), facts.provider.as_ref()].into_iter().flatten().find_map(|seller| {
        let offer = prices.offer(seller, facts.model.as_ref(), facts.period_start)?;
        let mut bill = Bill::default();
        bill.add(&offer, PriceKind::Credit, quantity)?;
        Some(bill)
    })
}

/// Tokens by kind, and requests where they have a price. Only what the record says was cached is priced
/// as cached. Without token counts only a price by the request helps.
fn tokens(offer: &Offer<'_>, tokens: &Tokens) -> Option<Bill> {
    let mut bill = Bill::default();
    if tokens.input_tokens.is_some() || tokens.output_tokens.is_some() {
        let read = tokens.cache_read_tokens.unwrap_or(0);
        let write = tokens.cache_write_tokens.unwrap_or(0);
        let hour = tokens.cache_write_1h_tokens.unwrap_or(0);
        let uncached = tokens.input_tokens?.checked_sub(read)?.checked_sub(write)?;
        let parts = [
            (PriceKind::Input, uncached),
            (PriceKind::CacheRead, read),
            (PriceKind::CacheWrite, write.checked_sub(hour)?),
            (PriceKind::CacheWrite1h, hour),
            (PriceKind::Output, tokens.output_tokens?),
        ];
        for (kind, quantity) in parts {
            bill.add(offer, kind, Decimal::from(u64::try_from(quantity).ok()?))?;
        }
        if offer.price(PriceKind::Request).is_none() {
            return Some(bill);
        }
    }
    bill.add(offer, PriceKind::Request, Decimal::from(u64::try_from(tokens.requests?).ok()?))?;
    Some(bill)
}

/// A sum in one currency; the currency is null until a price has named it.
#[derive(Debug, Default)]
struct Bill {
    sum: Decimal,
    currency: Option<Currency>,
}

impl Bill {
    /// `None` if the quantity has no price, a price in another currency, or no room.
    fn add(&mut self, offer: &Offer<'_>, kind: PriceKind, quantity: Decimal) -> Option<()> {
        let Some(price) = offer.price(kind) else {
            return quantity.is_zero().then_some(());
        };
        if self.currency.as_ref().is_some_and(|currency| *currency != price.currency) {
            return None;
        }
        self.sum = self.sum.checked_add(price.cost(quantity)?)?;
        if self.currency.is_none() {
            self.currency = Some(price.currency.clone());
        }
        Some(())
    }
}
