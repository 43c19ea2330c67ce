//! FULL_TRANSITIVE: every version of a schema reads what every other version wrote, in both directions.

use crate::other_readers::fingerprint;
use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use modellane_schema::SCHEMA_FILES;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// All files of `schemas/avro/` as `(name, version, text)`.
fn files() -> Vec<(String, u32, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/avro");
    let entries = std::fs::read_dir(folder).expect("the folder of the schemas");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let file = path.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8");
            let (name, version) = file
                .strip_suffix(".avsc")
                .and_then(|stem| stem.rsplit_once(".v"))
                .unwrap_or_else(|| panic!("{file} is not named NAME.vN.avsc"));
            let version = version.parse().expect("a version");
            (name.to_owned(), version, std::fs::read_to_string(&path).expect("a readable file"))
        })
        .collect();
    files.sort();
    files
}

/// Why the second text cannot stand beside the first, if so.
fn conflict(first: &str, second: &str) -> Option<String> {
    let parse = |text| Schema::parse_str(text).expect("an Avro schema");
    let (one, other) = (parse(first), parse(second));
    for (writer, reader) in [(&one, &other), (&other, &one)] {
        match SchemaCompatibility::can_read(writer, reader) {
            Ok(Compatibility::Full) => {}
            Ok(Compatibility::Partial) => return Some("some values cannot be read".to_owned()),
            Err(error) => return Some(error.to_string()),
        }
    }
    // Avro takes logical types for decoration: microseconds read as milliseconds pass its rules.
    let (one, other) = (meanings(first), meanings(second));
    one.iter()
        .find(|(place, meaning)| other.get(*place).is_some_and(|other| other != *meaning))
        .map(|(place, _)| format!("{place} changes its meaning"))
}

/// Logical type of each field, by record and field.
fn meanings(schema: &str) -> BTreeMap<String, Vec<Json>> {
    fn walk(node: &Json, place: &str, out: &mut BTreeMap<String, Vec<Json>>) {
        match node {
            Json::Array(branches) => branches.iter().for_each(|branch| walk(branch, place, out)),
            Json::Object(object) => {
                if object.get("type").is_some_and(|kind| kind != "record") {
                    let meaning = ["logicalType", "precision", "scale"].map(|key| node[key].clone());
                    out.insert(place.to_owned(), meaning.to_vec());
                }
                for field in object.get("fields").and_then(Json::as_array).into_iter().flatten() {
                    walk(&field["type"], &format!("{}.{}", node["name"], field["name"]), out);
                }
                object.get("items").into_iter().for_each(|items| walk(items, place, out));
            }
            Json::String(_) if !out.contains_key(place) => {
                out.insert(place.to_owned(), vec![Json::Null; 3]);
            }
            _ => {}
        }
    }
    let mut out = BTreeMap::new();
    walk(&serde_json::from_str(schema).expect("JSON"), "", &mut out);
    out
}

#[test]
fn every_two_versions_of_a_schema_read_each_other() {
    let files = files();
    for (index, (name, version, text)) in files.iter().enumerate() {
        for (_, later, later_text) in files[index + 1..].iter().filter(|file| file.0 == *name) {
            if let Some(reason) = conflict(text, later_text) {
                panic!("{name}: version {version} against version {later}: {reason}");
            }
        }
    }
}

#[test]
fn every_file_is_embedded_and_versions_count_from_one() {
    let embedded: Vec<_> = SCHEMA_FILES.iter().map(|file| (file.name.to_owned(), file.version)).collect();
    let mut sorted = embedded.clone();
    sorted.sort();
    let present: Vec<_> = files().into_iter().map(|(name, version, _)| (name, version)).collect();
    assert_eq!(sorted, present);
    let mut latest: BTreeMap<&str, u32> = BTreeMap::new();
    for (name, version) in &embedded {
        let before = latest.insert(name, *version).unwrap_or(0);
        assert_eq!(before + 1, *version, "{name}: versions stand in ascending order without a gap");
    }
}

/// A message finds its schema by the fingerprint, which leaves out documentation, defaults and logical
/// types: two versions that differ only in those could not be told apart.
#[test]
fn no_two_schemas_share_a_fingerprint() {
    let fingerprints: BTreeSet<_> = files().iter().map(|(_, _, text)| fingerprint(text)).collect();
    assert_eq!(fingerprints.len(), files().len());
}

/// The first version of the intent's schema with a change.
fn changed(change: impl FnOnce(&mut Json)) -> Option<String> {
    let file = SCHEMA_FILES.iter().find(|file| file.name == "intent").expect("an embedded schema");
    let mut schema: Json = serde_json::from_str(file.json).expect("JSON");
    change(&mut schema);
    conflict(file.json, &schema.to_string())
}

fn field<'a>(schema: &'a mut Json, name: &str) -> &'a mut Json {
    let fields = schema["fields"].as_array_mut().expect("fields");
    fields.iter_mut().find(|field| field["name"] == name).expect("a field of the intent")
}

fn add_field(schema: &mut Json, field: Json) {
    schema["fields"].as_array_mut().expect("fields").push(field);
}

#[test]
fn changes_that_old_and_new_readers_bear_are_let_through() {
    assert_eq!(changed(|_| {}), None);
    let field_with_default = json!({"name": "weight", "type": ["null", "int"], "default": null});
    assert_eq!(changed(|schema| add_field(schema, field_with_default)), None);
    let with_symbol = |schema: &mut Json| {
        field(schema, "origin")["type"]["symbols"].as_array_mut().expect("symbols").push(json!("editor"));
    };
    assert_eq!(changed(with_symbol), None);
}

#[test]
fn changes_that_some_reader_does_not_bear_are_caught() {
    let required = json!({"name": "weight", "type": "int"});
    assert!(changed(|schema| add_field(schema, required)).is_some(), "a field without a default");
    let without_required = |schema: &mut Json| {
        schema["fields"].as_array_mut().expect("fields").retain(|field| field["name"] != "started_at");
    };
    assert!(changed(without_required).is_some(), "a required field less");
    let retyped = |schema: &mut Json| field(schema, "task")["type"] = json!(["null", "long"]);
    assert!(changed(retyped).is_some(), "another type");
    let widened = |schema: &mut Json| {
        let time = field(schema, "started_at")["type"].take();
        field(schema, "started_at")["type"] = json!(["null", time]);
    };
    assert!(changed(widened).is_some(), "a required field made optional");
    let milliseconds = |schema: &mut Json| {
        field(schema, "started_at")["type"]["logicalType"] = json!("timestamp-millis");
    };
    assert!(changed(milliseconds).is_some(), "another unit of time");
    let resized = |schema: &mut Json| field(schema, "ticket_key")["type"][1]["size"] = json!(32);
    assert!(changed(resized).is_some(), "a longer id");
    let closed = |symbols: &[&str]| {
        json!({"type": "enum", "name": "Origin", "namespace": "a", "symbols": symbols}).to_string()
    };
    let grown = conflict(&closed(&["file"]), &closed(&["file", "http"]));
    assert!(grown.is_some(), "another symbol of an enumeration without a default");
}
