//! Judging one event: the parts put together.

use crate::candidates::link_by_evidence;
use crate::context::{ContextState, LoadedBundle};
use crate::cost::costs;
use crate::identity::{Identity, identify};
use crate::linker::{Link, Target, WEIGHTS, link_exactly};
use crate::policy::{Listing, Thresholds};
use crate::reason::Reason;
use crate::spending::SpendingObject;
use crate::verdict::{Case, Evidence, find, link_label};
use modellane_event::{ConfidenceLabel, Judgement, Label, Sensitivity, Share, UsageEvent, UsageFacts};
use std::sync::LazyLock;

static UNLISTED: LazyLock<Label> = LazyLock::new(|| Label::literal("unlisted"));
static MODEL_ID: LazyLock<Label> = LazyLock::new(|| Label::literal(WEIGHTS));

/// Judges one event against what is known. Pure: the same state and event give the same judgement.
/// `settle_run` is 0, as for the stream; a settler sets its own.
pub fn judge(state: &ContextState, event: &UsageEvent) -> Judgement {
    judge_under(state, state.loaded_at(event.facts.period_start), event)
}

/// Judges one event under this guidance, whichever was in force.
pub(crate) fn judge_under(
    state: &ContextState,
    loaded: Option<&LoadedBundle>,
    event: &UsageEvent,
) -> Judgement {
    let facts = &event.facts;
    let at = facts.period_start;
    let identity = identify(&state.directory, &facts.who.accounts, at);
    let link = link(state, event, &identity);
    let thresholds = loaded.map_or_else(Thresholds::default, |loaded| *loaded.bundle.thresholds());
    let linked = link.candidates.first().filter(|best| best.probability >= thresholds.intent);
    let model = Model::of(loaded, facts);
    let place = Place::of(state, facts, linked.map(|best| best.target));
    let (team, cost_center) = (identity.team(at), identity.cost_center(at));
    let finding = find(
        loaded.map(|loaded| &loaded.bundle),
        &Case {
            grain: facts.grain,
            ended: facts.outcome,
            tool: facts.tool.as_ref(),
            workspace: place.workspace,
            identity: &identity,
            link: &link,
            evidence: Evidence {
                model_class: model.class.as_ref().map(Label::as_str),
                vendor_status: model.listing.vendor_status.map(Label::as_str),
                tool_tier: model.listing.tool_tier.map(Label::as_str),
                tool: facts.tool.as_ref().map(Label::as_str),
                surface: facts.surface.map(modellane_event::Surface::as_str),
                team: team.map(Label::as_str),
                actor_kind: identity.kind(),
                repo_sensitivity: place.stated.and_then(known_sensitivity),
                budget_state: spending_of(state, facts)
                    .and_then(|spending| spending.state(team, cost_center, thresholds.budget_near)),
            },
            sensitivity_of: &|target| target_workspace(state, facts, target)?.1.and_then(known_sensitivity),
        },
    );
    let costs = costs(&state.prices, facts);
    let [explained_share, partial_share, unexplained_share] = finding.shares;
    let probability = |of: usize| finding.probabilities.map(|all| all[of]);
    Judgement {
        settle_run: 0,
        context_version: state.version(),
        person_id: identity.person(),
        actor_kind: identity.kind(),
        identity_confidence: identity.confidence(),
        team: team.cloned(),
        cost_center: cost_center.cloned(),
        model_class: model.class.clone(),
        workspace: place.workspace.cloned(),
        sensitivity: place.sensitivity,
        work_class: linked.and_then(|best| best.target.task()).cloned(),
        billed_cost: costs.billed,
        effective_cost: costs.effective,
        contracted_cost: None,
        list_cost: costs.list,
        currency: costs.currency,
        cost_basis: costs.basis,
        price_version: state.price_version.clone().filter(|_| costs.priced),
        fx_version: None,
        intent_id: linked.and_then(|best| intent_id(best.target)),
        match_confidence: link.candidates.first().map(|best| best.probability),
        confidence_label: link.candidates.first().map_or(ConfidenceLabel::None, |best| {
            link_label(&thresholds, facts.grain, &identity, &link, best.probability)
        }),
        match_reasons: match_reasons(&identity, &link, linked.is_some(), &model),
        candidates: next_best(&link, linked.is_some()),
        model_id: (!link.candidates.is_empty()).then(|| model_id(state)),
        verdict: finding.verdict,
        matched_by: finding.matched_by,
        p_followed: probability(0),
        p_drifted: probability(1),
        p_undecided: probability(2),
        verdict_confidence: finding.confidence,
        verdict_label: finding.label,
        rule_ids: finding.rule_ids,
        reason_code: finding.reason_code,
        facts: finding.facts,
        missing_facts: finding.missing_facts,
        recommended_class: finding.recommended_class,
        policy_version: loaded.map(|loaded| loaded.policy_version.clone()),
        explained_share,
        partial_share,
        unexplained_share,
        counts_usage: true,
        counts_cost: true,
        derived_from: None,
        duplicate_of: None,
        overlap_rule: None,
    }
}

/// Links by weighed evidence once weights are published, and by exact keys until then.
pub(crate) fn link<'a>(state: &'a ContextState, event: &UsageEvent, identity: &Identity<'a>) -> Link<'a> {
    match &state.match_model {
        Some(loaded) => link_by_evidence(state, &loaded.model, event, identity),
        None => link_exactly(&state.intents, &state.directory, &event.facts, identity),
    }
}

fn model_id(state: &ContextState) -> Label {
    state.match_model.as_ref().map_or_else(|| MODEL_ID.clone(), |loaded| loaded.id.clone())
}

/// The model in the catalogue of the bundle in force.
struct Model<'a> {
    listing: Listing<'a>,
    /// `unlisted` for a stated model that the catalogue does not know; null for a hidden one.
    class: Option<Label>,
    unlisted: bool,
}

impl<'a> Model<'a> {
    fn of(loaded: Option<&'a LoadedBundle>, facts: &UsageFacts) -> Self {
        let Some(loaded) = loaded else {
            return Self { listing: Listing::default(), class: None, unlisted: false };
        };
        let stated = facts.model.as_ref().filter(|model| !is_hidden(model.as_str()));
        let listing = loaded.bundle.listing(stated, facts.tool.as_ref(), facts.period_start);
        let unlisted = stated.is_some() && !listing.model_listed;
        let class = if unlisted { Some(UNLISTED.clone()) } else { listing.model_class.cloned() };
        Self { listing, class, unlisted }
    }
}

/// Names under which vendors hide which model answered.
fn is_hidden(model: &str) -> bool {
    model.eq_ignore_ascii_case("default") || model.eq_ignore_ascii_case("auto")
}

/// Where the work happened: as the record says, else as the linked intent declares.
struct Place<'a> {
    workspace: Option<&'a Label>,
    sensitivity: Option<Sensitivity>,
    /// Sensitivity of the repository that the record itself states.
    stated: Option<Sensitivity>,
}

impl<'a> Place<'a> {
    fn of(state: &'a ContextState, facts: &UsageFacts, linked: Option<Target<'_>>) -> Self {
        if let Some(key) = facts.work.workspace_key {
            let listed = state.directory.workspace(key);
            let sensitivity = listed.and_then(|workspace| workspace.sensitivity);
            return Self { workspace: listed.map(|w| &w.name), sensitivity, stated: sensitivity };
        }
        match linked.and_then(|target| target_workspace(state, facts, target)) {
            Some((name, sensitivity)) => Self { workspace: Some(name), sensitivity, stated: None },
            None => Self { workspace: None, sensitivity: None, stated: None },
        }
    }
}

/// The listed workspace that a candidate declares, for a record that states none.
fn target_workspace<'a>(
    state: &'a ContextState,
    facts: &UsageFacts,
    target: Target<'_>,
) -> Option<(&'a Label, Option<Sensitivity>)> {
    match target {
        Target::Declared(intent) if facts.work.workspace_key.is_none() => {
            let workspace = state.directory.workspace(intent.workspace_key?)?;
            Some((&workspace.name, workspace.sensitivity))
        }
        Target::Declared(_) | Target::Standing(_) => None,
    }
}

/// What was published for the day of the use; nothing for one that goes on after it.
fn spending_of<'a>(state: &'a ContextState, facts: &UsageFacts) -> Option<&'a SpendingObject> {
    let day = facts.period_start.date();
    state.spending_for(day).filter(|_| facts.period_end <= day.next().start())
}

fn known_sensitivity(sensitivity: Sensitivity) -> Option<&'static str> {
    (sensitivity != Sensitivity::Unknown).then(|| sensitivity.as_str())
}

fn intent_id(target: Target<'_>) -> Option<Label> {
    match target {
        Target::Declared(intent) => Some(intent.intent_id.clone()),
        Target::Standing(_) => None,
    }
}

/// Reasons of the link, after those of the identity and why there is no link.
fn match_reasons(identity: &Identity<'_>, link: &Link<'_>, linked: bool, model: &Model<'_>) -> Vec<Label> {
    let gap = identity.gap();
    let unlinked = link.gap.filter(|_| !linked);
    let of_best = link.reasons.iter().copied().filter(|reason| Some(*reason) != unlinked);
    let of_link = unlinked.into_iter().chain(of_best).filter(|reason| Some(*reason) != gap);
    let of_model = model.unlisted.then_some(Reason::ModelUnlisted);
    gap.into_iter().chain(of_link).chain(of_model).map(Reason::label).collect()
}

/// Candidates that were not linked, as `intent_id=probability`; tied ones have no probability of their own.
fn next_best(link: &Link<'_>, linked: bool) -> Vec<Label> {
    let weighed = link
        .candidates
        .iter()
        .skip(usize::from(linked))
        .filter_map(|candidate| intent_id(candidate.target).map(|id| (id, candidate.probability)));
    let tied = link.rivals.iter().map(|intent| (intent.intent_id.clone(), Share::ZERO));
    let show = |(id, probability): (Label, Share)| Label::new(&format!("{id}={probability}")).unwrap_or(id);
    weighed.chain(tied).map(show).collect()
}
