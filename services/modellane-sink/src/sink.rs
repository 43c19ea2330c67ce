//! The sink as a whole.

use crate::append::{AppendWriter, Home, Rejects};
use crate::consumer::Consumer;
use crate::index::Index;
use crate::ledger::LedgerWriter;
use crate::owner::OwnedTable;
use crate::progress::ProgressSender;
use crate::writer::Writer;
use crate::{KafkaLog, LogReader, SinkConfig, SinkError, SinkHandle, StageHook, table};
use futures::FutureExt;
use futures::future::BoxFuture;
use modellane_event::{IntentEvent, RejectEvent};
use modellane_lake::Lake;
use modellane_runtime::{Clock, Metrics, PausedPartitions, Readiness, Shutdown};
use std::future::Future;
use std::sync::Arc;

/// The topics that the sink reads.
#[derive(Debug)]
pub struct SinkLogs<R> {
    /// `modellane.judged.v1`.
    pub judged: R,
    /// `modellane.intents.v1`.
    pub intents: R,
    /// `modellane.rejects.v1`.
    pub rejects: R,
}

/// A sink with its tables open.
pub struct Sink {
    ledger: LedgerWriter,
    intents: AppendWriter<IntentEvent>,
    rejects: AppendWriter<RejectEvent>,
    config: SinkConfig,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    progress: ProgressSender,
    readiness: Readiness,
}

impl Sink {
    /// Opens the tables of a lake, creating those that are missing. The tables become this sink's with its
    /// first commit; a sink that had them before stops then.
    pub fn open(
        lake: &Lake,
        config: SinkConfig,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> BoxFuture<'_, Result<Self, SinkError>> {
        async move {
            config.check()?;
            let rejects = Rejects::new(open(lake, table::rejects(), &clock).await?);
            let intents = open(lake, table::intents(), &clock).await?;
            let ledger = LedgerWriter::new(
                open(lake, table::ledger(), &clock).await?,
                lake.table(table::observations()).await?,
                rejects.clone(),
                Index::new(config.index_mib.saturating_mul(1 << 20)),
            );
            Ok(Self {
                ledger,
                intents: AppendWriter::new(Home::Own(Box::new(intents)), rejects.clone()),
                rejects: AppendWriter::new(Home::Shared, rejects),
                config,
                clock,
                metrics,
                progress: ProgressSender::new(),
                readiness: Readiness::new(),
            })
        }
        .boxed()
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
    pub async fn run<R: LogReader + 'static>(
        self,
        logs: SinkLogs<R>,
        shutdown: Shutdown,
    ) -> Result<(), SinkError> {
        let Self { ledger, intents, rejects, config, clock, metrics, progress, readiness } = self;
        // Stopping the topics after a failure must not stop the whole process by itself.
        let stop = Shutdown::new();
        let settings = Settings { config, clock, metrics, progress, readiness, stop: stop.clone() };
        let topics = async {
            tokio::join!(
                settings.consume(logs.judged, ledger),
                settings.consume(logs.intents, intents),
                settings.consume(logs.rejects, rejects),
            )
        };
        tokio::pin!(topics);
        let ended = tokio::select! {
            ended = &mut topics => ended,
            () = shutdown.triggered() => {
                stop.trigger();
                topics.await
            }
        };
        ended.0.and(ended.1).and(ended.2)
    }
}

async fn open(
    lake: &Lake,
    spec: modellane_lake::TableSpec,
    clock: &Arc<dyn Clock>,
) -> Result<OwnedTable, SinkError> {
    OwnedTable::open(lake.table(spec).await?, Arc::clone(clock)).await
}

/// What the consumers share.
struct Settings {
    config: SinkConfig,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    progress: ProgressSender,
    readiness: Readiness,
    stop: Shutdown,
}

impl Settings {
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
        };
        let stop = self.stop.clone();
        async move {
            let ended = consumer.run().await;
            stop.trigger();
            ended
        }
    }
}
