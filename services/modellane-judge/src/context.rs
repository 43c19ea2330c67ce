//! The context that judging reads: stored objects, their versions, and the intents.

use crate::directory::{DirectoryIndex, DirectoryObject};
use crate::finance::FinanceObject;
use crate::intents::IntentIndex;
use crate::matching::MatchModel;
use crate::policy::{Bundle, PolicyObject};
use crate::prices::{PriceIndex, PriceObject};
use crate::problem::ContextError;
use crate::spending::SpendingObject;
use modellane_event::{ContextKind, ContextPointer, Date, IntentEvent, Label, UtcTime};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// One version of one part of the context, as the lake stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextObject {
    /// People, accounts, teams, cost centres, workspaces.
    Directory(DirectoryObject),
    /// A guidance bundle.
    Policy(PolicyObject),
    /// List prices.
    Prices(PriceObject),
    /// Seats, invoices, budgets, exchange rates.
    Finance(FinanceObject),
    /// What the budgets had been spent before a day.
    Spending(SpendingObject),
    /// Weights of the evidence for links.
    Weights(MatchModel),
}

/// The stored form of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedObject {
    /// Which part of the context it is.
    pub kind: ContextKind,
    /// BLAKE3 of the bytes, 64 hexadecimal digits: its name under `context/` and in the pointer.
    pub hash: Label,
    /// JSON.
    pub bytes: Vec<u8>,
}

impl ContextObject {
    /// Which part of the context it is.
    pub fn kind(&self) -> ContextKind {
        match self {
            Self::Directory(_) => ContextKind::Directory,
            Self::Policy(_) => ContextKind::Policy,
            Self::Prices(_) => ContextKind::Prices,
            Self::Finance(_) => ContextKind::Finance,
            Self::Spending(_) => ContextKind::Spending,
            Self::Weights(_) => ContextKind::Weights,
        }
    }

    /// Writes the stored form; equal objects have equal bytes.
    pub fn encode(&self) -> Result<EncodedObject, ContextError> {
        fn json(object: &impl Serialize) -> Result<Vec<u8>, ContextError> {
            serde_json::to_vec(object).map_err(|_| ContextError::Unreadable)
        }
        let bytes = match self {
            Self::Directory(object) => json(object),
            Self::Policy(object) => json(object),
            Self::Prices(object) => json(object),
            Self::Finance(object) => json(object),
            Self::Spending(object) => json(object),
            Self::Weights(model) => model.encode(),
        }?;
        Ok(EncodedObject { kind: self.kind(), hash: object_hash(&bytes), bytes })
    }

    /// Reads the stored form. `None` for a kind that this version does not know.
    pub fn decode(kind: ContextKind, bytes: &[u8]) -> Result<Option<Self>, ContextError> {
        fn read<T: DeserializeOwned>(bytes: &[u8], format: u32) -> Result<T, ContextError> {
            #[derive(serde::Deserialize)]
            struct Head {
                format: u32,
            }
            let head: Head = serde_json::from_slice(bytes).map_err(|_| ContextError::Unreadable)?;
            if head.format != format {
                return Err(ContextError::Unreadable);
            }
            serde_json::from_slice(bytes).map_err(|_| ContextError::Unreadable)
        }
        Ok(Some(match kind {
            ContextKind::Directory => Self::Directory(read(bytes, DirectoryObject::FORMAT)?),
            ContextKind::Policy => Self::Policy(read(bytes, PolicyObject::FORMAT)?),
            ContextKind::Prices => Self::Prices(read(bytes, PriceObject::FORMAT)?),
            ContextKind::Finance => Self::Finance(read(bytes, FinanceObject::FORMAT)?),
            ContextKind::Spending => Self::Spending(read(bytes, SpendingObject::FORMAT)?),
            ContextKind::Weights => Self::Weights(MatchModel::decode(bytes)?),
            ContextKind::Unknown => return Ok(None),
        }))
    }
}

/// BLAKE3 of an object's bytes, 64 hexadecimal digits.
pub fn object_hash(bytes: &[u8]) -> Label {
    // Hexadecimal digits are always a label.
    Label::new(&blake3::hash(bytes).to_hex()).unwrap_or_else(|_| Label::literal("unhashed"))
}

fn short_hash(hash: &Label) -> &str {
    hash.as_str().get(..16).unwrap_or(hash.as_str())
}

/// A bundle with the offset that brought it.
#[derive(Debug)]
pub(crate) struct LoadedBundle {
    pub(crate) bundle: Bundle,
    /// `VERSION@HASH`, with the first 16 digits of the bundle's hash.
    pub(crate) policy_version: Label,
    offset: i64,
}

impl LoadedBundle {
    /// One that nothing brought: it has no hash and no place among the others.
    pub(crate) fn untimed(bundle: Bundle) -> Self {
        Self { policy_version: bundle.version().clone(), bundle, offset: -1 }
    }
}

/// The weights of the evidence with their version.
#[derive(Debug)]
pub(crate) struct LoadedMatchModel {
    pub(crate) model: MatchModel,
    pub(crate) id: Label,
}

/// Everything that judging knows. One owner updates it; judging only reads it.
#[derive(Debug)]
pub struct ContextState {
    version: i64,
    pub(crate) directory: DirectoryIndex,
    /// Ordered by start of effect, then by offset.
    bundles: Vec<LoadedBundle>,
    pub(crate) prices: PriceIndex,
    pub(crate) price_version: Option<Label>,
    /// What was published last for each day.
    spending: BTreeMap<Date, SpendingObject>,
    pub(crate) intents: IntentIndex,
    pub(crate) match_model: Option<LoadedMatchModel>,
}

impl Default for ContextState {
    fn default() -> Self {
        Self {
            version: -1,
            directory: DirectoryIndex::default(),
            bundles: Vec::new(),
            prices: PriceIndex::default(),
            price_version: None,
            spending: BTreeMap::new(),
            intents: IntentIndex::default(),
            match_model: None,
        }
    }
}

impl ContextState {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Offset of the newest pointer that was applied, −1 before the first.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Number of intents.
    pub fn intents(&self) -> usize {
        self.intents.len()
    }

    /// Applies the object that the pointer at `offset` names. Pointers come in the order of their
    /// offsets; one that was applied before changes nothing. A newer directory or price list replaces the
    /// older one, and so do weights; what was spent that of the same day; a bundle replaces the one of the same
    /// id and version and stands beside the others. After an error the state is unchanged.
    pub fn apply(&mut self, pointer: &ContextPointer, offset: i64, bytes: &[u8]) -> Result<(), ContextError> {
        if offset <= self.version {
            return Ok(());
        }
        if object_hash(bytes) != pointer.hash {
            return Err(ContextError::WrongObject);
        }
        match ContextObject::decode(pointer.kind, bytes)? {
            Some(ContextObject::Directory(object)) => self.directory = DirectoryIndex::new(object),
            Some(ContextObject::Policy(object)) => {
                self.add_bundle(Bundle::compile(&object)?, &pointer.hash, offset);
            }
            Some(ContextObject::Prices(object)) => {
                self.price_version = Label::new(short_hash(&pointer.hash)).ok();
                self.prices = PriceIndex::new(object);
            }
            Some(ContextObject::Spending(object)) => {
                self.spending.insert(object.day, object);
            }
            Some(ContextObject::Weights(model)) => self.set_match_model(model),
            // Budgets enter the judgement of one event as what was spent of them, and nothing else does.
            Some(ContextObject::Finance(_)) | None => {}
        }
        self.version = offset;
        Ok(())
    }

    /// Takes in one version of an intent; says whether anything changed. Does not move the version: late
    /// intents are settled by judging again.
    pub fn apply_intent(&mut self, intent: &IntentEvent) -> bool {
        self.intents.insert(intent)
    }

    /// Weighs evidence by this model from now on. Before the first, intents are linked by exact keys alone.
    pub fn set_match_model(&mut self, model: MatchModel) {
        let id = model.id();
        self.match_model = Some(LoadedMatchModel { model, id });
    }

    fn add_bundle(&mut self, bundle: Bundle, hash: &Label, offset: i64) {
        let name = format!("{}@{}", bundle.version(), short_hash(hash));
        let policy_version = Label::new(&name).unwrap_or_else(|_| hash.clone());
        self.bundles
            .retain(|other| other.bundle.id() != bundle.id() || other.bundle.version() != bundle.version());
        self.bundles.push(LoadedBundle { bundle, policy_version, offset });
        self.bundles.sort_by_key(|loaded| (loaded.bundle.effective().from, loaded.offset));
    }

    /// What the budgets had been spent before a day, if that was published.
    pub(crate) fn spending_for(&self, day: Date) -> Option<&SpendingObject> {
        self.spending.get(&day)
    }

    /// The bundle in force at a moment. Of several it is the one that took effect last.
    pub fn bundle_at(&self, at: UtcTime) -> Option<&Bundle> {
        self.loaded_at(at).map(|loaded| &loaded.bundle)
    }

    pub(crate) fn loaded_at(&self, at: UtcTime) -> Option<&LoadedBundle> {
        self.bundles.iter().rev().find(|loaded| loaded.bundle.effective().contains(at))
    }
}
