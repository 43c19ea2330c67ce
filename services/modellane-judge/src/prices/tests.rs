use super::*;
use crate::problem::ContextError;
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

#[test]
fn a_litellm_file_is_read_as_written() {
    // Figures as that file states them for these models, US dollars per token.
    let file = br#"{
      "sample_spec": { "litellm_provider": "one of https://example", "input_cost_per_token": 1 },
      "claude-sonnet-5-5": { "litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 2e-06,
        "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1e-07,
        "cache_creation_input_token_cost": 2.5e-06, "supports": {"vision": true} },
      "gemini/gemini-3.8-flash": { "litellm_provider": "gemini", "input_cost_per_token": 7.5e-07,
        "output_cost_per_token": 0.00000375 },
      "unknown-price": { "litellm_provider": "openai", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0 },
      "bedrock/claude-x": { "litellm_provider": "bedrock", "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05 }
    }"#;
    let import = import_litellm(file, day("2026-11-01")).unwrap();
    assert_eq!((import.models, import.skipped), (3, 1));
    let index = PriceIndex::new(import.object);
    let price = |provider: &str, model: &str, kind| {
        let (provider, model) = (Label::new(provider).unwrap(), Label::new(model).unwrap());
        index.offer(&provider, Some(&model), day("2026-11-02"))?.price(kind)?.cost(Decimal::from(1_000_000))
    };
    assert_eq!(price("anthropic", "claude-sonnet-5-5", PriceKind::Input), Some(Decimal::from(2)));
    assert_eq!(price("anthropic", "claude-sonnet-5-5", PriceKind::CacheRead), Some(Decimal::new(10, 2)));
    assert_eq!(price("anthropic", "claude-sonnet-5-5", PriceKind::CacheWrite), Some(Decimal::new(25, 1)));
    assert_eq!(price("gcp.gemini", "gemini-3.8-flash", PriceKind::Output), Some(Decimal::new(375, 2)));
    assert_eq!(price("aws.bedrock", "claude-x", PriceKind::Output), Some(Decimal::from(15)));
    assert_eq!(price("openai", "unknown-price", PriceKind::Input), None);
    assert!(matches!(import_litellm(b"[1]", day("2026-11-01")), Err(ContextError::Invalid(_))));
}
