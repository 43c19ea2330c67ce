//! `modellane import`, and the same for the folders that a demo loads.

use crate::cli::Import;
use crate::config::AppConfig;
use crate::org::Loaded;
use crate::ready::ready;
use crate::stack::{Base, Roles, Stack};
use crate::{out, progress};
use anyhow::{Result, bail, ensure};
use indicatif::ProgressBar;
use modellane_collector::import::check_files;
use modellane_collector::intents::read_intents;
use modellane_collector::{Batch, ImportOptions, ImportSummary, IndexedRejection, KafkaPublish, Publish};
use modellane_event::{IntentOrigin, LakeKey, UtcTime};
use modellane_kafka::{KafkaError, Publisher};
use modellane_runtime::{Clock, DataDir, Instance, Metrics, Shutdown, SystemClock, random_bytes};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
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
    publish: Arc<dyn Publish>,
    key: LakeKey,
    clock: Arc<dyn Clock>,
    dry_run: bool,
}

impl Importer {
    /// Sends to the broker.
    pub(crate) async fn new(base: &Base) -> Result<Self> {
        let publish = Arc::new(KafkaPublish::new(Publisher::new(&base.kafka)?, &base.kafka.topic_prefix));
        let key = base.key().await?.clone();
        Ok(Self::on(publish, key, Arc::clone(&base.clock), base.metrics.clone(), false))
    }

    /// Reads and counts. The ids that it makes go nowhere, so any key will do, and neither broker nor lake is
    /// needed.
    fn dry() -> Self {
        let key = LakeKey::new(random_bytes());
        Self::on(Arc::new(Nowhere), key, Arc::new(SystemClock), Metrics::new(), true)
    }

    fn on(
        publish: Arc<dyn Publish>,
        key: LakeKey,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        dry_run: bool,
    ) -> Self {
        let importer = modellane_collector::Importer::new(key.clone(), Arc::clone(&publish), metrics);
        Self { importer, publish, key, clock, dry_run }
    }

    /// Imports a delivery, moving the bar by what it reads.
    pub(crate) async fn import(&self, delivery: &Delivery, bar: &ProgressBar) -> Result<Summary> {
        let options = ImportOptions {
            observed_at: delivery.observed_at,
            recorded_at: self.clock.now(),
            complete: delivery.complete,
            dry_run: self.dry_run,
        };
        let start = bar.position();
        let advance = |progress: modellane_collector::Progress| bar.set_position(start + progress.done);
        let summary = self.importer.import(&delivery.source, &delivery.files, options, advance).await?;
        Ok(Summary::of(&summary))
    }

    /// Takes in the content of a file of intents.
    pub(crate) async fn intents(&self, path: &Path, bytes: &[u8]) -> Result<Summary> {
        let declared = read_intents(bytes, &self.key, self.clock.now(), IntentOrigin::File);
        let mut batch = Batch::default();
        for intent in &declared.intents {
            batch.push_intent(intent)?;
        }
        self.publish.publish(&batch).await?;
        let mut summary = Summary { accepted: declared.intents.len() as u64, ..Summary::default() };
        for rejected in &declared.rejected {
            *summary.rejected_by.entry(rejected.rejection.reason.as_str()).or_default() += 1;
            summary.reject(path, rejected);
        }
        summary.rejected = declared.rejected.len() as u64;
        Ok(summary)
    }

    async fn take(&self, args: &Import) -> Result<Summary> {
        let now = self.clock.now();
        let observed_at = args.observed_at.unwrap_or(now);
        // Nothing that is fetched before that time could correct what these files say.
        ensure!(
            observed_at <= now,
            "--observed-at {observed_at} lies in the future; give the time at which the files were fetched"
        );
        let (source, files) = (args.source.clone(), args.files.clone());
        let delivery = Delivery { source, files, observed_at, complete: args.complete };
        let bar = progress::bytes(delivery.bytes());
        let summary = self.import(&delivery, &bar).await;
        bar.finish_and_clear();
        summary
    }
}

/// Where the events of a dry run go.
struct Nowhere;

impl Publish for Nowhere {
    fn publish<'a>(
        &'a self,
        _: &'a Batch,
    ) -> Pin<Box<dyn Future<Output = Result<(), KafkaError>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What became of a delivery, for a person.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) accepted: u64,
    pub(crate) repeated: u64,
    pub(crate) rejected: u64,
    /// The same by reason.
    rejected_by: BTreeMap<&'static str, u64>,
    skipped: BTreeMap<&'static str, u64>,
    null_labels: BTreeMap<&'static str, u64>,
    /// Whether no file held a single record of the source.
    unreadable: bool,
    /// Parts of the source that the files are complete for.
    scopes_closed: u64,
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
            rejected_by: counts.rejected_by.clone(),
            skipped: counts.skipped.clone(),
            null_labels: counts.null_labels.clone(),
            unreadable: counts.accepted == 0
                && counts.skipped.is_empty()
                && import.files.iter().all(|file| file.empty || file.counts.rejected > 0),
            scopes_closed: import.scopes_closed,
            remarks: Vec::new(),
        };
        for file in &import.files {
            if file.empty {
                summary.remarks.push(format!("{}: the file is empty", file.path.display()));
            }
            if let Some(source) = file.looks_like {
                summary.remarks.push(format!("{}: looks like {source}", file.path.display()));
            }
            if let Some(hint) = file.hint {
                summary.remarks.push(format!("{}: {hint}", file.path.display()));
            }
            for rejected in &file.first_rejections {
                summary.reject(&file.path, rejected);
            }
        }
        summary
    }

    fn reject(&mut self, path: &Path, rejected: &IndexedRejection) {
        let IndexedRejection { index, line, rejection } = rejected;
        let line = line.map_or_else(String::new, |line| format!(", line {line}"));
        let field = rejection.field.map_or_else(String::new, |field| format!(" at {field}"));
        let reason = rejection.reason.as_str();
        self.remarks.push(format!("{}: record {index}{line}: {reason}{field}", path.display()));
    }

    /// Adds it to what a folder brought.
    pub(crate) fn add_to(self, source: &str, loaded: &mut Loaded) {
        loaded.accepted += if source == "intents" { 0 } else { self.accepted };
        loaded.rejected += self.rejected;
        loaded.skipped += self.skipped.values().sum::<u64>();
        loaded.remarks.extend(self.remarks);
    }

    /// `stored` unless it was a dry run.
    fn print(&self, stored: bool) -> Result<()> {
        out::line(format_args!(
            "accepted {}, of these repeated {}; rejected {}",
            self.accepted, self.repeated, self.rejected
        ))?;
        for (what, counts) in
            [("rejected", &self.rejected_by), ("no usage", &self.skipped), ("set to null", &self.null_labels)]
        {
            let list: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            if !list.is_empty() {
                out::line(format_args!("{what}: {}", list.join(", ")))?;
            }
        }
        if self.scopes_closed > 0 {
            out::line(format_args!(
                "complete for {} days or months of the source: rows that two complete fetches in a row lack are \
                 withdrawn",
                self.scopes_closed
            ))?;
        }
        for remark in &self.remarks {
            out::line(format_args!("  {remark}"))?;
        }
        let more = self.rejected.saturating_sub(self.remarks.len() as u64);
        if more > 0 && !self.remarks.is_empty() {
            let where_all = if stored { "; `select * from rejects` has them all" } else { "" };
            out::line(format_args!("  and {more} more{where_all}"))?;
        }
        Ok(())
    }
}

/// Runs the command; returns how many records were rejected.
pub(crate) async fn run(mut config: AppConfig, args: Import) -> Result<u64> {
    config.use_data_dir(args.data_dir.clone());
    check_files(&args.files)?;
    let vouched = args.complete;
    let summary = if args.dry_run {
        let summary = Importer::dry().take(&args).await?;
        summary.print(false)?;
        out::line("a dry run: nothing was sent")?;
        summary
    } else {
        send(config, &args).await?
    };
    if vouched && summary.scopes_closed == 0 {
        out::line(format_args!(
            "not taken as complete: {}",
            if summary.rejected > 0 {
                "records were rejected"
            } else {
                "nothing of this source is fetched whole"
            }
        ))?;
    }
    if summary.unreadable {
        bail!(
            "none of the files holds a record of {} that can be read; check the name of the source and the \
             files",
            args.source
        );
    }
    Ok(summary.rejected)
}

async fn send(config: AppConfig, args: &Import) -> Result<Summary> {
    config.check()?;
    let dir = config.data.dir.display().to_string();
    let base = match (config.kafka.bootstrap.clone(), DataDir::running(&config.data.dir)) {
        (Some(bootstrap), _) => {
            out::line(format_args!("The files go to the Kafka cluster at {bootstrap}"))?;
            Base::member(config, Roles::INGEST).await?
        }
        (None, Some(instance)) => {
            let Instance { pid, collector, .. } = &instance;
            out::line(format_args!(
                "The files go into the running instance in {dir} (process {pid}, collector {collector})"
            ))?;
            Base::client(config, &instance).await?
        }
        (None, None) => {
            out::line(format_args!("No instance runs in {dir}; the files go into the lake there"))?;
            return send_alone(config, args).await;
        }
    };
    let summary = Importer::new(&base).await?.take(args).await?;
    summary.print(true)?;
    if summary.accepted > 0 {
        out::line(
            "acknowledged; it is in the lake after the sink's next commit. What the lake has already counts \
             once",
        )?;
    }
    Ok(summary)
}

/// Without an instance: broker, processor and sink run here until everything is in the lake.
async fn send_alone(mut config: AppConfig, args: &Import) -> Result<Summary> {
    let shutdown = Shutdown::new();
    shutdown.on_signal()?;
    config.sink.spacing_per_day_ms = 0;
    ready(&config, Roles::INGEST)?;
    let stack = Stack::start(Base::own(config).await?, Roles::INGEST, shutdown).await?;
    let imported = import_and_settle(&stack, args).await;
    let stopped = stack.stop().await;
    let summary = imported?;
    stopped?;
    summary.print(true)?;
    if summary.accepted > 0 {
        out::line("it is in the lake; what the lake had already counts once")?;
    }
    Ok(summary)
}

async fn import_and_settle(stack: &Stack, args: &Import) -> Result<Summary> {
    let summary = Importer::new(&stack.base).await?.take(args).await?;
    stack.flow()?.settle().await?;
    Ok(summary)
}
