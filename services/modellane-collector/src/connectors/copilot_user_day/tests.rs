use super::*;
use crate::connectors::collected::{Collected, key};
use modellane_event::Amount;

const FIRST: &str =
    include_str!("../../../fixtures/github_copilot_users-1-day_2026-11-09.first_fetch.ndjson");
const REFETCH: &str =
    include_str!("../../../fixtures/github_copilot_users-1-day_2026-11-09.refetch_after_3_days.ndjson");
const WRAPPER: &str = include_str!("../../../fixtures/github_copilot_users-1-day.wrapper_form.json");
const LINKS: &str = include_str!("../../../fixtures/github_copilot_download_links_1-day.json");
const TEAMS: &str = include_str!("../../../fixtures/github_copilot_user-teams-1-day_2026-11-09.ndjson");
const USAGE_RECORDS: &str = include_str!("../../../fixtures/github_copilot_usage-records.MUST_REFUSE.json");
const ROW: &str = r#"{"user_id": 1, "user_login": "a", "day": "2026-11-09", "enterprise_id": "9"}"#;

fn read(text: &str) -> Collected {
    Collected::read(&CopilotUserDay, text.as_bytes())
}

fn amount(text: &str) -> Option<Amount> {
    Some(Amount::parse(text).unwrap())
}

/// requests, lines, credits, input, output
type Figures = (Option<i64>, Option<i64>, Option<Amount>, Option<i64>, Option<i64>);

fn figures(collected: &Collected) -> Vec<Figures> {
    let tokens = collected.drafts().into_iter().map(|draft| &draft.facts.tokens);
    tokens.map(|t| (t.requests, t.lines_accepted, t.credits, t.input_tokens, t.output_tokens)).collect()
}

#[test]
fn every_row_is_one_event_with_the_figures_it_states() {
    let first = read(FIRST);
    assert_eq!(first.rejected, []);
    assert_eq!(
        figures(&first),
        [
            (Some(22), Some(198), amount("37.25"), Some(903_211), Some(18_044)),
            (Some(3), Some(9), None, None, None),
            (Some(0), Some(0), amount("0"), None, None),
            (Some(9), Some(70), None, Some(11_402), Some(4_100)),
        ]
    );
    let draft = first.drafts()[0];
    assert_eq!(draft.facts.grain, Grain::UserDay);
    assert_eq!(draft.facts.period_start.to_string(), "2026-11-09T00:00:00Z");
    assert_eq!(draft.facts.period_end.to_string(), "2026-11-10T00:00:00Z");
    assert_eq!(draft.event_date, Date::parse("2026-11-09").unwrap());
    assert_eq!(draft.facts.vendor.as_str(), "github");
    assert_eq!(draft.facts.tool, Some(Label::literal("copilot")));
    assert_eq!(draft.facts.work.language, Some(Label::literal("rust")));
    assert_eq!(draft.facts.tokens.credit_unit, Some(Label::literal("github_ai_credit")));
    assert_eq!(draft.facts.cost, CostEvidence::none());
    let github = |id| AccountRef::new(&key(), AccountKind::Github, id).unwrap();
    assert_eq!(draft.facts.who.accounts, [github("mreyes-corp"), github("5101")]);
    assert_eq!(first.drafts()[1].facts.who.accounts, [github("zoë-lindqvist"), github("5102")]);
}

#[test]
fn absent_null_and_zero_credits_are_told_apart() {
    let rows = [
        r#"{"user_id": 1, "day": "2026-11-09"}"#,
        r#"{"user_id": 2, "day": "2026-11-09", "ai_credits_used": null}"#,
        r#"{"user_id": 3, "day": "2026-11-09", "ai_credits_used": 0.0}"#,
    ];
    let read = read(&rows.join("\n"));
    let credits: Vec<_> = read.drafts().iter().map(|draft| draft.facts.tokens.credits).collect();
    assert_eq!(credits, [None, None, amount("0")]);
    let units: Vec<_> = read.drafts().iter().map(|d| d.facts.tokens.credit_unit.is_some()).collect();
    assert_eq!(units, [false, false, true]);
}

#[test]
fn breakdowns_never_become_events_or_models() {
    let first = read(FIRST);
    assert_eq!(first.accepted.len(), FIRST.lines().count());
    assert!(first.drafts().iter().all(|d| d.facts.model.is_none() && d.facts.model_raw.is_none()));
}

#[test]
fn a_refetch_restates_the_same_events_and_adds_the_late_one() {
    let (first, refetch) = (read(FIRST), read(REFETCH));
    assert_eq!(refetch.keys()[..4], first.keys());
    assert_eq!(refetch.accepted.len(), 5);
    assert_eq!(figures(&refetch)[0].2, amount("44.5"));
    assert_eq!(figures(&refetch)[1].2, amount("6"));
    assert_eq!(figures(&refetch)[4], (Some(1), Some(0), amount("1.5"), None, None));
    let changed: Vec<_> = first
        .drafts()
        .iter()
        .zip(refetch.drafts())
        .map(|(a, b)| a.facts.content_hash() != b.facts.content_hash())
        .collect();
    assert_eq!(changed, [true, true, false, false]);
    let scope = |read: &Collected| read.drafts()[0].scope.clone();
    assert_eq!(scope(&first), scope(&refetch));
}

#[test]
fn one_persons_day_in_two_organisations_is_two_events() {
    let wrapper = read(WRAPPER);
    assert_eq!(wrapper.rejected, []);
    assert_eq!(
        figures(&wrapper),
        [(Some(4), Some(22), amount("5.75"), None, None), (Some(1), Some(3), amount("2"), None, None)]
    );
    let keys = wrapper.keys();
    assert_ne!(keys[0], keys[1]);
    assert!(keys[0].starts_with("90017|700001|@") && keys[0].ends_with("|2026-11-10"), "{}", keys[0]);
    assert_eq!(wrapper.drafts()[0].facts.billing_account_id, Some(Label::literal("700001")));
}

#[test]
fn the_three_forms_of_the_file_say_the_same() {
    let lines: Vec<&str> = FIRST.lines().collect();
    let array = format!("[{}]", lines.join(",\n"));
    let wrapper = format!("\u{feff}{{\"report_start_day\": \"x\", \"day_totals\": {array}}}");
    let expected = format!("{:?}", read(FIRST).accepted);
    assert_eq!(format!("{:?}", read(&array).accepted), expected);
    assert_eq!(format!("{:?}", read(&wrapper).accepted), expected);
}

#[test]
fn reports_of_other_kinds_are_refused() {
    assert_eq!(read(LINKS).reasons(), [(RejectReason::WrongSource, None)]);
    assert_eq!(read(TEAMS).reasons(), [(RejectReason::WrongSource, None); 3]);
    let refused = read(USAGE_RECORDS);
    assert_eq!(refused.reasons(), [(RejectReason::ContentRefused, None); 2]);
    assert!(refused.accepted.is_empty());
    refused.assert_no_canary();
}

#[test]
fn a_bad_row_costs_itself_and_says_why() {
    let bad = |from: &str, to: &str| {
        let text = format!("{ROW}\n{}\n{ROW}", ROW.replace(from, to));
        let read = read(&text);
        assert_eq!(read.accepted.len(), 2, "{to}");
        assert_eq!(read.rejected[0].0, 1);
        read.reasons()[0]
    };
    assert_eq!(bad("2026-11-09", "2026-13-09"), (RejectReason::BadTime, Some("day")));
    assert_eq!(bad(r#""day": "2026-11-09", "#, ""), (RejectReason::MissingField, Some("day")));
    assert_eq!(bad(r#""user_id": 1, "#, ""), (RejectReason::MissingField, Some("user_id")));
    assert_eq!(bad("}", r#", "loc_added_sum": -1}"#), (RejectReason::NegativeNumber, Some("loc_added_sum")));
    assert_eq!(
        bad("}", r#", "ai_credits_used": "lots"}"#),
        (RejectReason::BadNumber, Some("ai_credits_used"))
    );
    assert_eq!(bad("}", ""), (RejectReason::Truncated, None));
}

#[test]
fn a_truncated_last_line_leaves_the_others() {
    let text = &FIRST[..FIRST.len() - 40];
    let read = read(text);
    assert_eq!(read.accepted.len(), 3);
    assert_eq!(read.reasons(), [(RejectReason::Truncated, None)]);
}

#[test]
fn a_language_is_named_if_it_is_the_only_one_and_known() {
    let language = |cuts: &str| {
        let text = ROW.replace('}', &format!(r#", "totals_by_language_feature": [{cuts}]}}"#));
        let read = read(&text);
        read.assert_no_canary();
        (read.drafts()[0].facts.work.language.clone(), read.null_labels.clone())
    };
    let rust = Some(Label::literal("rust"));
    assert_eq!(language(r#"{"language": "rust"}, {"language": "rust"}"#), (rust, vec![]));
    assert_eq!(language(r#"{"language": "rust"}, {"language": "go"}"#), (None, vec![]));
    assert_eq!(language(r#"{"language": "unknown"}"#), (None, vec!["language"]));
    assert_eq!(language(r#"{"language": "CANARY-PROMPT-x"}"#), (None, vec!["language"]));
}

#[test]
fn the_key_alone_is_the_key_of_the_event() {
    for line in REFETCH.lines() {
        let expected = read(line).drafts()[0].natural_key.clone();
        assert_eq!(natural_key(line, &key()), Some(expected));
    }
}

#[test]
fn a_file_cut_anywhere_is_read_up_to_there() {
    for end in 0..WRAPPER.len() {
        let cut = read(&WRAPPER[..end]);
        assert!(cut.accepted.len() <= 2);
        cut.assert_no_canary();
    }
}

#[test]
fn planted_text_stays_out_of_every_field() {
    let text = ROW.replace(r#""a""#, r#""CANARY-PROMPT-a""#).replace(r#""9""#, r#""CANARY-PROMPT-b""#);
    let read = read(&text.replace('}', r#", "etl_id": "CANARY-PROMPT-c"}"#));
    assert_eq!((read.accepted.len(), &read.null_labels[..]), (1, &["organization_id"][..]));
    read.assert_no_canary();
}
