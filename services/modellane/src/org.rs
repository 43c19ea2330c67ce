//! Loads an organisation folder: context first, then intents, then exports in the order of their fetches.

use crate::context::read_bundle;
use crate::import::{Delivery, Importer};
use crate::progress;
use crate::stack::Stack;
use anyhow::{Context, Result, bail};
use modellane_collector::connectors;
use modellane_event::UtcTime;
use std::path::{Path, PathBuf};

/// What a folder brought.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    /// Lines for the reader: what was rejected or left out, and why.
    pub(crate) remarks: Vec<String>,
}

/// Loads the folder into a running stack.
pub(crate) async fn load(stack: &Stack, dir: &Path) -> Result<Loaded> {
    if !dir.is_dir() {
        bail!("{} is no folder; an organisation folder holds directory.yaml and exports/", dir.display());
    }
    load_context(stack, dir).await?;
    let mut loaded = Loaded::default();
    let importer = Importer::new(&stack.base)?;
    load_intents(&importer, dir, &mut loaded).await?;
    load_exports(&importer, dir, &mut loaded).await?;
    Ok(loaded)
}

/// All problems of all files are found before anything is taken.
async fn load_context(stack: &Stack, dir: &Path) -> Result<()> {
    let context = &stack.context;
    let mut problems = Vec::new();
    for (name, kind) in
        [("directory.yaml", Kind::Directory), ("prices.yaml", Kind::Prices), ("finance.yaml", Kind::Finance)]
    {
        let path = dir.join(name);
        if !path.exists() {
            continue;
        }
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let put = match kind {
            Kind::Directory => context.put_directory(&bytes).await,
            Kind::Prices => context.put_prices(&bytes).await,
            Kind::Finance => context.put_finance(&bytes).await,
        };
        problems.extend(put.err().map(|error| error.to_string()));
    }
    for bundle in sorted(&dir.join("policy"))?.into_iter().filter(|path| path.is_dir()) {
        let put = context.put_policy(&read_bundle(&bundle)?).await;
        problems.extend(put.err().map(|error| format!("{}:\n{error}", bundle.display())));
    }
    if !problems.is_empty() {
        bail!("{} cannot be used as it is:\n{}", dir.display(), problems.join("\n"));
    }
    Ok(())
}

enum Kind {
    Directory,
    Prices,
    Finance,
}

async fn load_intents(importer: &Importer, dir: &Path, loaded: &mut Loaded) -> Result<()> {
    let path = dir.join("intents.ndjson");
    if path.exists() {
        let summary = importer.intents(&path).await?;
        summary.add_to("intents", loaded);
    }
    Ok(())
}

async fn load_exports(importer: &Importer, dir: &Path, loaded: &mut Loaded) -> Result<()> {
    let mut deliveries = Vec::new();
    for folder in sorted(&dir.join("exports"))?.into_iter().filter(|path| path.is_dir()) {
        let source = name_of(&folder);
        if connectors::connector(&source).is_none() {
            let why = connectors::refused(&source)
                .map_or("no such source; `modellane sources` lists them", |r| r.reason);
            loaded.remarks.push(format!("{}: left out: {why}", folder.display()));
            continue;
        }
        deliveries.extend(fetches(&source, &folder)?);
    }
    let total = deliveries.iter().map(Delivery::bytes).sum();
    let bar = progress::bytes(total);
    for delivery in deliveries {
        bar.set_message(delivery.source.clone());
        let summary = importer.import(&delivery, &bar).await?;
        summary.add_to(&delivery.source, loaded);
    }
    bar.finish_and_clear();
    Ok(())
}

/// The files of a source as fetches: names sort by fetch time. A name that begins with a time, as
/// `2026-11-09T06-00-00Z_page1.json`, states it, and files with one time are pages of one fetch; for other
/// names the file's own time counts. Each fetch is observed after the one before it.
fn fetches(source: &str, folder: &Path) -> Result<Vec<Delivery>> {
    let mut fetches: Vec<(Option<UtcTime>, Delivery)> = Vec::new();
    let mut latest: Option<UtcTime> = None;
    for path in sorted(folder)?.into_iter().filter(|path| path.is_file()) {
        let stated = stated_time(&name_of(&path));
        if let (Some(time), Some((previous, fetch))) = (stated, fetches.last_mut())
            && *previous == Some(time)
        {
            fetch.files.push(path);
            continue;
        }
        let time = stated.or_else(|| modified(&path)).unwrap_or(UtcTime(0));
        let observed_at = latest.map_or(time, |latest| UtcTime(time.0.max(latest.0 + 1)));
        latest = Some(observed_at);
        let delivery =
            Delivery { source: source.to_owned(), files: vec![path], observed_at, complete: false };
        fetches.push((stated, delivery));
    }
    Ok(fetches.into_iter().map(|(_, delivery)| delivery).collect())
}

/// `2026-11-09T06-00-00Z` at the start of a file name; colons are not allowed in names everywhere.
fn stated_time(name: &str) -> Option<UtcTime> {
    let text = name.get(..20)?;
    let (date, time) = text.split_once('T')?;
    UtcTime::parse(&format!("{date}T{}", time.replace('-', ":"))).ok()
}

fn modified(path: &Path) -> Option<UtcTime> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let micros = modified.duration_since(std::time::UNIX_EPOCH).ok()?.as_micros();
    UtcTime::from_micros(i64::try_from(micros).ok()?).ok()
}

/// Entries of a folder by name; hidden ones are left out, a missing folder is an empty one.
fn sorted(dir: &Path) -> Result<Vec<PathBuf>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("cannot read {}", dir.display()))?;
    paths.retain(|path| !name_of(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_state_times_and_pages() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "2026-11-09T06-00-00Z_page1.json",
            "2026-11-09T06-00-00Z_page2.json",
            "2026-11-10T06-00-00Z_page1.json",
        ] {
            std::fs::write(dir.path().join(name), "{}").unwrap();
        }
        let fetches = fetches("cursor.usage_events", dir.path()).unwrap();
        assert_eq!(fetches.iter().map(|fetch| fetch.files.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(fetches[0].observed_at.to_string(), "2026-11-09T06:00:00Z");
    }

    #[test]
    fn files_without_a_time_keep_the_order_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.json", "a.json"] {
            std::fs::write(dir.path().join(name), "{}").unwrap();
        }
        let fetches = fetches("litellm.spend_logs", dir.path()).unwrap();
        assert!(fetches[0].files[0].ends_with("a.json"));
        assert!(fetches[0].observed_at < fetches[1].observed_at);
    }
}
