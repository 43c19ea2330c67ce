use super::*;
use proptest::prelude::*;

const OTEL: &str = "claude_code.otel";
const GATEWAY: &str = "litellm.spend_logs";
const REPORT: &str = "anthropic.claude_code_report";

fn precedence() -> Vec<Label> {
    [OTEL, GATEWAY, REPORT].map(|source| Label::new(source).unwrap()).to_vec()
}

fn group(model: Option<&str>) -> Option<UseGroup> {
    Some(UseGroup {
        person: PersonId([1; 16]),
        tool: Label::literal("claude_code"),
        day: Date(20_000),
        model: model.map(|model| Label::new(model).unwrap()),
    })
}

fn seen(event: u8, source: &str, grain: Grain, request: Option<u8>) -> SeenUse {
    SeenUse {
        event_id: EventId([event; 16]),
        source: Label::new(source).unwrap(),
        grain,
        request: request.map(|n| RequestKey([n; 16])),
        group: group(Some("claude-sonnet-5-5")),
        tokens: None,
        cost: None,
    }
}

fn with(mut seen: SeenUse, tokens: i64, cents: i128, basis: CostBasis) -> SeenUse {
    seen.tokens = Some(tokens);
    seen.cost = (basis != CostBasis::None).then(|| (cents * 10_000_000, Currency::usd(), basis));
    seen
}

/// Tokens and money that count, residuals included.
fn totals(seen: &[SeenUse], counting: &[Counting]) -> (i64, i128) {
    let mut totals = (0, 0);
    for (one, counting) in seen.iter().zip(counting) {
        let cost = one.cost.as_ref().map_or(0, |(amount, ..)| *amount);
        totals.0 += if counting.usage { one.tokens.unwrap_or(0) } else { 0 } + counting.residual_tokens;
        totals.1 += if counting.cost { cost } else { 0 } + counting.residual_cost;
    }
    totals
}

#[test]
fn one_request_counts_once_for_tokens_and_once_for_money() {
    // The tool knows the tokens best; the gateway's price is an estimate, the tool's is only computed.
    let tool = with(seen(1, OTEL, Grain::Request, Some(7)), 900, 5, CostBasis::Computed);
    let gateway = with(seen(2, GATEWAY, Grain::Request, Some(7)), 880, 6, CostBasis::VendorEstimate);
    let counting = count_once(&[tool.clone(), gateway.clone()], &precedence());
    assert_eq!((counting[0].usage, counting[0].cost), (true, false));
    assert_eq!((counting[1].usage, counting[1].cost), (false, true));
    assert_eq!(counting[0].duplicate_of, Some(gateway.event_id));
    assert_eq!(counting[1].duplicate_of, Some(tool.event_id));
    assert!(counting.iter().all(|counting| counting.rule == Some(OverlapRule::SameRequest)));
    // Another request is another use, and so is one without an id.
    let other = with(seen(3, GATEWAY, Grain::Request, None), 880, 6, CostBasis::VendorEstimate);
    assert_eq!(count_once(&[tool, other], &precedence()), [WHOLE, WHOLE]);
}

#[test]
fn a_sum_beside_finer_records_leaves_a_residual() {
    // Two requests of 1,000 tokens are seen; the vendor's report of the day says 2,500 and what they cost.
    let finer = |event, request| {
        with(seen(event, OTEL, Grain::Request, Some(request)), 1_000, 10, CostBasis::Computed)
    };
    let day = with(seen(3, REPORT, Grain::UserDay, None), 2_500, 27, CostBasis::VendorReported);
    let all = [finer(1, 1), finer(2, 2), day];
    let counting = count_once(&all, &precedence());
    assert_eq!(totals(&all, &counting), (2_500, 270_000_000));
    assert_eq!((counting[2].usage, counting[2].cost, counting[2].residual_tokens), (false, true, 500));
    assert_eq!(counting[2].rule, Some(OverlapRule::FinerRecords));
    assert_eq!(
        (counting[0].usage, counting[0].cost, counting[0].rule),
        (true, false, Some(OverlapRule::BetterCost))
    );
    // An estimate of the day leaves the money to finer records that were billed, and carries the rest.
    let billed = |event, request| {
        with(seen(event, OTEL, Grain::Request, Some(request)), 1_000, 10, CostBasis::VendorReported)
    };
    let estimate = with(seen(3, REPORT, Grain::UserDay, None), 2_500, 27, CostBasis::VendorEstimate);
    let all = [billed(1, 1), billed(2, 2), estimate];
    let counting = count_once(&all, &precedence());
    assert_eq!((counting[2].cost, counting[2].residual_cost), (false, 70_000_000));
    assert_eq!(totals(&all, &counting), (2_500, 270_000_000));
}

#[test]
fn a_sum_that_finer_records_cover_leaves_nothing() {
    let finer = with(seen(1, OTEL, Grain::Request, Some(1)), 100_000, 10, CostBasis::VendorReported);
    for stated in [100_000, 100_100, 90_000] {
        let day = with(seen(2, REPORT, Grain::UserDay, None), stated, 10, CostBasis::VendorReported);
        let all = [finer.clone(), day];
        let counting = count_once(&all, &precedence());
        assert_eq!((counting[1].usage, counting[1].residual_tokens), (false, 0), "{stated}");
        assert_eq!(totals(&all, &counting).0, 100_000);
    }
}

#[test]
fn what_is_of_another_person_tool_model_or_day_does_not_overlap() {
    let finer = with(seen(1, OTEL, Grain::Request, Some(1)), 1_000, 10, CostBasis::VendorReported);
    let day = with(seen(2, REPORT, Grain::UserDay, None), 1_000, 10, CostBasis::VendorReported);
    let base = day.group.clone().unwrap();
    for other in [
        UseGroup { person: PersonId([2; 16]), ..base.clone() },
        UseGroup { tool: Label::literal("cursor"), ..base.clone() },
        UseGroup { day: Date(20_001), ..base.clone() },
        UseGroup { model: Some(Label::literal("claude-opus-5-5")), ..base.clone() },
    ] {
        let day = SeenUse { group: Some(other), ..day.clone() };
        assert_eq!(count_once(&[finer.clone(), day], &precedence()), [WHOLE, WHOLE]);
    }
    // A sum over all models holds every model's records.
    let all_models = SeenUse { group: group(None), ..day };
    assert!(!count_once(&[finer, all_models], &precedence())[1].usage);
}

#[test]
fn a_feed_that_states_a_day_in_parts_counts_with_all_of_them() {
    let part =
        |event, source| with(seen(event, source, Grain::UserDay, None), 500, 5, CostBasis::VendorReported);
    let all = [part(1, GATEWAY), part(2, GATEWAY), part(3, REPORT)];
    let counting = count_once(&all, &precedence());
    assert_eq!(totals(&all, &counting), (1_000, 100_000_000));
    assert_eq!((counting[2].usage, counting[2].rule), (false, Some(OverlapRule::SameDay)));
}

proptest! {
    /// Requests of which each feed sees some, and the vendor's report that sums up all: what counts is the truth,
    /// within a part in a thousand, in whatever order the records come.
    #[test]
    fn what_counts_is_what_was_used(
        uses in prop::collection::vec((1i64..50_000, 1i128..500, any::<bool>(), any::<bool>()), 1..30),
        turn in 0usize..30,
    ) {
        let mut all = Vec::new();
        for (n, (tokens, cents, tool, gateway)) in (0u8..).zip(&uses) {
            let computed = cents * 9 / 10;
            tool.then(|| all.push(with(seen(n, OTEL, Grain::Request, Some(n)), *tokens, computed, CostBasis::Computed)));
            gateway.then(|| all.push(with(seen(100 + n, GATEWAY, Grain::Request, Some(n)), *tokens, *cents, CostBasis::VendorEstimate)));
        }
        let truth = uses.iter().fold((0, 0), |sum, (tokens, cents, ..)| (sum.0 + tokens, sum.1 + cents));
        all.push(with(seen(255, REPORT, Grain::UserDay, None), truth.0, truth.1, CostBasis::VendorReported));
        let counting = count_once(&all, &precedence());
        let (tokens, cost) = totals(&all, &counting);
        prop_assert!((tokens - truth.0).abs() * 1_000 <= truth.0, "{} of {}", tokens, truth.0);
        prop_assert_eq!(cost, truth.1 * 10_000_000);
        let turned_by = turn % all.len();
        all.rotate_left(turned_by);
        let mut turned = count_once(&all, &precedence());
        turned.rotate_right(turned_by);
        prop_assert_eq!(turned, counting);
    }
}
