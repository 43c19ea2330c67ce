//! Guidance: a bundle of finite facts, Cedar rules, a catalogue and tests, compiled once.

mod catalogue;
mod expectations;
mod facts;
mod manifest;
mod object;
mod remark;
#[cfg(test)]
mod remark_tests;
mod rules;
mod table;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use catalogue::Listing;
pub(crate) use facts::{FactSpace, Known};
pub use manifest::Thresholds;
pub use object::PolicyObject;
pub use remark::{Remark, remarks_on_dates};
pub use rules::Rule;
pub use table::{Outcome, OutcomeClass};

use crate::Period;
use crate::problem::{ContextError, Problem, Problems};
use crate::verdict::is_supplied;
use catalogue::Catalogue;
use manifest::{Manifest, Scope};
use modellane_event::{ActorKind, Label, UtcTime};
use object::{BUNDLE, CATALOGUE, RULES, TESTS};
use rules::RuleSet;
use std::sync::Arc;
use table::DecisionTable;

/// A compiled guidance bundle.
#[derive(Debug)]
pub struct Bundle {
    id: Label,
    version: Label,
    effective: Period,
    owners: Vec<String>,
    scope: Scope,
    thresholds: Thresholds,
    rules: Vec<Rule>,
    schema: String,
    catalogue: Catalogue,
    table: DecisionTable,
}

impl Bundle {
    /// Reads, checks and compiles a bundle: its rules fit the generated schema, its facts span no more
    /// vectors than can be decided beforehand, and its tests hold. All faults of one stage are listed.
    pub fn compile(object: &PolicyObject) -> Result<Self, ContextError> {
        let mut problems = Problems::new(BUNDLE);
        let manifest = match manifest::read(object.text(BUNDLE), &mut problems) {
            Some(manifest) if problems.is_empty() => manifest,
            _ => return Err(ContextError::Invalid(problems.into_found())),
        };
        let mut problems = Problems::new(RULES);
        let rules = RuleSet::read(object.text(RULES), &manifest.facts, &mut problems);
        let mut found = problems.into_found();
        let mut problems = Problems::new(CATALOGUE);
        let catalogue = Catalogue::read(object.text(CATALOGUE), &manifest.facts, &mut problems);
        found.extend(problems.into_found());
        let (Some(rules), true) = (rules, found.is_empty()) else { return Err(ContextError::Invalid(found)) };
        let table =
            Self::tabulate(&manifest, &rules).map_err(|problem| ContextError::Invalid(vec![problem]))?;
        let mut problems = Problems::new(TESTS);
        expectations::check(object.text(TESTS), &table, &mut problems);
        let schema = rules::schema_text(&manifest.facts);
        let Manifest { id, version, effective, owners, scope, thresholds, .. } = manifest;
        let rules = rules.rules().to_vec();
        let bundle =
            Self { id, version, effective, owners, scope, thresholds, rules, schema, catalogue, table };
        problems.finish(bundle)
    }

    fn tabulate(manifest: &Manifest, rules: &RuleSet) -> Result<DecisionTable, Problem> {
        let space =
            FactSpace::new(manifest.facts.clone(), rules.reads_actor_kind()).map_err(|facts::TooMany| {
                Problem {
                    file: BUNDLE,
                    path: "facts".to_owned(),
                    what: format!(
                        "span more than {} combinations; give facts fewer values or leave facts out",
                        FactSpace::MOST_VECTORS
                    ),
                }
            })?;
        DecisionTable::compile(rules, space, manifest)
    }

    /// Id of the bundle.
    pub fn id(&self) -> &Label {
        &self.id
    }

    /// Version that the author gave it.
    pub fn version(&self) -> &Label {
        &self.version
    }

    /// When it is in force, by the time of the use.
    pub fn effective(&self) -> Period {
        self.effective
    }

    /// Who answers for it.
    pub fn owners(&self) -> &[String] {
        &self.owners
    }

    /// From which probability on something counts.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Its rules, ordered by id.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The Cedar schema that its facts give, for editors and reviewers.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Names of its facts with their values in order.
    pub fn facts(&self) -> impl Iterator<Item = (&Label, &[Label])> {
        self.table.space().facts().iter().map(|fact| (&fact.name, fact.values.as_slice()))
    }

    /// Number of total fact vectors that were decided.
    pub fn vectors(&self) -> usize {
        self.table.space().len()
    }

    /// What guidance says if these facts are known and all others are not. A name or value that the
    /// bundle does not declare is unknown.
    pub fn evaluate<'a>(&self, facts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Arc<Outcome> {
        self.table.outcome(self.known(facts))
    }

    /// Whether the bundle calls no part of these facts an impossible combination.
    pub(crate) fn is_possible<'a>(&self, facts: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
        self.table.is_possible(self.known(facts))
    }

    fn known<'a>(&self, facts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Known {
        let space = self.table.space();
        let set = |known, (name, value): (&str, &str)| match space.number(name) {
            Some(fact) => space.with(known, fact, space.facts()[fact].position(value)),
            None => known,
        };
        facts.into_iter().fold(Known::NOTHING, set)
    }

    /// What its author may not have meant: rules that decide nothing, facts that stay unknown.
    pub fn remarks(&self) -> Vec<Remark> {
        let idle = self.table.idle_rules().map(|rule| Remark::NeverDecides { rule: rule.clone() });
        let facts = self.table.space().facts().iter().map(|fact| &fact.name);
        let unknown = facts.filter(|fact| !is_supplied(fact.as_str()));
        idle.chain(unknown.map(|fact| Remark::NotSupplied { fact: fact.clone() })).collect()
    }

    /// The reference model of a class at a moment, for the cost at variance.
    pub fn reference_model(&self, class: &str, at: UtcTime) -> Option<&Label> {
        self.catalogue.reference(class, at)
    }

    pub(crate) fn space(&self) -> &FactSpace {
        self.table.space()
    }

    pub(crate) fn outcome(&self, known: Known) -> Arc<Outcome> {
        self.table.outcome(known)
    }

    pub(crate) fn listing(&self, model: Option<&Label>, tool: Option<&Label>, at: UtcTime) -> Listing<'_> {
        self.catalogue.look_up(model, tool, at)
    }

    pub(crate) fn excludes_tool(&self, tool: Option<&Label>) -> bool {
        tool.is_some_and(|tool| self.scope.tools.contains(tool))
    }

    pub(crate) fn excludes_workspace(&self, workspace: Option<&Label>) -> bool {
        workspace.is_some_and(|workspace| self.scope.workspaces.contains(workspace))
    }

    pub(crate) fn excludes_actor(&self, kind: ActorKind) -> bool {
        self.scope.actor_kinds.contains(&kind)
    }
}
