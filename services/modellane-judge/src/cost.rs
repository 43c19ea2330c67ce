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
/// | nothing but credits | null | null | computed |
///
/// A price by the credit is a list price alone. Vendors pool credits over seats and bill what the pool does
/// not cover in a feed of its own, so that no record of use knows what its credits cost; were they counted,
/// the same money would stand there twice. Such a row has the basis `none`.
///
/// A computed price in another currency than the record's is left out: a row has one currency.
pub(crate) fn costs(prices: &PriceIndex, facts: &UsageFacts) -> Costs {
    let stated = &facts.cost;
    let computed = compute(prices, facts)
        .filter(|price| stated.currency.as_ref().is_none_or(|stated| *stated == price.currency));
    let computed_list = computed.as_ref().map(|price| price.amount);
    let computed_cost = computed.as_ref().filter(|price| !price.by_credit).map(|price| price.amount);
    let currency = stated.currency.clone().or_else(|| computed.map(|price| price.currency));
    let or_computed = stated.list_amount.or(computed_list);
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
            let basis = computed_cost.map_or(CostBasis::None, |_| CostBasis::Computed);
            (None, computed_cost, or_computed, basis)
        }
    };
    let priced = computed_list.is_some() && (stated.list_amount.is_none() || basis == CostBasis::Computed);
    Costs { billed, effective, list, currency, basis, priced }
}

/// What the price list makes of an event.
struct Computed {
    amount: Amount,
    currency: Currency,
    /// Whether it is the price of credits and not of tokens or requests.
    by_credit: bool,
}

/// Quantities times dated prices, exact, rounded once. Null unless every part that was used has a price.
fn compute(prices: &PriceIndex, facts: &UsageFacts) -> Option<Computed> {
    let by_credit = credits(prices, facts);
    let is_credit = by_credit.is_some();
    let bill = by_credit.or_else(|| {
        // A record without a provider can only mean the vendor's own models.
        let provider = facts.provider.as_ref().unwrap_or(&facts.vendor);
        let offer = prices.offer(provider, facts.model.as_ref(), facts.period_start)?;
        tokens(&offer, &facts.tokens)
    })?;
    Some(Computed {
        amount: Amount::from_decimal(bill.sum).ok()?,
        currency: bill.currency?,
        by_credit: is_credit,
    })
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
