use super::*;
use modellane_event::{Date, UtcTime};

fn faults(text: &str) -> Vec<String> {
    match parse_prices(text.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

fn entry(fields: &str) -> String {
    format!(
        "  - {{ provider: anthropic, model: claude-sonnet-5-5, kind: input, per: 1000000, currency: USD, {fields} }}\n"
    )
}

fn day(text: &str) -> UtcTime {
    Date::parse(text).unwrap().start()
}

#[test]
fn prices_are_kept_as_written_and_dated() {
    let text = format!(
        "prices:\n{}{}",
        entry("amount: \"2.00\", from: 2026-06-01, to: 2026-09-01"),
        entry("amount: \"1.75\", from: 2026-09-01")
    );
    let object = parse_prices(text.as_bytes()).unwrap();
    let index = PriceIndex::new(object);
    let at = |when: &str| {
        let offer = index.offer(
            &Label::literal("anthropic"),
            Some(&Label::literal("claude-sonnet-5-5")),
            day(when),
        )?;
        offer.price(PriceKind::Input)?.cost(Decimal::from(1_000_000))
    };
    assert_eq!(at("2026-05-31"), None);
    assert_eq!(at("2026-08-31"), Some(Decimal::new(200, 2)));
    assert_eq!(at("2026-09-01"), Some(Decimal::new(175, 2)));
}

#[test]
fn a_models_own_price_goes_before_one_for_all_models() {
    let text = format!(
        "prices:\n{}  - {{ provider: anthropic, model: \"*\", kind: input, per: 1, amount: \"9\", currency: USD }}\n",
        entry("amount: \"2\"")
    );
    let index = PriceIndex::new(parse_prices(text.as_bytes()).unwrap());
    let cost = |model: &str| {
        let model = Label::new(model).unwrap();
        let offer = index.offer(&Label::literal("anthropic"), Some(&model), day("2026-01-01"))?;
        offer.price(PriceKind::Input)?.cost(Decimal::from(1_000_000))
    };
    assert_eq!(cost("claude-sonnet-5-5"), Some(Decimal::from(2)));
    assert_eq!(cost("other"), Some(Decimal::from(9_000_000)));
}

#[test]
fn broken_prices_are_refused_with_their_place() {
    let text = format!(
        "prices:\n{}{}{}{}",
        entry("amount: \"2.00\", from: 2026-06-01"),
        entry("amount: \"2.00\", from: 2026-08-01, to: 2026-09-01"),
        entry("amount: 2.5"),
        entry("amount: \"-1\", to: 2026-01-01, form: x"),
    );
    let all = faults(&text).join("\n");
    for expected in [
        "prices[1]: overlaps prices[0]",
        "prices[2].amount: must be a decimal number in quotes",
        "prices[3].amount: a price is not negative",
        "prices[3]: unknown key `form`",
    ] {
        assert!(all.contains(expected), "{expected} not in {all}");
    }
}
