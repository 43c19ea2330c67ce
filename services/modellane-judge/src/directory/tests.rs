use super::*;
use crate::problem::ContextError;
use modellane_event::{AccountKind, LakeKey};
use std::collections::BTreeMap;

/// Hands out 1, 2, 3, … and counts how often it was asked.
#[derive(Default)]
struct Numbered(BTreeMap<String, u8>);

impl PersonIds for Numbered {
    fn surrogate(&mut self, clear_id: &str) -> PersonId {
        let next = self.0.len() as u8 + 1;
        PersonId([*self.0.entry(clear_id.to_owned()).or_insert(next); 16])
    }
}

const SOUND: &str = r#"
people:
  - id: p-0001
    name: Ana Silva
    accounts:
      - { kind: email, id: Ana@acme.example }
      - { kind: github, id: ana-dev, from: 2025-01-01 }
    memberships:
      - { team: payments, cost_center: CC-100, from: 2026-01-01, to: 2026-07-01 }
      - { team: product, cost_center: CC-100, from: 2026-07-01 }
service_accounts:
  - { id: sa-ci, accounts: [{ kind: api_key, id: ci-bot }], team: payments, cost_center: CC-100, task: ci, from: 2026-01-01 }
teams: [{ id: payments, name: Payments, owner: p-0001, parent: product }, { id: product }]
cost_centers: [{ id: CC-100, name: Payments, company: ACME, gl_account: "6420" }]
workspaces: [{ id: github.com/acme/payments-core, team: payments, sensitivity: restricted }]
"#;

fn parse(text: &str) -> Result<ParsedDirectory, ContextError> {
    parse_directory(text.as_bytes(), &LakeKey::new([3; 32]), &mut Numbered::default())
}

fn faults(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_stored_object_holds_hashes_and_surrogates_but_no_person() {
    let parsed = parse(SOUND).unwrap();
    let json = serde_json::to_string(&parsed.object).unwrap().to_lowercase();
    for word in ["ana", "silva", "acme.example", "p-0001", "ci-bot"] {
        assert!(!json.contains(word), "{word}");
    }
    let person = &parsed.object.people[0];
    assert_eq!(person.person_id, PersonId([1; 16]));
    let key = LakeKey::new([3; 32]);
    let email = AccountRef::new(&key, AccountKind::Email, "ana@acme.example").unwrap();
    assert!(person.accounts.iter().any(|entry| entry.account == email));
    assert_eq!(parsed.object.teams[0].owner, Some(PersonId([1; 16])));
    assert_eq!(parsed.object.workspaces[0].key, key.workspace("https://github.com/acme/payments-core.git"));
    assert_eq!(parsed.persons[0].clear_id, "p-0001");
    assert_eq!(parsed.persons[0].name.as_deref(), Some("Ana Silva"));
    assert!(!format!("{:?}", parsed.persons).contains("Ana"));
}

#[test]
fn the_order_of_the_file_does_not_matter() {
    let other = SOUND.replace(
        "teams: [{ id: payments, name: Payments, owner: p-0001, parent: product }, { id: product }]",
        "teams: [{ id: product }, { id: payments, name: Payments, owner: p-0001, parent: product }]",
    );
    assert_ne!(other, SOUND);
    assert_eq!(parse(&other).unwrap().object, parse(SOUND).unwrap().object);
}

#[test]
fn overlapping_memberships_are_named_by_place_and_nobody_is() {
    let text = SOUND.replace("to: 2026-07-01 }", "to: 2026-07-02 }");
    let faults = faults(&text);
    assert_eq!(
        faults,
        [
            "directory.yaml: people[0].memberships[1]: overlaps people[0].memberships[0]; end one (`to`, exclusive) \
          where the other begins"
        ]
    );
}

#[test]
fn memberships_that_touch_do_not_overlap_and_open_ones_do() {
    assert!(parse(SOUND).is_ok());
    let open = SOUND.replace(", from: 2026-01-01, to: 2026-07-01 }", " }");
    assert_eq!(faults(&open).len(), 1);
}

#[test]
fn a_long_membership_overlaps_every_later_one() {
    let text = SOUND.replace(
        "      - { team: product, cost_center: CC-100, from: 2026-07-01 }\n",
        "      - { team: product, from: 2026-02-01, to: 2026-03-01 }\n      - { team: product, from: 2026-05-01, to: 2026-06-01 }\n",
    );
    let paths: Vec<_> =
        faults(&text).iter().map(|fault| fault.split(": ").nth(1).unwrap_or_default().to_owned()).collect();
    assert_eq!(paths, ["people[0].memberships[1]", "people[0].memberships[2]"]);
}

#[test]
fn all_faults_are_listed_at_once_and_none_repeats_a_person() {
    let text = r#"
people:
  - id: ana@secret.example
    name: Ana Secret
    nmae: Ana Secret
    accounts: [{ kind: ana@secret.example, id: Ana Secret }, { kind: email }]
    memberships: [{ team: secret-team, cost_center: CC-9, from: 2026-05-01, to: 2026-05-01 }]
  - id: ana@secret.example
    memberships: Ana Secret
    Ana Secret: yes
teams:
  - { id: a, parent: b }
  - { id: b, parent: a }
  - { id: c, parent: nowhere }
  - { id: d, parent: a }
workspaces: [{ id: acme/x, sensitivity: secret }, { id: github.com/acme/x }]
"#;
    let faults = faults(text);
    let all = faults.join("\n");
    for word in ["ana@", "Ana Secret", "secret-team", "CC-9", "nowhere"] {
        assert!(!all.contains(word), "{word} in {all}");
    }
    for expected in [
        "people[0]: unknown key `nmae`",
        "people[0].accounts[0].kind: must be one of email",
        "people[0].accounts[1].id: is missing",
        "people[0].memberships[0]: ends before it begins",
        "people[0].memberships[0].team: names a team",
        "people[0].memberships[0].cost_center: names a cost centre",
        "people[1]: has the same id as people[0]",
        "people[1]: unknown key number 3",
        "people[1].memberships: must be a list",
        "teams[0].parent: a team is above itself",
        "teams[1].parent: a team is above itself",
        "teams[2].parent: names a team",
        "workspaces[0].sensitivity: must be one of public, internal, restricted",
        "workspaces[1]: is another spelling",
    ] {
        assert!(all.contains(expected), "{expected} not in {all}");
    }
    assert_eq!(faults.len(), 14, "{all}");
}

#[test]
fn a_refused_file_makes_no_surrogates() {
    let mut ids = Numbered::default();
    let broken = SOUND.replace("team: payments, cost_center: CC-100, from", "team: nope, from");
    assert!(parse_directory(broken.as_bytes(), &LakeKey::new([3; 32]), &mut ids).is_err());
    assert!(ids.0.is_empty());
}

#[test]
fn unreadable_text_names_its_line_and_repeats_nothing() {
    // YAML forbids tabs as indentation.
    assert_eq!(
        faults("people:\n\t- name: Ana Silva\n"),
        [
            "directory.yaml: line 2, column 1: not readable as YAML; look for indentation, a missing quote or a \
          doubled key"
        ]
    );
    let doubled = "people: []\nana.silva: 1\nana.silva: 2\n";
    assert!(faults(doubled)[0].starts_with("directory.yaml: line ") && !faults(doubled)[0].contains("ana"));
    let error =
        parse_directory(b"people:\n  - id: \xff\xfe\n", &LakeKey::new([3; 32]), &mut Numbered::default());
    assert_eq!(error.unwrap_err().to_string(), "directory.yaml: line 2: not UTF-8; save the file as UTF-8");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_read() {
    let text = format!("\u{feff}{}", SOUND.replace('\n', "\r\n"));
    assert_eq!(parse(&text).unwrap().object, parse(SOUND).unwrap().object);
}
