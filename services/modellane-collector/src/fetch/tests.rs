use super::*;
use crate::connectors::connector;
use crate::intake::Intake;
use crate::publish::Encoding;
use modellane_event::UsageEvent;
use modellane_schema::{fetch_codec, usage_codec};

const CSV: &str = include_str!("../../fixtures/github_billing_ai_credit_report.csv");
const PAGE_1: &str = include_str!("../../fixtures/cursor_usage_events.page1.json");
const PAGE_2: &str = include_str!("../../fixtures/cursor_usage_events.page2.json");
const WRAPPER: &str = include_str!("../../fixtures/github_copilot_users-1-day.wrapper_form.json");
const ROWS: &str = include_str!("../../fixtures/github_copilot_users-1-day_2026-11-09.first_fetch.ndjson");
const LITELLM: &str = include_str!("../../fixtures/litellm_spend_logs.json");
const TELEMETRY: &str = include_str!("../../fixtures/anthropic_claude_code_otel_logs.json");

const AT: UtcTime = UtcTime(1_794_500_000_000_000);

fn key() -> LakeKey {
    LakeKey::new([5; 32])
}

/// What payloads say that are given one after another, as an import of their files does.
fn said(source: &str, payloads: &[&str], vouched: bool) -> (Vec<ScopeClosed>, Vec<UsageEvent>) {
    let (key, connector) = (key(), connector(source).unwrap());
    let origin = Origin { connector, key: &key, observed_at: AT };
    let (mut encoding, mut closes) = (Encoding::default(), Batch::default());
    let mut intake = Intake::new(&key, connector.spec().name);
    let mut declared = Fetch::default();
    for text in payloads {
        let payload = crate::Payload { bytes: text.as_bytes(), observed_at: AT, key: &key };
        intake.survey(connector, &payload);
    }
    for text in payloads {
        let payload = crate::Payload { bytes: text.as_bytes(), observed_at: AT, key: &key };
        let statement = connector.statement(&payload).vouched(vouched);
        intake.begin(connector.pages(&payload));
        intake.list_fetches(true);
        intake.read(connector, &payload, &mut encoding);
        match statement.extent {
            Extent::Unstated => declared.absorb(intake.take_fetch()),
            _ if intake.fetch_has_ended() => {
                intake.take_fetch().close(statement, &origin, &mut closes).unwrap();
            }
            _ => {}
        }
    }
    if vouched {
        let statement = declared.declared(&origin);
        declared.close(statement, &origin, &mut closes).unwrap();
    }
    intake.finish(&mut encoding);
    let events = encoding.batch.iter().map(|(_, _, payload)| usage_codec().decode(payload).unwrap());
    let said = closes.iter().map(|(_, _, payload)| fetch_codec().decode(payload).unwrap());
    (said.collect(), events.collect())
}

fn day(text: &str) -> UtcTime {
    Date::parse(text).unwrap().start()
}

#[test]
fn a_billing_report_is_complete_for_each_month_it_contains() {
    let september = CSV.lines().nth(1).unwrap().replace("2026-11-09", "2026-09-30");
    let text = format!("{}\n{september}\n", CSV.trim_end());
    let (closed, events) = said("github_copilot.billing_csv", &[&text], false);
    let periods: Vec<_> = closed.iter().map(|c| (c.period_start, c.period_end, c.events)).collect();
    assert_eq!(
        periods,
        [(day("2026-09-01"), day("2026-10-01"), 1), (day("2026-11-01"), day("2026-12-01"), 6)]
    );
    for closed in &closed {
        let scope = Some(&closed.scope_key);
        let mut ids: Vec<_> =
            events.iter().filter(|e| e.scope_key.as_ref() == scope).map(|e| e.event_id).collect();
        ids.sort();
        assert_eq!(closed.event_ids, ids, "every event of the scope and no other");
        assert_eq!((closed.observed_at, closed.confirmed), (AT, false), "the report states no total");
        assert!(closed.is_sound() && closed.source.as_str() == "github_copilot.billing_csv");
    }
}

#[test]
fn a_report_with_a_rejected_row_is_complete_for_nothing() {
    let broken = CSV.replacen("\"3.105\"", "\"many\"", 1);
    assert_ne!(broken, CSV);
    let (closed, events) = said("github_copilot.billing_csv", &[&broken], false);
    assert!(closed.is_empty() && !events.is_empty());
    let cut = &CSV[..CSV.len() - 40];
    assert!(said("github_copilot.billing_csv", &[cut], false).0.is_empty());
    assert!(said("github_copilot.billing_csv", &[cut], true).0.is_empty(), "nobody can vouch for it");
}

#[test]
fn pages_are_complete_together_and_their_total_confirms_it() {
    let (closed, events) = said("cursor.usage_events", &[PAGE_1, PAGE_2], true);
    assert_eq!(closed.len(), 1, "the period is one day");
    assert!(closed[0].confirmed);
    assert_eq!((closed[0].period_start, closed[0].period_end), (day("2026-11-09"), day("2026-11-10")));
    let mut ids: Vec<_> = events.iter().map(|event| event.event_id).collect();
    ids.sort();
    assert_eq!(closed[0].event_ids, ids);
    assert!(events.iter().all(|event| event.scope_key.as_ref() == Some(&closed[0].scope_key)));

    let unvouched = said("cursor.usage_events", &[PAGE_1, PAGE_2], false).0;
    assert!(unvouched.is_empty(), "it may be of one user, and nobody says that it is not");
    assert!(said("cursor.usage_events", &[PAGE_1], true).0.is_empty(), "a page is missing");
    assert!(said("cursor.usage_events", &[PAGE_2], true).0.is_empty(), "a page is missing");
    let [more_1, more_2] = [PAGE_1, PAGE_2].map(|page| page.replace("Count\": 7", "Count\": 8"));
    assert!(said("cursor.usage_events", &[&more_1, &more_2], true).0.is_empty(), "a row is missing");
    let [no_1, no_2] = [PAGE_1, PAGE_2].map(|page| page.replace("totalUsageEventsCount", "x"));
    let (closed, _) = said("cursor.usage_events", &[&no_1, &no_2], true);
    assert!(closed.len() == 1 && !closed[0].confirmed);
}

#[test]
fn a_fetch_is_complete_for_the_days_that_lie_whole_in_its_period() {
    let page = |start: &str, end: &str| {
        let time = |text| UtcTime::parse(text).unwrap().micros() / 1_000;
        format!(
            "{{\"totalUsageEventsCount\":0,\"pagination\":{{\"currentPage\":1,\"hasNextPage\":false}},\
             \"usageEvents\":[],\"period\":{{\"startDate\":{},\"endDate\":{}}}}}",
            time(start),
            time(end)
        )
    };
    let days = |start, end| -> Vec<UtcTime> {
        let (closed, _) = said("cursor.usage_events", &[&page(start, end)], true);
        assert!(closed.iter().all(|closed| closed.event_ids.is_empty() && closed.chunks == 1));
        closed.iter().map(|closed| closed.period_start).collect()
    };
    assert_eq!(
        days("2026-11-07T00:00:00Z", "2026-11-09T00:00:00Z"),
        [day("2026-11-07"), day("2026-11-08")],
        "days without a use are days too"
    );
    assert_eq!(days("2026-11-07T00:00:01Z", "2026-11-09T23:59:59Z"), [day("2026-11-08")]);
    assert_eq!(days("2026-11-07T09:00:00Z", "2026-11-07T17:00:00Z"), []);
    assert_eq!(days("2001-01-01T00:00:00Z", "2026-11-07T00:00:00Z"), [], "nobody asks for that");
}

#[test]
fn a_user_day_report_says_its_day_or_nothing() {
    let (closed, events) = said("github_copilot.user_day", &[WRAPPER], false);
    assert!(!closed.is_empty());
    assert!(closed.iter().all(|c| (c.period_start, c.period_end) == (day("2026-11-10"), day("2026-11-11"))));
    assert_eq!(closed.iter().map(|c| c.event_ids.len()).sum::<usize>(), events.len());
    let month =
        WRAPPER.replace("\"report_start_day\": \"2026-11-10\"", "\"report_start_day\": \"2026-10-14\"");
    assert_ne!(month, WRAPPER);
    assert!(said("github_copilot.user_day", &[&month], false).0.is_empty());
    assert!(said("github_copilot.user_day", &[ROWS], false).0.is_empty(), "rows by themselves say nothing");
    assert!(!said("github_copilot.user_day", &[ROWS], true).0.is_empty(), "unless somebody vouches for them");
}

#[test]
fn who_vouches_for_rows_vouches_for_every_day_between_them() {
    assert!(said("litellm.spend_logs", &[LITELLM], false).0.is_empty());
    let row =
        |id: &str, day: &str| format!("{{\"request_id\":\"{id}\",\"startTime\":\"{day}T10:00:00Z\"}}\n");
    let files = [row("r1", "2026-11-03"), row("r2", "2026-11-03") + &row("r3", "2026-11-06")];
    let (closed, _) = said("litellm.spend_logs", &[&files[0], &files[1]], true);
    let found: Vec<_> = closed.iter().map(|c| (c.period_start, c.event_ids.len())).collect();
    assert_eq!(
        found,
        [(day("2026-11-03"), 2), (day("2026-11-04"), 0), (day("2026-11-05"), 0), (day("2026-11-06"), 1)]
    );
    let (closed, _) = said("litellm.spend_logs", &[&files[0], "{\"request_id\":1"], true);
    assert!(closed.is_empty(), "one file is cut, and they are one fetch");
    assert!(said("otlp", &[TELEMETRY], true).0.is_empty(), "telemetry is never fetched");
}

#[test]
fn the_same_fetch_again_is_the_same_fetch() {
    let first = said("github_copilot.billing_csv", &[CSV], false).0;
    assert_eq!(first, said("github_copilot.billing_csv", &[CSV], false).0);
    let mut lines: Vec<&str> = CSV.lines().collect();
    lines.pop();
    let shorter = said("github_copilot.billing_csv", &[&(lines.join("\n") + "\n")], false).0;
    assert_ne!(first[0].fetch_id, shorter[0].fetch_id);
}

#[test]
fn many_events_go_in_parts_that_every_broker_takes() {
    let key = key();
    let origin = Origin { connector: connector("litellm.spend_logs").unwrap(), key: &key, observed_at: AT };
    let date = Date::parse("2026-11-03").unwrap();
    let scope = origin.connector.day_scope(date, &key).unwrap();
    let (label, mut fetch, mut batch) = (scope.key.label(&key), Fetch::default(), Batch::default());
    let total = 2 * ScopeClosed::MAX_IDS + 1;
    for number in 0..total as u128 {
        fetch.record();
        fetch.list(&scope, &label, EventId(number.to_be_bytes()));
    }
    let statement = Statement {
        extent: Extent::Days(date, date.next()),
        total: Some(total as u64),
        ..Statement::default()
    };
    assert_eq!(fetch.close(statement, &origin, &mut batch).unwrap(), 1);
    let mut listed = 0;
    for (number, (_, _, payload)) in batch.iter().enumerate() {
        assert!(payload.len() < 900_000, "{} bytes", payload.len());
        let closed = fetch_codec().decode(payload).unwrap();
        assert_eq!((closed.chunk, closed.chunks, closed.events), (number as i32, 3, total as i64));
        assert!(closed.is_sound());
        listed += closed.event_ids.len();
    }
    assert_eq!(listed, total);
}
