//! The product's topics: their names, and what they must be like for the product's promises to hold.

use std::collections::HashMap;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::client::{self, Logs, REQUEST_TIMEOUT};
use crate::config::KafkaConfig;
use crate::error::KafkaError;

/// Usage events from the collectors, with the default prefix.
pub const USAGE_TOPIC: &str = "modellane.usage.v1";
/// Judged events from the processors, with the default prefix.
pub const JUDGED_TOPIC: &str = "modellane.judged.v1";
/// Intents, with the default prefix.
pub const INTENTS_TOPIC: &str = "modellane.intents.v1";
/// Pointers to context versions, with the default prefix.
pub const CONTEXT_TOPIC: &str = "modellane.context.v1";
/// What was rejected, without content, with the default prefix.
pub const REJECTS_TOPIC: &str = "modellane.rejects.v1";
/// Complete fetches, with the default prefix.
pub const FETCHES_TOPIC: &str = "modellane.fetches.v1";

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// An outage over a long weekend must not lose events.
const MIN_RETENTION_MS: i64 = 7 * DAY_MS;

/// What topics are created with.
const RETENTION_MS: i64 = 14 * DAY_MS;

/// The least that a topic has to take, in bytes: Kafka's own default. Publishers fill batches up to a little
/// less.
const MIN_MESSAGE_BYTES: i64 = 1_048_588;

/// Kept for ever.
const UNLIMITED: i64 = -1;

/// A topic of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Usage events from the collectors.
    Usage,
    /// Judged events from the processors.
    Judged,
    /// Intents.
    Intents,
    /// Pointers to context versions; its offsets are the versions, so it has one partition for ever.
    Context,
    /// What was rejected, without content.
    Rejects,
    /// What a vendor had of a scope whenever all of it was fetched.
    Fetches,
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 6] =
        [Self::Usage, Self::Judged, Self::Intents, Self::Context, Self::Rejects, Self::Fetches];

    /// The name on a cluster whose topics begin with `prefix`.
    pub fn name(self, prefix: &str) -> String {
        let name = match self {
            Self::Usage => "usage",
            Self::Judged => "judged",
            Self::Intents => "intents",
            Self::Context => "context",
            Self::Rejects => "rejects",
            Self::Fetches => "fetches",
        };
        format!("{prefix}.{name}.v1")
    }

    /// The schema of its messages, by the name of its file.
    fn schema(self) -> &'static str {
        match self {
            Self::Usage => "usage_event",
            Self::Judged => "judged_event",
            Self::Intents => "intent",
            Self::Context => "context_pointer",
            Self::Rejects => "reject",
            Self::Fetches => "scope_closed",
        }
    }

    fn partitions(self, asked: i32) -> i32 {
        if self == Self::Context { 1 } else { asked }
    }

    fn retention_ms(self) -> i64 {
        if self == Self::Context { UNLIMITED } else { RETENTION_MS }
    }
}

/// Creates the topics that are missing, with `partitions` each where that is free to choose, and checks
/// those that exist. With a schema registry, makes sure that it has our schemas.
///
/// # Errors
///
/// Within about ten seconds [`KafkaError::Unreachable`] when no broker answers;
/// [`KafkaError::TopicUnsuitable`] when a topic has a setting that could lose data;
/// [`KafkaError::Configuration`] when the cluster is too small for it.
pub async fn ensure_topics(config: &KafkaConfig, partitions: i32) -> Result<(), KafkaError> {
    let (admin, missing) = check(config).await?;
    create(&admin, &missing, partitions, config, config.address()?).await?;
    wait_for_leaders(admin, missing, config.address()?).await?;
    let Some(registry) = config.registry()? else { return Ok(()) };
    let subjects = Topic::ALL.map(|topic| (topic.name(&config.topic_prefix), topic.schema()));
    client::blocking("ask the schema registry", move || {
        subjects.iter().try_for_each(|(topic, schema)| registry.ensure(topic, schema))
    })
    .await
}

/// Checks the configuration against the cluster and changes nothing.
///
/// # Errors
///
/// As [`ensure_topics`], without the registry.
pub async fn check_cluster(config: &KafkaConfig) -> Result<(), KafkaError> {
    check(config).await.map(drop)
}

/// Checks what is there, and says which topics are not.
async fn check(config: &KafkaConfig) -> Result<(AdminClient<Logs>, Vec<(Topic, String)>), KafkaError> {
    config.check()?;
    let bootstrap = config.address()?.to_owned();
    let failed = |error| KafkaError::from_client(&error, &bootstrap, "manage topics");
    let admin: AdminClient<Logs> = client::base(config)?.create_with_context(Logs).map_err(failed)?;
    let (admin, cluster) = describe(admin, &bootstrap).await?;
    let mut present = Vec::new();
    let mut missing = Vec::new();
    for topic in Topic::ALL {
        let name = topic.name(&config.topic_prefix);
        match cluster.topics.get(&name) {
            Some(layout) => {
                check_layout(topic, &name, *layout, config)?;
                present.push((topic, name));
            }
            None => missing.push((topic, name)),
        }
    }
    if !missing.is_empty() {
        check_size(cluster.brokers, config)?;
    }
    check_settings(&admin, &present, config, &bootstrap).await?;
    Ok((admin, missing))
}

/// What a cluster has.
struct Cluster {
    brokers: usize,
    topics: HashMap<String, Layout>,
}

/// Partitions, and the smallest number of copies of any of them.
#[derive(Clone, Copy)]
struct Layout {
    partitions: usize,
    copies: usize,
}

async fn describe(
    admin: AdminClient<Logs>,
    bootstrap: &str,
) -> Result<(AdminClient<Logs>, Cluster), KafkaError> {
    let bootstrap = bootstrap.to_owned();
    client::blocking("list topics", move || {
        let failed = |error| KafkaError::from_client(&error, &bootstrap, "list topics");
        let metadata = admin.inner().fetch_metadata(None, REQUEST_TIMEOUT).map_err(failed)?;
        let layouts = metadata.topics().iter().map(|topic| {
            let copies = topic.partitions().iter().map(|p| p.replicas().len()).min().unwrap_or(0);
            (topic.name().to_owned(), Layout { partitions: topic.partitions().len(), copies })
        });
        let cluster = Cluster { brokers: metadata.brokers().len(), topics: layouts.collect() };
        Ok((admin, cluster))
    })
    .await
}

/// Whether topics with so many copies can be created: each copy needs a broker of its own.
fn check_size(brokers: usize, config: &KafkaConfig) -> Result<(), KafkaError> {
    let copies = config.replication();
    if i64::try_from(brokers).unwrap_or(i64::MAX) >= i64::from(copies) {
        return Ok(());
    }
    let brokers = if brokers == 1 { "1 broker".to_owned() } else { format!("{brokers} brokers") };
    Err(KafkaError::Configuration {
        reason: format!(
            "replication_factor is {copies}, but the cluster has {brokers}: start more, or set \
             kafka.replication_factor and kafka.min_insync_replicas to what it can keep. With one copy the \
             loss of its disk is the loss of what the lake does not hold yet"
        ),
    })
}

fn unsuitable(topic: &str, setting: &'static str, found: impl ToString, needed: impl ToString) -> KafkaError {
    KafkaError::TopicUnsuitable {
        topic: topic.to_owned(),
        setting,
        found: found.to_string(),
        needed: needed.to_string(),
    }
}

fn check_layout(topic: Topic, name: &str, layout: Layout, config: &KafkaConfig) -> Result<(), KafkaError> {
    if topic == Topic::Context && layout.partitions != 1 {
        return Err(unsuitable(name, "partitions", layout.partitions, 1));
    }
    let needed = config.replication();
    if i64::try_from(layout.copies).unwrap_or(i64::MAX) < i64::from(needed) {
        return Err(unsuitable(name, "replication factor", layout.copies, format!("at least {needed}")));
    }
    Ok(())
}

async fn check_settings(
    admin: &AdminClient<Logs>,
    topics: &[(Topic, String)],
    config: &KafkaConfig,
    bootstrap: &str,
) -> Result<(), KafkaError> {
    if topics.is_empty() {
        return Ok(());
    }
    let wanted: Vec<_> = topics.iter().map(|(_, name)| ResourceSpecifier::Topic(name)).collect();
    let failed = |error| KafkaError::from_client(&error, bootstrap, "read topic settings");
    let described = admin.describe_configs(&wanted, &options()).await.map_err(failed)?;
    for ((topic, name), described) in topics.iter().zip(described) {
        let described =
            described.map_err(|code| KafkaError::from_code(code, bootstrap, "read topic settings"))?;
        let value = |setting: &str| described.get(setting).and_then(|entry| entry.value.as_deref());
        check_values(*topic, name, value, config)?;
    }
    Ok(())
}

/// Checks the settings that a promise rests on. One that the cluster does not tell is not judged.
fn check_values<'a>(
    topic: Topic,
    name: &str,
    value: impl Fn(&str) -> Option<&'a str>,
    config: &KafkaConfig,
) -> Result<(), KafkaError> {
    let number = |setting: &str| value(setting).and_then(|value| value.parse::<i64>().ok());
    if let Some(found) = number("retention.ms")
        && found != UNLIMITED
    {
        if topic == Topic::Context {
            return Err(unsuitable(name, "retention.ms", found, "-1 (for ever)"));
        }
        if found < MIN_RETENTION_MS {
            return Err(unsuitable(
                name,
                "retention.ms",
                found,
                format!("at least {MIN_RETENTION_MS} (7 days)"),
            ));
        }
    }
    if let Some(found) = number("retention.bytes")
        && found != UNLIMITED
    {
        return Err(unsuitable(name, "retention.bytes", found, "-1 (no limit)"));
    }
    if let Some(found) = value("cleanup.policy")
        && found != "delete"
    {
        return Err(unsuitable(name, "cleanup.policy", found, "delete"));
    }
    if value("unclean.leader.election.enable") == Some("true") {
        return Err(unsuitable(name, "unclean.leader.election.enable", "true", "false"));
    }
    if let Some(found) = number("max.message.bytes").filter(|found| *found < MIN_MESSAGE_BYTES) {
        return Err(unsuitable(name, "max.message.bytes", found, format!("at least {MIN_MESSAGE_BYTES}")));
    }
    let needed = config.min_insync();
    match number("min.insync.replicas") {
        Some(found) if found < i64::from(needed) => {
            Err(unsuitable(name, "min.insync.replicas", found, format!("at least {needed}")))
        }
        _ => Ok(()),
    }
}

async fn create(
    admin: &AdminClient<Logs>,
    topics: &[(Topic, String)],
    partitions: i32,
    config: &KafkaConfig,
    bootstrap: &str,
) -> Result<(), KafkaError> {
    if topics.is_empty() {
        return Ok(());
    }
    let min_insync = config.min_insync().to_string();
    // A cluster may have a smaller default.
    let message_bytes = MIN_MESSAGE_BYTES.to_string();
    let retentions: Vec<_> = topics.iter().map(|(topic, _)| topic.retention_ms().to_string()).collect();
    let new: Vec<_> = topics
        .iter()
        .zip(&retentions)
        .map(|((topic, name), retention)| {
            let copies = TopicReplication::Fixed(config.replication());
            NewTopic::new(name, topic.partitions(partitions), copies)
                .set("cleanup.policy", "delete")
                .set("retention.ms", retention)
                .set("retention.bytes", "-1")
                .set("max.message.bytes", &message_bytes)
                .set("min.insync.replicas", &min_insync)
                .set("unclean.leader.election.enable", "false")
        })
        .collect();
    let failed = |error| KafkaError::from_client(&error, bootstrap, "create topics");
    for result in admin.create_topics(&new, &options()).await.map_err(failed)? {
        match result {
            // Another instance that starts at the same time was quicker.
            Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
            // A broker went away since they were counted.
            Err((topic, Code::InvalidReplicationFactor)) => {
                let needed = "a cluster of so many brokers, or a smaller kafka.replication_factor";
                return Err(unsuitable(&topic, "replication factor", config.replication(), needed));
            }
            Err((_, code)) => return Err(KafkaError::from_code(code, bootstrap, "create topics")),
        }
    }
    tracing::info!(topics = topics.len(), "created kafka topics");
    Ok(())
}

/// Waits until topics that were just created can be read and written: the controller creates them, and the
/// brokers hear of it later.
async fn wait_for_leaders(
    admin: AdminClient<Logs>,
    topics: Vec<(Topic, String)>,
    bootstrap: &str,
) -> Result<(), KafkaError> {
    if topics.is_empty() {
        return Ok(());
    }
    let bootstrap = bootstrap.to_owned();
    client::when_ready("wait for new topics", move || {
        let failed = |error| KafkaError::from_client(&error, &bootstrap, "wait for new topics");
        let metadata = admin.inner().fetch_metadata(None, REQUEST_TIMEOUT).map_err(failed)?;
        let is_led = |name: &str| {
            let found = metadata.topics().iter().find(|topic| topic.name() == name);
            found.is_some_and(|topic| {
                !topic.partitions().is_empty() && topic.partitions().iter().all(|p| p.leader() >= 0)
            })
        };
        if topics.iter().all(|(_, name)| is_led(name)) {
            return Ok(());
        }
        let code = "a new topic has no leader yet".to_owned();
        Err(KafkaError::Temporary { action: "wait for new topics", code })
    })
    .await
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

#[cfg(test)]
mod tests;
