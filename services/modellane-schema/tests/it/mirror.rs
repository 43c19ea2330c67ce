//! The schema files say what the vocabulary says: same fields, same order, same symbols, all documented.

use modellane_event::*;
use modellane_schema::SCHEMA_FILES;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor, value};
use serde_json::Value as Json;
use std::cell::Cell;
use std::collections::BTreeMap;

/// Asks a type for the names of its fields or variants.
struct Ask<'a>(&'a Cell<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
        Err(value::Error::custom("neither a record nor an enumeration"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        self.0.set(fields);
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        self.0.set(variants);
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

fn names<T: Deserialize<'static>>() -> &'static [&'static str] {
    let names = Cell::new(&[][..]);
    let _ = T::deserialize(Ask(&names));
    names.get()
}

macro_rules! vocabulary {
    ($($type:ident)+) => { BTreeMap::from([$((stringify!($type), names::<$type>())),+]) };
}

/// Every record and enumeration of the vocabulary that a topic carries.
fn vocabulary() -> BTreeMap<&'static str, &'static [&'static str]> {
    vocabulary! {
        UsageEvent UsageFacts Who Work Tokens CostEvidence AccountRef Grain Surface Outcome CostBasis
        AccountKind JudgedEvent Judgement ActorKind Verdict MatchedBy ConfidenceLabel Sensitivity
        ContextPointer ContextKind IntentEvent IntentOrigin RejectEvent RejectReason ScopeClosed
    }
}

/// Calls `see` for every definition of a named type.
fn definitions<'a>(node: &'a Json, see: &mut impl FnMut(&'a Json)) {
    match node {
        Json::Array(branches) => branches.iter().for_each(|branch| definitions(branch, see)),
        Json::Object(object) => {
            if object.contains_key("name") {
                see(node);
            }
            for field in object.get("fields").and_then(Json::as_array).into_iter().flatten() {
                definitions(&field["type"], see);
            }
            object.get("items").into_iter().for_each(|items| definitions(items, see));
        }
        _ => {}
    }
}

fn newest() -> Vec<(&'static str, Json)> {
    let mut newest = BTreeMap::new();
    for file in SCHEMA_FILES {
        newest.insert(file.name, serde_json::from_str(file.json).expect("a schema file is JSON"));
    }
    newest.into_iter().collect()
}

fn texts<'a>(list: &'a Json, name: Option<&str>) -> Vec<&'a str> {
    let list = list.as_array().expect("a list").iter();
    list.map(|item| name.map_or(item, |name| &item[name]).as_str().expect("a text")).collect()
}

#[test]
fn fields_and_symbols_are_those_of_the_vocabulary() {
    let mut expected = vocabulary();
    let known = expected.clone();
    for (file, schema) in newest() {
        definitions(&schema, &mut |definition| {
            let name = definition["name"].as_str().expect("a name");
            let found = match definition["type"].as_str() {
                Some("record") => texts(&definition["fields"], Some("name")),
                Some("enum") => texts(&definition["symbols"], None),
                _ => return assert_eq!(definition["size"], 16, "{file}: {name}"),
            };
            assert_eq!(Some(&found[..]), known.get(name).copied(), "{file}: {name}");
            expected.remove(name);
        });
    }
    assert!(expected.is_empty(), "no schema file describes {:?}", expected.keys());
}

#[test]
fn every_definition_and_field_is_documented() {
    for (file, schema) in newest() {
        definitions(&schema, &mut |definition| {
            let documented = |node: &Json| node["doc"].as_str().is_some_and(|doc| doc.ends_with('.'));
            assert!(documented(definition), "{file}: {}", definition["name"]);
            for field in definition["fields"].as_array().into_iter().flatten() {
                assert!(documented(field), "{file}: {}.{}", definition["name"], field["name"]);
                let may_be_null = field["type"].get(0).is_some_and(|first| first == "null");
                let says_null = field["doc"].as_str().is_some_and(|doc| doc.contains("Null"));
                assert_eq!(may_be_null, says_null, "{file}: {} says what null means", field["name"]);
            }
        });
    }
}

#[test]
fn enumerations_can_grow_and_optional_fields_can_be_left_out() {
    for (file, schema) in newest() {
        definitions(&schema, &mut |definition| {
            if definition["type"] == "enum" {
                let symbols = definition["symbols"].as_array().expect("symbols");
                assert!(symbols.contains(&definition["default"]), "{file}: {}", definition["name"]);
            }
            for field in definition["fields"].as_array().into_iter().flatten() {
                if field["type"].get(0).is_some_and(|first| first == "null") {
                    assert_eq!(field.get("default"), Some(&Json::Null), "{file}: {}", field["name"]);
                }
                if field["type"]["type"] == "array" {
                    assert_eq!(field["default"], Json::Array(vec![]), "{file}: {}", field["name"]);
                }
            }
        });
    }
}

/// Each file stands alone, so a type that several use is written out in each of them.
#[test]
fn a_type_means_the_same_in_every_file() {
    let schemas = newest();
    let mut seen: BTreeMap<&str, Json> = BTreeMap::new();
    for (file, schema) in &schemas {
        let mut own = BTreeMap::new();
        definitions(schema, &mut |definition| {
            own.insert(definition["name"].as_str().expect("a name"), definition);
        });
        for (name, definition) in &own {
            let expanded = expanded(definition, &own);
            let first = seen.entry(name).or_insert_with(|| expanded.clone());
            assert_eq!(*first, expanded, "{file}: {name}");
        }
    }
}

/// The definition with every reference replaced and without namespaces, which only roots state.
fn expanded(node: &Json, own: &BTreeMap<&str, &Json>) -> Json {
    match node {
        Json::String(name) => own.get(name.as_str()).map_or_else(|| node.clone(), |d| expanded(d, own)),
        Json::Array(items) => items.iter().map(|item| expanded(item, own)).collect(),
        Json::Object(object) => {
            let nested = ["type", "items", "fields"];
            let entries = object.iter().filter(|(key, _)| *key != "namespace").map(|(key, value)| {
                let value = if nested.contains(&key.as_str()) { expanded(value, own) } else { value.clone() };
                (key.clone(), value)
            });
            entries.collect()
        }
        other => other.clone(),
    }
}
