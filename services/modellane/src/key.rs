//! The lake key: where it lies, who may draw it, and that no lake is written under two.

use crate::config::AppConfig;
use anyhow::{Context, Result, bail};
use arrow::datatypes::{DataType, Field, Schema};
use modellane_event::LakeKey;
use modellane_lake::{Lake, TableCommit, TableSpec};
use modellane_runtime::{Clock, create_lake_key, load_lake_key, random_id};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// The table in which a lake remembers the key that it was begun with. It has no rows: the fingerprint stands
/// in its log as the position of an application, because a commit on the version that was read is the one
/// write of the lake that only one of several writers can win.
const TABLE: &str = "_modellane/lake_key";
const POSITION: &str = "fingerprint";

/// Where the key is, and what to do where it is not.
#[derive(Debug, Clone)]
pub(crate) struct KeyFile {
    path: PathBuf,
    /// Whether this process draws a key if there is none: only where no other process could hold another.
    may_draw: bool,
}

impl KeyFile {
    /// The file of a configuration. `alone` says that this process holds the data directory.
    pub(crate) fn of(config: &AppConfig, alone: bool) -> Self {
        // Another key gives the same record another id. On a shared cluster a key that a process draws for
        // itself would make every file that two of them import count twice.
        let may_draw = alone && config.kafka.bootstrap.is_none() && config.lake.key_file.is_none();
        Self { path: config.key_file(), may_draw }
    }

    /// Reads the key, or draws it, and makes sure that it is the one that the lake was begun with.
    pub(crate) async fn open(&self, lake: &Lake, clock: &Arc<dyn Clock>) -> Result<LakeKey> {
        let key = match load_lake_key(&self.path)? {
            Some(key) => key,
            None if self.may_draw => create_lake_key(&self.path)?,
            None => bail!("{}", missing(&self.path)),
        };
        self.compare(lake, &key, clock).await?;
        Ok(key)
    }

    async fn compare(&self, lake: &Lake, key: &LakeKey, clock: &Arc<dyn Clock>) -> Result<()> {
        let ours = fingerprint(key);
        let mut table = lake.table(table()).await.context("cannot look for the key of the lake")?;
        loop {
            match table.position(POSITION).await? {
                Some(theirs) if theirs == ours => return Ok(()),
                Some(theirs) => bail!(
                    "the lake was begun with another lake key (fingerprint {theirs:016x}; {} has \
                     {ours:016x}): set lake.key_file to the file of that key, as with another one every \
                     event would count a second time",
                    self.path.display()
                ),
                // Whoever loses the race reads what the winner wrote.
                None => table.commit(first(ours, clock)).await.context("cannot note the key of the lake")?,
            };
        }
    }
}

/// What to do without a key.
pub(crate) fn missing(path: &Path) -> String {
    format!(
        "there is no lake key at {0}; all services of one installation need the same one. If one of them has \
         it already, copy its file; for a new installation create it once with `modellane config key --out \
         {0}`. Then name the file in lake.key_file or MODELLANE__LAKE__KEY_FILE on every host",
        path.display()
    )
}

/// Creates a key for a new installation.
pub(crate) fn create(path: &Path) -> Result<()> {
    if path.exists() {
        bail!("{} exists; a lake key is never replaced, choose another name", path.display());
    }
    let fingerprint = fingerprint(&create_lake_key(path)?);
    crate::out::line(format_args!(
        "{}: a new lake key with fingerprint {fingerprint:016x}. Give the same file to every service as \
         lake.key_file, and keep a backup apart from the lake",
        path.display()
    ))
}

/// Tells keys apart and nothing of the key: a keyed hash of nothing, cut to eight bytes.
fn fingerprint(key: &LakeKey) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = key.hash("fingerprint of the lake key", &[]);
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn table() -> TableSpec {
    let schema = Schema::new(vec![Field::new("note", DataType::Utf8, true)]);
    TableSpec { name: TABLE.to_owned(), schema: Arc::new(schema), partition: None, sort: &[], unique: &[] }
}

fn first(fingerprint: i64, clock: &Arc<dyn Clock>) -> TableCommit {
    TableCommit {
        id: Uuid::from_bytes(random_id()),
        files: Vec::new(),
        positions: vec![(POSITION.to_owned(), fingerprint)],
        info: BTreeMap::from([("modellaneKeyFingerprint".to_owned(), json!(format!("{fingerprint:016x}")))]),
        now: clock.now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modellane_lake::LakeConfig;
    use modellane_runtime::SystemClock;

    fn clock() -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    fn lake(dir: &Path) -> Lake {
        Lake::open(&LakeConfig::directory(&dir.join("lake"))).unwrap()
    }

    #[tokio::test]
    async fn a_lake_takes_the_key_that_it_was_begun_with_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let lake = lake(dir.path());
        let file = |name: &str| KeyFile { path: dir.path().join(name), may_draw: true };
        file("first").open(&lake, &clock()).await.unwrap();
        file("first").open(&lake, &clock()).await.unwrap();
        let message = file("second").open(&lake, &clock()).await.unwrap_err().to_string();
        assert!(message.contains("another lake key") && message.contains("lake.key_file"), "{message}");
    }

    #[tokio::test]
    async fn of_two_first_keys_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let lake = lake(dir.path());
        let file = |name: &str| KeyFile { path: dir.path().join(name), may_draw: true };
        let (first, second) = (file("first"), file("second"));
        let clock = clock();
        let (first, second) = tokio::join!(first.open(&lake, &clock), second.open(&lake, &clock));
        assert!(first.is_ok() != second.is_ok());
    }

    #[tokio::test]
    async fn on_a_shared_cluster_no_key_is_drawn() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = AppConfig::default();
        config.data.dir = dir.path().to_owned();
        config.kafka.bootstrap = Some("127.0.0.1:1".to_owned());
        let message = KeyFile::of(&config, true).open(&lake(dir.path()), &clock()).await.unwrap_err();
        assert!(message.to_string().contains("modellane config key --out"), "{message}");
        assert!(!config.key_file().exists());
        config.kafka.bootstrap = None;
        assert!(KeyFile::of(&config, false).open(&lake(dir.path()), &clock()).await.is_err());
        assert!(KeyFile::of(&config, true).open(&lake(dir.path()), &clock()).await.is_ok());
    }

    #[test]
    fn a_key_is_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lake.key");
        create(&path).unwrap();
        assert!(create(&path).unwrap_err().to_string().contains("never replaced"));
    }
}
