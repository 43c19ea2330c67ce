//! The whole configuration: one section a service.

use modellane_collector::CollectorConfig;
use modellane_kafka::KafkaConfig;
use modellane_lake::LakeConfig;
use modellane_processor::ProcessorConfig;
use modellane_query::QueryConfig;
use modellane_runtime::DataDir;
use modellane_sink::SinkConfig;
use serde::Deserialize;
use std::path::PathBuf;

/// Everything that can be set. Unknown keys are errors.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AppConfig {
    pub(crate) data: DataConfig,
    pub(crate) kafka: KafkaConfig,
    /// Absent: the directory `lake` under the data directory.
    pub(crate) lake: Option<LakeConfig>,
    pub(crate) collector: CollectorConfig,
    pub(crate) processor: ProcessorConfig,
    pub(crate) sink: SinkConfig,
    pub(crate) query: QueryConfig,
}

/// What one machine keeps.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DataConfig {
    /// Directory of the embedded broker, the local lake, the lake key and the store of persons.
    pub(crate) dir: PathBuf,
    /// Port of the embedded broker; 0 takes any free one.
    pub(crate) broker_port: u16,
    /// Partitions of the topics that are created.
    pub(crate) partitions: i32,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { dir: "modellane-data".into(), broker_port: 0, partitions: 4 }
    }
}

impl AppConfig {
    /// Another data directory than the configured one, if the command names it. With none of either, a demo
    /// that is running counts: whoever tries the product out need not name its directory.
    pub(crate) fn use_data_dir(&mut self, named: Option<PathBuf>) {
        match named {
            Some(dir) => self.data.dir = dir,
            None if self.data.dir == DataConfig::default().dir => {
                let demo = demo_dir();
                if DataDir::running(&self.data.dir).is_none() && DataDir::running(&demo).is_some() {
                    self.data.dir = demo;
                }
            }
            None => {}
        }
    }
}

/// Where a demo without `--data-dir` keeps what it loads.
pub(crate) fn demo_dir() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    cache.or_else(home).unwrap_or_else(std::env::temp_dir).join("modellane/demo")
}
