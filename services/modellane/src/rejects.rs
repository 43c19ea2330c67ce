//! `modellane rejects replay`: messages that could not be decoded, once more, from where they lie.
//!
//! A reject holds no bytes, only where its message is: topic, partition, offset and length. While the topic
//! keeps the message it is read from there, and sent again if this version can read it; then it goes the way
//! of every message. The sink counts an event once however often it comes, so a replay may be repeated.

use crate::cli::RejectsReplay;
use crate::config::AppConfig;
use crate::out;
use crate::print::Rows;
use crate::ready::ready;
use crate::report::open_query;
use crate::stack::{Base, Roles, Stack};
use anyhow::{Context, Result};
use arrow::datatypes::SchemaRef;
use modellane_kafka::{AssignedConsumer, KafkaError, Publisher, Record, Topic};
use modellane_query::Query;
use modellane_runtime::{DataDir, Shutdown};
use modellane_schema::{fetch_codec, intent_codec, judged_codec, reject_codec, usage_codec};
use std::collections::BTreeMap;
use std::time::Duration;

/// Messages that are sent before their acknowledgements are waited for.
const BATCH: usize = 1_000;
/// How many messages nobody asked for are read before reading begins anew at the next wanted one.
const LEAP: i64 = 10_000;
const WAIT: Duration = Duration::from_millis(500);
/// Polls without a message after which offsets that the log should hold count as gone.
const PATIENCE: usize = 20;

/// Topic and partition.
type Place = (String, i32);

/// The rejects that a person asks for.
#[derive(Debug, Default)]
struct Wanted {
    /// Length of each message by its offset, where it is known.
    messages: BTreeMap<Place, BTreeMap<i64, Option<i64>>>,
    /// Rejects of records that never were messages.
    before_a_topic: u64,
}

/// What became of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    sent: u64,
    /// The topic no longer holds the message, or holds another one there.
    gone: u64,
    /// This version cannot read it either.
    unreadable: u64,
    /// In a topic that is none of this installation's, or whose messages are not sent twice.
    elsewhere: u64,
}

/// Runs the command.
pub(crate) async fn replay(mut config: AppConfig, args: RejectsReplay) -> Result<()> {
    config.check()?;
    config.use_data_dir(args.data_dir.clone());
    let query = open_query(config.clone(), None).await?;
    let wanted = Wanted::find(&query, &args).await?;
    drop(query);
    let outcome = if wanted.messages.is_empty() {
        Outcome::default()
    } else {
        match (config.kafka.bootstrap.is_some(), DataDir::running(&config.data.dir)) {
            (true, _) => bring(&Base::member(config, Roles::INGEST).await?, &wanted).await?,
            (false, Some(instance)) => bring(&Base::client(config, &instance).await?, &wanted).await?,
            (false, None) => bring_alone(config, &wanted).await?,
        }
    };
    print(&wanted, &outcome)
}

fn print(wanted: &Wanted, outcome: &Outcome) -> Result<()> {
    out::line(format_args!("sent again: {}", outcome.sent))?;
    out::line(format_args!("out of retention: {}", outcome.gone))?;
    out::line(format_args!("not readable by this version either: {}", outcome.unreadable))?;
    if outcome.elsewhere > 0 {
        let what = "in topics that this command does not write, or of another kafka.topic_prefix";
        out::line(format_args!("{what}: {}", outcome.elsewhere))?;
    }
    if wanted.before_a_topic > 0 {
        let what = "rejected before they reached a topic; send or import the corrected records";
        out::line(format_args!("{what}: {}", wanted.before_a_topic))?;
    }
    Ok(())
}

/// Without an instance and a cluster: broker, processor and sink run here until everything is in the lake.
async fn bring_alone(mut config: AppConfig, wanted: &Wanted) -> Result<Outcome> {
    let shutdown = Shutdown::new();
    shutdown.on_signal()?;
    config.sink.spacing_per_day_ms = 0;
    ready(&config, Roles::INGEST)?;
    let stack = Stack::start(Base::own(config).await?, Roles::INGEST, shutdown).await?;
    let brought = async {
        let outcome = bring(&stack.base, wanted).await?;
        stack.flow()?.settle().await?;
        Ok::<_, anyhow::Error>(outcome)
    };
    let brought = brought.await;
    let stopped = stack.stop().await;
    let outcome = brought?;
    stopped.map(|()| outcome)
}

impl Wanted {
    async fn find(query: &Query, args: &RejectsReplay) -> Result<Self> {
        let mut sql = "SELECT DISTINCT batch_id, index, length FROM rejects WHERE TRUE".to_owned();
        for (column, value) in [("source", &args.source), ("reason", &args.reason)] {
            if let Some(value) = value {
                sql += &format!(" AND {column} = '{}'", value.replace('\'', "''"));
            }
        }
        if let Some(since) = args.since {
            sql += &format!(" AND recorded_at >= '{since}'");
        }
        let batches = query.sql(&sql).await?;
        let Some(schema) = batches.first().map(|batch| -> SchemaRef { batch.schema() }) else {
            return Ok(Self::default());
        };
        let mut wanted = Self::default();
        for row in Rows::of(&schema, &batches)?.rows {
            let number = |place: usize| row[place].as_deref().map(str::parse::<i64>).transpose();
            let (batch, offset, length) = (row[0].as_deref().unwrap_or_default(), number(1)?, number(2)?);
            wanted.add(batch, offset.context("a reject without an index")?, length);
        }
        Ok(wanted)
    }

    /// The batch of a message is its topic and partition; any other batch has no slash.
    fn add(&mut self, batch: &str, offset: i64, length: Option<i64>) {
        let place =
            batch.rsplit_once('/').and_then(|(topic, partition)| Some((topic, partition.parse().ok()?)));
        match place {
            Some((topic, partition)) => {
                self.messages.entry((topic.to_owned(), partition)).or_default().insert(offset, length);
            }
            None => self.before_a_topic += 1,
        }
    }
}

/// Reads the messages and sends those again that can be read.
async fn bring(base: &Base, wanted: &Wanted) -> Result<Outcome> {
    let mut reader = AssignedConsumer::new(&base.kafka)?;
    let publisher = Publisher::new(&base.kafka)?;
    let mut outcome = Outcome::default();
    for ((topic, partition), offsets) in &wanted.messages {
        match replayable(topic, &base.kafka.topic_prefix) {
            Some(can_read) => {
                let mut partition = Partition { reader: &mut reader, topic, partition: *partition, offsets };
                partition.bring(&publisher, can_read, &mut outcome).await?;
            }
            None => outcome.elsewhere += offsets.len() as u64,
        }
    }
    reader.close().await;
    Ok(outcome)
}

/// Whether a payload can be read.
type CanRead = fn(&[u8]) -> bool;

/// How messages of a topic are read, if they may be sent twice. Those of context may not: their offsets are
/// the versions.
fn replayable(topic: &str, prefix: &str) -> Option<CanRead> {
    let found = Topic::ALL.into_iter().find(|known| known.name(prefix) == topic)?;
    match found {
        Topic::Usage => Some(|payload| usage_codec().decode(payload).is_ok()),
        Topic::Judged => Some(|payload| judged_codec().decode(payload).is_ok()),
        Topic::Intents => Some(|payload| intent_codec().decode(payload).is_ok()),
        Topic::Rejects => Some(|payload| reject_codec().decode(payload).is_ok()),
        Topic::Fetches => Some(|payload| fetch_codec().decode(payload).is_ok_and(|closed| closed.is_sound())),
        Topic::Context => None,
    }
}

/// One partition and what is wanted of it.
struct Partition<'a> {
    reader: &'a mut AssignedConsumer,
    topic: &'a str,
    partition: i32,
    offsets: &'a BTreeMap<i64, Option<i64>>,
}

impl Partition<'_> {
    async fn bring(&mut self, publisher: &Publisher, can_read: CanRead, outcome: &mut Outcome) -> Result<()> {
        let (low, high) = match self.reader.watermarks(self.topic, self.partition).await {
            Err(KafkaError::TopicMissing { .. }) => (0, 0),
            bounds => bounds?,
        };
        let here = self.offsets.range(low..high.max(low)).count() as u64;
        outcome.gone += self.offsets.len() as u64 - here;
        // Where the reader stands, once it stands somewhere.
        let mut position = None;
        let (mut found, mut idle) = (0, 0);
        let mut batch = publisher.batch();
        while let Some(wanted) = self.next_wanted(position.unwrap_or(low), high) {
            if position.is_none_or(|position| wanted - position > LEAP) {
                self.reader.assign(self.topic, &[(self.partition, wanted)]).await?;
                position = Some(wanted);
            }
            let records = self.reader.poll_batch(BATCH, WAIT).await?;
            idle = if records.is_empty() { idle + 1 } else { 0 };
            if idle > PATIENCE {
                break;
            }
            for record in &records {
                position = Some(record.offset + 1);
                let Some(length) = self.offsets.get(&record.offset) else { continue };
                found += 1;
                match judge(record, *length, can_read) {
                    Found::Sound(payload) => {
                        let key = record.key.as_deref().unwrap_or_default();
                        batch.send(self.topic, key, payload).await?;
                        outcome.sent += 1;
                    }
                    Found::Unreadable => outcome.unreadable += 1,
                    Found::Another => outcome.gone += 1,
                }
            }
            if batch.len() >= BATCH {
                std::mem::replace(&mut batch, publisher.batch()).wait().await?;
            }
        }
        outcome.gone += here - found;
        Ok(batch.wait().await?)
    }

    fn next_wanted(&self, from: i64, high: i64) -> Option<i64> {
        self.offsets.range(from..high.max(from)).next().map(|(offset, _)| *offset)
    }
}

/// What lies at the coordinates of a reject.
#[derive(Debug, PartialEq, Eq)]
enum Found<'a> {
    Sound(&'a [u8]),
    Unreadable,
    /// A message of another length: the topic was made anew since.
    Another,
}

fn judge(record: &Record, length: Option<i64>, can_read: CanRead) -> Found<'_> {
    let payload = record.payload.as_deref().unwrap_or_default();
    match length {
        Some(length) if i64::try_from(payload.len()) != Ok(length) => Found::Another,
        _ if can_read(payload) => Found::Sound(payload),
        _ => Found::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_told_from_payloads_and_taken_once() {
        let mut wanted = Wanted::default();
        wanted.add("modellane.usage.v1/3", 17, Some(5));
        wanted.add("modellane.usage.v1/3", 17, Some(5));
        wanted.add("modellane.usage.v1/3", 18, None);
        wanted.add("00112233445566778899aabbccddeeff", 4, None);
        let place = ("modellane.usage.v1".to_owned(), 3);
        assert_eq!(wanted.messages, BTreeMap::from([(place, BTreeMap::from([(17, Some(5)), (18, None)]))]));
        assert_eq!(wanted.before_a_topic, 1);
    }

    #[test]
    fn only_topics_of_this_installation_are_written_and_context_never_twice() {
        for topic in Topic::ALL {
            let is_written = replayable(&topic.name("p"), "p").is_some();
            assert_eq!(is_written, topic != Topic::Context, "{topic:?}");
            assert!(replayable(&topic.name("other"), "p").is_none());
        }
    }

    #[test]
    fn another_message_at_the_same_place_is_left_alone() {
        let record = Record {
            topic: "t".into(),
            partition: 0,
            offset: 0,
            timestamp_ms: None,
            key: None,
            payload: Some(b"abc".to_vec()),
        };
        let (yes, no): (CanRead, CanRead) = (|_| true, |_| false);
        assert_eq!(judge(&record, Some(3), yes), Found::Sound(b"abc"));
        assert_eq!(judge(&record, None, yes), Found::Sound(b"abc"));
        assert_eq!(judge(&record, Some(3), no), Found::Unreadable);
        assert_eq!(judge(&record, Some(4), yes), Found::Another);
    }
}
