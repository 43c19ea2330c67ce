//! What is true of the sample organisation, told by the generator itself and not by the product.

use super::number::Nano;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

const REPORT: &str = "github_copilot.user_day";
const BILL: &str = "github_copilot.billing_csv";

/// What one record says, as far as totals need it. `None` where the vendor states nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fact {
    /// Model as written, so that a restated model is a restatement.
    pub(crate) model: String,
    /// Team of the actor at the event's time, or one of the names in parentheses of [`super::world::Actor`].
    pub(crate) team: String,
    /// Whose day with which product the record sums up, where it does: another feed may do so too.
    pub(crate) day_of: Option<String>,
    /// The request failed or was cancelled.
    pub(crate) failed: bool,
    /// Requests that the record counts.
    pub(crate) requests: Option<i64>,
    /// Input tokens, cached ones included.
    pub(crate) input_tokens: Option<i64>,
    /// Part of the input read from the provider's cache.
    pub(crate) cache_read_tokens: Option<i64>,
    /// Part of the input written to the provider's cache.
    pub(crate) cache_write_tokens: Option<i64>,
    /// Output tokens, reasoning included.
    pub(crate) output_tokens: Option<i64>,
    /// Part of the output spent on reasoning.
    pub(crate) reasoning_tokens: Option<i64>,
    /// Lines of code that the person accepted.
    pub(crate) lines_accepted: Option<i64>,
    /// Vendor credits or request units.
    pub(crate) credits: Option<Nano>,
    /// What the vendor says that it charges, USD; 0 for use inside a seat.
    pub(crate) billed: Option<Nano>,
    /// What use inside a seat would have cost, USD.
    pub(crate) seat_covered: Option<Nano>,
    /// The vendor's or gateway's own estimate, USD.
    pub(crate) vendor_estimate: Option<Nano>,
    /// Amount before discounts that the record states, USD.
    pub(crate) gross: Option<Nano>,
    /// What the use cost: what is billed, else the vendor's estimate, else list prices; 0 inside a seat. USD.
    pub(crate) effective: Option<Nano>,
    /// The price before discounts: stated by the vendor, else from `prices.yaml`. USD.
    pub(crate) list_cost: Option<Nano>,
}

/// Records of one feed in the order in which they were exported.
#[derive(Default)]
struct Feed {
    records: u64,
    rejected: u64,
    restatements: u64,
    events: BTreeMap<String, Fact>,
}

/// Keeps, per feed, the last word on every event.
#[derive(Default)]
pub(crate) struct Truth {
    feeds: BTreeMap<&'static str, Feed>,
}

impl Truth {
    /// A record that the vendor exported. The same key again is the same event: the later record stands.
    pub(crate) fn record(&mut self, feed: &'static str, key: String, fact: Fact) {
        let feed = self.feeds.entry(feed).or_default();
        feed.records += 1;
        if let Some(earlier) = feed.events.insert(key, fact.clone())
            && earlier != fact
        {
            feed.restatements += 1;
        }
    }

    /// A record that cannot be read.
    pub(crate) fn rejected(&mut self, feed: &'static str) {
        self.feeds.entry(feed).or_default().rejected += 1;
    }

    /// The totals as a JSON document.
    pub(crate) fn document(&self, organisation: &Organisation) -> String {
        let sources: Map<String, Value> = self
            .feeds
            .iter()
            .map(|(name, feed)| ((*name).to_owned(), feed.totals(&self.elsewhere(name))))
            .collect();
        let sum = |get: fn(&Feed) -> u64| self.feeds.values().map(get).sum::<u64>();
        let document = json!({
            "about": ABOUT,
            "organisation": organisation,
            "records": sum(|feed| feed.records),
            "rejected": sum(|feed| feed.rejected),
            "events": sum(|feed| feed.events.len() as u64),
            "restatements": sum(|feed| feed.restatements),
            "overlaps": self.feeds.keys().map(|name| self.overlaps(name)).sum::<usize>(),
            "sources": sources,
        });
        let mut text = serde_json::to_string_pretty(&document).expect("totals are JSON");
        text.push('\n');
        text
    }
}

/// What another feed knows better of a person's day than this one.
#[derive(Default)]
struct Elsewhere<'a> {
    usage: HashSet<&'a str>,
    money: HashSet<&'a str>,
}

impl Truth {
    /// The report of use counts for use, the bill for money.
    fn elsewhere(&self, feed: &str) -> Elsewhere<'_> {
        match feed {
            BILL => Elsewhere { usage: self.days(REPORT), ..Elsewhere::default() },
            REPORT => Elsewhere { money: self.days(BILL), ..Elsewhere::default() },
            _ => Elsewhere::default(),
        }
    }

    fn days(&self, feed: &str) -> HashSet<&str> {
        let events = self.feeds.get(feed).into_iter().flat_map(|feed| feed.events.values());
        events.filter_map(|fact| fact.day_of.as_deref()).collect()
    }

    /// Events of a feed that do not count for everything.
    fn overlaps(&self, feed: &str) -> usize {
        let elsewhere = self.elsewhere(feed);
        let Some(feed) = self.feeds.get(feed) else { return 0 };
        feed.events
            .values()
            .filter(|fact| !(elsewhere.leaves_usage(fact) && elsewhere.leaves_money(fact)))
            .count()
    }
}

impl Elsewhere<'_> {
    fn leaves_usage(&self, fact: &Fact) -> bool {
        !fact.day_of.as_deref().is_some_and(|day| self.usage.contains(day))
    }

    fn leaves_money(&self, fact: &Fact) -> bool {
        !fact.day_of.as_deref().is_some_and(|day| self.money.contains(day))
    }
}

/// Counts of what the folder declares.
#[derive(Serialize)]
pub(crate) struct Organisation {
    pub(crate) seed: u64,
    pub(crate) people: usize,
    pub(crate) service_accounts: usize,
    pub(crate) teams: usize,
    pub(crate) workspaces: usize,
    pub(crate) intents: usize,
    pub(crate) policy_bundles: usize,
}

impl Feed {
    fn totals(&self, elsewhere: &Elsewhere<'_>) -> Value {
        let count = |get: fn(&Fact) -> Option<i64>| {
            let counted = |fact| get(fact).map(|count| if elsewhere.leaves_usage(fact) { count } else { 0 });
            self.events.values().filter_map(counted).reduce(|a, b| a + b)
        };
        let sum = |get: fn(&Fact) -> Option<Nano>, counts: &dyn Fn(&Fact) -> bool| {
            let counted = |fact| get(fact).map(|amount| if counts(fact) { amount } else { Nano(0) });
            self.events.values().filter_map(counted).reduce(|a, b| a + b).map(|sum| sum.to_string())
        };
        let amount = |get: fn(&Fact) -> Option<Nano>| sum(get, &|fact| elsewhere.leaves_money(fact));
        let mut teams: HashMap<&str, u64> = HashMap::new();
        for fact in self.events.values() {
            *teams.entry(&fact.team).or_default() += 1;
        }
        let teams: BTreeMap<_, _> = teams.into_iter().collect();
        json!({
            "records": self.records,
            "rejected": self.rejected,
            "events": self.events.len(),
            "failed_events": self.events.values().filter(|fact| fact.failed).count(),
            "restatements": self.restatements,
            "events_by_team": teams,
            "requests": count(|fact| fact.requests),
            "input_tokens": count(|fact| fact.input_tokens),
            "cache_read_tokens": count(|fact| fact.cache_read_tokens),
            "cache_write_tokens": count(|fact| fact.cache_write_tokens),
            "output_tokens": count(|fact| fact.output_tokens),
            "reasoning_tokens": count(|fact| fact.reasoning_tokens),
            "lines_accepted": count(|fact| fact.lines_accepted),
            "credits": sum(|fact| fact.credits, &|fact| elsewhere.leaves_usage(fact)),
            "billed_usd": amount(|fact| fact.billed),
            "seat_covered_usd": amount(|fact| fact.seat_covered),
            "vendor_estimate_usd": amount(|fact| fact.vendor_estimate),
            "gross_usd": amount(|fact| fact.gross),
            "effective_cost_usd": amount(|fact| fact.effective),
            "list_cost_usd": amount(|fact| fact.list_cost),
            "effective_cost_null_events": self.without(|fact| fact.effective),
            "list_cost_null_events": self.without(|fact| fact.list_cost),
        })
    }

    /// Events that do not say it.
    fn without(&self, get: fn(&Fact) -> Option<Nano>) -> usize {
        self.events.values().filter(|fact| get(fact).is_none()).count()
    }
}

const ABOUT: &[&str] = &[
    "Totals of deploy/demo by feed, from the generator's own model of the organisation. A day of a person",
    "with Copilot that is reported and billed counts once: the report for use and credits, the bill for money.",
    "overlaps: events that so count for one of the two. Amounts are exact decimals as text.",
    "records: readable usage records over all files, repeated and restated ones counted each time.",
    "rejected: records planted with an unreadable number or time. events: distinct events, the last word",
    "of each. failed_events: events among them whose request failed. restatements: times that a later",
    "record of the same event said something else. events_by_team: team of the actor at the event's time;",
    "'(shared key)' a key of three owners, '(unknown)' an account that the directory does not list,",
    "'(nobody)' a record without an account. input_tokens includes cached ones. credits: AI credits for",
    "Copilot, request units for Cursor. billed_usd: what the vendor charges (Copilot net_amount, Cursor",
    "chargedCents of usage-based rows, 0 inside a seat). seat_covered_usd: chargedCents of rows inside a",
    "seat. vendor_estimate_usd: Claude Code cost_usd_micros, LiteLLM spend. gross_usd: Copilot",
    "gross_amount. requests: one a request, interactions of a Copilot user-day, the quantity of a Copilot",
    "billing row whose unit is requests. effective_cost_usd: what is billed, else the vendor's estimate, else",
    "list_cost_usd, and 0 inside a seat; Copilot user-days have none, as their credits are billed elsewhere.",
    "A LiteLLM spend of 0 beside tokens says that the gateway knows no price yet, and counts as nothing",
    "stated, unless the gateway's own cache answered, which costs 0 at list prices too. list_cost_usd: what",
    "the record states before discounts (Cursor totalCents and fee, Copilot gross or credit amount), else",
    "tokens or credits at prices.yaml as of the event's day, successful or not. An event without tokens,",
    "credits or price has none: effective_cost_null_events and list_cost_null_events count those. A sum is",
    "null exactly where no event states the quantity.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_stands_and_a_repetition_is_no_restatement() {
        let fact = |cents: i64| Fact { billed: Some(Nano::hundredths(cents)), ..Fact::default() };
        let mut truth = Truth::default();
        for cents in [10, 10, 25] {
            truth.record("cursor.usage_events", "a".into(), fact(cents));
        }
        truth.record("cursor.usage_events", "b".into(), fact(1));
        let totals = truth.feeds["cursor.usage_events"].totals(&Elsewhere::default());
        assert_eq!((&totals["records"], &totals["events"]), (&json!(4), &json!(2)));
        assert_eq!((&totals["restatements"], &totals["billed_usd"]), (&json!(1), &json!("0.26")));
        assert_eq!(totals["input_tokens"], Value::Null);
    }

    #[test]
    fn a_day_that_is_reported_and_billed_counts_once() {
        let fact = |day: &str| Fact {
            day_of: Some(day.to_owned()),
            credits: Some(Nano::hundredths(100)),
            list_cost: Some(Nano::hundredths(1)),
            ..Fact::default()
        };
        let mut truth = Truth::default();
        for day in ["ana", "ben"] {
            truth.record(REPORT, day.to_owned(), fact(day));
        }
        for (key, day) in [("1", "ana"), ("2", "ana"), ("3", "cem")] {
            truth.record(BILL, key.to_owned(), fact(day));
        }
        let totals = |feed: &str| truth.feeds[feed].totals(&truth.elsewhere(feed));
        let (report, bill) = (totals(REPORT), totals(BILL));
        assert_eq!((&report["credits"], &report["list_cost_usd"]), (&json!("2"), &json!("0.01")));
        assert_eq!((&bill["credits"], &bill["list_cost_usd"]), (&json!("1"), &json!("0.03")));
        assert_eq!((truth.overlaps(REPORT), truth.overlaps(BILL)), (1, 2));
    }
}
