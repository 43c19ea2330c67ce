//! Starts services and stops them in order.

use crate::budgets::Budgets;
use crate::config::AppConfig;
use crate::context::ContextIntake;
use crate::flow::Flow;
use crate::key::KeyFile;
use crate::listen::{Health, Listening};
use crate::objects::LakeObjects;
use anyhow::{Context, Result, anyhow, bail};
use modellane_embedded_kafka::{Broker, BrokerConfig};
use modellane_event::{Label, LakeKey};
use modellane_judge::object_hash;
use modellane_kafka::{AssignedConsumer, KafkaConfig, Topic, ensure_topics};
use modellane_lake::{Lake, LakeConfig};
use modellane_maintenance::Start;
use modellane_processor::Processor;
use modellane_runtime::{Clock, DataDir, Instance, Metrics, Readiness, Shutdown, SystemClock};
use modellane_sink::{KafkaLog, Sink, SinkHandle, SinkLogs};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{OnceCell, watch};
use tokio::task::{JoinError, JoinSet};

/// Which services run in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) collector: bool,
    pub(crate) processor: bool,
    pub(crate) sink: bool,
    pub(crate) query: bool,
    pub(crate) maintenance: bool,
}

impl Roles {
    /// None yet.
    pub(crate) const NONE: Self =
        Self { collector: false, processor: false, sink: false, query: false, maintenance: false };
    /// Every service.
    pub(crate) const ALL: Self =
        Self { collector: true, processor: true, sink: true, query: true, maintenance: true };
    /// What brings records from the broker into the lake.
    pub(crate) const INGEST: Self = Self { processor: true, sink: true, ..Self::NONE };

    /// Whether any of them speaks with the broker; answering questions and upkeep take the lake alone.
    pub(crate) fn need_broker(self) -> bool {
        self.collector || self.processor || self.sink
    }

    /// Where health and metrics are served by a process that has no other port for them, with the name of the
    /// setting. A command that brings records in and ends has none.
    pub(crate) fn health_port(self, config: &AppConfig) -> Option<(&'static str, SocketAddr)> {
        match self.alone() {
            Some("processor") => Some(("processor.health_listen", config.processor.health_listen)),
            Some("sink") => Some(("sink.health_listen", config.sink.health_listen)),
            Some("maintenance") => Some(("maintenance.health_listen", config.maintenance.health_listen)),
            _ => None,
        }
    }

    /// The name of the service, if there is one alone.
    fn alone(self) -> Option<&'static str> {
        let services = [
            ("collector", Self { collector: true, ..Self::NONE }),
            ("processor", Self { processor: true, ..Self::NONE }),
            ("sink", Self { sink: true, ..Self::NONE }),
            ("query", Self { query: true, ..Self::NONE }),
            ("maintenance", Self { maintenance: true, ..Self::NONE }),
        ];
        services.into_iter().find(|(_, service)| *service == self).map(|(name, _)| name)
    }

    /// Whether any of them makes ids, for which it needs the lake key.
    fn need_key(self) -> bool {
        self.collector || self.processor
    }
}

/// What every service needs, connected.
pub(crate) struct Base {
    pub(crate) config: AppConfig,
    pub(crate) kafka: KafkaConfig,
    pub(crate) lake_config: LakeConfig,
    pub(crate) lake: Arc<Lake>,
    key_file: KeyFile,
    key: OnceCell<LakeKey>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    /// What waits for a person, in all services of this process.
    pub(crate) readiness: Readiness,
    /// Held while the embedded broker and a local lake belong to this process.
    held: Option<DataDir>,
    broker: Option<Broker>,
}

impl Base {
    /// For a process that holds the data directory: starts the embedded broker unless a cluster is given.
    pub(crate) async fn own(config: AppConfig) -> Result<Self> {
        let held = DataDir::lock(&config.data.dir)?;
        let broker = match config.kafka.bootstrap {
            Some(_) => None,
            None => Some(
                Broker::start(BrokerConfig {
                    dir: held.broker(),
                    port: config.data.broker_port,
                    default_partitions: config.data.partitions,
                })
                .await?,
            ),
        };
        let kafka = match &broker {
            Some(broker) => config.kafka.on_single_node(broker.bootstrap()),
            None => config.kafka.clone(),
        };
        ensure_topics(&kafka, config.data.partitions).await?;
        Self::connect(config, kafka, Some(held), broker)
    }

    /// For a single service of several: a cluster must be given.
    pub(crate) async fn member(config: AppConfig, roles: Roles) -> Result<Self> {
        if roles.need_broker() && config.kafka.bootstrap.is_none() {
            bail!(
                "a single service needs a Kafka cluster: set kafka.bootstrap in the configuration or \
                 MODELLANE__KAFKA__BOOTSTRAP; `modellane all` runs everything on an embedded broker"
            );
        }
        if config.kafka.bootstrap.is_none() && config.lake.url.is_none() {
            bail!(
                "this service alone needs to know the lake: set lake.url in the configuration or \
                 MODELLANE__LAKE__URL; `modellane all` runs everything on an embedded broker"
            );
        }
        let kafka = match roles.alone() {
            Some(service) => config.kafka.clone().on_behalf_of(service),
            None => config.kafka.clone(),
        };
        if roles.need_broker() {
            ensure_topics(&kafka, config.data.partitions).await?;
        }
        Self::connect(config, kafka, None, None)
    }

    /// For a client of a running instance and its embedded broker.
    pub(crate) async fn client(config: AppConfig, instance: &Instance) -> Result<Self> {
        let kafka = config.kafka.on_single_node(instance.broker.clone());
        ensure_topics(&kafka, config.data.partitions).await?;
        Self::connect(config, kafka, None, None)
    }

    /// For a command: the cluster or the running instance, and without either the broker of the data directory
    /// in this process.
    pub(crate) async fn reach(config: AppConfig, roles: Roles) -> Result<Self> {
        match (config.kafka.bootstrap.is_some(), DataDir::running(&config.data.dir)) {
            (true, _) => Self::member(config, roles).await,
            (false, Some(instance)) => Self::client(config, &instance).await,
            (false, None) => Self::own(config).await,
        }
    }

    fn connect(
        config: AppConfig,
        kafka: KafkaConfig,
        held: Option<DataDir>,
        broker: Option<Broker>,
    ) -> Result<Self> {
        let lake_config = config.lake();
        Ok(Self {
            lake: Arc::new(Lake::open(&lake_config)?),
            key_file: KeyFile::of(&config, held.is_some()),
            key: OnceCell::new(),
            clock: Arc::new(SystemClock),
            metrics: Metrics::new(),
            readiness: Readiness::new(),
            config,
            kafka,
            lake_config,
            held,
            broker,
        })
    }

    /// The lake key, for those who make ids: a host of sink or query has no need of it and may have none.
    pub(crate) async fn key(&self) -> Result<&LakeKey> {
        self.key.get_or_try_init(|| self.key_file.open(&self.lake, &self.clock)).await
    }

    /// Opens the way for new context.
    async fn context(&self) -> Result<ContextIntake> {
        ContextIntake::open(
            Arc::clone(&self.lake),
            &self.kafka,
            self.key().await?.clone(),
            self.config.persons_file(),
            Arc::clone(&self.clock),
        )
        .await
    }
}

/// A name that a service on this machine has again after a restart: the machine's, and one for the data directory,
/// which a second one has for itself.
pub(crate) fn default_instance(data_dir: &Path) -> Option<Label> {
    let dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let hash = object_hash(dir.as_os_str().as_encoded_bytes());
    let name = format!("{}-{}", gethostname::gethostname().to_string_lossy(), &hash.as_str()[..8]);
    Label::new(&name).ok()
}

/// Services while they run.
pub(crate) struct Stack {
    pub(crate) base: Base,
    /// The way for new context, where the collector runs.
    pub(crate) context: Option<Arc<ContextIntake>>,
    pub(crate) query: Option<modellane_query::Running>,
    collector: Option<Listening>,
    health: Option<Health>,
    processor: Option<watch::Receiver<modellane_processor::Progress>>,
    sink: Option<SinkHandle>,
    shutdown: Shutdown,
    tasks: JoinSet<Ended>,
}

impl Stack {
    /// Starts the services; the first that cannot start ends the others.
    pub(crate) async fn start(base: Base, roles: Roles, shutdown: Shutdown) -> Result<Self> {
        // Before anything is written: under another key every event would count a second time.
        if roles.need_key() {
            base.key().await?;
        }
        let mut stack = Self {
            base,
            context: None,
            query: None,
            collector: None,
            health: None,
            processor: None,
            sink: None,
            shutdown,
            tasks: JoinSet::new(),
        };
        // What listens comes first: a port that was taken since it was looked at is said before any work.
        if roles.query {
            stack.start_query().await?;
        }
        if roles.collector {
            stack.start_collector().await?;
        }
        if roles.sink {
            stack.start_sink().await?;
        }
        if roles.processor {
            stack.start_processor().await?;
        }
        if roles.maintenance {
            stack.start_maintenance(roles)?;
        }
        stack.start_health(roles).await?;
        stack.base.readiness.set(true);
        stack.announce()?;
        Ok(stack)
    }

    async fn start_query(&mut self) -> Result<()> {
        let mut config = self.base.config.query.clone();
        config.known_sources = crate::sources::names();
        let metrics = self.base.metrics.clone();
        let running =
            modellane_query::serve(config, self.base.lake_config.clone(), metrics, self.shutdown.clone())
                .await?;
        tracing::info!(http = %running.http_address, postgres = %running.pg_address, "query listens");
        self.query = Some(running);
        Ok(())
    }

    async fn start_collector(&mut self) -> Result<()> {
        let context = Arc::new(self.base.context().await?);
        let listening = Listening::start(&self.base, Arc::clone(&context), &self.shutdown).await?;
        tracing::info!(address = %listening.address, "collector listens");
        self.collector = Some(listening);
        let budgets = Budgets {
            context: Arc::clone(&context),
            query: self.base.config.query.clone(),
            lake: self.base.lake_config.clone(),
            clock: Arc::clone(&self.base.clock),
        };
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            budgets.run(shutdown).await;
            ("budgets", Ok(()))
        });
        self.context = Some(context);
        Ok(())
    }

    async fn start_sink(&mut self) -> Result<()> {
        let base = &self.base;
        let mut config = base.config.sink.clone();
        config.instance = config.instance.or_else(|| default_instance(&base.config.data.dir));
        if base.held.is_some() && base.config.lake.url.is_none() {
            // Whoever holds the data directory is the only one that can reach the lake in it.
            config.standby_s = 0;
        }
        let sink = Sink::open(&base.lake, config, Arc::clone(&base.clock), base.metrics.clone()).await?;
        let log = |topic: Topic| {
            let name = topic.name(&base.kafka.topic_prefix);
            AssignedConsumer::new(&base.kafka).map(|consumer| KafkaLog::new(consumer, &name))
        };
        let sink = sink.with_readiness(base.readiness.clone());
        let logs = SinkLogs {
            judged: log(Topic::Judged)?,
            intents: log(Topic::Intents)?,
            rejects: log(Topic::Rejects)?,
            fetches: log(Topic::Fetches)?,
        };
        self.sink = Some(sink.handle());
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            ("sink", sink.run_on_kafka(logs, shutdown).await.map_err(anyhow::Error::from))
        });
        Ok(())
    }

    async fn start_processor(&mut self) -> Result<()> {
        let base = &self.base;
        let processor = Processor::open(
            base.config.processor.clone(),
            &base.kafka,
            Box::new(LakeObjects(Arc::clone(&base.lake))),
            base.key().await?.clone(),
            Arc::clone(&base.clock),
            base.metrics.clone(),
        )
        .await?;
        let processor = processor.with_readiness(base.readiness.clone());
        self.processor = Some(processor.progress());
        let shutdown = self.shutdown.clone();
        self.tasks
            .spawn(async move { ("processor", processor.run(shutdown).await.map_err(anyhow::Error::from)) });
        Ok(())
    }

    /// Beside other services the first round waits: a demo and the start of a service have better to do.
    fn start_maintenance(&mut self, roles: Roles) -> Result<()> {
        let start = if roles.need_broker() { Start::Later } else { Start::Now };
        let maintained = crate::maintenance::open(&self.base)?.run(start, self.shutdown.clone());
        self.tasks.spawn(async move { ("maintenance", maintained.await.map_err(anyhow::Error::from)) });
        Ok(())
    }

    /// A process without the collector's port has one for health and metrics, if it serves on.
    async fn start_health(&mut self, roles: Roles) -> Result<()> {
        if let Some((key, address)) = roles.health_port(&self.base.config) {
            self.health = Some(Health::start(&self.base, key, address, &self.shutdown).await?);
        }
        Ok(())
    }

    /// Leaves the addresses in the data directory, for client commands.
    fn announce(&self) -> Result<()> {
        if let (Some(held), Some(addresses)) = (&self.base.held, self.addresses()) {
            held.announce(&addresses)?;
        }
        Ok(())
    }

    /// Where this process listens, if it runs both ends.
    pub(crate) fn addresses(&self) -> Option<Instance> {
        let (collector, query) = (self.collector.as_ref()?, self.query.as_ref()?);
        Some(Instance {
            pid: std::process::id(),
            broker: self.base.kafka.bootstrap.clone().unwrap_or_default(),
            collector: collector.address.to_string(),
            otlp_http: collector.otlp_http_address.unwrap_or(collector.address).to_string(),
            postgres: query.pg_address.to_string(),
            http: query.http_address.to_string(),
        })
    }

    /// Waits for what was acknowledged to reach the lake; needs processor and sink in this process.
    pub(crate) fn flow(&self) -> Result<Flow> {
        match (&self.processor, &self.sink) {
            (Some(processor), Some(sink)) => Ok(Flow {
                kafka: self.base.kafka.clone(),
                processor: processor.clone(),
                sink: sink.clone(),
                readiness: self.base.readiness.clone(),
            }),
            _ => Err(anyhow!("processor and sink do not run in this process")),
        }
    }

    /// Serves until stopping is asked for or a service fails.
    pub(crate) async fn serve(&mut self) -> Result<()> {
        tokio::select! {
            () = self.shutdown.triggered() => Ok(()),
            Some(ended) = self.tasks.join_next() => {
                let name = outcome(ended)?;
                // A service that ends without an error before it was asked to is one that must not.
                if self.shutdown.is_triggered() { Ok(()) } else { bail!("the {name} stopped by itself") }
            }
        }
    }

    /// Stops everything in order: no new records, then what is on its way, then the broker.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.shutdown.trigger();
        if let Some(collector) = self.collector.take() {
            collector.stopped().await;
        }
        let ended = all_ended(&mut self.tasks).await;
        if let Some(health) = self.health.take() {
            health.stopped().await;
        }
        if let Some(query) = self.query.take() {
            query.stopped().await;
        }
        drop(self.context);
        if let Some(broker) = self.base.broker.take() {
            broker.shutdown().await;
        }
        ended
    }
}

/// A service's name and how it ended.
type Ended = (&'static str, Result<()>);

/// Waits for every service, whatever became of the others, and keeps the first failure.
async fn all_ended(tasks: &mut JoinSet<Ended>) -> Result<()> {
    let mut first = Ok(());
    while let Some(ended) = tasks.join_next().await {
        match outcome(ended) {
            Err(error) if first.is_ok() => first = Err(error),
            Err(error) => tracing::error!("{error:#}"),
            Ok(_) => {}
        }
    }
    first
}

/// The name of a service that ended well, or why one did not. A panic's own words are in the log: they were
/// not written to be repeated.
fn outcome(ended: Result<Ended, JoinError>) -> Result<&'static str> {
    let (name, result) = ended.map_err(|_| anyhow!("a service broke off; the log above says where"))?;
    result.with_context(|| format!("the {name} failed"))?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    async fn broken() -> Ended {
        panic!("hunter2")
    }

    #[tokio::test]
    async fn a_service_that_breaks_off_does_not_keep_others_from_ending() {
        let mut tasks: JoinSet<Ended> = JoinSet::new();
        let finished = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&finished);
        tasks.spawn(broken());
        tasks.spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            flag.store(true, Ordering::SeqCst);
            ("sink", Ok(()))
        });
        let message = format!("{:#}", all_ended(&mut tasks).await.unwrap_err());
        assert!(finished.load(Ordering::SeqCst) && tasks.is_empty());
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[tokio::test]
    async fn a_query_host_needs_a_lake_and_no_broker() {
        let dir = tempfile::tempdir().unwrap();
        let query = Roles { query: true, ..Roles::NONE };
        let mut config = AppConfig::default();
        let refused = Base::member(config.clone(), query).await.err().map(|error| error.to_string());
        assert!(refused.is_some_and(|message| message.contains("lake.url")));
        config.lake.url = Some(dir.path().to_string_lossy().into_owned());
        assert!(Base::member(config.clone(), query).await.is_ok());
        let refused = Base::member(config, Roles::INGEST).await.err().map(|error| error.to_string());
        assert!(refused.is_some_and(|message| message.contains("kafka.bootstrap")));
    }
}
