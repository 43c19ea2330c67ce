//! From exported files, through collector and processor.

use crate::config::AppConfig;
use crate::org;
use crate::out;
use crate::stack::{Base, Roles, Stack, default_instance};
use anyhow::{Context, Result};
use modellane_lake::LakeConfig;
use modellane_runtime::Shutdown;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Loads an organisation folder into the new lake, on a broker of its own, with the key and the persons of
/// the old one: ids and surrogates are the same then.
pub(super) async fn rebuild(
    config: &AppConfig,
    new: &LakeConfig,
    folder: &Path,
    shutdown: Shutdown,
) -> Result<()> {
    org::find(folder)?;
    let scratch = Scratch::create(config)?;
    let mut own =
        AppConfig { sink: config.sink.clone(), processor: config.processor.clone(), ..AppConfig::default() };
    own.data.dir = scratch.0.clone();
    // The new lake is to be its successor's, which has the name of the data directory.
    own.sink.instance = own.sink.instance.take().or_else(|| default_instance(&config.data.dir));
    own.data.partitions = config.data.partitions;
    own.lake.url = Some(new.url.clone());
    own.lake.options = new.options.clone();
    own.lake.key_file = Some(config.key_file());
    own.sink.spacing_per_day_ms = 0;
    // Nobody sends anything meanwhile.
    own.collector.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    own.collector.otlp_http_listen = None;
    let roles = Roles { collector: true, ..Roles::INGEST };
    let stack = Stack::start(Base::own(own).await?, roles, shutdown).await?;
    let loaded = load(&stack, folder).await;
    let stopped = stack.stop().await;
    let loaded = loaded?;
    stopped?;
    out::line(format_args!(
        "rebuilt from {} records; {} rejected, {} that are no usage",
        loaded.read(),
        loaded.rejected,
        loaded.skipped
    ))
}

async fn load(stack: &Stack, folder: &Path) -> Result<org::Loaded> {
    let loaded = org::load(stack, folder).await?;
    stack.flow()?.settle().await?;
    Ok(loaded)
}

/// The data directory of a replay, removed with it: it holds a copy of the persons.
struct Scratch(PathBuf);

impl Scratch {
    fn create(config: &AppConfig) -> Result<Self> {
        let dir = config.data.dir.join(format!("replay-{}", std::process::id()));
        let scratch = Self(dir);
        let (from, to) = (config.persons_file(), scratch.0.join("secrets").join("persons.json"));
        if from.exists() {
            let copied = std::fs::create_dir_all(scratch.0.join("secrets"))
                // The copy is as private as the original.
                .and_then(|()| std::fs::copy(&from, &to));
            copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind is named by its process and hinders nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
