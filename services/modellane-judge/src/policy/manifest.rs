//! `bundle.yaml`: what a bundle is, when it holds, of whom it speaks and which facts it reads.

use super::facts::{Fact, FactSpace, Part};
use crate::Period;
use crate::problem::Problems;
use crate::reader::{Table, check_order, document};
use modellane_event::{ActorKind, Label, Share};
use serde_yaml_ng::Value;
use std::collections::BTreeSet;

/// Head of a bundle.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) id: Label,
    pub(crate) version: Label,
    pub(crate) effective: Period,
    pub(crate) owners: Vec<String>,
    pub(crate) scope: Scope,
    pub(crate) thresholds: Thresholds,
    pub(crate) facts: Vec<Fact>,
    /// Combinations that cannot occur: for each fact the values that it names together.
    pub(crate) impossible: Vec<Vec<(usize, Vec<usize>)>>,
}

/// Of what a bundle does not speak.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub(crate) tools: BTreeSet<Label>,
    pub(crate) workspaces: BTreeSet<Label>,
    pub(crate) actor_kinds: BTreeSet<ActorKind>,
}

/// From which probability on something counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// `p_followed` that makes a verdict.
    pub followed: Share,
    /// `p_drifted` that makes a verdict.
    pub drifted: Share,
    /// Probability from which an intent counts as linked.
    pub intent: Share,
    /// Probability of the label `high`.
    pub high: Share,
    /// Probability of the label `medium`.
    pub medium: Share,
    /// Part of a budget from which `budget_state` is `near`.
    pub budget_near: Share,
}

const fn percent(value: i32) -> Share {
    match Share::new(value * 10_000) {
        Ok(share) => share,
        Err(_) => Share::ONE,
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            followed: percent(80),
            drifted: percent(80),
            intent: percent(50),
            high: percent(95),
            medium: percent(80),
            budget_near: percent(90),
        }
    }
}

const ACTOR_KINDS: [(&str, ActorKind); 3] = [
    ("person", ActorKind::Person),
    ("service_account", ActorKind::ServiceAccount),
    ("unknown", ActorKind::Unknown),
];

/// Reads `bundle.yaml`; `None` if a part that everything else needs is missing.
pub(crate) fn read(text: &str, problems: &mut Problems) -> Option<Manifest> {
    let value = document(text, problems)?;
    let keys = ["id", "version", "effective", "owners", "scope", "thresholds", "facts", "impossible"];
    let top = Table::open(&value, "", &keys, problems)?;
    let id = top.required_label("id", problems);
    let version = top.required_label("version", problems);
    let effective = read_effective(&top, problems);
    let owners = read_owners(&top, problems);
    let scope = read_scope(&top, problems);
    let thresholds = read_thresholds(&top, problems);
    let facts = read_facts(&top, problems);
    let impossible = read_impossible(&top, &facts, problems);
    Some(Manifest { id: id?, version: version?, effective, owners, scope, thresholds, facts, impossible })
}

fn read_effective(top: &Table<'_>, problems: &mut Problems) -> Period {
    let Some(value) = top.get("effective") else {
        problems.add("effective", "is missing; say `effective: {from: 2026-01-01}`");
        return Period::default();
    };
    let path = top.path_of("effective");
    let Some(table) = Table::open(value, path.clone(), &["from", "to"], problems) else {
        return Period::default();
    };
    let period = Period { from: table.time("from", problems), to: table.time("to", problems) };
    table.require("from", period.from, problems);
    check_order(&period, &path, problems);
    period
}

fn read_owners(top: &Table<'_>, problems: &mut Problems) -> Vec<String> {
    let mut owners = Vec::new();
    for (path, item) in top.list("owners", problems) {
        match item.as_str() {
            Some(owner) => owners.push(owner.to_owned()),
            None => problems.add(path, "must be a text; put it in quotes"),
        }
    }
    owners
}

fn read_scope(top: &Table<'_>, problems: &mut Problems) -> Scope {
    let Some(value) = top.get("scope") else { return Scope::default() };
    let Some(scope) = Table::open(value, "scope", &["exclude"], problems) else { return Scope::default() };
    let Some(value) = scope.get("exclude") else { return Scope::default() };
    let keys = ["tools", "workspaces", "actor_kinds"];
    let Some(table) = Table::open(value, "scope.exclude", &keys, problems) else { return Scope::default() };
    let mut actor_kinds = BTreeSet::new();
    for kind in table.labels("actor_kinds", problems) {
        match ACTOR_KINDS.iter().find(|(word, _)| *word == kind.as_str()) {
            Some((_, kind)) => {
                actor_kinds.insert(*kind);
            }
            None => problems.add(table.path_of("actor_kinds"), "knows person, service_account, unknown"),
        }
    }
    Scope {
        tools: table.labels("tools", problems).into_iter().collect(),
        workspaces: table.labels("workspaces", problems).into_iter().collect(),
        actor_kinds,
    }
}

fn read_thresholds(top: &Table<'_>, problems: &mut Problems) -> Thresholds {
    let mut thresholds = Thresholds::default();
    let Some(value) = top.get("thresholds") else { return thresholds };
    let keys = ["followed", "drifted", "intent", "high", "medium", "budget_near"];
    let Some(table) = Table::open(value, "thresholds", &keys, problems) else { return thresholds };
    let mut read = |key: &str, slot: &mut Share| {
        let Some(value) = table.get(key) else { return };
        let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        match number.filter(|number| (0.0..=1.0).contains(number)) {
            Some(number) => *slot = Share::nearest(number),
            None => problems.add(table.path_of(key), "must be a number between 0 and 1"),
        }
    };
    read("followed", &mut thresholds.followed);
    read("drifted", &mut thresholds.drifted);
    read("intent", &mut thresholds.intent);
    read("high", &mut thresholds.high);
    read("medium", &mut thresholds.medium);
    read("budget_near", &mut thresholds.budget_near);
    // Above one half at most one verdict and at most one intent can reach its threshold.
    let half = percent(50);
    if thresholds.followed <= half || thresholds.drifted <= half {
        problems.add("thresholds", "followed and drifted must be above 0.5");
    }
    if thresholds.intent < half {
        problems.add("thresholds.intent", "must be at least 0.5");
    }
    if thresholds.high < thresholds.medium {
        problems.add("thresholds.high", "must not be below medium");
    }
    thresholds
}

fn read_facts(top: &Table<'_>, problems: &mut Problems) -> Vec<Fact> {
    let Some(value) = top.get("facts") else { return Vec::new() };
    let keys = ["principal", "resource", "context"];
    let Some(table) = Table::open(value, "facts", &keys, problems) else { return Vec::new() };
    let mut facts: Vec<Fact> = Vec::new();
    for (key, part) in keys.into_iter().zip([Part::Principal, Part::Resource, Part::Context]) {
        let Some(section) = table.get(key) else { continue };
        let Value::Mapping(map) = section else {
            problems.add(table.path_of(key), "must map each fact to the list of its values");
            continue;
        };
        for (position, name) in map.keys().enumerate() {
            let place = format!("{} number {}", table.path_of(key), position + 1);
            match name.as_str().filter(|name| is_fact_name(name)) {
                Some(name) if facts.iter().any(|fact| fact.name.as_str() == name) => {
                    problems.add(place, "names a fact that is declared already");
                }
                Some(name) => facts.extend(read_fact(map, name, part, table.path_of(key), problems)),
                None => problems.add(place, "a fact's name has lower-case letters, digits and _ only"),
            }
        }
    }
    facts
}

fn is_fact_name(name: &str) -> bool {
    name != FactSpace::ACTOR_KIND
        && name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn read_fact(
    map: &serde_yaml_ng::Mapping,
    name: &str,
    part: Part,
    section: String,
    problems: &mut Problems,
) -> Option<Fact> {
    let path = format!("{section}.{name}");
    let Some(Value::Sequence(items)) = map.get(name) else {
        problems.add(path, "must be the list of its values, in order");
        return None;
    };
    let mut values: Vec<Label> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        match item.as_str().map(Label::new) {
            Some(Ok(value)) if values.contains(&value) => {
                problems.add(format!("{path}[{i}]"), "is listed twice");
            }
            Some(Ok(value)) => values.push(value),
            _ => problems.add(format!("{path}[{i}]"), "must be a short text without spaces, in quotes"),
        }
    }
    if values.is_empty() || values.len() > FactSpace::MOST_VALUES {
        problems.add(path, format!("must have 1 to {} values", FactSpace::MOST_VALUES));
        return None;
    }
    if name == "model_class" && !values.iter().any(|value| value.as_str() == "unlisted") {
        problems.add(path, "must list `unlisted`, the class of a model that the catalogue does not know");
    }
    Some(Fact { name: Label::new(name).ok()?, part, values })
}

fn read_impossible(
    top: &Table<'_>,
    facts: &[Fact],
    problems: &mut Problems,
) -> Vec<Vec<(usize, Vec<usize>)>> {
    let mut combinations = Vec::new();
    for (path, item) in top.list("impossible", problems) {
        let names: Vec<&str> = facts.iter().map(|fact| fact.name.as_str()).collect();
        let Some(table) = Table::open(item, path.clone(), &names, problems) else { continue };
        let mut combination = Vec::new();
        for (number, fact) in facts.iter().enumerate() {
            let Some(value) = table.get(fact.name.as_str()) else { continue };
            let texts: Vec<&Value> = match value {
                Value::Sequence(items) => items.iter().collect(),
                single => vec![single],
            };
            let digits: Option<Vec<usize>> =
                texts.iter().map(|text| text.as_str().and_then(|text| fact.position(text))).collect();
            match digits {
                Some(digits) => combination.push((number, digits)),
                None => problems.add(table.path_of(fact.name.as_str()), "is no declared value of this fact"),
            }
        }
        if combination.is_empty() {
            problems.add(path, "names no fact, so that nothing would be possible");
        } else {
            combinations.push(combination);
        }
    }
    combinations
}
