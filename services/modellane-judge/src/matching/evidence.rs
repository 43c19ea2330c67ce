//! What a use tells about the work that it belongs to, and how that compares with a declaration.
//!
//! **Nothing that guidance judges can be compared.** A link that were likelier for an allowed model would make
//! adherence look better than it is. So a [`Trace`] is made from times and keyed identifiers alone, and
//! [`agreement`] takes nothing but a [`MatchKey`], a trait that this module keeps to itself. Model, class,
//! vendor, tool and cost are labels and amounts; they have no way in, and that includes the declared tool,
//! because guidance judges its tier.
//!
//! ```compile_fail
//! use modellane_event::Label;
//! let model = Some(Label::literal("claude-opus-5-5"));
//! modellane_judge::matching::agreement(model.clone(), model);
//! ```
//! ```
//! use modellane_event::TicketKey;
//! let ticket = Some(TicketKey([1; 16]));
//! assert_eq!(modellane_judge::matching::agreement(ticket, ticket), Some(true));
//! ```

use modellane_event::{SessionKey, TicketKey, UtcTime, Who, Work, WorkspaceKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

const MINUTE: i64 = 60_000_000;
/// An intent that began longer ago than this has often been forgotten open.
const FRESH: i64 = 240 * MINUTE;
const NEAR: i64 = 10 * MINUTE;
const OUTSIDE: i64 = 60 * MINUTE;

mod sealed {
    pub trait Sealed {}
    impl Sealed for modellane_event::SessionKey {}
    impl Sealed for modellane_event::TicketKey {}
    impl Sealed for modellane_event::WorkspaceKey {}
}

/// An identifier that tells which work a use belongs to and that guidance does not judge.
pub trait MatchKey: Copy + Eq + sealed::Sealed {}
impl MatchKey for SessionKey {}
impl MatchKey for TicketKey {}
impl MatchKey for WorkspaceKey {}

/// Whether two statements agree; `None` if one of them is missing.
pub fn agreement<K: MatchKey>(declared: Option<K>, seen: Option<K>) -> Option<bool> {
    Some(declared? == seen?)
}

/// What a use tells about the work that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    at: UtcTime,
    session: Option<SessionKey>,
    ticket: Option<TicketKey>,
    workspace: Option<WorkspaceKey>,
}

impl Trace {
    /// The trace of a use that began at a moment.
    pub fn new(at: UtcTime, who: &Who, work: &Work) -> Self {
        Self { at, session: who.session_key, ticket: work.ticket_key, workspace: work.workspace_key }
    }

    /// When it began.
    pub fn at(&self) -> UtcTime {
        self.at
    }

    /// Session, conversation or trace.
    pub fn session(&self) -> Option<SessionKey> {
        self.session
    }

    /// Repository.
    pub fn workspace(&self) -> Option<WorkspaceKey> {
        self.workspace
    }
}

/// What an intent declares that a trace can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Start.
    pub started_at: UtcTime,
    /// End, exclusive; open if null.
    pub ended_at: Option<UtcTime>,
    /// Session of the tool.
    pub session: Option<SessionKey>,
    /// Ticket.
    pub ticket: Option<TicketKey>,
    /// Repository.
    pub workspace: Option<WorkspaceKey>,
}

/// Session keys of use and intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLevel {
    /// Not stated by both.
    Missing,
    /// The same.
    Equal,
    /// Different ones.
    Differs,
}

/// How use and intent agree. Ticket and repository are one comparison, because a ticket mostly implies its
/// repository and bits add up only over independent comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Both state the same ticket.
    TicketEqual,
    /// They state different tickets.
    TicketDiffers,
    /// Not both state a ticket; the repository is the same.
    RepoEqual,
    /// Not both state a ticket; the repositories differ.
    RepoDiffers,
    /// Inside the intent's time, at most four hours after its start, and no other intent of the person is open.
    Inside,
    /// The same, but an earlier one is open beside it.
    Contested,
    /// Inside, but the person has begun another intent since.
    Superseded,
    /// The same for an intent that nobody ended: mostly the next one stands for its end.
    Abandoned,
    /// Inside, later than four hours after the start.
    Stale,
    /// At most ten minutes outside.
    Near,
    /// At most an hour outside.
    Outside,
    /// Farther outside.
    Far,
}

impl Level {
    /// Levels of the work item.
    pub const WORK: [Self; 4] = [Self::TicketEqual, Self::TicketDiffers, Self::RepoEqual, Self::RepoDiffers];
    /// Levels of time.
    pub const TIME: [Self; 8] = [
        Self::Inside,
        Self::Contested,
        Self::Superseded,
        Self::Abandoned,
        Self::Stale,
        Self::Near,
        Self::Outside,
        Self::Far,
    ];

    /// Its name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TicketEqual => "ticket_equal",
            Self::TicketDiffers => "ticket_differs",
            Self::RepoEqual => "repo_equal",
            Self::RepoDiffers => "repo_differs",
            Self::Inside => "inside",
            Self::Contested => "contested",
            Self::Superseded => "superseded",
            Self::Abandoned => "abandoned",
            Self::Stale => "stale",
            Self::Near => "near",
            Self::Outside => "outside",
            Self::Far => "far",
        }
    }

    /// All levels in order.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::WORK.into_iter().chain(Self::TIME)
    }
}

/// A number for each level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Copy + Serialize", deserialize = "T: Deserialize<'de>"))]
#[serde(into = "BTreeMap<Level, T>", try_from = "BTreeMap<Level, T>")]
pub struct PerLevel<T: Copy>(pub [T; 12]);

impl<T: Copy> Index<Level> for PerLevel<T> {
    type Output = T;
    fn index(&self, level: Level) -> &T {
        &self.0[level as usize]
    }
}

impl<T: Copy> IndexMut<Level> for PerLevel<T> {
    fn index_mut(&mut self, level: Level) -> &mut T {
        &mut self.0[level as usize]
    }
}

impl<T: Copy> From<PerLevel<T>> for BTreeMap<Level, T> {
    fn from(table: PerLevel<T>) -> Self {
        Level::all().zip(table.0).collect()
    }
}

impl<T: Copy> TryFrom<BTreeMap<Level, T>> for PerLevel<T> {
    type Error = &'static str;
    fn try_from(map: BTreeMap<Level, T>) -> Result<Self, Self::Error> {
        // A map is ordered as the levels are, so one that has all of them has each in its place.
        let values: Vec<T> = map.into_values().collect();
        values.try_into().map(Self).map_err(|_| "a level has no number")
    }
}

/// A use compared with one intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Session keys.
    pub key: KeyLevel,
    /// Work item; `None` if nothing is stated by both.
    pub work: Option<Level>,
    /// Time.
    pub time: Level,
}

impl Comparison {
    /// Compares. `is_latest` says that the person began no other intent between this one's start and the use.
    pub fn of(trace: &Trace, declared: &Declaration, is_latest: bool) -> Self {
        let key = match agreement(declared.session, trace.session) {
            None => KeyLevel::Missing,
            Some(true) => KeyLevel::Equal,
            Some(false) => KeyLevel::Differs,
        };
        let ticket = agreement(declared.ticket, trace.ticket);
        let workspace = agreement(declared.workspace, trace.workspace);
        let work = match (ticket, workspace) {
            (Some(true), _) => Some(Level::TicketEqual),
            (Some(false), _) => Some(Level::TicketDiffers),
            (None, Some(true)) => Some(Level::RepoEqual),
            (None, Some(false)) => Some(Level::RepoDiffers),
            (None, None) => None,
        };
        Self { key, work, time: time_level(trace.at, declared, is_latest) }
    }

    /// Levels that carry learned bits.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        self.work.into_iter().chain([self.time])
    }
}

fn time_level(at: UtcTime, declared: &Declaration, is_latest: bool) -> Level {
    let before = declared.started_at.0 - at.0;
    // The end is exclusive: a use at the very end is outside by nothing.
    let after = declared.ended_at.map_or(-1, |end| at.0 - end.0);
    match (before > 0, after >= 0) {
        (false, false) if !is_latest && declared.ended_at.is_none() => Level::Abandoned,
        (false, false) if !is_latest => Level::Superseded,
        (false, false) if -before <= FRESH => Level::Inside,
        (false, false) => Level::Stale,
        _ => match before.max(after) {
            distance if distance <= NEAR => Level::Near,
            distance if distance <= OUTSIDE => Level::Outside,
            _ => Level::Far,
        },
    }
}
