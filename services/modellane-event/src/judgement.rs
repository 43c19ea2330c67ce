//! The judged event: a usage event with who, which intent and what guidance says.

use crate::usage::closed_enum;
use crate::{Amount, CostBasis, Currency, EventId, Label, PersonId, Share, UsageEvent};
use serde::{Deserialize, Serialize};

closed_enum! {
    /// What kind of actor used the tool.
    ActorKind {
        /// A person of the directory.
        Person = "person",
        /// A service account of the directory.
        ServiceAccount = "service_account",
        /// Nobody whom the directory knows.
        Unknown = "unknown",
    }
}

closed_enum! {
    /// What guidance says of one use.
    Verdict {
        /// The use followed guidance.
        Followed = "followed",
        /// The use went against guidance.
        Drifted = "drifted",
        /// Facts are missing that would decide it.
        Unknown = "unknown",
        /// No person, no intent or no guidance to compare with.
        Unmatched = "unmatched",
        /// Guidance does not speak of it.
        OutOfScope = "out_of_scope",
    }
}

closed_enum! {
    /// What the verdict rests on.
    MatchedBy {
        /// A linked intent.
        Intent = "intent",
        /// Guidance alone decided.
        Guidance = "guidance",
        /// The service account's declared task.
        ServiceAccount = "service_account",
        /// A ground that this version does not know.
        Unknown = "unknown",
    }
}

closed_enum! {
    /// How sure a link or verdict is.
    ConfidenceLabel {
        /// 0.95 or more.
        High = "high",
        /// 0.80 or more.
        Medium = "medium",
        /// 0.50 or more.
        Low = "low",
        /// Less, or nothing to be sure of.
        None = "none",
    }
}

closed_enum! {
    /// Sensitivity of a workspace, as the directory declares it.
    Sensitivity {
        /// Anybody may read it.
        Public = "public",
        /// For the organisation.
        Internal = "internal",
        /// For few.
        Restricted = "restricted",
        /// A level that this version does not know.
        Unknown = "unknown",
    }
}

/// What judging adds to an event. Versions say under which context it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Run of the settler that judged; 0 for the stream.
    pub settle_run: i32,
    /// Offset of the newest context pointer that was known.
    pub context_version: i64,

    /// Person, as of the event's time.
    pub person_id: Option<PersonId>,
    /// Kind of actor.
    pub actor_kind: ActorKind,
    /// Probability that the person is right; null without a person.
    pub identity_confidence: Option<Share>,
    /// Team of the person or service account at that time.
    pub team: Option<Label>,
    /// Cost centre at that time.
    pub cost_center: Option<Label>,

    /// Class of the model in the catalogue; `unlisted` is a class, null is a hidden model.
    pub model_class: Option<Label>,
    /// Repository, if the directory lists it.
    pub workspace: Option<Label>,
    /// Its sensitivity.
    pub sensitivity: Option<Sensitivity>,
    /// Class of work, from the linked intent or the service account's task.
    pub work_class: Option<Label>,

    /// What the vendor charges; 0 under a seat; null if unknown.
    pub billed_cost: Option<Amount>,
    /// Billed, else the vendor's estimate, else computed; 0 under a seat.
    pub effective_cost: Option<Amount>,
    /// At negotiated prices.
    pub contracted_cost: Option<Amount>,
    /// At list prices.
    pub list_cost: Option<Amount>,
    /// Currency of the four costs.
    pub currency: Option<Currency>,
    /// What the effective cost rests on.
    pub cost_basis: CostBasis,
    /// Version of the price list that computed a cost.
    pub price_version: Option<Label>,
    /// Version of the exchange rates that were applied.
    pub fx_version: Option<Label>,

    /// Linked intent.
    pub intent_id: Option<Label>,
    /// Calibrated probability of the link; null without candidates.
    pub match_confidence: Option<Share>,
    /// Label of the link.
    pub confidence_label: ConfidenceLabel,
    /// Why, as reason codes.
    pub match_reasons: Vec<Label>,
    /// Next best intents, `intent_id=probability`.
    pub candidates: Vec<Label>,
    /// Version of the matching weights.
    pub model_id: Option<Label>,

    /// What guidance says.
    pub verdict: Verdict,
    /// What it rests on; null if nothing matched.
    pub matched_by: Option<MatchedBy>,
    /// Probability of `followed`; the three are null for failed or cancelled requests.
    pub p_followed: Option<Share>,
    /// Probability of `drifted`.
    pub p_drifted: Option<Share>,
    /// Probability that guidance is undecided; the three sum to exactly one.
    pub p_undecided: Option<Share>,
    /// Probability that the verdict is right.
    pub verdict_confidence: Option<Share>,
    /// Its label.
    pub verdict_label: ConfidenceLabel,
    /// Rules that decided.
    pub rule_ids: Vec<Label>,
    /// Why it is a gap, or what decided, as a code.
    pub reason_code: Option<Label>,
    /// Known facts, `name=value`.
    pub facts: Vec<Label>,
    /// Facts whose absence left it undecided.
    pub missing_facts: Vec<Label>,
    /// First model class that the known facts allow.
    pub recommended_class: Option<Label>,
    /// Content hash of the bundle in force.
    pub policy_version: Option<Label>,

    /// Part of any cost that is explained; the three shares sum to exactly one.
    pub explained_share: Share,
    /// Part that is partly explained.
    pub partial_share: Share,
    /// Part that is not explained.
    pub unexplained_share: Share,

    /// Whether this feed counts for tokens.
    pub counts_usage: bool,
    /// Whether this feed counts for money.
    pub counts_cost: bool,
    /// The aggregate whose residual this event carries.
    pub derived_from: Option<EventId>,
    /// The event that counts instead of this one.
    pub duplicate_of: Option<EventId>,
    /// Rule that decided between the feeds.
    pub overlap_rule: Option<Label>,
}

/// A usage event and its judgement, as the topic `modellane.judged.v1` carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedEvent {
    /// The evidence.
    pub usage: UsageEvent,
    /// What is made of it.
    pub judgement: Judgement,
}
