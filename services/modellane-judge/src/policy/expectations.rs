//! `tests.yaml`: what the author expects of the bundle, checked before it is accepted.

use super::facts::{FactSpace, Known};
use super::table::{DecisionTable, Outcome, OutcomeClass};
use crate::problem::Problems;
use crate::reader::{Table, document};
use modellane_event::Label;
use serde_yaml_ng::Value;
use std::collections::BTreeSet;

const VERDICTS: [(&str, OutcomeClass); 4] = [
    ("followed", OutcomeClass::Followed),
    ("drifted", OutcomeClass::Drifted),
    ("unmatched", OutcomeClass::NotCovered),
    ("unknown", OutcomeClass::Undecided),
];

/// Runs the tests and reports each that fails, with what differs.
pub(crate) fn check(text: &str, table: &DecisionTable, problems: &mut Problems) {
    if text.trim().is_empty() {
        return;
    }
    let Some(value) = document(text, problems) else { return };
    let Some(top) = Table::open(&value, "", &["tests"], problems) else { return };
    for (path, item) in top.list("tests", problems) {
        check_one(item, path, table, problems);
    }
}

fn check_one(item: &Value, path: String, table: &DecisionTable, problems: &mut Problems) {
    let Some(test) = Table::open(item, path.clone(), &["name", "facts", "expect"], problems) else { return };
    let name = test.text("name", problems).map_or_else(String::new, |name| format!(" ({name})"));
    let known = read_facts(&test, table.space(), problems);
    let Some(expect) = test.get("expect") else {
        problems.add(test.path_of("expect"), "is missing");
        return;
    };
    let keys = ["verdict", "reason", "rules", "missing"];
    let Some(expect) = Table::open(expect, test.path_of("expect"), &keys, problems) else { return };
    let verdict = expect.word("verdict", &VERDICTS, problems);
    let reason = expect.text("reason", problems);
    let rules = expect.get("rules").map(|_| expect.labels("rules", problems));
    let missing = expect.get("missing").map(|_| expect.labels("missing", problems));
    if verdict.is_none() && reason.is_none() && rules.is_none() && missing.is_none() {
        problems.add(test.path_of("expect"), "expects nothing; state verdict, reason, rules or missing");
    }
    let Some(known) = known else { return };
    let outcome = table.outcome(known);
    let mut differs = Vec::new();
    if let Some(verdict) = verdict.filter(|verdict| *verdict != outcome.class) {
        differs.push(format!("expected {}, the rules say {}", name_of(verdict), describe(&outcome)));
    }
    if let Some(reason) = reason.filter(|reason| reason_of(&outcome).as_deref() != Some(*reason)) {
        differs.push(match reason_of(&outcome) {
            Some(actual) => format!("expected the reason {reason}, it is {actual}"),
            None => format!("expected the reason {reason}, there is none"),
        });
    }
    differs.extend(rules.and_then(|expected| difference("rules", &expected, &outcome.rules)));
    differs.extend(missing.and_then(|expected| difference("missing facts", &expected, &outcome.missing)));
    for what in differs {
        problems.add(format!("{path}{name}"), what);
    }
}

fn read_facts(test: &Table<'_>, space: &FactSpace, problems: &mut Problems) -> Option<Known> {
    let Some(value) = test.get("facts") else { return Some(Known::NOTHING) };
    // A bundle whose rules do not tell kinds of actors apart may still state one.
    let mut names: Vec<&str> = space.facts().iter().map(|fact| fact.name.as_str()).collect();
    let tells_actors_apart = names.contains(&FactSpace::ACTOR_KIND);
    if !tells_actors_apart {
        names.push(FactSpace::ACTOR_KIND);
    }
    let table = Table::open(value, test.path_of("facts"), &names, problems)?;
    if !tells_actors_apart {
        let kinds = FactSpace::ACTOR_KINDS.map(|kind| (kind, ()));
        table.word(FactSpace::ACTOR_KIND, &kinds, problems);
    }
    let mut known = Some(Known::NOTHING);
    for (number, fact) in space.facts().iter().enumerate() {
        let Some(text) = table.text(fact.name.as_str(), problems) else { continue };
        match fact.position(text) {
            Some(value) => known = known.map(|known| space.with(known, number, Some(value))),
            None => {
                problems.add(table.path_of(fact.name.as_str()), "is no declared value of this fact");
                known = None;
            }
        }
    }
    known
}

fn name_of(class: OutcomeClass) -> &'static str {
    VERDICTS.iter().find(|(_, known)| *known == class).map_or("", |(name, _)| name)
}

fn describe(outcome: &Outcome) -> String {
    let with = |what: &str, items: &[Label]| format!("{} ({what} {})", name_of(outcome.class), join(items));
    if !outcome.missing.is_empty() {
        with("missing", &outcome.missing)
    } else if !outcome.rules.is_empty() {
        with("by", &outcome.rules)
    } else {
        name_of(outcome.class).to_owned()
    }
}

fn reason_of(outcome: &Outcome) -> Option<String> {
    match outcome.class {
        OutcomeClass::NotCovered => Some("NOT_COVERED".to_owned()),
        OutcomeClass::Undecided => outcome.missing.first().map(|fact| format!("FACT_MISSING:{fact}")),
        OutcomeClass::Followed | OutcomeClass::Drifted => None,
    }
}

fn difference(what: &str, expected: &[Label], actual: &[Label]) -> Option<String> {
    let set = |labels: &[Label]| labels.iter().cloned().collect::<BTreeSet<Label>>();
    (set(expected) != set(actual))
        .then(|| format!("expected the {what} [{}], they are [{}]", join(expected), join(actual)))
}

fn join(labels: &[Label]) -> String {
    labels.iter().map(Label::as_str).collect::<Vec<_>>().join(", ")
}
