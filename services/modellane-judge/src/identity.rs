//! Who used the tool, as of the event's time.

use crate::directory::{Actor, DirectoryIndex};
use crate::reason::Reason;
use modellane_event::{AccountRef, ActorKind, Label, PersonId, Share, UtcTime};

/// Who stands behind a record.
#[derive(Debug)]
pub(crate) enum Identity<'a> {
    /// Nobody whom the directory knows.
    Nobody,
    /// Exactly one.
    One { number: u32, actor: &'a Actor },
    /// Several share the account; each is equally likely.
    Shared(Vec<(u32, &'a Actor)>),
}

/// Tries the accounts in their order, the most specific first: the first that belongs to exactly one
/// decides. If none does, the first that belongs to several leaves it open between them.
pub(crate) fn identify<'a>(
    directory: &'a DirectoryIndex,
    accounts: &[AccountRef],
    at: UtcTime,
) -> Identity<'a> {
    let mut shared: Option<AccountRef> = None;
    for account in accounts {
        let mut owners = directory.owners(*account, at);
        match (owners.next(), owners.next()) {
            (Some(number), None) => {
                if let Some(actor) = directory.actor(number) {
                    return Identity::One { number, actor };
                }
            }
            (Some(_), Some(_)) => shared = shared.or(Some(*account)),
            (None, _) => {}
        }
    }
    match shared {
        Some(account) => {
            let owners = directory.owners(account, at);
            Identity::Shared(owners.filter_map(|n| directory.actor(n).map(|actor| (n, actor))).collect())
        }
        None => Identity::Nobody,
    }
}

impl<'a> Identity<'a> {
    /// Whether this actor may stand behind the record. If nobody is known, anybody may.
    pub(crate) fn admits(&self, number: u32) -> bool {
        match self {
            Self::Nobody => true,
            Self::One { number: one, .. } => *one == number,
            Self::Shared(actors) => actors.iter().any(|(other, _)| *other == number),
        }
    }

    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    pub(crate) fn person(&self) -> Option<PersonId> {
        match self {
            Self::One { actor, .. } => actor.person,
            Self::Nobody | Self::Shared(_) => None,
        }
    }

    /// The kind of all who share the account, if they are of one kind.
    pub(crate) fn kind(&self) -> ActorKind {
        match self {
            Self::Nobody => ActorKind::Unknown,
            Self::One { actor, .. } => actor.kind,
            Self::Shared(actors) => agreed(actors, |actor| Some(actor.kind)).unwrap_or(ActorKind::Unknown),
        }
    }

    /// One for one actor, 1/n for n who share the account, null for nobody.
    pub(crate) fn confidence(&self) -> Option<Share> {
        match self {
            Self::Nobody => None,
            Self::One { .. } => Some(Share::ONE),
            Self::Shared(actors) => Some(Share::nearest(1.0 / actors.len().max(1) as f64)),
        }
    }

    /// Team at that time, also of several who share an account and a team.
    pub(crate) fn team(&self, at: UtcTime) -> Option<&'a Label> {
        self.agreed_on(|actor| actor.membership(at)?.team.as_ref())
    }

    /// Cost centre at that time, as for the team.
    pub(crate) fn cost_center(&self, at: UtcTime) -> Option<&'a Label> {
        self.agreed_on(|actor| actor.membership(at)?.cost_center.as_ref())
    }

    /// Standing intent of the one service account.
    pub(crate) fn task(&self) -> Option<&'a Label> {
        match self {
            Self::One { actor, .. } => actor.task.as_ref(),
            Self::Nobody | Self::Shared(_) => None,
        }
    }

    /// Why there is no single actor.
    pub(crate) fn gap(&self) -> Option<Reason> {
        match self {
            Self::Nobody => Some(Reason::IdentityUnknown),
            Self::Shared(_) => Some(Reason::IdentitySharedKey),
            Self::One { .. } => None,
        }
    }

    fn agreed_on<T: PartialEq>(&self, of: impl Fn(&'a Actor) -> Option<T>) -> Option<T> {
        match self {
            Self::Nobody => None,
            Self::One { actor, .. } => of(actor),
            Self::Shared(actors) => agreed(actors, of),
        }
    }
}

fn agreed<'a, T: PartialEq>(actors: &[(u32, &'a Actor)], of: impl Fn(&'a Actor) -> Option<T>) -> Option<T> {
    let mut values = actors.iter().map(|(_, actor)| of(actor));
    let first = values.next()??;
    values.all(|value| value.as_ref() == Some(&first)).then_some(first)
}
