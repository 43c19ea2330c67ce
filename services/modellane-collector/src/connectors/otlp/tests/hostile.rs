//! Planted content, damaged bytes and hostile shapes.

use super::*;

/// Every text of a fixture that an attribute holds, replaced by planted content without spaces, except
/// those that tell which record it is.
fn planted(text: &str) -> String {
    let mut json: serde_json::Value = serde_json::from_str(text).unwrap();
    plant(&mut json);
    json.to_string()
}

fn plant(json: &mut serde_json::Value) {
    const TELLING: [&str; 5] =
        ["service.name", "event.name", "event.kind", "gen_ai.operation.name", "event.timestamp"];
    match json {
        serde_json::Value::Array(items) => items.iter_mut().for_each(plant),
        serde_json::Value::Object(fields) => {
            let telling =
                fields.get("key").and_then(|key| key.as_str()).is_some_and(|key| TELLING.contains(&key));
            if telling {
                return;
            }
            for (name, value) in fields.iter_mut() {
                let number = value.as_str().is_some_and(|text| text.parse::<i64>().is_ok());
                if matches!(name.as_str(), "stringValue" | "body") && !number {
                    *value = "CANARY-PROMPT-planted".into();
                } else {
                    plant(value);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn planted_text_stays_out_of_every_field() {
    for (signal, text) in FIXTURES {
        let expected = read(text).accepted.len();
        let text = planted(text);
        let json = read(&text);
        assert_eq!(json.accepted.len(), expected);
        json.assert_no_canary();
        let (binary, _) = read_binary(signal, &encode::request(&text));
        assert_eq!(binary.accepted.len(), expected);
        binary.assert_no_canary();
    }
}

#[test]
fn a_service_name_is_a_tool_only_if_it_looks_like_one() {
    for (service, expected) in
        [("acme.bot-2", label("acme.bot-2")), ("CANARY-PROMPT-x", None), ("two words", None)]
    {
        let usage = [
            ("gen_ai.operation.name", r#""stringValue": "chat""#),
            ("gen_ai.usage.input_tokens", r#""intValue": "5""#),
        ];
        let read = read(&one(service, "x", SPAN, &usage));
        assert_eq!(read.drafts()[0].facts.tool, expected);
        assert_eq!(read.null_labels.len(), usize::from(expected.is_none()));
        read.assert_no_canary();
    }
}

#[test]
fn structured_values_are_never_read_whatever_their_name() {
    let list = r#""arrayValue": {"values": [{"stringValue": "CANARY-PROMPT-x"}]}"#;
    let read = claude(&[("user.email", list), ("model", list), ("organization.id", list)]);
    let facts = &read.drafts()[0].facts;
    assert_eq!((facts.who.accounts.len(), &facts.model, &facts.billing_account_id), (0, &None, &None));
    read.assert_no_canary();
}

#[test]
fn a_request_cut_anywhere_never_panics() {
    for (signal, text) in FIXTURES {
        let whole = read(text).accepted.len();
        for end in (0..text.len()).step_by(97).filter(|end| text.is_char_boundary(*end)) {
            let cut = read(&text[..end]);
            assert!(cut.accepted.len() <= whole);
            cut.assert_no_canary();
        }
        let bytes = encode::request(text);
        for end in (0..bytes.len()).step_by(5) {
            let (cut, received) = read_binary(signal, &bytes[..end]);
            assert!(cut.accepted.len() <= whole);
            assert_eq!(received.unreadable, end > 0 && received.rejected > 0);
            cut.assert_no_canary();
        }
    }
}

#[test]
fn damaged_bytes_never_panic() {
    let bytes = encode::request(CLAUDE_LOGS);
    for at in (0..bytes.len()).step_by(3) {
        for flip in [0x01, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            read_binary(Signal::Logs, &damaged).0.assert_no_canary();
        }
    }
}

#[test]
fn nested_bombs_are_skipped_or_refused() {
    let bomb = format!(r#""arrayValue": {}{}"#, r#"{"values": [{"arrayValue": "#.repeat(100_000), "1");
    let closed = format!("{bomb}{}", "}]}".repeat(100_000));
    // A record's skipped parts may be of any depth: its usage counts.
    assert_eq!(claude(&[("prompt", &closed)]).accepted.len(), 1);
    assert!(claude(&[("prompt", &bomb)]).accepted.is_empty());
    assert_eq!(read(&"[".repeat(1_000_000)).accepted.len(), 0);

    let mut value = Vec::new();
    for _ in 0..2_000 {
        let (mut list, mut any) = (Vec::new(), Vec::new());
        encode::message(&mut list, 1, &value);
        encode::message(&mut any, 5, &list);
        value = any;
    }
    let mut pair = Vec::new();
    encode::message(&mut pair, 1, b"model");
    encode::message(&mut pair, 2, &value);
    let (mut log, mut scope, mut resource, mut request) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    encode::message(&mut log, 6, &pair);
    encode::message(&mut scope, 2, &log);
    encode::message(&mut resource, 2, &scope);
    encode::message(&mut request, 1, &resource);
    let (read, received) = read_binary(Signal::Logs, &request);
    assert_eq!((read.skipped.len(), received.rejected), (1, 0));
    // Groups, the one shape that nests in the decoder itself, run into its limit.
    let (_, received) = read_binary(Signal::Logs, &[0x1b; 1_000_000]);
    assert!(received.unreadable);
}

#[test]
fn a_text_that_is_not_utf8_is_absent() {
    let bytes = encode::request(CLAUDE_LOGS);
    let address = b"maria.reyes@acme.example";
    let damaged: Vec<u8> = bytes
        .windows(address.len())
        .enumerate()
        .filter(|(_, window)| window == address)
        .fold(bytes.clone(), |mut bytes, (at, _)| {
            bytes[at] = 0xff;
            bytes
        });
    let (read, received) = read_binary(Signal::Logs, &damaged);
    assert_eq!((received.accepted, received.rejected), (3, 0));
    assert_eq!(read.drafts()[0].facts.who.accounts.len(), 2);
}
