//! One trial: weights and calibration from the first days of a world, measurements on the days after.

use crate::measures::{Forecast, auc, brier, calibration_error, mean, precision};
use crate::world::{FIRST_HELD_OUT, Noise, SOURCES, Simulation, TEAMS, Truth, Use, World};
use anyhow::ensure;
use modellane_event::{ConfidenceLabel, ContextPointer, Judgement, Label, Share, UtcTime, Verdict};
use modellane_judge::matching::{CandidateSet, MatchCounts, MatchModel, Reviewed, SourceModel, null_prior};
use modellane_judge::{AdherenceCell, ContextObject, ContextState, ExpectationError, PolicyObject, judge};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Names of the measures in the order in which a trial gives them.
pub(crate) type Measures = Vec<(&'static str, f64)>;

pub(crate) fn context(world: &World, guidance: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<ContextState> {
    let mut state = ContextState::new();
    let objects = [
        ContextObject::Directory(world.directory.clone()),
        ContextObject::Policy(PolicyObject::from_files(guidance)?),
    ];
    for object in objects {
        let object = object.encode()?;
        let recorded_at = UtcTime::parse("2026-01-01T00:00:00Z")?;
        let pointer = ContextPointer { kind: object.kind, hash: object.hash, effective: None, recorded_at };
        state.apply(&pointer, state.version() + 1, &object.bytes)?;
    }
    world.intents.iter().for_each(|intent| {
        state.apply_intent(intent);
    });
    Ok(state)
}

/// What the weights are made of, and which uses it came from.
pub(crate) struct Training {
    pub(crate) model: MatchModel,
    /// Uses that were reviewed: none of them may be measured.
    pub(crate) reviewed: HashSet<usize>,
}

/// Counts keyed uses, estimates null priors and fits `per_source` reviewed uses, all of the first days.
pub(crate) fn train(world: &World, state: &ContextState, per_source: usize) -> anyhow::Result<Training> {
    let days = world.uses.iter().enumerate().filter(|(_, used)| used.day < FIRST_HELD_OUT);
    let mut counts = MatchCounts::default();
    let mut rows: Vec<Vec<(usize, Reviewed)>> = SOURCES.iter().map(|_| Vec::new()).collect();
    for (number, used) in days {
        let candidates = state.candidates(&used.event);
        counts.add(&used.event.source, &candidates.set);
        if candidates.intent_ids.is_empty() {
            continue;
        }
        let true_id = used.intent.map(|intent| &world.intents[intent].intent_id);
        let truth = candidates.intent_ids.iter().position(|id| Some(id) == true_id);
        rows[used.source].push((number, Reviewed { set: candidates.set, truth }));
    }
    // Uses were drawn at random, so every n-th of them is a random sample too.
    let sample = |rows: &[(usize, Reviewed)]| -> Vec<(usize, Reviewed)> {
        let unkeyed: Vec<_> = rows.iter().filter(|(number, _)| !world.uses[*number].keyed).collect();
        let step = (unkeyed.len() / per_source.max(1)).max(1);
        unkeyed.into_iter().step_by(step).take(per_source).cloned().collect()
    };
    let samples: Vec<Vec<(usize, Reviewed)>> = rows.iter().map(|rows| sample(rows)).collect();
    let mut model = MatchModel::from_counts(&counts);
    for (source, rows) in SOURCES.iter().zip(&rows) {
        let source = Label::literal(source);
        let mut own = *model.source(&source);
        ensure!(own.keyed_rows >= SourceModel::LEAST_KEYED, "a source has too few keyed uses to be weighed");
        own.null_prior = null_prior(&model, &own, rows.iter().map(|(_, row)| &row.set));
        model.sources.insert(source, own);
    }
    let reviewed = samples.iter().flatten().map(|(number, _)| *number).collect();
    let samples = samples.into_iter().map(|sample| sample.into_iter().map(|(_, row)| row).collect());
    model.calibrate(&SOURCES.iter().map(|source| Label::literal(source)).zip(samples).collect());
    Ok(Training { model, reviewed })
}

/// One judged use beside its truth.
struct Judged<'a> {
    used: &'a Use,
    judgement: Judgement,
    /// Best candidate with its probability, and whether it is the true one.
    link: Option<Forecast>,
    /// The same pair by pair, each candidate weighed as if there were no others.
    pairwise: Option<Forecast>,
}

pub(crate) fn trial(
    seed: u64,
    noise: Noise,
    per_source: usize,
    guidance: &BTreeMap<String, Vec<u8>>,
) -> anyhow::Result<(Measures, MatchModel)> {
    let world = Simulation::run(seed, noise);
    let mut state = context(&world, guidance)?;
    let Training { model, reviewed } = train(&world, &state, per_source)?;
    state.set_match_model(model.clone());
    let held_out = world.uses.iter().enumerate().filter(|(_, used)| used.day >= FIRST_HELD_OUT);
    let mut judged = Vec::new();
    for (number, used) in held_out {
        ensure!(!reviewed.contains(&number), "a use was calibrated on and measured");
        judged.push(judge_use(&world, &state, &model, used));
    }
    let mut measures = attribution(&judged);
    measures.extend(verdicts(&judged));
    let missed = [0, 1, 2].map(|source| expectation_error(&world, &state, &reviewed, source));
    measures.extend(cells(&judged, missed));
    let share = |of: &dyn Fn(&Use) -> bool| precision(world.uses.iter().map(of));
    measures.extend([
        ("uses", world.uses.len() as f64),
        ("declared intents", world.intents.len() as f64),
        ("uses without a declared intent", share(&|used| used.intent.is_none())),
        ("keyed uses", share(&|used| used.keyed)),
    ]);
    Ok((measures, model))
}

fn judge_use<'a>(world: &World, state: &ContextState, model: &MatchModel, used: &'a Use) -> Judged<'a> {
    let judgement = judge(state, &used.event);
    let candidates = state.candidates(&used.event);
    let true_id = used.intent.map(|intent| &world.intents[intent].intent_id);
    let source = model.source(&used.event.source);
    let best = |probabilities: &[f64]| {
        let best = (0..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]))?;
        let so = true_id == Some(&candidates.intent_ids[best]);
        Some(Forecast { probability: probabilities[best], so })
    };
    let link = best(&candidates.set.posterior(model, source).candidates);
    let pairwise = best(&pairwise(&candidates.set, model, source));
    Judged { used, judgement, link, pairwise }
}

/// Fellegi and Sunter pair by pair, with the same weights and the prior of a pair in its block.
fn pairwise(set: &CandidateSet, model: &MatchModel, source: &SourceModel) -> Vec<f64> {
    let null = f64::from(source.null_prior.millionths()) / 1e6;
    let prior = (1.0 - null) / set.candidates.len() as f64;
    set.evidence(model, source)
        .zip(&set.candidates)
        .map(|(evidence, candidate)| {
            let share = (f64::from(candidate.person_bits) / 1_000.0).exp2() * prior;
            let bits = f64::from(evidence.key + evidence.work + evidence.time) / 1_000.0;
            let odds = share / (1.0 - share) * bits.exp2();
            odds / (1.0 + odds)
        })
        .collect()
}

fn attribution(judged: &[Judged<'_>]) -> Measures {
    let links: Vec<Forecast> = judged.iter().filter_map(|judged| judged.link).collect();
    let pairwise: Vec<Forecast> = judged.iter().filter_map(|judged| judged.pairwise).collect();
    let high = |judged: &&Judged<'_>| judged.judgement.confidence_label == ConfidenceLabel::High;
    let high: Vec<bool> =
        judged.iter().filter(high).filter_map(|judged| judged.link).map(|link| link.so).collect();
    vec![
        ("attribution Brier", brier(&links)),
        ("  pair by pair, same weights", brier(&pairwise)),
        ("  below pair by pair", 1.0 - brier(&links) / brier(&pairwise)),
        ("attribution ECE", calibration_error(&links)),
        ("attribution AUC", auc(&links)),
        ("attribution high: precision", precision(high.iter().copied())),
        ("attribution high: share", high.len() as f64 / links.len() as f64),
        ("uses with candidates", links.len() as f64 / judged.len() as f64),
    ]
}

/// The likeliest of followed, drifted and undecided, and whether it is so.
fn verdict_forecast(judged: &Judged<'_>) -> Option<Forecast> {
    let Judgement { p_followed, p_drifted, p_undecided, .. } = &judged.judgement;
    let stated = [
        (p_followed.as_ref()?, Truth::Followed),
        (p_drifted.as_ref()?, Truth::Drifted),
        (p_undecided.as_ref()?, Truth::Undecided),
    ];
    let (share, verdict) = stated.into_iter().max_by_key(|(share, _)| **share)?;
    let probability = f64::from(share.millionths()) / 1e6;
    Some(Forecast { probability, so: verdict == judged.used.verdict })
}

fn verdicts(judged: &[Judged<'_>]) -> Measures {
    let all: Vec<Forecast> = judged.iter().filter_map(verdict_forecast).collect();
    let high: Vec<&Judged<'_>> =
        judged.iter().filter(|judged| judged.judgement.verdict_label == ConfidenceLabel::High).collect();
    let right = |judged: &&Judged<'_>| {
        let said = match judged.judgement.verdict {
            Verdict::Followed => Truth::Followed,
            Verdict::Drifted => Truth::Drifted,
            Verdict::Unknown | Verdict::Unmatched | Verdict::OutOfScope => Truth::Undecided,
        };
        said == judged.used.verdict
    };
    vec![
        ("verdict ECE", calibration_error(&all)),
        ("verdict high: precision", precision(high.iter().map(right))),
        ("verdict high: share", high.len() as f64 / judged.len() as f64),
    ]
}

/// A cell's sums, and its true followed weight.
type Cell<'a> = (AdherenceCell<Segment<'a>>, u128);
type Segment<'a> = (&'a str, modellane_event::SessionKey);

fn p_followed(judgement: &Judgement) -> f64 {
    judgement.p_followed.map_or(0.0, |share| f64::from(share.millionths()) / 1e6)
}

fn expectation_error(
    world: &World,
    state: &ContextState,
    reviewed: &HashSet<usize>,
    source: usize,
) -> ExpectationError {
    let uses = reviewed.iter().map(|number| &world.uses[*number]).filter(|used| used.source == source);
    let stated = |used: &Use| judge(state, &used.event).p_followed.unwrap_or(Share::ZERO);
    let compared: Vec<_> = uses.map(|used| (stated(used), used.verdict == Truth::Followed)).collect();
    ExpectationError::of(&compared)
}

/// Cells of week, team and tool, in rows and in cost.
fn cells(judged: &[Judged<'_>], missed: [ExpectationError; 3]) -> Measures {
    let mut measures = Vec::new();
    for (weighted, names) in [
        (false, ["true rate in bounds, rows", "true rate in 90 % interval, rows"]),
        (true, ["true rate in bounds, cost", "true rate in 90 % interval, cost"]),
    ] {
        let mut cells: HashMap<(usize, usize, usize), Cell<'_>> = HashMap::new();
        for Judged { used, judgement, .. } in judged {
            let cost = used.event.facts.cost.amount.map_or(0, |amount| amount.billionths().unsigned_abs());
            let weight = if weighted { cost } else { 1 };
            let Some(session) = used.event.facts.who.session_key else { continue };
            let cell = cells.entry((used.day / 5, used.team, used.source)).or_default();
            cell.0.add(weight, (SOURCES[used.source], session), judgement);
            cell.1 += if used.verdict == Truth::Followed { weight } else { 0 };
        }
        debug_assert!(cells.len() >= TEAMS);
        let (mut bounded, mut covered) = (Vec::new(), Vec::new());
        for ((.., source), (cell, followed)) in &cells {
            let adherence = cell.adherence(missed[*source]);
            let truth = *followed as f64 / adherence.total as f64;
            let within = |low: Option<f64>, high: Option<f64>| {
                low.zip(high).is_some_and(|(low, high)| low <= truth && truth <= high)
            };
            bounded.push(within(adherence.lower, adherence.upper));
            covered.push(adherence.interval.is_some_and(|(low, high)| within(Some(low), Some(high))));
        }
        measures.push((names[0], precision(bounded.into_iter())));
        measures.push((names[1], precision(covered.into_iter())));
    }
    measures.push(("expected adherence", mean(judged.iter().map(|judged| p_followed(&judged.judgement)))));
    measures.push(("true adherence", precision(judged.iter().map(|j| j.used.verdict == Truth::Followed))));
    measures
}
