//! An organisation whose teams and guidance change while events happen: what has to come of an event follows from
//! its own time alone, in whatever order events come.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

/// Users of the gateway whom the directory knows; the oracle draws a few more.
const KNOWN: usize = 30;
/// When half of the people change from the first team to the second.
const MOVE: &str = "2026-11-05";
/// When guidance begins to forbid the second team what it may do before.
const TURN: &str = "2026-11-06";
const TEAMS: [&str; 3] = ["alpha", "beta", "gamma"];

/// Who is in which team, and when guidance turns, for the judge's own computation.
#[derive(Clone, Debug, Serialize)]
pub struct Organisation {
    memberships: Vec<Membership>,
    /// From this day on `forbidden` is against guidance.
    turn: &'static str,
    forbidden: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct Membership {
    account: String,
    team: &'static str,
    from: &'static str,
    to: Option<&'static str>,
}

/// How the gateway calls a person.
pub fn account(person: usize) -> String {
    format!("u-{person}")
}

impl Organisation {
    /// One half of the people move, the other half stays.
    pub fn new() -> Self {
        let memberships = (0..KNOWN).flat_map(|person| {
            let membership = |team, from, to| Membership { account: account(person), team, from, to };
            let [first, second, third] = TEAMS;
            match person % 2 {
                0 => vec![membership(first, "2026-01-01", Some(MOVE)), membership(second, MOVE, None)],
                _ => vec![membership(third, "2026-01-01", None)],
            }
        });
        Self { memberships: memberships.collect(), turn: TURN, forbidden: TEAMS[1] }
    }

    /// Publishes directory and guidance through a collector.
    pub fn publish(&self, collector: &str) -> Result<()> {
        put(collector, "directory", &self.directory()?)?;
        let before = ("1", format!("from: 2026-10-01, to: {TURN}"), String::new());
        let forbid = format!(
            "@id(\"not-here\")\nforbid (principal, action, resource) when {{ context.team == \"{}\" }};",
            self.forbidden
        );
        let after = ("2", format!("from: {TURN}"), forbid);
        for (version, effective, more) in [before, after] {
            put(collector, "policy", &bundle(version, &effective, &more)?)?;
        }
        Ok(())
    }

    fn directory(&self) -> Result<String> {
        let mut text = "teams:\n".to_owned();
        for team in TEAMS {
            writeln!(text, "  - {{ id: {team} }}")?;
        }
        text.push_str("people:\n");
        let mut people: BTreeMap<&str, Vec<&Membership>> = BTreeMap::new();
        for membership in &self.memberships {
            people.entry(&membership.account).or_default().push(membership);
        }
        for (account, memberships) in people {
            writeln!(
                text,
                "  - id: p-{account}\n    accounts: [{{ kind: litellm, id: {account} }}]\n    memberships:"
            )?;
            for Membership { team, from, to, .. } in memberships {
                let to = to.map_or(String::new(), |to| format!(", to: {to}"));
                writeln!(text, "      - {{ team: {team}, from: {from}{to} }}")?;
            }
        }
        Ok(text)
    }
}

impl Default for Organisation {
    fn default() -> Self {
        Self::new()
    }
}

fn bundle(version: &str, effective: &str, more: &str) -> Result<String> {
    let head = format!(
        "id: plan\nversion: \"{version}\"\neffective: {{ {effective} }}\nfacts:\n  resource:\n    model_class: [standard, \
         unlisted]\n  context:\n    team: [{}]\n",
        TEAMS.join(", ")
    );
    let rules = format!(
        "@id(\"standard-models\")\npermit (principal, action, resource)\nwhen {{ resource.model_class == \"standard\" \
         }};\n{more}\n"
    );
    let files = BTreeMap::from([
        ("bundle.yaml", head),
        ("catalogue.csv", "pattern,model_class\ngpt-6.1-sol,standard\n".to_owned()),
        ("rules.cedar", rules),
    ]);
    serde_json::to_string(&files).context("files as JSON")
}

fn put(collector: &str, kind: &str, content: &str) -> Result<()> {
    let mut answer = ureq::put(format!("http://{collector}/v1/{kind}"))
        .config()
        .http_status_as_error(false)
        .build()
        .send(content)?;
    let said = answer.body_mut().read_to_string()?;
    ensure!(answer.status().is_success(), "{kind} was answered with {}: {said}", answer.status());
    Ok(())
}
