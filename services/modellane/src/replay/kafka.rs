//! From the topics, as far back as Kafka holds them.

use super::gated::{Gate, GatedLog};
use super::timeline::{Stretch, Timeline, Turn, turns};
use crate::config::AppConfig;
use crate::key::KeyFile;
use crate::stack::{Base, Roles, Stack};
use crate::{out, progress};
use anyhow::{Context, Result, bail};
use modellane_event::UtcTime;
use modellane_kafka::{AssignedConsumer, KafkaConfig, Topic};
use modellane_lake::Lake;
use modellane_ledger::CommitRecord;
use modellane_maintenance::{KeptCommit, kept_history};
use modellane_runtime::{Clock, ManualClock, Metrics, Readiness, Shutdown};
use modellane_schema::context_codec;
use modellane_sink::{
    FETCHES_TABLE, History, HistoryCommit, KafkaLog, LEDGER_TABLE, Sink, SinkConfig, SinkError, SinkHandle,
    SinkLogs,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Up to when the old lake was rebuilt.
pub(super) struct Taken {
    pub(super) recorded_through: Option<UtcTime>,
    pub(super) fetches_applied: Option<UtcTime>,
}

/// Rebuilds, each commit with the time that the old lake gave it.
pub(super) async fn rebuild(config: AppConfig, new: Lake, shutdown: Shutdown) -> Result<Option<Taken>> {
    let roles = Roles { sink: true, ..Roles::NONE };
    let base = Base::reach(config, roles).await?;
    // Without roles it only keeps the embedded broker, if that is this process's own, and stops it in order.
    let stack = Stack::start(base, Roles::NONE, shutdown.clone()).await?;
    let rebuilt = from_topics(&stack.base, new, shutdown).await;
    let stopped = stack.stop().await;
    let taken = rebuilt?;
    stopped?;
    Ok(Some(taken))
}

/// A topic with what the old lake took of it.
struct Source {
    stream: String,
    stretches: Vec<Stretch>,
    gate: Gate,
}

impl Source {
    async fn find(
        kafka: &KafkaConfig,
        topic: Topic,
        history: &History,
    ) -> Result<(Self, GatedLog<KafkaLog>)> {
        let name = topic.name(&kafka.topic_prefix);
        let consumer = AssignedConsumer::new(kafka)?;
        let stream = consumer.stream_id(&name).await?;
        let mut stretches = Vec::new();
        for partition in consumer.partitions(&name).await? {
            let (low, high) = consumer.watermarks(&name, partition).await?;
            let position = history.position(&stream, partition).await?.unwrap_or(0);
            if position > high {
                bail!(
                    "{name}/{partition} ends at {high}, but the lake was written up to {position}; restore the topic"
                );
            }
            stretches.push(Stretch { partition, low, position });
        }
        let (gate, log) = GatedLog::new(KafkaLog::new(consumer, &name));
        Ok((Self { stream, stretches, gate }, log))
    }

    /// Where the old lake stands.
    fn positions(&self) -> BTreeMap<i32, i64> {
        let taken = self.stretches.iter().filter(|stretch| stretch.position > stretch.low);
        taken.map(|stretch| (stretch.partition, stretch.position)).collect()
    }

    /// Next offsets of this source, as a sink is waited for.
    fn targets(&self, through: &BTreeMap<i32, i64>) -> Vec<(String, i32, i64)> {
        through.iter().map(|(partition, to)| (self.stream.clone(), *partition, *to)).collect()
    }
}

/// Where the old lake was written from.
struct Sources {
    judged: Source,
    fetches: Source,
    intents: Source,
    rejects: Source,
}

impl Sources {
    /// The sources, closed, and the logs that a sink reads them through.
    async fn find(
        base: &Base,
        judged: &History,
        fetches: &History,
    ) -> Result<(Self, SinkLogs<GatedLog<KafkaLog>>)> {
        let kafka = &base.kafka;
        let judged = Source::find(kafka, Topic::Judged, judged).await?;
        let fetches = Source::find(kafka, Topic::Fetches, fetches).await?;
        let intents = Source::find(kafka, Topic::Intents, &History::of_intents(&base.lake).await?).await?;
        let rejects = Source::find(kafka, Topic::Rejects, &History::of_rejects(&base.lake).await?).await?;
        let logs = SinkLogs { judged: judged.1, intents: intents.1, rejects: rejects.1, fetches: fetches.1 };
        Ok((Self { judged: judged.0, fetches: fetches.0, intents: intents.0, rejects: rejects.0 }, logs))
    }

    /// Lets the sink make one commit a turn, at its time, and take what has no history behind them.
    async fn open(&mut self, turns: &[Turn<'_>], clock: &ManualClock) {
        let bar = progress::steps(turns.len() as u64);
        for turn in turns {
            let (step, gate) = match turn {
                Turn::Fetches(step) => (step, &mut self.fetches.gate),
                Turn::Ledger(step) => (step, &mut self.judged.gate),
            };
            clock.advance(step.recorded_at.micros() - clock.now().micros());
            gate.allow(&step.through).await;
            bar.inc(1);
        }
        for source in [&mut self.intents, &mut self.rejects] {
            let positions = source.positions();
            source.gate.allow(&positions).await;
        }
        bar.finish_and_clear();
    }

    /// Everything that is to be committed.
    fn ends(&self, turns: &[Turn<'_>]) -> Vec<(String, i32, i64)> {
        let mut ends = Vec::new();
        for turn in turns {
            ends.extend(match turn {
                Turn::Fetches(step) => self.fetches.targets(&step.through),
                Turn::Ledger(step) => self.judged.targets(&step.through),
            });
        }
        ends.extend(
            [&self.intents, &self.rejects].into_iter().flat_map(|source| source.targets(&source.positions())),
        );
        ends
    }
}

async fn from_topics(base: &Base, new: Lake, shutdown: Shutdown) -> Result<Taken> {
    let ledger = history(&base.lake, History::of_ledger(&base.lake).await?, LEDGER_TABLE).await?;
    let fetches = history(&base.lake, History::of_fetches(&base.lake).await?, FETCHES_TABLE).await?;
    let (mut sources, logs) = Sources::find(base, &ledger, &fetches).await?;
    let taken = Taken { recorded_through: ledger.recorded_through, fetches_applied: ledger.fetches_applied };
    let ledger = Timeline::of(&sources.judged.stream, &ledger, &sources.judged.stretches);
    let fetches = Timeline::of(&sources.fetches.stream, &fetches, &sources.fetches.stretches);
    let turns = turns(&ledger, &fetches);
    say_what_is_lost(&[(&sources.judged, &ledger), (&sources.fetches, &fetches)])?;
    carry_context(base, &new).await?;

    let clock = Arc::new(ManualClock::at(UtcTime(0)));
    let readiness = Readiness::new();
    let sink = Sink::open(&new, as_told(), Arc::clone(&clock) as _, Metrics::new()).await?;
    let sink = sink.with_readiness(readiness.clone());
    let (mut handle, ends) = (sink.handle(), sources.ends(&turns));
    let stop = Shutdown::new();
    let mut running = tokio::spawn(sink.run(logs, stop.clone()));
    let replayed = tokio::select! {
        () = sources.open(&turns, &clock) => Ok(()),
        // While somebody waits the sink commits as soon as it has read what is allowed.
        error = waiting(handle.clone(), &ends) => Err(error),
        () = shutdown.triggered() => Err(anyhow::anyhow!("stopped before the ledger was rebuilt")),
    };
    stop.trigger();
    ended(&mut running).await?;
    replayed?;
    if let Some(alarm) = readiness.alarms().first() {
        bail!("not all of the old lake could be rebuilt: {alarm}");
    }
    handle.wait_committed(&ends).await.context("not all of the old lake was rebuilt")?;
    let messages = handle.progress().counters.messages();
    out::line(format_args!("rebuilt {} commits from {messages} messages", ledger.steps.len()))?;
    Ok(taken)
}

/// A history with what maintenance has kept of commits that the table's log no longer tells.
async fn history(lake: &Lake, mut history: History, table: &str) -> Result<History> {
    if history.is_complete() {
        return Ok(history);
    }
    let kept = kept_history(lake, table).await?;
    let from = known_from(history.known_from, &kept);
    let commits = kept.into_iter().filter_map(|commit| {
        let record = CommitRecord { recorded_at: commit.recorded_at?, ranges: commit.ranges };
        let version = u64::try_from(commit.version).ok()?;
        Some(HistoryCommit { version, record, fetches_applied: commit.fetches_applied })
    });
    history.remember(from, commits.collect());
    Ok(history)
}

/// The first version from which on none is missing, if from `told` on the log tells them.
fn known_from(told: u64, kept: &[KeptCommit]) -> u64 {
    let mut from = told;
    for commit in kept.iter().rev() {
        match u64::try_from(commit.version) {
            Ok(version) if version >= from => {}
            // Version 0 creates the table.
            Ok(version) if version + 1 == from && version > 0 => from = version,
            _ => break,
        }
    }
    from
}

/// Waits for as long as the sink runs.
async fn waiting(mut sink: SinkHandle, ends: &[(String, i32, i64)]) -> anyhow::Error {
    match sink.wait_committed(ends).await {
        Ok(()) => std::future::pending().await,
        Err(error) => error.into(),
    }
}

/// How the sink ended, which says more than that it did not get there.
async fn ended(running: &mut JoinHandle<Result<(), SinkError>>) -> Result<()> {
    running.await.context("the sink broke off")??;
    Ok(())
}

/// A commit is made when everything that is allowed was read, however much that is and whatever the clock
/// says: what the old lake committed at once fitted into memory.
fn as_told() -> SinkConfig {
    SinkConfig {
        commit_interval_ms: 60_000,
        spacing_per_day_ms: 0,
        max_rows: usize::MAX,
        max_mib: usize::MAX,
        ..SinkConfig::default()
    }
}

fn say_what_is_lost(timelines: &[(&Source, &Timeline)]) -> Result<()> {
    let mut all = true;
    for (Source { stream, .. }, timeline) in timelines {
        for lost in &timeline.lost {
            out::line(format_args!(
                "Kafka no longer holds the beginning: {stream}/{} begins at {}, the lake was written from {} on; \
                 what came before is not rebuilt",
                lost.partition, lost.low, lost.needed
            ))?;
        }
        if timeline.foreign > 0 {
            out::line(format_args!(
                "{} commits came from another topic than {stream}; they are not rebuilt",
                timeline.foreign
            ))?;
        }
        all &= timeline.lost.is_empty() && timeline.foreign == 0;
    }
    if all {
        let streams: Vec<&str> = timelines.iter().map(|(source, _)| source.stream.as_str()).collect();
        out::line(format_args!(
            "Kafka holds all that the ledger was written from, in {}",
            streams.join(" and ")
        ))?;
    }
    Ok(())
}

/// What belongs to a lake beside its tables: context objects, and which key its ids were made with.
async fn carry_context(base: &Base, new: &Lake) -> Result<()> {
    if base.config.key_file().exists() {
        KeyFile::of(&base.config, false).open(new, &base.clock).await?;
    }
    let topic = Topic::Context.name(&base.kafka.topic_prefix);
    let mut consumer = AssignedConsumer::new(&base.kafka)?;
    let (low, high) = consumer.watermarks(&topic, 0).await?;
    consumer.assign(&topic, &[(0, low)]).await?;
    let (codec, mut next, mut hashes) = (context_codec(), low, BTreeSet::new());
    while next < high {
        for record in consumer.poll_batch(1_000, Duration::from_millis(500)).await? {
            next = record.offset + 1;
            let pointer = record.payload.as_deref().map(|bytes| codec.decode(bytes));
            hashes.extend(pointer.and_then(Result::ok).map(|pointer| pointer.hash));
        }
    }
    consumer.close().await;
    for hash in hashes {
        new.put_context(base.lake.get_context(hash.as_str()).await?).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_commits_help_as_far_back_as_none_is_missing() {
        let kept = |versions: &[i64]| -> Vec<KeptCommit> {
            let commit = |version: &i64| KeptCommit {
                version: *version,
                recorded_at: None,
                ranges: Vec::new(),
                fetches_applied: None,
            };
            versions.iter().map(commit).collect()
        };
        assert_eq!(known_from(4, &kept(&[0, 1, 2, 3, 4, 5])), 1);
        assert_eq!(known_from(4, &kept(&[0, 1, 3, 4])), 3);
        assert_eq!(known_from(4, &kept(&[0, 1, 2])), 4);
        assert_eq!(known_from(4, &[]), 4);
    }
}
