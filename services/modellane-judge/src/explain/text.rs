//! An explanation as a person reads it in a terminal.

use super::{ExplainedCandidate, ExplainedRule, Explanation, MissingFact};
use crate::policy::OutcomeClass;
use modellane_event::{ConfidenceLabel, Label, Share};
use std::fmt;

/// Most candidates that are shown with their evidence.
const SHOWN: usize = 8;
/// Where the second column begins.
const INDENT: usize = 12;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.link(f)?;
        self.guidance(f)
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, what: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{name:<INDENT$}{what}")
}

fn joined(labels: &[Label]) -> String {
    if labels.is_empty() {
        return "none".to_owned();
    }
    labels.iter().map(Label::as_str).collect::<Vec<_>>().join(", ")
}

impl Explanation {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judged = &self.judgement;
        line(f, "event", self.event_id)?;
        line(f, "use", format_args!("{} of {}, {}", self.grain.as_str(), self.source, self.at))?;
        let team = judged.team.as_ref().map_or("no team", Label::as_str);
        line(
            f,
            "who",
            format_args!("{}{}, {team}", judged.actor_kind.as_str(), confidence(judged.identity_confidence)),
        )?;
        let by = judged.matched_by.map(|by| format!(" by {}", by.as_str())).unwrap_or_default();
        let reason = judged.reason_code.as_ref().map(|code| format!(": {code}")).unwrap_or_default();
        line(
            f,
            "verdict",
            format_args!(
                "{}{by}{}{reason}",
                judged.verdict.as_str(),
                labelled(judged.verdict_confidence, judged.verdict_label)
            ),
        )?;
        if let (Some(followed), Some(drifted), Some(undecided)) =
            (judged.p_followed, judged.p_drifted, judged.p_undecided)
        {
            let odds = format_args!("followed {followed}, drifted {drifted}, undecided {undecided}");
            line(f, "", odds)?;
        }
        Ok(())
    }

    fn link(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judged = &self.judgement;
        let intent = judged.intent_id.as_ref().map_or("none", Label::as_str);
        let stated = judged.match_confidence.filter(|_| judged.intent_id.is_some());
        line(f, "intent", format_args!("{intent}{}", labelled(stated, judged.confidence_label)))?;
        line(f, "reasons", joined(&judged.match_reasons))?;
        if let Some(model_id) = &judged.model_id {
            line(f, "weights", model_id)?;
        }
        if self.candidates.is_empty() {
            return Ok(());
        }
        writeln!(f, "\ncandidates")?;
        for candidate in self.candidates.iter().take(SHOWN) {
            write!(f, "{candidate}")?;
        }
        let more = self.candidates.len().saturating_sub(SHOWN);
        if more > 0 {
            writeln!(f, "  and {more} less probable ones")?;
        }
        if self.candidates.iter().any(|candidate| candidate.probability.is_some()) {
            writeln!(f, "  {}  none of them", self.none)?;
        }
        Ok(())
    }

    fn guidance(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judged = &self.judgement;
        let version = judged.policy_version.as_ref().map_or("none in force", Label::as_str);
        writeln!(f)?;
        line(f, "guidance", version)?;
        line(f, "facts", joined(&judged.facts))?;
        for rule in &self.rules {
            write!(f, "{rule}")?;
        }
        if let Some(class) = &judged.recommended_class {
            line(f, "allowed", format_args!("{class} is the first class that the known facts allow"))?;
        }
        self.missing.iter().try_for_each(|fact| write!(f, "{fact}"))
    }
}

impl fmt::Display for ExplainedCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.intent_id.as_ref().map_or("the declared task of the service account", Label::as_str);
        let task = self.task.as_ref().map(|task| format!(", {task}")).unwrap_or_default();
        match self.probability {
            Some(probability) => write!(f, "  {probability}  {name}{task}")?,
            None => write!(f, "  fits as well as the others  {name}{task}")?,
        }
        if self.steps.is_empty() {
            return writeln!(f);
        }
        let total: i32 = self.steps.iter().map(|step| step.millibits).sum();
        writeln!(f, ", {} bits against none of them, before calibration", Bits(total))?;
        for step in &self.steps {
            writeln!(f, "    {:>8}  {}", Bits(step.millibits).to_string(), step.reason.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Display for ExplainedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
        let does = if self.permits { "allows" } else { "forbids" };
        line(f, "rule", format_args!("{} {does}{title}", self.id))?;
        match &self.remedy {
            Some(remedy) if !self.permits => line(f, "", remedy),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for MissingFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut says = Vec::new();
        for (class, word) in [
            (OutcomeClass::Followed, "followed"),
            (OutcomeClass::Drifted, "drifted"),
            (OutcomeClass::NotCovered, "not covered"),
            (OutcomeClass::Undecided, "still open"),
        ] {
            let values = self.values.iter().filter(|(_, of)| *of == class).map(|(value, _)| value.as_str());
            let values = values.collect::<Vec<_>>();
            if !values.is_empty() {
                says.push(format!("{word} if {}", values.join(", ")));
            }
        }
        let settles = if self.settles() { "settles it by itself" } else { "does not settle it by itself" };
        line(f, "missing", format_args!("{} {settles}: {}", self.name, says.join("; ")))
    }
}

/// ` with 0.912345 (medium)`.
fn labelled(probability: Option<Share>, label: ConfidenceLabel) -> String {
    match probability {
        Some(_) => format!("{} ({})", confidence(probability), label.as_str()),
        None => String::new(),
    }
}

fn confidence(probability: Option<Share>) -> String {
    probability.map(|probability| format!(" with {probability}")).unwrap_or_default()
}

/// Thousandths of a bit as bits, with their sign.
struct Bits(i32);

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let size = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:03}", size / 1_000, size % 1_000)
    }
}
