use super::*;
use modellane_event::{ContextKind, Label, UtcTime};

#[path = "../../tests/it/sample.rs"]
#[allow(dead_code, reason = "its entry serves the tests of columns")]
mod sample;

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
    let reader = codec(&[wider, version(2, "")]);
    let mut message = vec![0xC3, 0x01];
    message.extend(codec(&[wider]).fingerprint().to_le_bytes());
    message.extend([0x00, 0x04, b'a', b'b', 0x02, 0x02, b'x', 0x00, 0x02]);
    let pointer = reader.decode(&message).unwrap();
    assert_eq!((pointer.kind, pointer.recorded_at), (ContextKind::Policy, UtcTime(1)));
}

/// The embedded schema of a name under another name of its record: the same data under another fingerprint.
fn with_a_namesake<T>(name: &'static str, record: &str) -> AvroCodec<T> {
    let file = SCHEMA_FILES.iter().find(|file| file.name == name).unwrap();
    let json = file.json.replacen(&format!("\"{record}\""), &format!("\"Older{record}\""), 1);
    let older = SchemaFile { json: json.leak(), ..*file };
    let subject = Subject::new(name, &[older, SchemaFile { version: file.version + 1, ..*file }]);
    AvroCodec { subject: Box::leak(Box::new(subject)), value: PhantomData }
}

/// A message of the current version, stamped as one of the version before.
fn stamped_older<T>(codec: &AvroCodec<T>, message: &[u8]) -> Vec<u8> {
    let mut older = message.to_vec();
    older[2..10].copy_from_slice(&codec.subject.older[0].fingerprint.to_le_bytes());
    older
}

#[test]
fn reading_by_name_and_by_position_says_the_same() {
    let codec = with_a_namesake::<JudgedEvent>("judged_event", "JudgedEvent");
    let event = sample::judged();
    let mut message = Vec::new();
    codec.encode(&event, &mut message).unwrap();
    assert_eq!(codec.decode(&message), Ok(event.clone()));
    assert_eq!(codec.decode(&stamped_older(&codec, &message)), Ok(event));
}

#[test]
fn a_usage_message_of_an_older_version_is_written_anew_when_it_is_judged() {
    let usage = with_a_namesake::<UsageEvent>("usage_event", "UsageEvent");
    let event = sample::judged();
    let (mut message, mut expected, mut judged) = (Vec::new(), Vec::new(), Vec::new());
    usage.encode(&event.usage, &mut message).unwrap();
    judged_codec().encode(&event, &mut expected).unwrap();

    let encoder = JudgedEncoder { usage, judged: judged_codec() };
    let older = stamped_older(&usage, &message);
    let read = encoder.usage(&older).unwrap();
    assert_eq!(read.datum, None);
    encoder.encode(read, event.judgement, &mut judged).unwrap();
    assert_eq!(judged, expected);
}

#[test]
fn decimals_are_written_without_bytes_that_only_repeat_the_sign() {
    for (value, bytes) in [
        (0, &[2, 0][..]),
        (127, &[2, 0x7F]),
        (128, &[4, 0, 0x80]),
        (-1, &[2, 0xFF]),
        (-128, &[2, 0x80]),
        (-129, &[4, 0xFF, 0x7F]),
        (i128::MAX, &[&[32, 0x7F][..], &[0xFF; 15]].concat()),
    ] {
        let mut out = Vec::new();
        positional::write(&value, &mut out).unwrap();
        assert_eq!(out, bytes, "{value}");
        assert_eq!(positional::read::<i128>(&out).unwrap(), value);
    }
}

#[test]
fn lists_are_read_in_blocks_of_every_kind() {
    // One block of one, one of two with its length in bytes, the end.
    let blocks = [2, 10, 3, 4, 12, 14, 0];
    assert_eq!(positional::read::<Vec<i64>>(&blocks).unwrap(), [5, 6, 7]);
    assert!(positional::read::<Vec<i64>>(&[100, 10, 0]).is_err());
}

#[test]
fn a_value_outside_the_vocabulary_leaves_the_buffer_as_it_was() {
    let codec = AvroCodec::<f64> { subject: context_codec().subject, value: PhantomData };
    let mut out = b"before".to_vec();
    assert_eq!(codec.encode(&0.5, &mut out), Err(CodecError::Unencodable { schema: "context_pointer" }));
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
