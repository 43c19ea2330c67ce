//! `modellane rejudge`: judges again what the ledger holds, with what is known now.
//!
//! Each current entry gives back the usage event that it was made from. That is judged as the stream judges, held
//! against what other feeds report of the same use, and published with the next run of the settler if the judgement says something else. The sink does the rest by
//! its rule: a later run is a judgement with more knowledge, so the entry is reversed and replaced.

mod neighbours;

use crate::cli::Rejudge;
use crate::config::AppConfig;
use crate::objects::LakeObjects;
use crate::ready::ready;
use crate::report::has_ledger;
use crate::stack::{Base, Roles, Stack};
use crate::{flow, out, progress};
use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use indicatif::ProgressBar;
use modellane_event::{Amount, Cause, Currency, Date, JudgedEvent, Judgement, UtcTime};
use modellane_judge::{ContextState, Overlaps, judge};
use modellane_kafka::{Publisher, Topic};
use modellane_ledger::first_difference;
use modellane_processor::ContextFeed;
use modellane_runtime::{DataDir, Shutdown};
use modellane_schema::{AvroCodec, judged_codec};
use modellane_sink::{Current, LedgerReader, StoredIntents};
use neighbours::Neighbours;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs the command.
pub(crate) async fn run(mut config: AppConfig, args: Rejudge) -> Result<()> {
    config.use_data_dir(args.data_dir.clone());
    config.check()?;
    if !has_ledger(&config).await? {
        let url = config.lake().url;
        bail!("there is no ledger at {url}; name the data directory of an instance with --data-dir");
    }
    let summary = match (config.kafka.bootstrap.is_some(), DataDir::running(&config.data.dir)) {
        (true, _) => beside(&Base::member(config, Roles::INGEST).await?, &args).await?,
        (false, Some(instance)) => beside(&Base::client(config, &instance).await?, &args).await?,
        (false, None) => alone(config, &args).await?,
    };
    summary.print(&args)
}

/// Beside a sink that runs elsewhere. What was judged before is waited for: a run that broke off may have left
/// messages under the number that this one would take.
async fn beside(base: &Base, args: &Rejudge) -> Result<Summary> {
    flow::committed(base).await?;
    let summary = rejudge(base, args).await?;
    flow::committed(base).await?;
    Ok(summary)
}

/// Without an instance and a cluster: broker, processor and sink run here until everything is in the lake.
async fn alone(mut config: AppConfig, args: &Rejudge) -> Result<Summary> {
    let shutdown = Shutdown::new();
    shutdown.on_signal()?;
    config.sink.spacing_per_day_ms = 0;
    ready(&config, Roles::INGEST)?;
    let stack = Stack::start(Base::own(config).await?, Roles::INGEST, shutdown).await?;
    let settled = async {
        let mut flow = stack.flow()?;
        flow.settle().await?;
        let summary = rejudge(&stack.base, args).await?;
        flow.settle().await?;
        Ok::<_, anyhow::Error>(summary)
    };
    let settled = settled.await;
    let stopped = stack.stop().await;
    let summary = settled?;
    stopped.map(|()| summary)
}

/// Judges every day of the ledger again, when all that was judged before is in it.
pub(crate) async fn everything(base: &Base) -> Result<()> {
    let args = Rejudge { from: None, to: None, data_dir: None };
    rejudge(base, &args).await.map(drop)
}

/// Judges the days again, at the ledger's version of now.
async fn rejudge(base: &Base, args: &Rejudge) -> Result<Summary> {
    let ledger = LedgerReader::open(&base.lake).await?.context("the lake has no ledger")?;
    // After the ledger: then everything is known that was known to any judgement in it.
    let context = context_of_now(base).await?;
    let mut summary = Summary { settled_through: ledger.recorded_through().await?, ..Summary::default() };
    let Some(newest) = ledger.newest_judged().await? else { return Ok(summary) };
    ensure!(
        newest.context_version <= context.state().version(),
        "the ledger was judged under context version {}, and the topic {} ends with {}; restore the topic, or send \
         the context again until it has come as far",
        newest.context_version,
        Topic::Context.name(&base.kafka.topic_prefix),
        context.state().version()
    );
    let mut days = ledger.days().await?;
    days.retain(|day, _| args.from.is_none_or(|from| from <= *day) && args.to.is_none_or(|to| *day < to));
    let bar = progress::steps(days.values().map(|entries| *entries as u64).sum());
    let mut settler = Settler {
        state: context.state(),
        settle_run: newest.settle_run + 1,
        publisher: Publisher::new(&base.kafka)?,
        topic: Topic::Judged.name(&base.kafka.topic_prefix),
        codec: judged_codec(),
        summary: &mut summary,
    };
    let mut neighbours = Neighbours::new(&ledger, context.state());
    for day in days.into_keys() {
        let overlaps = neighbours.overlaps(day).await?;
        settler.settle_day(&ledger, day, &overlaps, &bar).await?;
    }
    bar.finish_and_clear();
    Ok(summary)
}

/// The context and every intent, also those that their topic no longer holds.
pub(crate) async fn context_of_now(base: &Base) -> Result<ContextFeed> {
    let objects = Box::new(LakeObjects(Arc::clone(&base.lake)));
    let mut context = ContextFeed::open(&base.kafka, objects, base.metrics.clone()).await?;
    StoredIntents::open(&base.lake).await?.each(|intent| context.recall(intent)).await?;
    context.catch_up().await.context("the context cannot be read to its end")?;
    Ok(context)
}

/// Judges stretches of the ledger and publishes what changes.
struct Settler<'a> {
    state: &'a ContextState,
    settle_run: i32,
    publisher: Publisher,
    topic: String,
    codec: AvroCodec<JudgedEvent>,
    summary: &'a mut Summary,
}

impl Settler<'_> {
    async fn settle_day(
        &mut self,
        ledger: &LedgerReader,
        day: Date,
        overlaps: &Overlaps,
        bar: &ProgressBar,
    ) -> Result<()> {
        let day = ledger.day(day).await?;
        let mut stretches = ledger.current(&day);
        while let Some(current) = stretches.try_next().await? {
            let entries = current.entries as u64;
            self.settle(current, overlaps).await?;
            bar.inc(entries);
        }
        Ok(())
    }

    /// What was published is acknowledged before more is read, so no more than a stretch is in memory.
    async fn settle(&mut self, current: Current, overlaps: &Overlaps) -> Result<()> {
        self.summary.rows += current.events.len() as u64 + current.incomplete;
        self.summary.incomplete += current.incomplete;
        let (mut batch, mut payload) = (self.publisher.batch(), Vec::new());
        for event in current.events {
            let mut judgement = Judgement { settle_run: self.settle_run, ..judge(self.state, &event.usage) };
            overlaps.apply(event.usage.event_id, &mut judgement);
            let Some(cause) = first_difference(&event.judgement, &judgement) else { continue };
            self.summary.change(cause, &event.judgement, &judgement)?;
            let event = JudgedEvent { usage: event.usage, judgement };
            payload.clear();
            self.codec.encode(&event, &mut payload)?;
            batch.send(&self.topic, event.usage.event_id.as_bytes(), &payload).await?;
        }
        Ok(batch.wait().await?)
    }
}

/// What a run did, for a person.
#[derive(Debug, Default)]
struct Summary {
    /// Current entries of the days.
    rows: u64,
    /// Those that cannot be judged again.
    incomplete: u64,
    changed: BTreeMap<&'static str, u64>,
    /// What the changes add to the effective cost, by currency.
    net_cost: BTreeMap<Currency, Amount>,
    /// Time of the newest entry that was looked at; null if there is none.
    settled_through: Option<UtcTime>,
}

impl Summary {
    fn change(&mut self, cause: Cause, old: &Judgement, new: &Judgement) -> Result<()> {
        *self.changed.entry(cause.as_str()).or_default() += 1;
        for (judgement, is_new) in [(old, false), (new, true)] {
            let Judgement { currency, effective_cost, counts_cost, .. } = judgement;
            let (Some(currency), Some(cost), true) = (currency, effective_cost, counts_cost) else {
                continue;
            };
            let net = self.net_cost.entry(currency.clone()).or_default();
            let sum = net.checked_add(if is_new { *cost } else { -*cost });
            *net = sum.context("the net change of cost does not fit eleven digits")?;
        }
        Ok(())
    }

    fn print(&self, args: &Rejudge) -> Result<()> {
        out::line(format_args!("judged again: {} rows", self.rows - self.incomplete))?;
        let causes: Vec<String> =
            self.changed.iter().map(|(cause, rows)| format!("{cause} {rows}")).collect();
        let changed: u64 = self.changed.values().sum();
        match changed {
            0 => out::line("changed: none")?,
            _ => {
                out::line(format_args!("changed: {changed} rows ({})", causes.join(", ")))?;
                out::line(format_args!("net change of effective cost: {}", self.net()))?;
            }
        }
        if self.incomplete > 0 {
            out::line(format_args!(
                "{} rows were written before the ledger kept all that a judgement rests on, and are left as they are",
                self.incomplete
            ))?;
        }
        match self.settled_through {
            Some(time) => out::line(format_args!("settled through {time}{}", days(args))),
            None => out::line("the ledger has no entries"),
        }
    }

    fn net(&self) -> String {
        let changes = self.net_cost.iter().filter(|(_, net)| **net != Amount::ZERO);
        let changes: Vec<String> = changes.map(|(currency, net)| format!("{net} {currency}")).collect();
        if changes.is_empty() { "none".to_owned() } else { changes.join(", ") }
    }
}

/// Which events are settled, where it is not all of them.
fn days(args: &Rejudge) -> String {
    match (args.from, args.to) {
        (None, None) => String::new(),
        (Some(from), None) => format!(", for events from {from} on"),
        (None, Some(to)) => format!(", for events before {to}"),
        (Some(from), Some(to)) => format!(", for events from {from} on and before {to}"),
    }
}
