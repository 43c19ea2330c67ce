//! Reads and checks `directory.yaml`.

use super::{
    AccountEntry, CostCenterEntry, DirectoryObject, MembershipEntry, PersonEntry, PersonIds, PersonRecord,
    ServiceAccountEntry, TeamEntry, WorkspaceEntry,
};
use crate::problem::{ContextError, Problems};
use crate::reader::{Table, document, overlapping, text_of};
use modellane_event::{AccountKind, AccountRef, Label, LakeKey, Sensitivity};
use serde_yaml_ng::Value;
use std::collections::{BTreeMap, BTreeSet};

const FILE: &str = "directory.yaml";

const KINDS: &[(&str, AccountKind)] = &[
    ("email", AccountKind::Email),
    ("github", AccountKind::Github),
    ("anthropic", AccountKind::Anthropic),
    ("openai", AccountKind::Openai),
    ("cursor", AccountKind::Cursor),
    ("litellm", AccountKind::Litellm),
    ("aws", AccountKind::Aws),
    ("api_key", AccountKind::ApiKey),
    ("idc", AccountKind::Idc),
    ("enduser", AccountKind::Enduser),
];

const SENSITIVITIES: &[(&str, Sensitivity)] = &[
    ("public", Sensitivity::Public),
    ("internal", Sensitivity::Internal),
    ("restricted", Sensitivity::Restricted),
];

/// A directory that holds together, split into what everybody may keep and what may be deleted.
#[derive(Clone, Debug)]
pub struct ParsedDirectory {
    /// For the lake.
    pub object: DirectoryObject,
    /// For the deletable store of persons.
    pub persons: Vec<PersonRecord>,
}

/// Reads `directory.yaml`. All faults are listed; none repeats a name, an address or an account. No
/// surrogate is asked for before the whole file is found to be sound.
pub fn parse_directory(
    bytes: &[u8],
    key: &LakeKey,
    ids: &mut dyn PersonIds,
) -> Result<ParsedDirectory, ContextError> {
    let mut problems = Problems::new(FILE);
    let file = text_of(bytes, &mut problems)
        .and_then(|text| document(&text, &mut problems))
        .and_then(|value| File::read(&value, key, &mut problems));
    match file {
        Some(file) if problems.is_empty() => Ok(file.into_objects(ids)),
        _ => Err(ContextError::Invalid(problems.into_found())),
    }
}

/// A person before a surrogate is known.
struct Person {
    id: String,
    name: Option<String>,
    accounts: Vec<AccountEntry>,
    memberships: Vec<MembershipEntry>,
}

struct Team {
    entry: TeamEntry,
    owner: Option<String>,
}

struct File {
    people: Vec<Person>,
    service_accounts: Vec<ServiceAccountEntry>,
    teams: Vec<Team>,
    cost_centers: Vec<CostCenterEntry>,
    workspaces: Vec<WorkspaceEntry>,
}

/// Ids that other parts of the file may name.
struct Known {
    teams: BTreeSet<Label>,
    cost_centers: BTreeSet<Label>,
}

impl Known {
    fn check_team(&self, team: Option<&Label>, path: String, problems: &mut Problems) {
        if team.is_some_and(|team| !self.teams.contains(team)) {
            problems.add(path, "names a team that `teams` does not list; add it there or correct the id");
        }
    }

    fn check_cost_center(&self, center: Option<&Label>, path: String, problems: &mut Problems) {
        if center.is_some_and(|center| !self.cost_centers.contains(center)) {
            problems.add(
                path,
                "names a cost centre that `cost_centers` does not list; add it there or correct the id",
            );
        }
    }
}

impl File {
    fn read(value: &Value, key: &LakeKey, problems: &mut Problems) -> Option<Self> {
        let keys = ["people", "service_accounts", "teams", "cost_centers", "workspaces"];
        let top = Table::open(value, "", &keys, problems)?;
        let teams = read_teams(&top, problems);
        let cost_centers = read_cost_centers(&top, problems);
        let known = Known {
            teams: teams.iter().map(|team| team.entry.id.clone()).collect(),
            cost_centers: cost_centers.iter().map(|center| center.id.clone()).collect(),
        };
        Some(Self {
            people: read_people(&top, key, &known, problems),
            service_accounts: read_service_accounts(&top, key, &known, problems),
            workspaces: read_workspaces(&top, key, &known, problems),
            teams,
            cost_centers,
        })
    }

    fn into_objects(self, ids: &mut dyn PersonIds) -> ParsedDirectory {
        let mut people = Vec::new();
        let mut persons = Vec::new();
        let mut surrogates = BTreeMap::new();
        for person in self.people {
            let person_id = ids.surrogate(&person.id);
            surrogates.insert(person.id.clone(), person_id);
            people.push(PersonEntry {
                person_id,
                accounts: person.accounts,
                memberships: person.memberships,
            });
            persons.push(PersonRecord { person_id, clear_id: person.id, name: person.name });
        }
        let owned = |team: Team| TeamEntry {
            owner: team.owner.and_then(|owner| surrogates.get(&owner).copied()),
            ..team.entry
        };
        let mut object = DirectoryObject {
            format: DirectoryObject::FORMAT,
            people,
            service_accounts: self.service_accounts,
            teams: self.teams.into_iter().map(owned).collect(),
            cost_centers: self.cost_centers,
            workspaces: self.workspaces,
        };
        // A fixed order: two files that say the same give the same object, hence the same hash.
        object.people.sort_by_key(|person| person.person_id);
        object.service_accounts.sort_by(|a, b| a.id.cmp(&b.id));
        object.teams.sort_by(|a, b| a.id.cmp(&b.id));
        object.cost_centers.sort_by(|a, b| a.id.cmp(&b.id));
        object.workspaces.sort_by(|a, b| a.id.cmp(&b.id));
        ParsedDirectory { object, persons }
    }
}

fn read_people(top: &Table<'_>, key: &LakeKey, known: &Known, problems: &mut Problems) -> Vec<Person> {
    let mut people = Vec::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (path, item) in top.list("people", problems) {
        let keys = ["id", "name", "accounts", "memberships"];
        let Some(table) = Table::open(item, path.clone(), &keys, problems) else { continue };
        let id = table.text("id", problems);
        let Some(id) = table.require("id", id, problems) else { continue };
        if let Some(first) = seen.insert(id.to_owned(), path.clone()) {
            problems.add(path, format!("has the same id as {first}; each person has one id"));
        }
        people.push(Person {
            id: id.to_owned(),
            name: table.text("name", problems).map(str::to_owned),
            accounts: read_accounts(&table, key, problems),
            memberships: read_memberships(&table, known, problems),
        });
    }
    people
}

fn read_memberships(person: &Table<'_>, known: &Known, problems: &mut Problems) -> Vec<MembershipEntry> {
    let mut memberships = Vec::new();
    let mut paths = Vec::new();
    for (path, item) in person.list("memberships", problems) {
        let keys = ["team", "cost_center", "from", "to"];
        let Some(table) = Table::open(item, path.clone(), &keys, problems) else { continue };
        let period = table.period(problems);
        let Some(team) = table.required_label("team", problems) else { continue };
        let cost_center = table.label("cost_center", problems);
        known.check_team(Some(&team), table.path_of("team"), problems);
        known.check_cost_center(cost_center.as_ref(), table.path_of("cost_center"), problems);
        memberships.push(MembershipEntry { team, cost_center, period });
        paths.push(path);
    }
    let periods: Vec<_> = memberships.iter().map(|membership| membership.period).collect();
    for (later, earlier) in overlapping(&periods) {
        problems.add(
            paths[later].clone(),
            format!("overlaps {}; end one (`to`, exclusive) where the other begins", paths[earlier]),
        );
    }
    memberships.sort_by_key(|membership| membership.period);
    memberships
}

fn read_accounts(owner: &Table<'_>, key: &LakeKey, problems: &mut Problems) -> Vec<AccountEntry> {
    let mut accounts = Vec::new();
    for (path, item) in owner.list("accounts", problems) {
        let Some(table) = Table::open(item, path, &["kind", "id", "from", "to"], problems) else { continue };
        let period = table.period(problems);
        let kind = table.word("kind", KINDS, problems);
        let kind = table.require("kind", kind, problems);
        let id = table.text("id", problems);
        let id = table.require("id", id, problems);
        if let (Some(kind), Some(id)) = (kind, id)
            && let Some(account) = AccountRef::new(key, kind, id)
        {
            accounts.push(AccountEntry { account, period });
        }
    }
    accounts.sort();
    accounts.dedup();
    accounts
}

fn read_service_accounts(
    top: &Table<'_>,
    key: &LakeKey,
    known: &Known,
    problems: &mut Problems,
) -> Vec<ServiceAccountEntry> {
    let mut entries: Vec<ServiceAccountEntry> = Vec::new();
    for (path, item) in top.list("service_accounts", problems) {
        let keys = ["id", "accounts", "team", "cost_center", "task", "from", "to"];
        let Some(table) = Table::open(item, path.clone(), &keys, problems) else { continue };
        let period = table.period(problems);
        let accounts = read_accounts(&table, key, problems);
        let Some(id) = table.required_label("id", problems) else { continue };
        let team = table.label("team", problems);
        let cost_center = table.label("cost_center", problems);
        known.check_team(team.as_ref(), table.path_of("team"), problems);
        known.check_cost_center(cost_center.as_ref(), table.path_of("cost_center"), problems);
        if entries.iter().any(|other| other.id == id && other.period.overlaps(&period)) {
            problems.add(path, "has the id and a time of another service account; each has one id");
        }
        let task = table.label("task", problems);
        entries.push(ServiceAccountEntry { id, accounts, team, cost_center, task, period });
    }
    entries
}

fn read_teams(top: &Table<'_>, problems: &mut Problems) -> Vec<Team> {
    let mut teams: Vec<Team> = Vec::new();
    let mut paths = Vec::new();
    for (path, item) in top.list("teams", problems) {
        let Some(table) = Table::open(item, path.clone(), &["id", "name", "owner", "parent"], problems)
        else {
            continue;
        };
        let Some(id) = table.required_label("id", problems) else { continue };
        if let Some(first) = teams.iter().position(|team| team.entry.id == id) {
            problems
                .add(path.clone(), format!("has the same id as {}; each team has one entry", paths[first]));
        }
        let name = table.text("name", problems).map(str::to_owned);
        let owner = table.text("owner", problems).map(str::to_owned);
        let parent = table.label("parent", problems);
        teams.push(Team { entry: TeamEntry { id, name, owner: None, parent }, owner });
        paths.push(path);
    }
    check_parents(&teams, &paths, problems);
    teams
}

fn check_parents(teams: &[Team], paths: &[String], problems: &mut Problems) {
    let parents: BTreeMap<&Label, Option<&Label>> =
        teams.iter().map(|team| (&team.entry.id, team.entry.parent.as_ref())).collect();
    for (team, path) in teams.iter().zip(paths) {
        let mut at = team.entry.parent.as_ref();
        if at.is_some_and(|parent| !parents.contains_key(parent)) {
            problems.add(format!("{path}.parent"), "names a team that `teams` does not list");
            continue;
        }
        let mut steps = 0;
        while let Some(parent) = at {
            steps += 1;
            if *parent == team.entry.id {
                problems.add(format!("{path}.parent"), "a team is above itself; break the circle of parents");
                break;
            }
            if steps > teams.len() {
                break; // a circle that this team is not part of; it is reported at its members
            }
            at = parents.get(parent).copied().flatten();
        }
    }
}

fn read_cost_centers(top: &Table<'_>, problems: &mut Problems) -> Vec<CostCenterEntry> {
    let mut entries: Vec<CostCenterEntry> = Vec::new();
    for (path, item) in top.list("cost_centers", problems) {
        let keys = ["id", "name", "company", "gl_account"];
        let Some(table) = Table::open(item, path.clone(), &keys, problems) else { continue };
        let Some(id) = table.required_label("id", problems) else { continue };
        if entries.iter().any(|other| other.id == id) {
            problems.add(path, "has the same id as another cost centre; each has one entry");
        }
        let mut text = |key| table.text(key, problems).map(str::to_owned);
        entries.push(CostCenterEntry {
            name: text("name"),
            company: text("company"),
            gl_account: text("gl_account"),
            id,
        });
    }
    entries
}

fn read_workspaces(
    top: &Table<'_>,
    key: &LakeKey,
    known: &Known,
    problems: &mut Problems,
) -> Vec<WorkspaceEntry> {
    let mut entries: Vec<WorkspaceEntry> = Vec::new();
    for (path, item) in top.list("workspaces", problems) {
        let Some(table) = Table::open(item, path.clone(), &["id", "team", "sensitivity"], problems) else {
            continue;
        };
        let Some(id) = table.required_label("id", problems) else { continue };
        let team = table.label("team", problems);
        known.check_team(team.as_ref(), table.path_of("team"), problems);
        let workspace_key = key.workspace(id.as_str());
        if entries.iter().any(|other| other.key == workspace_key) {
            problems.add(path, "is another spelling of a workspace that is listed already");
        }
        let sensitivity = table.word("sensitivity", SENSITIVITIES, problems);
        entries.push(WorkspaceEntry { id, key: workspace_key, team, sensitivity });
    }
    entries
}
