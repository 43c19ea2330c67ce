//! Another Avro library reads our bytes to the same values and writes bytes that we read.

use crate::values;
use apache_avro::{Schema, types::Value};
use modellane_event::Amount;
use modellane_schema::*;
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};
use std::fmt::Debug;

fn newest(name: &str) -> &'static SchemaFile {
    SCHEMA_FILES.iter().rfind(|file| file.name == name).expect("an embedded schema")
}

/// The value as the vocabulary shows it to people.
fn shown(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::Int(value) | Value::Date(value) => json!(value),
        Value::Long(value) | Value::TimestampMicros(value) => json!(value),
        Value::String(text) | Value::Enum(_, text) => json!(text),
        Value::Union(_, value) => shown(value),
        Value::Array(values) => values.iter().map(shown).collect(),
        Value::Record(fields) => fields.iter().map(|(name, value)| (name.clone(), shown(value))).collect(),
        Value::Fixed(16, bytes) => json!(dashed(bytes)),
        Value::Decimal(decimal) => {
            let bytes = Vec::<u8>::try_from(decimal).expect("bytes of a decimal");
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1i128 };
            let billionths = bytes.iter().fold(sign, |sum, byte| sum << 8 | i128::from(*byte));
            json!(Amount::from_billionths(billionths).expect("an amount"))
        }
        other => panic!("no schema has a {other:?}"),
    }
}

fn dashed(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn agrees<T>(codec: AvroCodec<T>, schema: &Schema, value: &T) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).expect("encodes");
    let mut datum = &bytes[10..];
    #[allow(deprecated, reason = "the shortest way to a value of the other library")]
    let read = apache_avro::from_avro_datum(schema, &mut datum, None).expect("the other library reads it");
    prop_assert!(datum.is_empty());
    prop_assert_eq!(shown(&read), serde_json::to_value(value).expect("json"));

    #[allow(deprecated, reason = "as above")]
    let theirs = apache_avro::to_avro_datum(schema, read).expect("the other library writes it");
    let message = [&bytes[..10], &theirs[..]].concat();
    prop_assert_eq!(&codec.decode(&message).expect("we read theirs"), value);
    Ok(())
}

macro_rules! agreements {
    ($($test:ident: $name:literal, $codec:expr, $values:expr;)+) => {
        $(
            #[test]
            fn $test() {
                let schema = Schema::parse_str(newest($name).json).expect("an Avro schema");
                let config = ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() };
                proptest!(config, |(value in $values)| agrees($codec, &schema, &value)?);
            }
        )+
    };
}

agreements! {
    usage_events_mean_the_same: "usage_event", usage_codec(), values::usage_event();
    judged_events_mean_the_same: "judged_event", judged_codec(), values::judged_event();
    intents_mean_the_same: "intent", intent_codec(), values::intent();
    context_pointers_mean_the_same: "context_pointer", context_codec(), values::context_pointer();
    rejects_mean_the_same: "reject", reject_codec(), values::reject();
    parts_of_fetches_mean_the_same: "scope_closed", fetch_codec(), values::scope_closed();
}

/// CRC-64-AVRO of a schema's canonical form as the other library computes it, little-endian. The canonical
/// form knows no logical types (Avro specification, "Parsing Canonical Form"); this library keeps the
/// objects that stated them, so they are taken out first.
pub(crate) fn fingerprint(schema: &str) -> Vec<u8> {
    fn without_logical_types(node: &mut Json) {
        if let Json::Object(object) = node {
            for key in ["logicalType", "precision", "scale"] {
                object.remove(key);
            }
            object.values_mut().for_each(without_logical_types);
        } else if let Json::Array(items) = node {
            items.iter_mut().for_each(without_logical_types);
        }
    }
    let mut schema = serde_json::from_str(schema).expect("JSON");
    without_logical_types(&mut schema);
    let schema = Schema::parse(&schema).expect("an Avro schema");
    schema.fingerprint::<apache_avro::rabin::Rabin>().bytes
}

#[test]
fn fingerprints_are_those_of_the_specification() {
    let fingerprints = [
        ("usage_event", usage_codec().fingerprint()),
        ("judged_event", judged_codec().fingerprint()),
        ("intent", intent_codec().fingerprint()),
        ("context_pointer", context_codec().fingerprint()),
        ("reject", reject_codec().fingerprint()),
        ("scope_closed", fetch_codec().fingerprint()),
    ];
    for (name, ours) in fingerprints {
        assert_eq!(fingerprint(newest(name).json), ours.to_le_bytes(), "{name}");
    }
}
