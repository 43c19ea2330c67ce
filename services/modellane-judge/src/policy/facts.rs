//! The finite facts of a bundle, and vectors of them.
//!
//! A *total* vector gives every fact a value; it is an index into the decision table. A *partial* vector
//! leaves some unknown; it is a mixed-radix number with the digit 0 for unknown, which serves as a key.

use modellane_event::Label;

/// Where Cedar finds a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Attribute of the person or service account.
    Principal,
    /// Attribute of the model.
    Resource,
    /// Attribute of the request's context.
    Context,
    /// The type of the principal itself.
    PrincipalType,
}

/// A fact with its finite values in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) name: Label,
    pub(crate) part: Part,
    pub(crate) values: Vec<Label>,
}

impl Fact {
    pub(crate) fn position(&self, value: &str) -> Option<usize> {
        self.values.iter().position(|known| known.as_str() == value)
    }
}

/// All facts of a bundle in order.
#[derive(Debug)]
pub(crate) struct FactSpace {
    facts: Vec<Fact>,
    total_strides: Vec<usize>,
    partial_strides: Vec<u64>,
    total: usize,
    /// `name=value` of each value, for the ledger.
    shown: Vec<Vec<Label>>,
}

/// What is known of one use: a value or nothing for each fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Known(u64);

impl Known {
    pub(crate) const NOTHING: Self = Self(0);
}

/// The facts span too many combinations.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl FactSpace {
    /// Name of the fact that stands for the type of the principal.
    pub(crate) const ACTOR_KIND: &'static str = "actor_kind";
    /// Its values.
    pub(crate) const ACTOR_KINDS: [&'static str; 2] = ["person", "service_account"];
    /// Most values of one fact.
    pub(crate) const MOST_VALUES: usize = 64;
    /// Most total vectors of one bundle: each costs one evaluation of all rules.
    pub(crate) const MOST_VECTORS: usize = 200_000;

    /// Takes the declared facts. `with_actor_kind` adds the type of the principal as a fact.
    pub(crate) fn new(mut facts: Vec<Fact>, with_actor_kind: bool) -> Result<Self, TooMany> {
        if with_actor_kind {
            let values = Self::ACTOR_KINDS.map(Label::literal).to_vec();
            let name = Label::literal(Self::ACTOR_KIND);
            facts.push(Fact { name, part: Part::PrincipalType, values });
        }
        let (mut total, mut partial) = (1usize, 1u64);
        let (mut total_strides, mut partial_strides) = (Vec::new(), Vec::new());
        for fact in &facts {
            total_strides.push(total);
            partial_strides.push(partial);
            total = total.checked_mul(fact.values.len()).ok_or(TooMany)?;
            partial = partial.checked_mul(fact.values.len() as u64 + 1).ok_or(TooMany)?;
        }
        if total > Self::MOST_VECTORS {
            return Err(TooMany);
        }
        let show = |fact: &Fact| fact.values.iter().map(|value| shown(&fact.name, value)).collect();
        let shown = facts.iter().map(show).collect();
        Ok(Self { facts, total_strides, partial_strides, total, shown })
    }

    pub(crate) fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Number of total vectors.
    pub(crate) fn len(&self) -> usize {
        self.total
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.facts.iter().position(|fact| fact.name.as_str() == name)
    }

    /// Value of a fact in a total vector.
    pub(crate) fn digit(&self, vector: usize, fact: usize) -> usize {
        vector / self.total_strides[fact] % self.facts[fact].values.len()
    }

    /// Distance between vectors whose value of this fact differs by one.
    pub(crate) fn stride(&self, fact: usize) -> usize {
        self.total_strides[fact]
    }

    /// The value of a fact, if it is known.
    pub(crate) fn get(&self, known: Known, fact: usize) -> Option<usize> {
        let radix = self.facts[fact].values.len() as u64 + 1;
        (known.0 / self.partial_strides[fact] % radix).checked_sub(1).map(|digit| digit as usize)
    }

    /// The same knowledge with this fact set or forgotten.
    pub(crate) fn with(&self, known: Known, fact: usize, value: Option<usize>) -> Known {
        let digit = |value: Option<usize>| value.map_or(0, |value| value as u64 + 1);
        let stride = self.partial_strides[fact];
        Known(known.0 - digit(self.get(known, fact)) * stride + digit(value) * stride)
    }

    /// `name=value` of the known facts, in order.
    pub(crate) fn show(&self, known: Known) -> Vec<Label> {
        let show = |fact| self.get(known, fact).map(|value| self.shown[fact][value].clone());
        (0..self.facts.len()).filter_map(show).collect()
    }

    /// Facts that are not known.
    pub(crate) fn unknown(&self, known: Known) -> Vec<usize> {
        (0..self.facts.len()).filter(|fact| self.get(known, *fact).is_none()).collect()
    }

    /// All total vectors that agree with what is known.
    pub(crate) fn completions(&self, known: Known) -> Vec<usize> {
        let mut vectors = vec![0];
        for (fact, stride) in self.total_strides.iter().enumerate() {
            match self.get(known, fact) {
                Some(value) => vectors.iter_mut().for_each(|vector| *vector += value * stride),
                None => {
                    let values = 0..self.facts[fact].values.len();
                    vectors = values.flat_map(|v| vectors.iter().map(move |x| x + v * stride)).collect();
                }
            }
        }
        vectors
    }
}

fn shown(name: &Label, value: &Label) -> Label {
    // Names have at most 40 bytes; a value near the limit of a label is shown by its name alone.
    Label::new(&format!("{name}={value}")).unwrap_or_else(|_| name.clone())
}
