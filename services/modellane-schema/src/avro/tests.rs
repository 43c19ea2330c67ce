use super::*;
use modellane_event::{ContextKind, Label, UtcTime};

/// A codec over schemas of this test's own. They live as long as the process, as the embedded ones do.
fn codec(files: &[SchemaFile]) -> AvroCodec<ContextPointer> {
    AvroCodec { subject: Box::leak(Box::new(Subject::new("pointer", files))), value: PhantomData }
}

fn version(version: u32, fields: &str) -> SchemaFile {
    let json = format!(
        r#"{{"type": "record", "name": "P", "fields": [
            {{"name": "kind", "type": {{"type": "enum", "name": "K", "symbols": ["policy", "prices"]}}}},
            {{"name": "hash", "type": "string"}}{fields},
            {{"name": "recorded_at", "type": "long"}}]}}"#
    );
    SchemaFile { name: "pointer", version, json: json.leak() }
}

#[test]
fn messages_of_an_older_version_are_read_with_new_fields_null() {
    let first = version(1, "");
    let second = version(2, r#", {"name": "effective", "type": ["null", "long"], "default": null}"#);
    let current = codec(&[first, second]);
    // By hand, under the first version: prices, "ab", 64.
    let mut message = vec![0xC3, 0x01];
    message.extend(codec(&[first]).fingerprint().to_le_bytes());
    message.extend([0x02, 0x04, b'a', b'b', 0x80, 0x01]);
    let expected = ContextPointer {
        kind: ContextKind::Prices,
        hash: Label::literal("ab"),
        effective: None,
        recorded_at: UtcTime(64),
    };
    assert_eq!(current.decode(&message), Ok(expected.clone()));

    let mut rewritten = Vec::new();
    current.encode(&expected, &mut rewritten).unwrap();
    assert_eq!(rewritten[2..10], codec(&[second]).fingerprint().to_le_bytes());
    let fingerprint = current.fingerprint();
    assert_eq!(codec(&[first]).decode(&rewritten), Err(CodecError::UnknownSchema { fingerprint }));
}

#[test]
fn fields_that_the_vocabulary_dropped_are_skipped() {
    let wider = version(1, r#", {"name": "gone", "type": {"type": "array", "items": "string"}}"#);
    let reader = codec(&[wider]);
    let mut message = vec![0xC3, 0x01];
    message.extend(reader.fingerprint().to_le_bytes());
    message.extend([0x00, 0x04, b'a', b'b', 0x02, 0x02, b'x', 0x00, 0x02]);
    let pointer = reader.decode(&message).unwrap();
    assert_eq!((pointer.kind, pointer.recorded_at), (ContextKind::Policy, UtcTime(1)));
}

#[test]
fn a_value_that_does_not_fit_leaves_the_buffer_as_it_was() {
    let narrow = codec(&[version(1, "")]);
    let pointer = ContextPointer {
        kind: ContextKind::Finance,
        hash: Label::literal("ab"),
        effective: None,
        recorded_at: UtcTime(0),
    };
    let mut out = b"before".to_vec();
    let refused = narrow.encode(&pointer, &mut out);
    assert_eq!(refused, Err(CodecError::Unencodable { schema: "pointer" }));
    assert_eq!(out, b"before");
}

#[test]
fn a_message_that_names_another_schema_is_told_from_one_that_nobody_can_read() {
    let reader = codec(&[version(1, "")]);
    let mut newer = vec![0xC3, 0x01];
    newer.extend(7u64.to_le_bytes());
    assert_eq!(reader.unknown_schema(&newer), Some(CodecError::UnknownSchema { fingerprint: 7 }));
    assert_eq!(reader.unknown_schema(&[0, 0, 0, 0, 9, 1]), Some(CodecError::UnknownSchemaId { id: 9 }));
    let mut truncated = vec![0xC3, 0x01];
    truncated.extend(reader.fingerprint().to_le_bytes());
    for nobody in [&truncated[..], &[0xC3, 0x01, 7], &[0, 0, 0], b"text", b""] {
        assert_eq!(reader.unknown_schema(nobody), None);
        assert!(reader.decode(nobody).is_err());
    }
}
