//! What is written is read back, and what is not ours is refused without a word of its content.

use crate::{sample, values};
use modellane_event::*;
use modellane_schema::*;
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

fn encoded<T: Serialize>(codec: AvroCodec<T>, value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).expect("every value of the vocabulary fits its schema");
    bytes
}

fn survives<T>(codec: AvroCodec<T>, value: &T) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let bytes = encoded(codec, value);
    prop_assert_eq!(&bytes[..2], &[0xC3, 0x01]);
    prop_assert_eq!(&bytes[2..10], &codec.fingerprint().to_le_bytes());
    prop_assert_eq!(&codec.decode(&bytes).expect("just written"), value);
    // Neither a part of a message nor two of them are a message.
    let schema_of = |error| matches!(error, CodecError::Malformed { .. });
    prop_assert!(codec.decode(&bytes[..bytes.len() - 1]).is_err_and(schema_of));
    prop_assert!(codec.decode(&[&bytes[..], &[0]].concat()).is_err_and(schema_of));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn usage_events_survive(event in values::usage_event()) {
        survives(usage_codec(), &event)?;
    }

    #[test]
    fn judged_events_survive(event in values::judged_event()) {
        survives(judged_codec(), &event)?;
    }

    #[test]
    fn a_judgement_is_added_to_a_usage_message_as_if_both_were_written_at_once(event in values::judged_event()) {
        let encoder = JudgedEncoder::new();
        let message = encoded(usage_codec(), &event.usage);
        let usage = encoder.usage(&message).expect("just written");
        prop_assert_eq!(&usage.event, &event.usage);
        let mut judged = Vec::new();
        encoder.encode(usage, event.judgement.clone(), &mut judged).expect("both fit");
        prop_assert_eq!(judged, encoded(judged_codec(), &event));
    }

    #[test]
    fn intents_survive(intent in values::intent()) {
        survives(intent_codec(), &intent)?;
    }

    #[test]
    fn context_pointers_survive(pointer in values::context_pointer()) {
        survives(context_codec(), &pointer)?;
    }

    #[test]
    fn rejects_survive(reject in values::reject()) {
        survives(reject_codec(), &reject)?;
    }

    #[test]
    fn parts_of_fetches_survive(closed in values::scope_closed()) {
        survives(fetch_codec(), &closed)?;
    }

    #[test]
    fn damaged_messages_are_refused_or_read_but_never_panic(
        event in values::judged_event(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let codec = judged_codec();
        let mut bytes = encoded(codec, &event);
        for (place, byte) in damage {
            let place = 10 + place.index(bytes.len() - 10);
            bytes[place] = byte;
        }
        let _ = codec.decode(&bytes);
    }
}

/// Laid out by hand from the Avro specification: an enumeration is the zigzag of its symbol's place, a text
/// its zigzag length and bytes, a null the branch 0 of its union.
#[test]
fn the_bytes_are_those_of_the_specification() {
    let pointer = ContextPointer {
        kind: ContextKind::Prices,
        hash: Label::literal("ab"),
        effective: None,
        recorded_at: UtcTime(64),
    };
    let bytes = encoded(context_codec(), &pointer);
    assert_eq!(&bytes[10..], &[0x04, 0x04, b'a', b'b', 0x00, 0x80, 0x01]);
}

#[test]
fn null_stays_null_and_is_not_zero() {
    let mut event = sample::judged().usage;
    event.facts.tokens = Tokens { requests: Some(0), credits: Some(Amount::ZERO), ..Tokens::default() };
    let codec = usage_codec();
    let tokens = codec.decode(&encoded(codec, &event)).unwrap().facts.tokens;
    assert_eq!(tokens.requests, Some(0));
    assert_eq!(tokens.credits, Some(Amount::ZERO));
    assert_eq!(tokens.input_tokens, None);
    assert_eq!(tokens.credit_unit, None);
}

#[test]
fn amounts_keep_their_last_digit() {
    let codec = usage_codec();
    for text in
        ["0.000000001", "-0.000000001", "99999999999.999999999", "-99999999999.999999999", "0.1", "12.345"]
    {
        let mut event = sample::judged().usage;
        event.facts.cost.amount = Some(text.parse().unwrap());
        let amount = codec.decode(&encoded(codec, &event)).unwrap().facts.cost.amount.unwrap();
        assert_eq!(amount.to_string(), text);
    }
}

#[test]
fn messages_of_others_are_told_apart() {
    let codec = usage_codec();
    for bytes in [&b""[..], b"\xC3\x01", b"{\"event_id\":1}", b"\x00\x00\x00\x07"] {
        assert_eq!(codec.decode(bytes), Err(CodecError::NotSingleObject));
    }
    let framed = b"\x00\x00\x00\x00\x07 registry framing";
    assert_eq!(codec.decode(framed), Err(CodecError::UnknownSchemaId { id: 7 }));
    let intent = encoded(
        context_codec(),
        &ContextPointer {
            kind: ContextKind::Policy,
            hash: Label::literal("ab"),
            effective: None,
            recorded_at: UtcTime(0),
        },
    );
    let fingerprint = context_codec().fingerprint();
    assert_eq!(codec.decode(&intent), Err(CodecError::UnknownSchema { fingerprint }));
}

#[test]
fn text_that_is_no_label_is_refused_and_not_repeated() {
    let event = sample::judged();
    let codec = judged_codec();
    let mut bytes = encoded(codec, &event);
    let place = bytes.windows(8).position(|window| window == b"payments").expect("the team is written");
    bytes[place..place + 8].copy_from_slice(b"top secr");
    let error = codec.decode(&bytes).unwrap_err();
    assert_eq!(error, CodecError::Malformed { schema: "judged_event" });
    assert!(!format!("{error} {error:?}").contains("secr"));
}

#[test]
fn encoding_appends() {
    let mut bytes = b"before".to_vec();
    usage_codec().encode(&sample::judged().usage, &mut bytes).unwrap();
    assert!(bytes.starts_with(b"before\xC3\x01"));
}

#[test]
fn codecs_are_shared_between_threads() {
    fn shared<T: Send + Sync + Copy + 'static>(_: T) {}
    shared(usage_codec());
    shared(judged_codec());
}
