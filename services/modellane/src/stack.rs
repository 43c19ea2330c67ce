//! Starts services and stops them in order.

use crate::config::AppConfig;
use crate::context::ContextIntake;
use crate::flow::Flow;
use crate::listen::Listening;
use crate::objects::LakeObjects;
use anyhow::{Context, Result, anyhow, bail};
use modellane_embedded_kafka::{Broker, BrokerConfig};
use modellane_event::LakeKey;
use modellane_kafka::{AssignedConsumer, KafkaConfig, Topic, ensure_topics};
use modellane_lake::{Lake, LakeConfig};
use modellane_processor::Processor;
use modellane_runtime::{Clock, DataDir, Instance, Metrics, Shutdown, SystemClock, load_or_create_lake_key};
use modellane_sink::{KafkaLog, Sink, SinkHandle, SinkLogs};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Which services run in this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Roles {
    pub(crate) collector: bool,
    pub(crate) processor: bool,
    pub(crate) sink: bool,
    pub(crate) query: bool,
}

impl Roles {
    /// None yet.
    pub(crate) const NONE: Self = Self { collector: false, processor: false, sink: false, query: false };
    /// Every service.
    pub(crate) const ALL: Self = Self { collector: true, processor: true, sink: true, query: true };
    /// What brings records from the broker into the lake.
    pub(crate) const INGEST: Self = Self { collector: false, processor: true, sink: true, query: false };
}

/// What every service needs, connected.
pub(crate) struct Base {
    pub(crate) config: AppConfig,
    pub(crate) kafka: KafkaConfig,
    pub(crate) lake_config: LakeConfig,
    pub(crate) lake: Arc<Lake>,
    pub(crate) key: LakeKey,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
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
            Some(broker) => KafkaConfig::single_node(broker.bootstrap()),
            None => config.kafka.clone(),
        };
        let lake = config.lake.clone().unwrap_or_else(|| LakeConfig::directory(&held.lake()));
        Self::connect(config, kafka, lake, Some(held), broker).await
    }

    /// For a single service of several: a cluster must be given.
    pub(crate) async fn member(config: AppConfig) -> Result<Self> {
        if config.kafka.bootstrap.is_none() {
            bail!(
                "a single service needs a Kafka cluster: set kafka.bootstrap in the configuration or \
                 MODELLANE__KAFKA__BOOTSTRAP; `modellane all` runs everything on an embedded broker"
            );
        }
        let kafka = config.kafka.clone();
        let lake = lake_of(&config);
        Self::connect(config, kafka, lake, None, None).await
    }

    /// For a client of a running instance.
    pub(crate) async fn client(config: AppConfig, instance: &Instance) -> Result<Self> {
        let kafka = match &config.kafka.bootstrap {
            Some(_) => config.kafka.clone(),
            None => KafkaConfig::single_node(instance.broker.clone()),
        };
        let lake = lake_of(&config);
        Self::connect(config, kafka, lake, None, None).await
    }

    async fn connect(
        config: AppConfig,
        kafka: KafkaConfig,
        lake_config: LakeConfig,
        held: Option<DataDir>,
        broker: Option<Broker>,
    ) -> Result<Self> {
        let key = load_or_create_lake_key(&secrets(&config.data.dir).join("lake.key"))?;
        let lake = Arc::new(Lake::open(&lake_config)?);
        ensure_topics(&kafka, config.data.partitions).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Ok(Self { config, kafka, lake_config, lake, key, clock, metrics: Metrics::new(), held, broker })
    }

    /// Opens the way for new context.
    pub(crate) async fn context(&self) -> Result<ContextIntake> {
        let persons = secrets(&self.config.data.dir).join("persons.json");
        ContextIntake::open(
            Arc::clone(&self.lake),
            &self.kafka,
            self.key.clone(),
            &persons,
            Arc::clone(&self.clock),
        )
        .await
    }
}

/// The lake that a configuration names: its URL, or the directory `lake` of the data directory.
pub(crate) fn lake_of(config: &AppConfig) -> LakeConfig {
    config.lake.clone().unwrap_or_else(|| LakeConfig::directory(&config.data.dir.join("lake")))
}

fn secrets(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("secrets")
}

/// Services while they run.
pub(crate) struct Stack {
    pub(crate) base: Base,
    pub(crate) context: Arc<ContextIntake>,
    pub(crate) query: Option<modellane_query::Running>,
    collector: Option<Listening>,
    processor: Option<watch::Receiver<modellane_processor::Progress>>,
    sink: Option<SinkHandle>,
    shutdown: Shutdown,
    tasks: JoinSet<(&'static str, Result<()>)>,
}

impl Stack {
    /// Starts the services; the first that cannot start ends the others.
    pub(crate) async fn start(base: Base, roles: Roles, shutdown: Shutdown) -> Result<Self> {
        let context = Arc::new(base.context().await?);
        let mut stack = Self {
            base,
            context,
            query: None,
            collector: None,
            processor: None,
            sink: None,
            shutdown,
            tasks: JoinSet::new(),
        };
        // What listens comes first: a busy port is said before anything is read or written.
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
        self.query = Some(running);
        Ok(())
    }

    async fn start_collector(&mut self) -> Result<()> {
        self.collector = Some(Listening::start(&self.base, Arc::clone(&self.context), &self.shutdown).await?);
        Ok(())
    }

    async fn start_sink(&mut self) -> Result<()> {
        let base = &self.base;
        let sink =
            Sink::open(&base.lake, base.config.sink.clone(), Arc::clone(&base.clock), base.metrics.clone())
                .await?;
        let log = |topic: Topic| {
            let name = topic.name(&base.kafka.topic_prefix);
            AssignedConsumer::new(&base.kafka).map(|consumer| KafkaLog::new(consumer, &name))
        };
        let logs = SinkLogs {
            judged: log(Topic::Judged)?,
            intents: log(Topic::Intents)?,
            rejects: log(Topic::Rejects)?,
        };
        self.sink = Some(sink.handle());
        let shutdown = self.shutdown.clone();
        self.tasks
            .spawn(async move { ("sink", sink.run(logs, shutdown).await.map_err(anyhow::Error::from)) });
        Ok(())
    }

    async fn start_processor(&mut self) -> Result<()> {
        let base = &self.base;
        let processor = Processor::open(
            base.config.processor.clone(),
            &base.kafka,
            Box::new(LakeObjects(Arc::clone(&base.lake))),
            base.key.clone(),
            Arc::clone(&base.clock),
            base.metrics.clone(),
        )
        .await?;
        self.processor = Some(processor.progress());
        let shutdown = self.shutdown.clone();
        self.tasks
            .spawn(async move { ("processor", processor.run(shutdown).await.map_err(anyhow::Error::from)) });
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
            (Some(processor), Some(sink)) => {
                Ok(Flow { kafka: self.base.kafka.clone(), processor: processor.clone(), sink: sink.clone() })
            }
            _ => Err(anyhow!("processor and sink do not run in this process")),
        }
    }

    /// Serves until stopping is asked for or a service fails.
    pub(crate) async fn serve(&mut self) -> Result<()> {
        tokio::select! {
            () = self.shutdown.triggered() => Ok(()),
            Some(ended) = self.tasks.join_next() => {
                let (name, result) = ended?;
                result.with_context(|| format!("the {name} stopped"))?;
                // A service that ends without an error before it was asked to is one that must not.
                if self.shutdown.is_triggered() { Ok(()) } else { bail!("the {name} stopped by itself") }
            }
        }
    }

    /// Stops everything in order: no new records, then what is on its way, then the broker.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.shutdown.trigger();
        let mut failed = Ok(());
        if let Some(collector) = self.collector.take() {
            collector.stopped().await;
        }
        while let Some(ended) = self.tasks.join_next().await {
            let (name, result) = ended?;
            if let Err(error) = result {
                failed = Err(error.context(format!("the {name} failed")));
            }
        }
        if let Some(query) = self.query.take() {
            query.stopped().await;
        }
        drop(self.context);
        if let Some(broker) = self.base.broker.take() {
            broker.shutdown().await;
        }
        failed
    }
}
