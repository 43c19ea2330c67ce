use super::*;
use crate::connectors::connector;
use std::fmt::Write;

fn key() -> LakeKey {
    LakeKey::new([9; 32])
}

fn payload<'a>(key: &'a LakeKey, text: &'a str) -> Payload<'a> {
    Payload { bytes: text.as_bytes(), observed_at: UtcTime::parse("2026-11-10T00:00:00Z").unwrap(), key }
}

fn rows(ids: &[(&str, &str)]) -> String {
    ids.iter().fold(String::new(), |mut text, (id, spend)| {
        let _ =
            writeln!(text, r#"{{"request_id":"{id}","startTime":"2026-11-09T13:00:00Z","spend":{spend}}}"#);
        text
    })
}

fn spend_logs(text: &str) -> Sealed {
    Intake::take(connector("litellm.spend_logs").unwrap(), &payload(&key(), text))
}

#[test]
fn the_last_row_of_a_key_counts_and_the_others_go_out_at_once() {
    let sealed = spend_logs(&rows(&[("r1", "1"), ("r2", "2"), ("r1", "3"), ("r3", "4")]));
    let found: Vec<_> = sealed
        .events
        .iter()
        .map(|event| (event.source_key.as_str(), event.facts.cost.amount.unwrap().to_string()))
        .collect();
    let expected = [("r2", "2"), ("r3", "4"), ("r1", "3")].map(|(id, spend)| (id, spend.to_owned()));
    assert_eq!(found, expected);
    assert_eq!((sealed.counts.accepted, sealed.counts.repeated), (4, 1));
}

#[test]
fn an_event_has_the_id_of_its_source_and_key_and_the_hash_of_its_facts() {
    let sealed = spend_logs(&rows(&[("r1", "1")]));
    let event = &sealed.events[0];
    assert_eq!(event.event_id, key().event_id("litellm.spend_logs", "r1"));
    assert_eq!(event.content_hash, event.facts.content_hash());
    assert_eq!(event.event_date.to_string(), "2026-11-09");
    assert_eq!(event.observed_at.to_string(), "2026-11-10T00:00:00Z");
}

#[test]
fn a_vendors_clock_does_not_run_ahead_of_the_fetch() {
    let text =
        r#"{"request_id":"r1","startTime":"2026-11-09T13:00:00Z","updated_at":"2026-12-24T00:00:00Z"}"#;
    assert_eq!(spend_logs(text).events[0].observed_at.to_string(), "2026-11-10T00:00:00Z");
}

#[test]
fn a_record_of_the_next_century_is_rejected_and_one_of_tomorrow_is_not() {
    let rows = rows(&[("r1", "1"), ("r2", "2")]).replacen("2026-11-09", "2126-11-09", 1);
    let sealed = spend_logs(&rows.replacen("2026-11-09", "2026-11-11", 1));
    let reasons: Vec<_> =
        sealed.rejected.iter().map(|rejected| (rejected.index, rejected.rejection)).collect();
    assert_eq!(reasons, [(0, Rejection::new(RejectReason::BadTime))]);
    assert_eq!(sealed.events.len(), 1);
}

#[test]
fn accepted_rejected_and_skipped_are_the_records() {
    let text = format!("{}oops\n{}", rows(&[("r1", "1"), ("r2", "-2")]), rows(&[("r1", "1")]));
    let sealed = spend_logs(&text);
    assert_eq!(sealed.counts.records(), 4);
    assert_eq!((sealed.counts.accepted, sealed.counts.rejected, sealed.counts.repeated), (2, 2, 1));
    assert_eq!(sealed.rejected.iter().map(|rejected| rejected.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(sealed.counts.rejected_by.get("negative_number"), Some(&1));
    assert_eq!(sealed.counts.rejected_by.get("malformed"), Some(&1));
}

#[test]
fn counts_of_payloads_add_up() {
    let sealed = spend_logs(&rows(&[("r1", "1"), ("r2", "-2")]));
    let mut total = Counts::default();
    total.add(&sealed.counts);
    total.add(&sealed.counts);
    assert_eq!((total.accepted, total.rejected, total.rejected_by["negative_number"]), (2, 2, 2));
}
