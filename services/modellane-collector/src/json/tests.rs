use super::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    a: Field<'a>,
    #[serde(borrow)]
    b: Field<'a>,
}

fn row(text: &str) -> Row<'_> {
    parse(text).unwrap()
}

#[test]
fn numbers_are_read_as_written_or_as_text() {
    let row = row(r#"{"a": 0.036000000000000004, "b": "1234", "content": {"deep": ["CANARY"]}}"#);
    assert_eq!(row.a.amount("a").unwrap().unwrap().to_string(), "0.036");
    assert_eq!(row.b.count("b"), Ok(Some(1234)));
    assert_eq!(row.b.cents("b").unwrap().unwrap().to_string(), "12.34");
    assert_eq!(count("1400.0", "n"), Ok(Some(1400)));
    assert_eq!(count("", "n"), Ok(None));
}

#[test]
fn null_and_absent_are_unknown_not_zero() {
    let row = row(r#"{"a": null}"#);
    assert_eq!(row.a.count("a"), Ok(None));
    assert_eq!(row.b.amount("b"), Ok(None));
    assert!(row.a.is_null());
}

#[test]
fn an_unreadable_value_is_a_reason_and_a_field() {
    let bad = |text: &str| row(text).a.count("a").unwrap_err();
    assert_eq!(bad(r#"{"a": 1.5}"#), Rejection::at(RejectReason::BadNumber, "a"));
    assert_eq!(bad(r#"{"a": true}"#), Rejection::at(RejectReason::BadNumber, "a"));
    assert_eq!(bad(r#"{"a": {"x": 1}}"#), Rejection::at(RejectReason::BadNumber, "a"));
    assert_eq!(bad(r#"{"a": -1}"#), Rejection::at(RejectReason::NegativeNumber, "a"));
    assert_eq!(bad(r#"{"a": 99999999999999999999999}"#), Rejection::at(RejectReason::BadNumber, "a"));
    assert_eq!(bad(r#"{"a": 9223372036854775807}"#), Rejection::at(RejectReason::BadNumber, "a"));
    assert_eq!(row(r#"{"a": "soon"}"#).a.time("a"), Err(Rejection::at(RejectReason::BadTime, "a")));
    assert_eq!(row(r#"{"a": 1e999}"#).a.amount("a"), Err(Rejection::at(RejectReason::BadNumber, "a")));
}

#[test]
fn every_spelling_of_a_time_is_the_same_moment() {
    let expected = UtcTime::parse("2026-11-09T10:00:00Z").unwrap();
    for text in [
        r#"{"a": 1794218400}"#,
        r#"{"a": "1794218400"}"#,
        r#"{"a": "1794218400000"}"#,
        r#"{"a": 1794218400000000}"#,
        r#"{"a": 1794218400000000000}"#,
        r#"{"a": 1794218400.0}"#,
        r#"{"a": "2026-11-09T10:00:00.000000+00:00"}"#,
        r#"{"a": "2026-11-09 10:00:00"}"#,
    ] {
        assert_eq!(row(text).a.time("a"), Ok(Some(expected)), "{text}");
    }
    assert_eq!(time("1794218400.250", "t").unwrap().unwrap().micros(), expected.micros() + 250_000);
}

#[test]
fn json_inside_a_string_is_unwrapped() {
    let row = row(r#"{"a": "{\"b\": \"x\"}", "b": "text"}"#);
    assert_eq!(row.a.nested().as_deref(), Some(r#"{"b": "x"}"#));
    assert_eq!(row.b.nested(), None);
}

#[test]
fn ids_come_as_text_or_number_and_flags_in_any_case() {
    let row = row(r#"{"a": 123, "b": "True"}"#);
    assert_eq!(row.a.text("a").unwrap().as_deref(), Some("123"));
    assert_eq!((row.a.flag(), row.b.flag()), (None, Some(true)));
}
