//! Reason codes, as reports show them.

use modellane_event::Label;

/// Why a link or a verdict is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The intent declares the same session.
    KeyEqual,
    /// The intent declares the same ticket.
    TicketEqual,
    /// The use lies inside the intent's time.
    TimeInside,
    /// The intent declares another repository.
    RepoConflict,
    /// The intent declares another ticket.
    TicketConflict,
    /// The intent declares another tool.
    ToolConflict,
    /// The directory knows none of the record's accounts, or the record names none.
    IdentityUnknown,
    /// Several people or service accounts share the account.
    IdentitySharedKey,
    /// No intent of this person was open.
    NoCandidate,
    /// Several intents fit equally well.
    TiedIntents,
    /// The record sums up a day or more.
    AggregateOnly,
    /// The probability of the link rests on prior weights, not on reviewed rows.
    UncalibratedSource,
    /// The service account's declared task is its standing intent.
    StandingIntent,
    /// The catalogue does not list the model.
    ModelUnlisted,
    /// No bundle was in force.
    NoGuidance,
    /// No rule of the bundle speaks of this use.
    NotCovered,
    /// The known facts exclude each other by the bundle's own word.
    FactsImpossible,
    /// The bundle's scope excludes the tool.
    ScopeTool,
    /// The bundle's scope excludes the workspace.
    ScopeWorkspace,
    /// The bundle's scope excludes this kind of actor.
    ScopeActor,
    /// The request failed.
    RequestFailed,
    /// The request was cancelled.
    RequestCancelled,
}

impl Reason {
    /// The code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyEqual => "KEY_EQUAL",
            Self::TicketEqual => "TICKET_EQUAL",
            Self::TimeInside => "TIME_INSIDE",
            Self::RepoConflict => "REPO_CONFLICT",
            Self::TicketConflict => "TICKET_CONFLICT",
            Self::ToolConflict => "TOOL_CONFLICT",
            Self::IdentityUnknown => "IDENTITY_UNKNOWN",
            Self::IdentitySharedKey => "IDENTITY_SHARED_KEY",
            Self::NoCandidate => "NO_CANDIDATE",
            Self::TiedIntents => "TIED_INTENTS",
            Self::AggregateOnly => "AGGREGATE_ONLY",
            Self::UncalibratedSource => "UNCALIBRATED_SOURCE",
            Self::StandingIntent => "STANDING_INTENT",
            Self::ModelUnlisted => "MODEL_UNLISTED",
            Self::NoGuidance => "NO_GUIDANCE",
            Self::NotCovered => "NOT_COVERED",
            Self::FactsImpossible => "FACTS_IMPOSSIBLE",
            Self::ScopeTool => "SCOPE_TOOL",
            Self::ScopeWorkspace => "SCOPE_WORKSPACE",
            Self::ScopeActor => "SCOPE_ACTOR",
            Self::RequestFailed => "REQUEST_FAILED",
            Self::RequestCancelled => "REQUEST_CANCELLED",
        }
    }

    /// The code as a label.
    pub fn label(self) -> Label {
        Label::literal(self.as_str())
    }

    /// `FACT_MISSING:name`, the reason of an undecided verdict.
    pub(crate) fn fact_missing(fact: &Label) -> Label {
        Label::new(&format!("FACT_MISSING:{fact}")).unwrap_or_else(|_| fact.clone())
    }
}
