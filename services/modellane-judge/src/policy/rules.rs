//! `rules.cedar`: parsing, checking against the generated schema, and deciding total vectors.

use super::facts::{Fact, FactSpace, Part};
use super::object::RULES;
use crate::problem::{Problem, Problems};
use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};
use miette::Diagnostic;
use modellane_event::Label;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;

/// One rule of the guidance, as its annotations describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `@id`, unique in the bundle.
    pub id: Label,
    /// Whether it permits or forbids.
    pub permits: bool,
    /// `@title`.
    pub title: Option<String>,
    /// `@severity`.
    pub severity: Option<String>,
    /// `@owner`.
    pub owner: Option<String>,
    /// `@rationale`.
    pub rationale: Option<String>,
    /// `@remedy`: what a person can do about a drift.
    pub remedy: Option<String>,
}

/// What the rules say of a total vector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Decided {
    pub(crate) class: CellClass,
    /// Positions of the determining rules, in order.
    pub(crate) rules: Vec<u16>,
}

/// The three ends of one total vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum CellClass {
    /// A rule permits it and none forbids it.
    Allowed,
    /// A rule forbids it.
    Forbidden,
    /// No rule speaks of it.
    NotCovered,
}

/// The Cedar schema of a set of facts.
pub(crate) fn schema_text(facts: &[Fact]) -> String {
    let attributes = |part: Part| {
        let mut text = String::new();
        for fact in facts.iter().filter(|fact| fact.part == part) {
            let values: Vec<&str> = fact.values.iter().map(Label::as_str).collect();
            // Cedar strings are open; the finite values stand beside them for the reader.
            let _ = writeln!(text, "    {}: String, // {}", fact.name, values.join(" | "));
        }
        text
    };
    let principal = attributes(Part::Principal);
    format!(
        "namespace ModelLane {{\n  entity Person = {{\n{principal}  }};\n  entity ServiceAccount = {{\n{principal}  \
         }};\n  entity Model = {{\n{}  }};\n  action use_model appliesTo {{\n    principal: [Person, \
         ServiceAccount],\n    resource: [Model],\n    context: {{\n{}    }}\n  }};\n}}\n",
        attributes(Part::Resource),
        attributes(Part::Context),
    )
}

/// Rules that parsed and fit the schema.
#[derive(Debug)]
pub(crate) struct RuleSet {
    policies: PolicySet,
    rules: Vec<Rule>,
    by_id: HashMap<PolicyId, u16>,
}

impl RuleSet {
    /// Reads the rules and checks them against the schema of the declared facts.
    pub(crate) fn read(text: &str, facts: &[Fact], problems: &mut Problems) -> Option<Self> {
        let parsed: PolicySet = match text.parse() {
            Ok(parsed) => parsed,
            Err(error) => {
                let offset = first_offset(&error);
                let place = offset.map_or_else(String::new, |at| line_of(text, at));
                problems.add(place, format!("not readable as Cedar: {error}"));
                return None;
            }
        };
        if parsed.templates().next().is_some() {
            problems.add("", "holds a template (`?principal`, `?resource`); write the rule out");
            return None;
        }
        let named = name_policies(&parsed, problems)?;
        let rule_set = Self::with_policies(named)?;
        rule_set.validate(facts, problems);
        for policy in rule_set.policies.policies() {
            check_values(policy, facts, problems);
        }
        problems.is_empty().then_some(rule_set)
    }

    fn with_policies(mut named: Vec<(Rule, Policy)>) -> Option<Self> {
        named.sort_by(|a, b| a.0.id.cmp(&b.0.id));
        let mut policies = PolicySet::new();
        let mut by_id = HashMap::new();
        let mut rules = Vec::new();
        for (number, (rule, policy)) in (0u16..).zip(named) {
            by_id.insert(policy.id().clone(), number);
            policies.add(policy).ok()?;
            rules.push(rule);
        }
        Some(Self { policies, rules, by_id })
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a rule tells persons from service accounts, which have the same attributes.
    pub(crate) fn reads_actor_kind(&self) -> bool {
        let mentions = |json: Value| {
            let text = json.to_string();
            text.contains("ModelLane::Person") || text.contains("ModelLane::ServiceAccount")
        };
        self.policies.policies().any(|policy| policy.to_json().map_or(true, mentions))
    }

    fn validate(&self, facts: &[Fact], problems: &mut Problems) {
        let text = schema_text(facts);
        let schema = match Schema::from_cedarschema_str(&text) {
            Ok((schema, _)) => schema,
            Err(error) => {
                problems.add("", format!("the facts of bundle.yaml give no Cedar schema: {error}"));
                return;
            }
        };
        let result = Validator::new(schema).validate(&self.policies, ValidationMode::Strict);
        for error in result.validation_errors() {
            problems.add("", error.to_string());
        }
    }

    /// Decides every total vector that is possible; `None` in the place of the others.
    pub(crate) fn decide_all(
        &self,
        space: &FactSpace,
        possible: impl Fn(usize) -> bool,
    ) -> Result<Vec<Option<Decided>>, Problem> {
        let requests = Requests::new(space)?;
        let authorizer = Authorizer::new();
        let mut decided = Vec::with_capacity(space.len());
        for vector in 0..space.len() {
            if !possible(vector) {
                decided.push(None);
                continue;
            }
            let (request, entities) = requests.of(space, vector).map_err(internal)?;
            let response = authorizer.is_authorized(&request, &self.policies, entities);
            if let Some(error) = response.diagnostics().errors().next() {
                return Err(Problem { file: RULES, path: String::new(), what: error.to_string() });
            }
            let mut rules: Vec<u16> =
                response.diagnostics().reason().filter_map(|id| self.by_id.get(id).copied()).collect();
            rules.sort_unstable();
            let class = match (response.decision(), rules.is_empty()) {
                (Decision::Allow, _) => CellClass::Allowed,
                (Decision::Deny, false) => CellClass::Forbidden,
                (Decision::Deny, true) => CellClass::NotCovered,
            };
            decided.push(Some(Decided { class, rules }));
        }
        Ok(decided)
    }
}

fn internal(error: impl std::fmt::Display) -> Problem {
    let what = format!("the declared facts cannot be put to the rules: {error}");
    Problem { file: RULES, path: String::new(), what }
}

/// Gives each policy its `@id` and reads its annotations.
fn name_policies(parsed: &PolicySet, problems: &mut Problems) -> Option<Vec<(Rule, Policy)>> {
    let mut named = Vec::new();
    let mut seen = BTreeSet::new();
    let mut policies: Vec<&Policy> = parsed.policies().collect();
    // The parser numbers policies as policy0, policy1, …: the shorter number comes first.
    policies.sort_by_key(|policy| (policy.id().to_string().len(), policy.id().to_string()));
    for (position, policy) in policies.into_iter().enumerate() {
        let place = format!("rule {}", position + 1);
        let Some(id) = policy.annotation("id") else {
            problems.add(place, "has no @id; give each rule one, it is what reports name");
            continue;
        };
        let Ok(id) = Label::new(id) else {
            problems.add(place, "has an @id that is no short text without spaces");
            continue;
        };
        if !seen.insert(id.clone()) {
            problems.add(place, format!("has the @id `{id}` of an earlier rule; each rule has its own"));
            continue;
        }
        let text = |key: &str| policy.annotation(key).filter(|text| !text.is_empty()).map(str::to_owned);
        let rule = Rule {
            permits: policy.effect() == Effect::Permit,
            title: text("title"),
            severity: text("severity"),
            owner: text("owner"),
            rationale: text("rationale"),
            remedy: text("remedy"),
            id,
        };
        let policy = policy.new_id(PolicyId::new(rule.id.as_str()));
        named.push((rule, policy));
    }
    problems.is_empty().then_some(named)
}

/// Reports comparisons of a fact with a value that the fact cannot have: such a rule would be dead, and a
/// misspelt value in a `forbid` would be noticed by nobody.
fn check_values(policy: &Policy, facts: &[Fact], problems: &mut Problems) {
    let Ok(json) = policy.to_json() else { return };
    let mut wrong = BTreeSet::new();
    walk(&json, &mut |operator, sides| {
        if !matches!(operator, "==" | "!=" | "contains") {
            return;
        }
        let (Some(left), Some(right)) = (sides.get("left"), sides.get("right")) else { return };
        for (attribute, other) in [(left, right), (right, left)] {
            let Some(fact) =
                attribute_of(attribute).and_then(|name| facts.iter().find(|f| f.name.as_str() == name))
            else {
                continue;
            };
            for value in literals(other).into_iter().filter(|value| fact.position(value).is_none()) {
                wrong.insert(format!(
                    "compares {} with \"{value}\", which bundle.yaml does not list",
                    fact.name
                ));
            }
        }
    });
    for what in wrong {
        problems.add("", format!("for policy `{}`, {what}", policy.id()));
    }
}

/// Visits every operator of a policy's JSON form with its operands.
fn walk(json: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match json {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            visit(key, value);
            walk(value, visit);
        }),
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

/// `{".": {"left": {"Var": …}, "attr": name}}` is an access to an attribute.
fn attribute_of(json: &Value) -> Option<&str> {
    let access = json.get(".")?;
    access.get("left")?.get("Var")?;
    access.get("attr")?.as_str()
}

/// The text of a literal, or the texts of a set of literals.
fn literals(json: &Value) -> Vec<&str> {
    if let Some(text) = json.get("Value").and_then(Value::as_str) {
        return vec![text];
    }
    let items = json.get("Set").or_else(|| json.get("Value")).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(|item| item.get("Value").unwrap_or(item).as_str()).collect()
}

fn first_offset(error: &cedar_policy::ParseErrors) -> Option<usize> {
    error.iter().find_map(|error| Some(error.labels()?.next()?.offset()))
}

fn line_of(text: &str, offset: usize) -> String {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    format!("line {}", 1 + before.iter().filter(|b| **b == b'\n').count())
}

/// The parts of requests that many vectors share, made once.
struct Requests {
    action: EntityUid,
    resource: EntityUid,
    principals: [EntityUid; 2],
    /// Entities by the values of the facts of principal and resource.
    entities: HashMap<Vec<usize>, Entities>,
    entity_facts: Vec<usize>,
}

impl Requests {
    fn new(space: &FactSpace) -> Result<Self, Problem> {
        let uid = |text: &str| text.parse::<EntityUid>().map_err(internal);
        let entity_facts: Vec<usize> = (0..space.facts().len())
            .filter(|fact| matches!(space.facts()[*fact].part, Part::Principal | Part::Resource))
            .collect();
        let mut requests = Self {
            action: uid("ModelLane::Action::\"use_model\"")?,
            resource: uid("ModelLane::Model::\"model\"")?,
            principals: [uid("ModelLane::Person::\"actor\"")?, uid("ModelLane::ServiceAccount::\"actor\"")?],
            entities: HashMap::new(),
            entity_facts,
        };
        for vector in 0..space.len() {
            let key = requests.entity_key(space, vector);
            if !requests.entities.contains_key(&key) {
                let entities = requests.make_entities(space, vector)?;
                requests.entities.insert(key, entities);
            }
        }
        Ok(requests)
    }

    fn entity_key(&self, space: &FactSpace, vector: usize) -> Vec<usize> {
        self.entity_facts.iter().map(|fact| space.digit(vector, *fact)).collect()
    }

    fn make_entities(&self, space: &FactSpace, vector: usize) -> Result<Entities, Problem> {
        let mut list = Vec::new();
        for uid in &self.principals {
            let attributes = attributes(space, vector, Part::Principal).collect();
            list.push(Entity::new(uid.clone(), attributes, HashSet::new()).map_err(internal)?);
        }
        let attributes = attributes(space, vector, Part::Resource).collect();
        list.push(Entity::new(self.resource.clone(), attributes, HashSet::new()).map_err(internal)?);
        Entities::from_entities(list, None).map_err(internal)
    }

    fn of(&self, space: &FactSpace, vector: usize) -> Result<(Request, &Entities), String> {
        let kind = space.number(FactSpace::ACTOR_KIND).map_or(0, |fact| space.digit(vector, fact));
        let principal = self.principals.get(kind).ok_or("no such kind of actor")?.clone();
        let context =
            Context::from_pairs(attributes(space, vector, Part::Context)).map_err(|e| e.to_string())?;
        let request = Request::new(principal, self.action.clone(), self.resource.clone(), context, None)
            .map_err(|e| e.to_string())?;
        let entities = self.entities.get(&self.entity_key(space, vector)).ok_or("no such entities")?;
        Ok((request, entities))
    }
}

fn attributes(
    space: &FactSpace,
    vector: usize,
    part: Part,
) -> impl Iterator<Item = (String, RestrictedExpression)> {
    space.facts().iter().enumerate().filter(move |(_, fact)| fact.part == part).map(move |(number, fact)| {
        let value = &fact.values[space.digit(vector, number)];
        (fact.name.to_string(), RestrictedExpression::new_string(value.to_string()))
    })
}
