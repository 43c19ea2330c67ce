//! `modellane import`, and the same for the folders that a demo loads.

use crate::cli::Import;
use crate::config::AppConfig;
use crate::org::Loaded;
use crate::progress;
use crate::stack::{Base, Roles, Stack};
use anyhow::{Context, Result, anyhow};
use indicatif::ProgressBar;
use modellane_collector::intents::read_intents;
use modellane_collector::{Batch, ImportOptions, ImportSummary, KafkaPublish, Publish};
use modellane_event::{IntentOrigin, LakeKey, UtcTime};
use modellane_kafka::Publisher;
use modellane_runtime::{Clock, DataDir, Shutdown};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of one fetch.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) source: String,
    pub(crate) files: Vec<PathBuf>,
    /// When they were fetched, unless they say so themselves.
    pub(crate) observed_at: UtcTime,
    pub(crate) complete: bool,
}

impl Delivery {
    /// Bytes that importing reads: every file twice.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|meta| 2 * meta.len()).sum()
    }
}

/// Takes files in through the collector's path.
pub(crate) struct Importer {
    importer: modellane_collector::Importer,
    publish: Arc<KafkaPublish>,
    key: LakeKey,
    clock: Arc<dyn Clock>,
}

impl Importer {
    pub(crate) fn new(base: &Base) -> Result<Self> {
        let publish = Arc::new(KafkaPublish::new(Publisher::new(&base.kafka)?, &base.kafka.topic_prefix));
        Ok(Self {
            importer: modellane_collector::Importer::new(
                base.key.clone(),
                Arc::clone(&publish) as Arc<dyn Publish>,
                base.metrics.clone(),
            ),
            publish,
            key: base.key.clone(),
            clock: Arc::clone(&base.clock),
        })
    }

    /// Imports a delivery, moving the bar by what it reads.
    pub(crate) async fn import(&self, delivery: &Delivery, bar: &ProgressBar) -> Result<Summary> {
        self.take(delivery, false, bar).await
    }

    async fn take(&self, delivery: &Delivery, dry_run: bool, bar: &ProgressBar) -> Result<Summary> {
        let options = ImportOptions {
            observed_at: delivery.observed_at,
            recorded_at: self.clock.now(),
            complete: delivery.complete,
            dry_run,
        };
        let start = bar.position();
        let advance = |progress: modellane_collector::Progress| bar.set_position(start + progress.done);
        let summary = self.importer.import(&delivery.source, &delivery.files, options, advance).await?;
        Ok(Summary::of(&summary))
    }

    /// Takes in a file of intents.
    pub(crate) async fn intents(&self, path: &Path) -> Result<Summary> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let declared = read_intents(&bytes, &self.key, self.clock.now(), IntentOrigin::File);
        let mut batch = Batch::default();
        for intent in &declared.intents {
            batch.push_intent(intent)?;
        }
        self.publish.publish(&batch).await?;
        let mut summary = Summary { accepted: declared.intents.len() as u64, ..Summary::default() };
        for rejected in &declared.rejected {
            summary.reject(path, rejected.index, &rejected.rejection);
        }
        summary.rejected = declared.rejected.len() as u64;
        Ok(summary)
    }
}

/// What became of a delivery, for a person.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) accepted: u64,
    pub(crate) repeated: u64,
    pub(crate) rejected: u64,
    skipped: BTreeMap<&'static str, u64>,
    null_labels: BTreeMap<&'static str, u64>,
    /// File, index and reason of the first rejections.
    remarks: Vec<String>,
}

impl Summary {
    fn of(import: &ImportSummary) -> Self {
        let counts = &import.counts;
        let mut summary = Self {
            accepted: counts.accepted,
            repeated: counts.repeated,
            rejected: counts.rejected,
            skipped: counts.skipped.clone(),
            null_labels: counts.null_labels.clone(),
            remarks: Vec::new(),
        };
        for file in &import.files {
            if file.empty {
                summary.remarks.push(format!("{}: the file is empty", file.path.display()));
            }
            if let Some(source) = file.looks_like {
                summary.remarks.push(format!("{}: looks like {source}", file.path.display()));
            }
            for rejected in &file.first_rejections {
                summary.reject(&file.path, rejected.index, &rejected.rejection);
            }
        }
        summary
    }

    fn reject(&mut self, path: &Path, index: u64, rejection: &modellane_collector::Rejection) {
        let field = rejection.field.map_or_else(String::new, |field| format!(" at {field}"));
        let reason = rejection.reason.as_str();
        self.remarks.push(format!("{}: record {index}: {reason}{field}", path.display()));
    }

    /// Adds it to what a folder brought.
    pub(crate) fn add_to(self, source: &str, loaded: &mut Loaded) {
        loaded.accepted += if source == "intents" { 0 } else { self.accepted };
        loaded.rejected += self.rejected;
        loaded.remarks.extend(self.remarks);
    }

    fn print(&self) {
        println!(
            "accepted {}, of these repeated {}; rejected {}",
            self.accepted, self.repeated, self.rejected
        );
        for (what, counts) in [("no usage", &self.skipped), ("set to null", &self.null_labels)] {
            let list: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            if !list.is_empty() {
                println!("{what}: {}", list.join(", "));
            }
        }
        for remark in &self.remarks {
            println!("  {remark}");
        }
        let more = self.rejected.saturating_sub(self.remarks.len() as u64);
        if more > 0 && !self.remarks.is_empty() {
            println!("  and {more} more; `select * from rejects` has them all");
        }
    }
}

/// Runs the command; returns how many records were rejected.
pub(crate) async fn run(mut config: AppConfig, args: Import) -> Result<u64> {
    config.use_data_dir(args.data_dir.clone());
    let running = DataDir::running(&config.data.dir);
    if running.is_some() || config.kafka.bootstrap.is_some() {
        let base = match &running {
            Some(instance) => Base::client(config, instance).await?,
            None => Base::member(config).await?,
        };
        let summary = import(&base, &args).await?;
        summary.print();
        if !args.dry_run {
            println!("acknowledged; it is in the lake after the sink's next commit");
        }
        return Ok(summary.rejected);
    }
    let shutdown = Shutdown::new();
    shutdown.on_signal()?;
    config.sink.spacing_per_day_ms = 0;
    let stack = Stack::start(Base::own(config).await?, Roles::INGEST, shutdown).await?;
    let imported = import_and_settle(&stack, &args).await;
    let stopped = stack.stop().await;
    let summary = imported?;
    stopped?;
    summary.print();
    Ok(summary.rejected)
}

async fn import_and_settle(stack: &Stack, args: &Import) -> Result<Summary> {
    let summary = import(&stack.base, args).await?;
    if !args.dry_run {
        stack.flow()?.settle().await?;
    }
    Ok(summary)
}

async fn import(base: &Base, args: &Import) -> Result<Summary> {
    let observed_at = match &args.observed_at {
        Some(text) => UtcTime::parse(text)
            .map_err(|_| anyhow!("--observed-at is no time; write it as 2026-11-10T00:00:00Z"))?,
        None => base.clock.now(),
    };
    let delivery = Delivery {
        source: args.source.clone(),
        files: args.files.clone(),
        observed_at,
        complete: args.complete,
    };
    let bar = progress::bytes(delivery.bytes());
    let summary = Importer::new(base)?.take(&delivery, args.dry_run, &bar).await;
    bar.finish_and_clear();
    summary
}
