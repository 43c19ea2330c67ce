use super::*;
use crate::{PersonIds, parse_finance};
use modellane_event::PersonId;

const FINANCE: &str = r#"
reporting_currency: USD
fx:
  - { date: 2026-11-01, from: EUR, to: USD, rate: "1.10" }
  - { date: 2026-11-03, from: EUR, to: USD, rate: "1.20" }
budgets:
  - { id: B-product, team: product, from: 2026-11-01, to: 2026-12-01, original: "100", currency: USD,
      revisions: [{ date: 2026-11-05, amount: "200" }, { date: 2026-11-20, amount: "300" }] }
  - { id: B-center, cost_center: CC-1, from: 2026-11-01, to: 2026-12-01, original: "50", currency: USD }
  - { id: B-past, team: product, from: 2026-10-01, to: 2026-11-01, original: "1", currency: USD }
"#;

struct NoPersons;

impl PersonIds for NoPersons {
    fn surrogate(&mut self, _: &str) -> PersonId {
        PersonId([0; 16])
    }
}

fn finance(text: &str) -> FinanceObject {
    parse_finance(text.as_bytes(), &mut NoPersons).unwrap()
}

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn day(text: &str) -> Date {
    Date::parse(text).unwrap()
}

fn teams() -> Vec<TeamEntry> {
    let team = |id: &str, parent: Option<&str>| TeamEntry {
        id: label(id),
        name: None,
        owner: None,
        parent: parent.map(label),
    };
    vec![team("cards", Some("payments")), team("payments", Some("product")), team("product", None)]
}

fn cost(on: &str, team: &str, cost_center: Option<&str>, currency: &str, amount: &str) -> DayCost {
    DayCost {
        day: day(on),
        team: Some(label(team)),
        cost_center: cost_center.map(label),
        currency: Currency::new(currency).unwrap(),
        amount: Amount::parse(amount).unwrap(),
    }
}

fn spent(on: &str, costs: &[DayCost]) -> SpendingObject {
    SpendingObject::before(day(on), &finance(FINANCE), label("f"), &teams(), costs)
}

fn budget<'a>(spending: &'a SpendingObject, id: &str) -> &'a BudgetSpent {
    spending.budgets.iter().find(|budget| budget.id.as_str() == id).unwrap()
}

#[test]
fn the_days_before_count_with_the_teams_below_and_at_the_rate_of_their_day() {
    let costs = [
        cost("2026-11-01", "cards", None, "USD", "10"),
        cost("2026-11-02", "payments", Some("CC-1"), "EUR", "10"), // 11.00: the rate of the third is later
        cost("2026-11-03", "product", None, "EUR", "10"),          // 12.00
        cost("2026-11-04", "cards", None, "USD", "1000"),          // the day itself
        cost("2026-10-31", "cards", None, "USD", "1000"),          // before the budget begins
        cost("2026-11-02", "search", None, "USD", "1000"),         // another team
    ];
    let fourth = spent("2026-11-04", &costs);
    let product = budget(&fourth, "B-product");
    assert_eq!((product.spent, product.amount), (Decimal::from(33), Decimal::from(100)));
    assert_eq!(product.teams, ["product", "payments", "cards"].map(label));
    assert_eq!(budget(&fourth, "B-center").spent, Decimal::from(11));
    assert!(fourth.budgets.iter().all(|budget| budget.id.as_str() != "B-past" && !budget.incomplete));
    // A revision holds from its day on.
    assert_eq!(budget(&spent("2026-11-05", &costs), "B-product").amount, Decimal::from(200));
}

#[test]
fn a_currency_without_a_rate_makes_the_sum_a_lower_bound() {
    let foreign = |amount| {
        spent(
            "2026-11-04",
            &[
                cost("2026-11-02", "cards", None, "JPY", "1"),
                cost("2026-11-02", "cards", None, "USD", amount),
            ],
        )
    };
    let near = Share::new(900_000).unwrap();
    let state = |spending: &SpendingObject| spending.state(Some(&label("cards")), Some(&label("CC-2")), near);
    assert!(budget(&foreign("10"), "B-product").incomplete);
    assert_eq!(state(&foreign("10")), None);
    assert_eq!(state(&foreign("100")), Some("over"));
}

#[test]
fn the_worst_budget_that_covers_a_use_decides() {
    let near = Share::new(900_000).unwrap();
    let state = |amount: &str, team: Option<&str>, cost_center: Option<&str>| {
        let spending = spent("2026-11-04", &[cost("2026-11-02", "cards", Some("CC-1"), "USD", amount)]);
        spending.state(team.map(label).as_ref(), cost_center.map(label).as_ref(), near)
    };
    for (amount, team, cost_center, expected) in [
        ("10", Some("cards"), Some("CC-1"), Some("under")),
        ("45", Some("cards"), Some("CC-1"), Some("near")), // 90 % of B-center, 45 % of B-product
        ("45", Some("cards"), Some("CC-2"), Some("under")), // B-center is another's
        ("50", Some("cards"), Some("CC-1"), Some("over")), // all of B-center
        ("90", Some("payments"), Some("CC-2"), Some("near")),
        ("99.99", Some("payments"), Some("CC-2"), Some("near")),
        ("100", Some("payments"), Some("CC-2"), Some("over")),
        ("100", Some("search"), Some("CC-2"), None), // no budget
        ("10", None, Some("CC-1"), None),            // which team is not known, so B-product may cover it
        ("50", None, Some("CC-1"), Some("over")),    // B-center covers it whoever it was
    ] {
        assert_eq!(state(amount, team, cost_center), expected, "{amount} {team:?} {cost_center:?}");
    }
}
