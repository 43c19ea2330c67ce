//! The whole configuration: one section a service.

use anyhow::{Result, bail};
use modellane_collector::CollectorConfig;
use modellane_kafka::{AssignedConsumer, KafkaConfig};
use modellane_lake::{Lake, LakeConfig};
use modellane_maintenance::MaintenanceConfig;
use modellane_processor::ProcessorConfig;
use modellane_query::QueryConfig;
use modellane_runtime::DataDir;
use modellane_sink::SinkConfig;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that can be set. Unknown keys are errors.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AppConfig {
    pub(crate) data: DataConfig,
    pub(crate) kafka: KafkaConfig,
    pub(crate) lake: LakeSection,
    pub(crate) collector: CollectorConfig,
    pub(crate) processor: ProcessorConfig,
    pub(crate) sink: SinkConfig,
    pub(crate) query: QueryConfig,
    pub(crate) maintenance: MaintenanceConfig,
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

/// Where the lake is, and the key that its ids are made with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LakeSection {
    /// A directory, or a URL such as `s3://bucket/lake`. Absent: the directory `lake` under the data
    /// directory.
    pub(crate) url: Option<String>,
    /// Options of the store in the spelling of the `object_store` crate, such as `aws_region`.
    pub(crate) options: BTreeMap<String, String>,
    /// File of the lake key, the same one for all services. Absent: `secrets/lake.key` under the data
    /// directory.
    pub(crate) key_file: Option<PathBuf>,
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

    /// The lake: its URL, or the directory `lake` of the data directory.
    pub(crate) fn lake(&self) -> LakeConfig {
        match &self.lake.url {
            Some(url) => LakeConfig { url: url.clone(), options: self.lake.options.clone() },
            None => LakeConfig::directory(&self.data.dir.join("lake")),
        }
    }

    /// Whether the lake is a directory of this machine, and which.
    pub(crate) fn lake_dir(&self) -> Option<PathBuf> {
        let url = self.lake().url;
        match url.strip_prefix("file://") {
            Some(path) => Some(path.into()),
            None => (!url.contains("://")).then(|| url.into()),
        }
    }

    /// File of the lake key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.lake.key_file.clone().unwrap_or_else(|| secrets(&self.data.dir).join("lake.key"))
    }

    /// File of the store of persons.
    pub(crate) fn persons_file(&self) -> PathBuf {
        secrets(&self.data.dir).join("persons.json")
    }

    /// Finds everything that the services would refuse at their start. Writes nothing and asks nobody.
    pub(crate) fn check(&self) -> Result<()> {
        let problems: Vec<String> = [
            self.collector.validate().err().map(|error| error.to_string()),
            self.query.check().err().map(|error| error.to_string()),
            self.kafka_problem(),
            self.lake_problem(),
            self.sink.check().err().map(|error| error.to_string()),
            self.maintenance_problem(),
            (self.data.partitions < 1).then(|| "data.partitions must be at least 1".to_owned()),
            (self.processor.batch_size == 0).then(|| "processor.batch_size must be at least 1".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !problems.is_empty() {
            bail!("the configuration cannot be used: {}", problems.join("; "));
        }
        Ok(())
    }

    /// A client is made and thrown away: the library finds wrong settings and unreadable certificates itself.
    fn kafka_problem(&self) -> Option<String> {
        self.kafka.bootstrap.as_ref()?;
        let checked = self.kafka.check().and_then(|()| AssignedConsumer::new(&self.kafka).map(drop));
        checked.err().map(|error| error.to_string())
    }

    fn lake_problem(&self) -> Option<String> {
        match &self.lake.url {
            None if self.lake.options.is_empty() => None,
            None => Some("lake.options belong to a lake.url; set it as well".to_owned()),
            // Opening a directory would create it; opening a remote store does nothing yet.
            Some(_) if self.lake_dir().is_some() => self.lake().check().err().map(|error| error.to_string()),
            Some(_) => Lake::open(&self.lake()).err().map(|error| error.to_string()),
        }
    }

    fn maintenance_problem(&self) -> Option<String> {
        if self.maintenance.is_shorter_than(self.query.statement_timeout_s) {
            return Some(
                "maintenance.removed_file_hours must be longer than query.statement_timeout_s".to_owned(),
            );
        }
        self.maintenance.check().err().map(|error| error.to_string())
    }
}

fn secrets(data_dir: &Path) -> PathBuf {
    data_dir.join("secrets")
}

/// Where a demo without `--data-dir` keeps what it loads.
pub(crate) fn demo_dir() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    cache.or_else(home).unwrap_or_else(std::env::temp_dir).join("modellane/demo")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_used() {
        AppConfig::default().check().unwrap();
    }

    #[test]
    fn every_section_is_checked_and_all_problems_are_said() {
        let mut config = AppConfig::default();
        config.collector.listen = "0.0.0.0:8600".parse().unwrap();
        config.query.refresh_ms = 0;
        config.sink.commit_interval_ms = 0;
        config.kafka.bootstrap = Some("kafka:9092".to_owned());
        config.kafka.sasl_username = Some("modellane".to_owned());
        config.lake.options.insert("aws_region".to_owned(), "eu-central-1".to_owned());
        config.data.partitions = 0;
        config.processor.batch_size = 0;
        config.maintenance.orphan_hours = 1;
        let message = config.check().unwrap_err().to_string();
        for section in [
            "loopback",
            "refresh_ms",
            "commit_interval_ms",
            "sasl",
            "lake.url",
            "partitions",
            "batch_size",
            "orphan_hours",
        ] {
            assert!(message.contains(section), "{section}: {message}");
        }
    }

    #[test]
    fn the_readmes_configuration_can_be_read() {
        let readme = include_str!("../../../README.md");
        let (_, rest) = readme.split_once("```toml\n").unwrap();
        let (text, _) = rest.split_once("```").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("modellane.toml");
        std::fs::write(&file, text).unwrap();
        let config: AppConfig = modellane_runtime::load_config(Some(&file)).unwrap();
        assert_eq!(config.lake.url.as_deref(), Some("s3://company-lake/modellane"));
    }

    #[test]
    fn an_option_that_the_store_does_not_know_is_named() {
        let mut config = AppConfig::default();
        config.lake.options.insert("aws_regoin".to_owned(), "eu-central-1".to_owned());
        for (url, told) in [("s3://company/lake", "aws_region"), ("/srv/nowhere/lake", "directory")] {
            config.lake.url = Some(url.to_owned());
            let message = config.check().unwrap_err().to_string();
            assert!(message.contains("aws_regoin") && message.contains(told), "{message}");
        }
        assert!(!Path::new("/srv/nowhere").exists(), "checking made a directory");
    }

    #[test]
    fn a_lake_on_this_machine_is_told_from_a_remote_one() {
        let mut config = AppConfig::default();
        assert_eq!(config.lake_dir(), Some("modellane-data/lake".into()));
        config.lake.url = Some("file:///srv/lake".to_owned());
        assert_eq!(config.lake_dir(), Some("/srv/lake".into()));
        config.lake.url = Some("s3://company/lake".to_owned());
        assert_eq!(config.lake_dir(), None);
    }
}
