//! The directory as judging looks things up in it.

use super::DirectoryObject;
use crate::Period;
use modellane_event::{AccountRef, ActorKind, Label, PersonId, Sensitivity, UtcTime, WorkspaceKey};
use std::collections::HashMap;

/// Somebody who uses tools.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) kind: ActorKind,
    /// Null for a service account.
    pub(crate) person: Option<PersonId>,
    /// Standing intent of a service account.
    pub(crate) task: Option<Label>,
    pub(crate) accounts: Vec<(AccountRef, Period)>,
    memberships: Vec<Membership>,
}

#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) team: Option<Label>,
    pub(crate) cost_center: Option<Label>,
    period: Period,
}

impl Actor {
    pub(crate) fn membership(&self, at: UtcTime) -> Option<&Membership> {
        self.memberships.iter().find(|membership| membership.period.contains(at))
    }
}

/// A listed workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) name: Label,
    pub(crate) sensitivity: Option<Sensitivity>,
}

#[derive(Debug, Default)]
pub(crate) struct DirectoryIndex {
    actors: Vec<Actor>,
    owners: HashMap<AccountRef, Vec<(u32, Period)>>,
    workspaces: HashMap<WorkspaceKey, Workspace>,
}

impl DirectoryIndex {
    pub(crate) fn new(object: DirectoryObject) -> Self {
        let people = object.people.into_iter().map(|person| Actor {
            kind: ActorKind::Person,
            person: Some(person.person_id),
            task: None,
            accounts: person.accounts.iter().map(|entry| (entry.account, entry.period)).collect(),
            memberships: person
                .memberships
                .into_iter()
                .map(|m| Membership { team: Some(m.team), cost_center: m.cost_center, period: m.period })
                .collect(),
        });
        let services = object.service_accounts.into_iter().map(|service| Actor {
            kind: ActorKind::ServiceAccount,
            person: None,
            task: service.task,
            accounts: service
                .accounts
                .iter()
                .map(|e| (e.account, intersect(e.period, service.period)))
                .collect(),
            memberships: vec![Membership {
                team: service.team,
                cost_center: service.cost_center,
                period: service.period,
            }],
        });
        let actors: Vec<Actor> = people.chain(services).collect();
        let mut owners: HashMap<AccountRef, Vec<(u32, Period)>> = HashMap::new();
        for (number, actor) in (0u32..).zip(&actors) {
            for (account, period) in &actor.accounts {
                owners.entry(*account).or_default().push((number, *period));
            }
        }
        let workspace =
            |w: super::WorkspaceEntry| (w.key, Workspace { name: w.id, sensitivity: w.sensitivity });
        Self { actors, owners, workspaces: object.workspaces.into_iter().map(workspace).collect() }
    }

    pub(crate) fn actor(&self, number: u32) -> Option<&Actor> {
        self.actors.get(number as usize)
    }

    /// Numbers of the actors whose account it is at a moment, each once.
    pub(crate) fn owners(&self, account: AccountRef, at: UtcTime) -> impl Iterator<Item = u32> + '_ {
        let entries = self.owners.get(&account).map_or(&[][..], Vec::as_slice);
        // Two entries of one actor are neighbours, because actors were numbered in order.
        let mut last = None;
        entries.iter().filter(move |(_, period)| period.contains(at)).filter_map(move |(number, _)| {
            let new = last != Some(*number);
            last = Some(*number);
            new.then_some(*number)
        })
    }

    pub(crate) fn workspace(&self, key: WorkspaceKey) -> Option<&Workspace> {
        self.workspaces.get(&key)
    }
}

fn intersect(a: Period, b: Period) -> Period {
    let to = match (a.to, b.to) {
        (Some(x), Some(y)) => Some(x.min(y)),
        (x, y) => x.or(y),
    };
    Period { from: a.from.max(b.from), to }
}
