//! The sink as a whole.

use crate::append::{AppendWriter, Home, Rejects};
use crate::arrivals::Arrivals;
use crate::consumer::Consumer;
use crate::index::Index;
use crate::ledger::{LedgerParts, LedgerWriter};
use crate::owner::OwnedTable;
use crate::progress::ProgressSender;
use crate::scopes::Scopes;
use crate::standby::{StandBy, pause};
use crate::writer::Writer;
use crate::{
    IndexHook, KafkaLog, LogReader, SinkConfig, SinkError, SinkHandle, StageHook, TableStore, table,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use modellane_event::{IntentEvent, RejectEvent, ScopeClosed};
use modellane_lake::Lake;
use modellane_runtime::{Clock, Metrics, PausedPartitions, Readiness, Shutdown};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The topics that the sink reads.
#[derive(Debug)]
pub struct SinkLogs<R> {
    /// `modellane.judged.v1`.
    pub judged: R,
    /// `modellane.intents.v1`.
    pub intents: R,
    /// `modellane.rejects.v1`.
    pub rejects: R,
    /// `modellane.fetches.v1`.
    pub fetches: R,
}

/// The tables that the sink writes, open, at any version.
pub struct SinkTables {
    /// `usage_ledger`.
    pub ledger: Box<dyn TableStore>,
    /// `observations`.
    pub observations: Box<dyn TableStore>,
    /// `intents`.
    pub intents: Box<dyn TableStore>,
    /// `rejects`.
    pub rejects: Box<dyn TableStore>,
    /// `fetches`.
    pub fetches: Box<dyn TableStore>,
}

/// A sink with its tables open.
pub struct Sink {
    ledger: LedgerWriter,
    intents: AppendWriter<IntentEvent>,
    rejects: AppendWriter<RejectEvent>,
    fetches: AppendWriter<ScopeClosed>,
    config: SinkConfig,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    progress: ProgressSender,
    readiness: Readiness,
}

impl Sink {
    /// Opens the tables of a lake, creating those that are missing. The tables become this sink's with its
    /// first commit; a sink that had them before stops then.
    ///
    /// A sink of another name that still commits is left its tables: see [`Sink::run`].
    pub fn open(
        lake: &Lake,
        config: SinkConfig,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> BoxFuture<'_, Result<Self, SinkError>> {
        let opened = async move {
            let file_cache = (config.file_cache_mib as u64).saturating_mul(1 << 20);
            let ledger = lake.table(table::ledger_table()).await?.with_file_cache(file_cache);
            let tables = SinkTables {
                ledger: Box::new(ledger),
                observations: Box::new(lake.table(table::observations()).await?),
                intents: Box::new(lake.table(table::intents()).await?),
                rejects: Box::new(lake.table(table::rejects()).await?),
                fetches: Box::new(lake.table(table::fetches()).await?),
            };
            Self::on(tables, config, clock, metrics).await
        };
        opened.boxed()
    }

    /// [`Sink::open`] on tables that are open.
    pub async fn on(
        tables: SinkTables,
        config: SinkConfig,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Self, SinkError> {
        config.check()?;
        let own = |table| OwnedTable::open(table, Arc::clone(&clock), config.instance.as_ref());
        let rejects = Rejects::new(own(tables.rejects).await?);
        let intents = own(tables.intents).await?;
        let fetches = own(tables.fetches).await?;
        let arrivals = Arrivals::default();
        let ledger = LedgerWriter::open(LedgerParts {
            owner: own(tables.ledger).await?,
            observations: tables.observations,
            scopes: Scopes::new(fetches.table().duplicate()),
            rejects: rejects.clone(),
            arrivals: arrivals.clone(),
            index: Index::new(config.index_mib.saturating_mul(1 << 20)),
            max_rows: config.max_rows,
        })
        .await?;
        let fetches = AppendWriter::<ScopeClosed>::new(Home::Own(Box::new(fetches)), rejects.clone());
        Ok(Self {
            ledger,
            intents: AppendWriter::new(Home::Own(Box::new(intents)), rejects.clone()),
            rejects: AppendWriter::new(Home::Shared, rejects),
            fetches: fetches.announcing(arrivals),
            config,
            clock,
            metrics,
            progress: ProgressSender::new(),
            readiness: Readiness::new(),
        })
    }

    /// Raises its alarms there.
    #[must_use]
    pub fn with_readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// Calls `hook` at the stages of each commit of the ledger, so that tests can stop the sink there.
    #[must_use]
    pub fn with_stage_hook(mut self, hook: StageHook) -> Self {
        self.ledger.hook = hook;
        self
    }

    /// Asks `hook` what becomes of the index before each poll is decided.
    #[must_use]
    pub fn with_index_hook(mut self, hook: IndexHook) -> Self {
        self.ledger.index_hook = hook;
        self
    }

    /// Watches the sink.
    pub fn handle(&self) -> SinkHandle {
        self.progress.handle()
    }

    /// [`Sink::run`] on Kafka.
    pub fn run_on_kafka(
        self,
        logs: SinkLogs<KafkaLog>,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), SinkError>> {
        self.run(logs, shutdown).boxed()
    }

    /// Reads the topics and commits until shutdown, then commits what waits. If one topic fails for good,
    /// the others stop as well.
    ///
    /// As long as a sink of another name owns the tables, this one stands by, and takes over once that one has left
    /// records uncommitted for `standby_s`.
    pub async fn run<R: LogReader + 'static>(
        self,
        logs: SinkLogs<R>,
        shutdown: Shutdown,
    ) -> Result<(), SinkError> {
        let Self {
            mut ledger,
            mut intents,
            mut rejects,
            mut fetches,
            config,
            clock,
            metrics,
            progress,
            readiness,
        } = self;
        if config.standby_s > 0 && ledger.owner().is_anothers().await? {
            let standby = StandBy {
                pairs: vec![
                    (&logs.judged, ledger.owner().table().duplicate()),
                    (&logs.intents, intents.table().await),
                    (&logs.rejects, rejects.table().await),
                    (&logs.fetches, fetches.table().await),
                ],
                clock: clock.as_ref(),
                metrics: &metrics,
                patience: Duration::from_secs(config.standby_s),
            };
            if !standby.wait(&shutdown).await? {
                return Ok(());
            }
            while let Err(error) = take_over(&mut ledger, &mut intents, &mut rejects, &mut fetches).await {
                if !error.is_retryable() {
                    return Err(error);
                }
                tracing::warn!(%error, "the tables cannot be taken over yet");
                if pause(clock.as_ref(), &shutdown).await {
                    return Ok(());
                }
            }
        }
        // Stopping the topics after a failure must not stop the whole process by itself.
        let stop = Shutdown::new();
        let settings = Settings { config, clock, metrics, progress, readiness, stop: stop.clone() };
        let large = settings.of_large_messages();
        let topics = async {
            tokio::join!(
                settings.consume(logs.judged, ledger),
                settings.consume(logs.intents, intents),
                settings.consume(logs.rejects, rejects),
                large.consume(logs.fetches, fetches),
            )
        };
        tokio::pin!(topics);
        let ended = tokio::select! {
            // Which branch wins must follow from what happened alone.
            biased;
            ended = &mut topics => ended,
            () = shutdown.triggered() => {
                stop.trigger();
                topics.await
            }
        };
        ended.0.and(ended.1).and(ended.2).and(ended.3)
    }
}

/// Begins anew on tables that were another sink's.
async fn take_over(
    ledger: &mut LedgerWriter,
    intents: &mut AppendWriter<IntentEvent>,
    rejects: &mut AppendWriter<RejectEvent>,
    fetches: &mut AppendWriter<ScopeClosed>,
) -> Result<(), SinkError> {
    ledger.begin_anew().await?;
    intents.begin_anew().await?;
    rejects.begin_anew().await?;
    fetches.begin_anew().await
}

/// Messages of half a megabyte that wait for a commit: as much memory as a full batch of entries.
const LARGE_MESSAGES: usize = 64;

/// What the consumers share.
#[derive(Clone)]
struct Settings {
    config: SinkConfig,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    progress: ProgressSender,
    readiness: Readiness,
    stop: Shutdown,
}

impl Settings {
    /// The same for a topic of large messages.
    fn of_large_messages(&self) -> Self {
        let mut settings = self.clone();
        settings.config.max_rows = settings.config.max_rows.min(LARGE_MESSAGES);
        settings
    }

    fn consume<R: LogReader, W: Writer>(
        &self,
        reader: R,
        writer: W,
    ) -> impl Future<Output = Result<(), SinkError>> {
        let consumer = Consumer {
            reader,
            writer,
            config: self.config.clone(),
            clock: Arc::clone(&self.clock),
            metrics: self.metrics.clone(),
            progress: self.progress.clone(),
            shutdown: self.stop.clone(),
            paused: PausedPartitions::new("sink", self.metrics.clone(), self.readiness.clone()),
            owed: BTreeMap::new(),
        };
        let stop = self.stop.clone();
        async move {
            let ended = consumer.run().await;
            stop.trigger();
            ended
        }
    }
}
