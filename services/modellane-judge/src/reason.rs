//! Reason codes, as reports show them.

use modellane_event::Label;
use std::sync::LazyLock;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal),+ $(,)?) => {
        /// Why a link or a verdict is what it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[$doc])* $name),+ }

        const CODES: &[&str] = &[$($code),+];
    };
}

reasons! {
    /// The intent declares the same session.
    KeyEqual = "KEY_EQUAL",
    /// The intent declares another session.
    KeyConflict = "KEY_CONFLICT",
    /// How likely a use of this source and person belongs to a given candidate before it is compared.
    Prior = "PRIOR",
    /// The intent declares the same ticket.
    TicketEqual = "TICKET_EQUAL",
    /// The use lies inside the intent's time.
    TimeInside = "TIME_INSIDE",
    /// Inside the intent's time, but the person has begun another one since.
    TimeSuperseded = "TIME_SUPERSEDED",
    /// Inside the intent's time, but long after its start.
    TimeStaleIntent = "TIME_STALE_INTENT",
    /// At most ten minutes outside the intent's time.
    TimeNear = "TIME_NEAR",
    /// Farther outside the intent's time.
    TimeOutside = "TIME_OUTSIDE",
    /// The intent declares the same repository, which few intents do.
    RepoRareEqual = "REPO_RARE_EQUAL",
    /// The intent declares the same repository, which says little because many do.
    RepoCommonEqual = "REPO_COMMON_EQUAL",
    /// The intent declares another repository.
    RepoConflict = "REPO_CONFLICT",
    /// The intent declares another ticket.
    TicketConflict = "TICKET_CONFLICT",
    /// The intent declares another tool.
    ToolConflict = "TOOL_CONFLICT",
    /// The directory knows none of the record's accounts, or the record names none.
    IdentityUnknown = "IDENTITY_UNKNOWN",
    /// Several people or service accounts share the account.
    IdentitySharedKey = "IDENTITY_SHARED_KEY",
    /// No intent of this person was open.
    NoCandidate = "NO_CANDIDATE",
    /// Several intents fit equally well.
    TiedIntents = "TIED_INTENTS",
    /// The best intent is not contradicted, but too little speaks for it.
    WeakEvidence = "WEAK_EVIDENCE",
    /// More intents could be meant than are compared.
    TooManyCandidates = "TOO_MANY_CANDIDATES",
    /// The record sums up a day or more.
    AggregateOnly = "AGGREGATE_ONLY",
    /// The probability of the link rests on prior weights, not on reviewed rows.
    UncalibratedSource = "UNCALIBRATED_SOURCE",
    /// The service account's declared task is its standing intent.
    StandingIntent = "STANDING_INTENT",
    /// The catalogue does not list the model.
    ModelUnlisted = "MODEL_UNLISTED",
    /// No bundle was in force.
    NoGuidance = "NO_GUIDANCE",
    /// No rule of the bundle speaks of this use.
    NotCovered = "NOT_COVERED",
    /// The known facts exclude each other by the bundle's own word.
    FactsImpossible = "FACTS_IMPOSSIBLE",
    /// The bundle's scope excludes the tool.
    ScopeTool = "SCOPE_TOOL",
    /// The bundle's scope excludes the workspace.
    ScopeWorkspace = "SCOPE_WORKSPACE",
    /// The bundle's scope excludes this kind of actor.
    ScopeActor = "SCOPE_ACTOR",
    /// The request failed.
    RequestFailed = "REQUEST_FAILED",
    /// The request was cancelled.
    RequestCancelled = "REQUEST_CANCELLED",
}

/// The codes as labels, made once: every judged event carries some.
static LABELS: LazyLock<Vec<Label>> = LazyLock::new(|| CODES.iter().copied().map(Label::literal).collect());

impl Reason {
    /// The code.
    pub fn as_str(self) -> &'static str {
        CODES[self as usize]
    }

    /// The code as a label.
    pub fn label(self) -> Label {
        LABELS[self as usize].clone()
    }

    /// `FACT_MISSING:name`, the reason of an undecided verdict.
    pub(crate) fn fact_missing(fact: &Label) -> Label {
        Label::new(&format!("FACT_MISSING:{fact}")).unwrap_or_else(|_| fact.clone())
    }
}
