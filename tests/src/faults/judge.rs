//! The judge: reads the topics to their ends, and has DuckDB compare lake and answers with the oracle.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use modellane_event::UsageEvent;
use modellane_kafka::Topic;
use modellane_schema::{judged_codec, usage_codec, wire};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Serialize;
use serde_json::Value;

use super::oracle::{Oracle, Source};
use super::organisation::Organisation;
use crate::clients::client_with;

/// How long reading all topics may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a broker may be away that has just been killed.
const CONNECT: Duration = Duration::from_secs(60);
const REQUEST: Duration = Duration::from_secs(10);

/// A cluster and the topics of one installation on it.
pub struct Log {
    consumer: BaseConsumer,
    prefix: String,
    cluster: String,
    schemas: HashMap<u32, u64>,
}

/// Next offsets by partition.
pub type Ends = BTreeMap<i32, i64>;

/// A topic that the sink reads: its table, what positions in the table call it, and where it ends.
#[derive(Debug, Serialize)]
pub struct Stream {
    table: &'static str,
    stream: String,
    ends: Ends,
}

/// Topics into which plans put messages that nobody can read.
pub const POISONED: [Topic; 3] = [Topic::Usage, Topic::Judged, Topic::Intents];

impl Log {
    /// Connects. The group is only asked for its offsets, never joined.
    pub fn open(bootstrap: &str, prefix: &str, group: &str) -> Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("check.crcs", "true")
            .set("reconnect.backoff.max.ms", "500")
            .set_log_level(RDKafkaLogLevel::Emerg)
            .create()?;
        let cluster = consumer.client().fetch_cluster_id(CONNECT).context("the cluster's id")?;
        Ok(Self { consumer, prefix: prefix.to_owned(), cluster, schemas: HashMap::new() })
    }

    /// Reads messages that name their schema by a registry's id, too.
    #[must_use]
    pub fn with_schemas(self, schemas: HashMap<u32, u64>) -> Self {
        Self { schemas, ..self }
    }

    /// A message as the product's codecs read it.
    fn plain(&self, message: &[u8]) -> Vec<u8> {
        let Some((wire::Named::Id(id), datum)) = wire::header(message) else { return message.to_vec() };
        let Some(fingerprint) = self.schemas.get(&id) else { return message.to_vec() };
        let mut plain = Vec::with_capacity(10 + datum.len());
        wire::write_fingerprint(*fingerprint, &mut plain);
        plain.extend_from_slice(datum);
        plain
    }

    /// First and next offset of each partition of a topic.
    fn bounds(&self, topic: Topic) -> Result<BTreeMap<i32, (i64, i64)>> {
        let name = topic.name(&self.prefix);
        let metadata = self.consumer.fetch_metadata(Some(&name), REQUEST)?;
        let partitions = metadata.topics().first().context("metadata of the topic")?.partitions();
        ensure!(!partitions.is_empty(), "{name} is not there");
        partitions
            .iter()
            .map(|partition| {
                Ok((partition.id(), self.consumer.fetch_watermarks(&name, partition.id(), REQUEST)?))
            })
            .collect()
    }

    fn ends(&self, topic: Topic) -> Result<Ends> {
        Ok(self.bounds(topic)?.into_iter().map(|(partition, (_, end))| (partition, end)).collect())
    }

    /// Every partition of a topic with its next offset.
    pub fn everything(&self, topic: Topic) -> Result<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for (partition, end) in self.ends(topic)? {
            list.add_partition_offset(&topic.name(&self.prefix), partition, Offset::Offset(end))?;
        }
        Ok(list)
    }

    /// Whether the processors have finished all usage that there is.
    pub fn is_judged(&self) -> Result<bool> {
        Ok(self.unjudged()? == 0)
    }

    /// Usage that the processors have not finished.
    pub fn unjudged(&self) -> Result<usize> {
        let (name, ends) = (Topic::Usage.name(&self.prefix), self.ends(Topic::Usage)?);
        let mut list = TopicPartitionList::new();
        for partition in ends.keys() {
            list.add_partition(&name, *partition);
        }
        let committed = self.consumer.committed_offsets(list, REQUEST)?;
        let mut left = 0;
        for element in committed.elements() {
            let end = ends.get(&element.partition()).copied().unwrap_or(0);
            let next = if let Offset::Offset(next) = element.offset() { next } else { 0 };
            left += usize::try_from(end - next).unwrap_or(0);
        }
        Ok(left)
    }

    /// What the sink has to have read.
    pub fn streams(&self) -> Result<Vec<Stream>> {
        let tables = [
            (Topic::Judged, "usage_ledger"),
            (Topic::Intents, "intents"),
            (Topic::Rejects, "rejects"),
            (Topic::Fetches, "fetches"),
        ];
        tables
            .into_iter()
            .map(|(topic, table)| {
                let stream = format!("{}/{}", self.cluster, topic.name(&self.prefix));
                Ok(Stream { table, stream, ends: self.ends(topic)? })
            })
            .collect()
    }

    /// Where the topics, read from their beginnings, break I1, I3 or I11. What retention has removed cannot
    /// be missing from them, so only complete topics are asked for every event.
    pub fn problems(&self, oracle: &Oracle) -> Result<Vec<String>> {
        let sent: BTreeSet<(String, String)> = oracle
            .versions
            .iter()
            .map(|version| Ok((name(version.source)?, version.key.clone())))
            .collect::<Result<_>>()?;
        let (usage, judged) = (usage_codec(), judged_codec());
        let mut problems = Vec::new();
        for topic in Topic::ALL {
            let (mut found, mut planted) = (BTreeSet::new(), 0);
            let poison = (!POISONED.contains(&topic)).then_some(&oracle.poison);
            let texts: Vec<&String> = oracle.canaries.iter().chain(poison).collect();
            let complete = self.read(topic, |key, payload| {
                let event = match topic {
                    Topic::Usage => usage.decode(payload).ok(),
                    Topic::Judged => judged.decode(payload).ok().map(|judged| judged.usage),
                    _ => None,
                };
                found.extend(event.map(|event| (event.source.to_string(), key_of(&event))));
                planted += usize::from(texts.iter().any(|text| holds(key, text) || holds(payload, text)));
            })?;
            if planted > 0 {
                problems.push(format!("I11: {planted} messages of {topic:?} hold planted text"));
            }
            if !matches!(topic, Topic::Usage | Topic::Judged) {
                continue;
            }
            let missing: Vec<_> = sent.difference(&found).take(2).collect();
            if complete && !missing.is_empty() {
                problems.push(format!("I1: acknowledged events are not in {topic:?}, such as {missing:?}"));
            }
            let strange: Vec<_> = found.difference(&sent).take(2).collect();
            if !strange.is_empty() {
                problems.push(format!("I3: {topic:?} has events that nobody sent, such as {strange:?}"));
            }
        }
        Ok(problems)
    }

    /// Reads a topic from its beginning to its end and says whether it still begins at offset 0.
    pub fn read(&self, topic: Topic, mut take: impl FnMut(&[u8], &[u8])) -> Result<bool> {
        let name = topic.name(&self.prefix);
        let bounds = self.bounds(topic)?;
        let mut left: HashMap<i32, i64> = bounds
            .iter()
            .filter(|(_, (low, end))| low < end)
            .map(|(partition, (_, end))| (*partition, *end))
            .collect();
        let mut list = TopicPartitionList::new();
        for (partition, (low, _)) in &bounds {
            list.add_partition_offset(&name, *partition, Offset::Offset(*low))?;
        }
        self.consumer.assign(&list)?;
        let begun = Instant::now();
        while !left.is_empty() {
            ensure!(begun.elapsed() < PATIENCE, "{name} cannot be read to its end");
            let Some(message) = self.consumer.poll(Duration::from_millis(200)) else { continue };
            let message = message?;
            take(message.key().unwrap_or_default(), &self.plain(message.payload().unwrap_or_default()));
            if left.get(&message.partition()).is_some_and(|end| message.offset() + 1 >= *end) {
                left.remove(&message.partition());
            }
        }
        Ok(bounds.values().all(|(low, _)| *low == 0))
    }
}

/// What the oracle calls an event.
fn key_of(event: &UsageEvent) -> String {
    match &event.facts.billing_account_id {
        Some(account) if event.source.as_str() == "github_copilot.billing_csv" => {
            format!("{account}:{}", event.event_date)
        }
        Some(account) => account.to_string(),
        None => event.source_key.to_string(),
    }
}

fn name(source: Source) -> Result<String> {
    Ok(serde_json::to_value(source)?.as_str().context("a name")?.to_owned())
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

/// Positions that a lake's tables state, read from their logs as they grow.
#[derive(Default)]
pub struct Positions {
    read: BTreeSet<PathBuf>,
    stated: HashMap<String, i64>,
}

impl Positions {
    /// Whether the tables stand where the streams end.
    pub fn reach(&mut self, lake_dir: &Path, streams: &[Stream]) -> Result<bool> {
        Ok(self.missing(lake_dir, streams)? == 0)
    }

    /// How many messages of the streams the tables have not come to.
    pub fn missing(&mut self, lake_dir: &Path, streams: &[Stream]) -> Result<usize> {
        for stream in streams {
            self.follow(&lake_dir.join(stream.table).join("_delta_log"))?;
        }
        let left = streams.iter().flat_map(|stream| stream.ends.iter().map(move |end| (stream, end)));
        let left = left.map(|(stream, (partition, end))| {
            let stated = self.stated.get(&format!("{}/{partition}", stream.stream)).copied().unwrap_or(0);
            // A table beyond the end of its stream is as wrong as one before it.
            usize::try_from((end - stated).abs()).unwrap_or(usize::MAX)
        });
        Ok(left.sum())
    }

    fn follow(&mut self, log: &Path) -> Result<()> {
        // A table that is not there yet states nothing.
        let Ok(entries) = std::fs::read_dir(log) else { return Ok(()) };
        let commits: BTreeSet<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| is_commit(path)).collect();
        for commit in commits {
            if !self.read.insert(commit.clone()) {
                continue;
            }
            for line in std::fs::read_to_string(&commit)?.lines() {
                let action: Value = serde_json::from_str(line)?;
                let (application, version) =
                    (action["txn"]["appId"].as_str(), action["txn"]["version"].as_i64());
                if let (Some(application), Some(version)) = (application, version) {
                    self.stated.insert(application.to_owned(), version);
                }
            }
        }
        Ok(())
    }
}

/// Whether an object of a table's log is a commit.
pub fn is_commit(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

/// What `clients/judge.py` is asked.
#[derive(Debug, Serialize)]
pub struct Case<'a> {
    /// URL of the lake.
    pub lake: String,
    /// The directory in which the store keeps it.
    pub lake_dir: PathBuf,
    /// File of the oracle's versions, written by [`Case::judge`].
    pub versions: PathBuf,
    /// Ids of the intents.
    pub intents: &'a [String],
    /// Unreadable messages that were sent.
    pub rejects: usize,
    /// Where the query service speaks PostgreSQL's protocol.
    pub query: Option<String>,
    /// What the sink has to have read.
    pub streams: Vec<Stream>,
    /// Texts that must be nowhere.
    pub canaries: &'a [String],
    /// Logs of the services.
    pub logs: Vec<PathBuf>,
    /// What a reader saw meanwhile.
    pub polls: Option<PathBuf>,
    /// Whether versions whose files were merged since must still be there.
    pub asks_old_versions: bool,
    /// Lakes that must hold the same.
    pub same_as: Vec<String>,
    /// Whose teams and guidance the events were judged by, where a plan has published any.
    pub organisation: Option<&'a Organisation>,
}

impl Case<'_> {
    /// Has it judged: counts and problems.
    pub fn judge(&self, oracle: &Oracle, reach: &[(String, String)], dir: &Path) -> Result<Value> {
        let mut versions = String::new();
        for version in &oracle.versions {
            writeln!(versions, "{}", serde_json::to_string(version)?)?;
        }
        std::fs::write(&self.versions, versions)?;
        let case = dir.join("case.json");
        std::fs::write(&case, serde_json::to_vec_pretty(self)?)?;
        let judged = client_with("judge.py", &[OsStr::new(&case)], reach)?;
        serde_json::from_slice(&judged).context("a judgement is JSON")
    }
}
