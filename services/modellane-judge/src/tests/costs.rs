use super::fixture::*;
use modellane_event::*;

fn usd(amount: &str) -> Option<Amount> {
    Some(Amount::parse(amount).unwrap())
}

fn stated(basis: CostBasis, amount: Option<&str>, list: Option<&str>) -> CostEvidence {
    let parse = |text: &str| Amount::parse(text).unwrap();
    CostEvidence {
        basis,
        amount: amount.map(parse),
        list_amount: list.map(parse),
        currency: (amount.is_some() || list.is_some()).then(Currency::usd),
    }
}

/// 1,000,000 input of which 600,000 read from and 200,000 written to the cache (50,000 for an hour), and
/// 100,000 output: 0.2 × 2 + 0.6 × 0.10 + 0.15 × 2.50 + 0.05 × 4 + 0.1 × 10 = 2.035 dollars.
fn tokens() -> Tokens {
    Tokens {
        requests: Some(3),
        input_tokens: Some(1_000_000),
        cache_read_tokens: Some(600_000),
        cache_write_tokens: Some(200_000),
        cache_write_1h_tokens: Some(50_000),
        output_tokens: Some(100_000),
        ..Tokens::default()
    }
}

const LIST: &str = "2.035";

fn judged(change: impl FnOnce(&mut UsageFacts)) -> Judgement {
    World::new().judge(&with(request("claude-sonnet-5-5"), |facts| {
        facts.tokens = tokens();
        change(facts);
    }))
}

fn money(judged: &Judgement) -> [Option<Amount>; 4] {
    [judged.billed_cost, judged.effective_cost, judged.contracted_cost, judged.list_cost]
}

#[test]
fn a_record_without_an_amount_is_priced_by_the_list() {
    let judged = judged(|_| {});
    assert_eq!(money(&judged), [None, usd(LIST), None, usd(LIST)]);
    assert_eq!((judged.cost_basis, judged.currency), (CostBasis::Computed, Some(Currency::usd())));
    assert_eq!(judged.price_version.map(|version| version.as_str().len()), Some(16));
}

#[test]
fn a_reported_amount_is_billed_and_effective() {
    let reported = judged(|facts| facts.cost = stated(CostBasis::VendorReported, Some("1.50"), None));
    assert_eq!(money(&reported), [usd("1.5"), usd("1.5"), None, usd(LIST)]);
    assert_eq!(reported.cost_basis, CostBasis::VendorReported);
    let with_list =
        judged(|facts| facts.cost = stated(CostBasis::VendorReported, Some("1.50"), Some("1.80")));
    assert_eq!((with_list.list_cost, with_list.price_version), (usd("1.8"), None));
}

#[test]
fn an_estimate_is_effective_and_never_billed() {
    let estimate = judged(|facts| facts.cost = stated(CostBasis::VendorEstimate, Some("1.50"), None));
    assert_eq!(money(&estimate), [None, usd("1.5"), None, usd(LIST)]);
    assert_eq!(estimate.cost_basis, CostBasis::VendorEstimate);
    let unpriced = judged(|facts| {
        facts.cost = stated(CostBasis::VendorEstimate, Some("1.50"), None);
        facts.model = Some(label("claude-haiku-5-5"));
    });
    assert_eq!((money(&unpriced), unpriced.price_version), ([None, usd("1.5"), None, None], None));
}

#[test]
fn a_seat_costs_nothing_more_but_has_a_list_price() {
    let seat = judged(|facts| facts.cost = stated(CostBasis::SeatIncluded, Some("1.50"), None));
    assert_eq!(money(&seat), [usd("0"), usd("0"), None, usd(LIST)]);
    let unpriced = judged(|facts| {
        facts.cost = stated(CostBasis::SeatIncluded, Some("1.50"), None);
        facts.tokens = Tokens::default();
    });
    assert_eq!(money(&unpriced), [usd("0"), usd("0"), None, usd("1.5")]);
}

#[test]
fn what_cannot_be_priced_whole_is_not_priced() {
    let none = |change: fn(&mut UsageFacts)| {
        let judged = judged(change);
        assert_eq!(money(&judged), [None; 4]);
        assert_eq!((judged.cost_basis, judged.currency, judged.price_version), (CostBasis::None, None, None));
    };
    none(|facts| facts.tokens.output_tokens = None);
    none(|facts| facts.tokens.input_tokens = None);
    none(|facts| facts.tokens.cache_read_tokens = Some(900_000)); // more cached than there was input
    none(|facts| facts.tokens.input_tokens = Some(-1));
    none(|facts| facts.model = Some(label("claude-haiku-5-5")));
    none(|facts| facts.provider = Some(label("azure.ai.openai")));
    none(|facts| {
        // The list has no price for cached input of this model.
        facts.provider = Some(label("openai"));
        facts.model = Some(label("gpt-6.1-sol"));
    });
    none(|facts| {
        facts.tokens =
            Tokens { input_tokens: Some(i64::MAX), output_tokens: Some(i64::MAX), ..Tokens::default() }
    });
}

#[test]
fn a_record_that_does_not_split_its_input_is_priced_as_uncached() {
    let judged = judged(|facts| {
        facts.tokens = Tokens { input_tokens: Some(1_000), output_tokens: Some(100), ..Tokens::default() };
    });
    assert_eq!(judged.list_cost, usd("0.003"));
}

#[test]
fn requests_with_a_price_are_added_and_need_a_count() {
    let sol = |tokens: Tokens| {
        judged(|facts| {
            facts.provider = Some(label("openai"));
            facts.model = Some(label("gpt-6.1-sol"));
            facts.tokens = tokens;
        })
    };
    let counted =
        Tokens { requests: Some(2), input_tokens: Some(500), output_tokens: Some(0), ..Tokens::default() };
    let judged = sol(counted.clone());
    assert_eq!((judged.list_cost, judged.currency), (usd("0.003"), Some(Currency::new("EUR").unwrap())));
    assert_eq!(sol(Tokens { requests: None, ..counted }).list_cost, None);
    assert_eq!(sol(Tokens { requests: Some(2), ..Tokens::default() }).list_cost, usd("0.002"));
}

#[test]
fn a_list_price_in_another_currency_is_left_out() {
    let judged = judged(|facts| {
        facts.provider = Some(label("openai"));
        facts.model = Some(label("gpt-6.1-sol"));
        facts.tokens = Tokens { requests: Some(2), ..Tokens::default() };
        facts.cost = stated(CostBasis::VendorReported, Some("1"), None);
    });
    assert_eq!((judged.currency.clone(), judged.list_cost), (Some(Currency::usd()), None));
    assert_eq!((judged.billed_cost, judged.price_version), (usd("1"), None));
}

#[test]
fn credits_are_sold_by_the_vendor_and_have_a_list_price_alone() {
    let credits = |cost: CostEvidence| {
        judged(|facts| {
            facts.vendor = label("github");
            facts.provider = Some(label("openai"));
            facts.model = None;
            facts.tokens = Tokens { credits: usd("12.5"), ..Tokens::default() };
            facts.cost = cost;
        })
    };
    // The pool of the seats or another feed pays for them: 12.5 credits at a cent each are no cost here.
    let unbilled = credits(CostEvidence::none());
    assert_eq!(money(&unbilled), [None, None, None, usd("0.125")]);
    assert_eq!((unbilled.cost_basis, unbilled.currency), (CostBasis::None, Some(Currency::usd())));
    assert!(unbilled.price_version.is_some());
    // The feed that bills them.
    let billed = credits(stated(CostBasis::VendorReported, Some("0.04"), None));
    assert_eq!(money(&billed), [usd("0.04"), usd("0.04"), None, usd("0.125")]);
    assert_eq!(billed.cost_basis, CostBasis::VendorReported);
}

#[test]
fn nine_places_are_rounded_once_and_half_to_even() {
    // 5 tokens read from the cache at 0.10 per million are 0.0000005; a price of 0.0001 per million makes
    // one token 0.0000000001, so that 5 are a tie at the ninth place and 15 another.
    let mut world = World::new();
    let prices = r#"prices:
  - { provider: anthropic, model: "*", kind: input, per: 1000000, amount: "0.0001", currency: USD }
  - { provider: anthropic, model: "*", kind: output, per: 1000000, amount: "0.0001", currency: USD }
"#;
    world.put(crate::ContextObject::Prices(crate::parse_prices(prices.as_bytes()).unwrap()));
    let list = |input: i64, output: i64| {
        let event = with(request("claude-sonnet-5-5"), |facts| {
            facts.tokens =
                Tokens { input_tokens: Some(input), output_tokens: Some(output), ..Tokens::default() };
        });
        world.judge(&event).list_cost.map(Amount::billionths)
    };
    assert_eq!((list(5, 0), list(15, 0)), (Some(0), Some(2)));
    // Rounded each by itself these would be 0 + 0.
    assert_eq!(list(4, 4), Some(1));
}

#[test]
fn every_row_counts_for_tokens_and_money_until_feeds_are_compared() {
    let judged = judged(|_| {});
    assert!(judged.counts_usage && judged.counts_cost);
    assert!(judged.derived_from.is_none() && judged.duplicate_of.is_none() && judged.overlap_rule.is_none());
}
