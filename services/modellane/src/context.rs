//! New versions of the context: checked, stored as immutable objects, announced on the pointer topic.

use crate::pointers::Pointers;
use crate::teams::Teams;
use anyhow::{Context as _, Result, anyhow};
use modellane_event::{ContextKind, ContextPointer, Date, Label, LakeKey, PersonId};
use modellane_judge::matching::MatchModel;
use modellane_judge::{
    Bundle, ContextError, ContextObject, EncodedObject, FinanceObject, PersonIds, PolicyObject,
    SpendingObject, TeamEntry, parse_directory, parse_finance, parse_prices,
};
use modellane_kafka::{KafkaConfig, Publisher, Topic};
use modellane_lake::Lake;
use modellane_runtime::{Clock, PersonStore};
use modellane_schema::context_codec;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Takes context in, one change a call, all or nothing.
pub(crate) struct ContextIntake {
    lake: Arc<Lake>,
    publisher: Publisher,
    topic: String,
    key: LakeKey,
    clock: Arc<dyn Clock>,
    /// File of the store of persons.
    persons: PathBuf,
    current: tokio::sync::Mutex<Current>,
}

/// What holds now.
struct Current {
    pointers: Pointers,
    teams: Teams,
}

impl Current {
    /// Reads what was announced since, by whomever, and writes down whose teams hold.
    async fn catch_up(&mut self) -> Result<()> {
        self.pointers.read_on().await?;
        match self.pointers.newest.get(&ContextKind::Directory) {
            Some(newest) => self.teams.follow(&self.pointers.stream, newest).await,
            None => Ok(()),
        }
    }
}

struct Persons(PersonStore);

impl PersonIds for Persons {
    fn surrogate(&mut self, clear_id: &str) -> PersonId {
        self.0.surrogate(clear_id)
    }
}

/// Budgets whose spending is to be published.
pub(crate) struct Due {
    pub(crate) finance: FinanceObject,
    /// Content hash of the finance file.
    pub(crate) hash: Label,
    /// Teams of the directory that holds.
    pub(crate) teams: Vec<TeamEntry>,
}

/// Context that was read and found sound. Nothing of it holds before [`ContextIntake::take`]; dropping it
/// leaves no trace.
pub(crate) struct Change {
    key: LakeKey,
    persons: Persons,
    objects: Vec<EncodedObject>,
}

impl Change {
    /// Reads `directory.yaml`. Names go into the store of persons and nowhere else.
    pub(crate) fn directory(&mut self, bytes: &[u8]) -> Result<(), IntakeError> {
        let parsed = parse_directory(bytes, &self.key, &mut self.persons)?;
        for person in &parsed.persons {
            if let Some(name) = &person.name {
                self.persons.0.set_name(&person.clear_id, name);
            }
        }
        self.add(ContextObject::Directory(parsed.object))
    }

    /// Reads a guidance bundle, file name to content. A bundle whose tests fail is refused.
    pub(crate) fn policy(&mut self, files: &BTreeMap<String, Vec<u8>>) -> Result<(), IntakeError> {
        let object = PolicyObject::from_files(files)?;
        Bundle::compile(&object)?;
        self.add(ContextObject::Policy(object))
    }

    /// Reads `prices.yaml`.
    pub(crate) fn prices(&mut self, bytes: &[u8]) -> Result<(), IntakeError> {
        self.add(ContextObject::Prices(parse_prices(bytes)?))
    }

    /// Reads `finance.yaml`.
    pub(crate) fn finance(&mut self, bytes: &[u8]) -> Result<(), IntakeError> {
        let object = parse_finance(bytes, &mut self.persons)?;
        self.add(ContextObject::Finance(object))
    }

    /// Reads `weights.json`.
    pub(crate) fn weights(&mut self, bytes: &[u8]) -> Result<(), IntakeError> {
        self.add(ContextObject::Weights(MatchModel::decode(bytes)?))
    }

    fn add(&mut self, object: ContextObject) -> Result<(), IntakeError> {
        self.objects.push(object.encode()?);
        Ok(())
    }
}

impl ContextIntake {
    /// Reads what was announced so far.
    pub(crate) async fn open(
        lake: Arc<Lake>,
        kafka: &KafkaConfig,
        key: LakeKey,
        persons: PathBuf,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let topic = Topic::Context.name(&kafka.topic_prefix);
        let pointers = Pointers::open(kafka, &topic).await?;
        let teams = Teams::open(Arc::clone(&lake), Arc::clone(&clock)).await?;
        let mut current = Current { pointers, teams };
        current.catch_up().await?;
        Ok(Self {
            lake,
            publisher: Publisher::new(kafka)?,
            current: tokio::sync::Mutex::new(current),
            topic,
            key,
            clock,
            persons,
        })
    }

    /// Begins a change. The store of persons stays locked until the change is taken or dropped, so nothing is
    /// waited for in between.
    pub(crate) fn change(&self) -> Result<Change, IntakeError> {
        let persons = PersonStore::open(&self.persons).map_err(anyhow::Error::from)?;
        Ok(Change { key: self.key.clone(), persons: Persons(persons), objects: Vec::new() })
    }

    /// Stores what is new of a change and then announces it.
    pub(crate) async fn take(&self, change: Change) -> Result<(), IntakeError> {
        let Change { persons, mut objects, .. } = change;
        // Before the pointers: a surrogate that is used must never be drawn again.
        persons.0.save().map_err(anyhow::Error::from)?;
        let mut current = self.current.lock().await;
        current.pointers.read_on().await?;
        // The same content again makes no new version.
        objects.retain(|object| !current.pointers.has(object.kind, &object.hash));
        for object in &objects {
            self.lake.put_context(object.bytes.clone().into()).await.map_err(anyhow::Error::from)?;
        }
        for object in &objects {
            self.announce(object).await?;
        }
        Ok(current.catch_up().await?)
    }

    /// The budgets whose spending before that day is to be published: none if no budget covers the day, or if
    /// somebody has published it since they were declared.
    pub(crate) async fn spending_due(&self, day: Date) -> Result<Option<Due>> {
        let mut current = self.current.lock().await;
        current.pointers.read_on().await?;
        let newest =
            |kind: ContextKind| current.pointers.newest.get(&kind).map(|announced| announced.hash.clone());
        let Some(hash) = newest(ContextKind::Finance) else { return Ok(None) };
        let (spending, directory) = (newest(ContextKind::Spending), newest(ContextKind::Directory));
        drop(current);
        if let Some(ContextObject::Spending(published)) = self.object(ContextKind::Spending, spending).await?
            && (published.day, &published.finance) == (day, &hash)
        {
            return Ok(None);
        }
        let finance = self.object(ContextKind::Finance, Some(hash.clone())).await?;
        let Some(ContextObject::Finance(finance)) = finance else { return Ok(None) };
        if finance.budgets.iter().all(|budget| !budget.period.contains(day.start())) {
            return Ok(None);
        }
        let teams = match self.object(ContextKind::Directory, directory).await? {
            Some(ContextObject::Directory(directory)) => directory.teams,
            _ => Vec::new(),
        };
        Ok(Some(Due { finance, hash, teams }))
    }

    async fn object(&self, kind: ContextKind, hash: Option<Label>) -> Result<Option<ContextObject>> {
        let Some(hash) = hash else { return Ok(None) };
        Ok(ContextObject::decode(kind, &self.lake.get_context(hash.as_str()).await?)?)
    }

    /// Stores and announces what budgets had been spent.
    pub(crate) async fn publish_spending(&self, spending: SpendingObject) -> Result<()> {
        let object = ContextObject::Spending(spending).encode()?;
        self.lake.put_context(object.bytes.clone().into()).await?;
        self.announce(&object).await
    }

    async fn announce(&self, object: &EncodedObject) -> Result<()> {
        let pointer = ContextPointer {
            kind: object.kind,
            hash: object.hash.clone(),
            effective: None,
            recorded_at: self.clock.now(),
        };
        let mut payload = Vec::new();
        context_codec().encode(&pointer, &mut payload)?;
        self.publisher.publish(&self.topic, object.kind.as_str().as_bytes(), &payload).await?;
        Ok(())
    }
}

/// Why a version was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    /// What was sent is not even of the right form.
    #[error("{0}")]
    Unreadable(&'static str),
    /// Its author has to mend it.
    #[error(transparent)]
    Invalid(#[from] ContextError),
    /// It could not be stored or announced.
    #[error(transparent)]
    Unavailable(#[from] anyhow::Error),
}

/// Reads a bundle's folder: the files that a bundle consists of.
pub(crate) fn read_bundle(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let entries =
        std::fs::read_dir(dir).with_context(|| format!("cannot read the bundle {}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_file() && !name.starts_with('.') {
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.insert(name, bytes);
        }
    }
    if files.is_empty() {
        return Err(anyhow!(
            "{} holds no bundle; a bundle has bundle.yaml, catalogue.csv, rules.cedar, tests.yaml",
            dir.display()
        ));
    }
    Ok(files)
}
