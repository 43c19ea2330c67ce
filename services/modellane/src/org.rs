//! Loads an organisation folder: context first, then intents, then exports in the order of their fetches.

use crate::context::{Change, IntakeError, read_bundle};
use crate::import::{Delivery, Importer};
use crate::stack::Stack;
use crate::{progress, sources};
use anyhow::{Context, Result, bail};
use modellane_event::UtcTime;
use std::path::{Path, PathBuf};

/// What a folder brought.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Records that were understood.
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    /// Records that are no usage.
    pub(crate) skipped: u64,
    /// Lines for the reader: what is missing, what was rejected or left out, and why.
    pub(crate) remarks: Vec<String>,
}

impl Loaded {
    /// Records that were read, whatever became of them.
    pub(crate) fn read(&self) -> u64 {
        self.accepted + self.rejected + self.skipped
    }
}

/// Parts of a folder, and what their absence means.
const PARTS: [(&str, &str); 5] = [
    ("directory.yaml", "nobody is known, so every use stays unmatched"),
    ("policy", "there is no guidance to follow or to drift from"),
    ("prices.yaml", "there is no list cost, and no cost at all where a vendor states none"),
    ("intents.ndjson", "use is compared with guidance alone"),
    ("exports", "there is no use to report on"),
];

/// Whether the folder is one that can be loaded, before anything is started for it.
pub(crate) fn find(dir: &Path) -> Result<()> {
    if !dir.is_dir() {
        bail!("{} is no folder; an organisation folder holds directory.yaml and exports/", dir.display());
    }
    if !dir.join("directory.yaml").is_file() && !dir.join("exports").is_dir() {
        bail!(
            "{} holds neither directory.yaml nor exports/, so it is no organisation folder; name the folder \
             that holds them",
            dir.display()
        );
    }
    Ok(())
}

/// Loads the folder into a running stack.
pub(crate) async fn load(stack: &Stack, dir: &Path) -> Result<Loaded> {
    find(dir)?;
    let context = stack.context.as_ref().context("the collector does not run in this process")?;
    let folder = Folder::read(dir, context.change()?)?;
    context.take(folder.change).await?;
    let mut loaded = Loaded { remarks: folder.remarks, ..Loaded::default() };
    let importer = Importer::new(&stack.base).await?;
    if let Some((path, bytes)) = folder.intents {
        importer.intents(&path, &bytes).await?.add_to("intents", &mut loaded);
    }
    load_exports(&importer, folder.deliveries, &mut loaded).await?;
    Ok(loaded)
}

async fn load_exports(importer: &Importer, deliveries: Vec<Delivery>, loaded: &mut Loaded) -> Result<()> {
    let bar = progress::bytes(deliveries.iter().map(Delivery::bytes).sum());
    for delivery in deliveries {
        bar.set_message(delivery.source.clone());
        let summary = importer.import(&delivery, &bar).await?;
        summary.add_to(&delivery.source, loaded);
    }
    bar.finish_and_clear();
    Ok(())
}

/// A folder whose every file was found, and whose context is sound. Nothing of it has been taken.
struct Folder {
    change: Change,
    intents: Option<(PathBuf, Vec<u8>)>,
    deliveries: Vec<Delivery>,
    remarks: Vec<String>,
}

impl Folder {
    /// All problems of all files are found before anything is taken.
    fn read(dir: &Path, change: Change) -> Result<Self> {
        let missing = PARTS.iter().filter(|(part, _)| !dir.join(part).exists());
        let remarks = missing.map(|(part, meaning)| format!("no {part}: {meaning}")).collect();
        let mut folder = Self { change, intents: None, deliveries: Vec::new(), remarks };
        let mut problems = Vec::new();
        folder.read_file(dir, "directory.yaml", Change::directory, &mut problems);
        folder.read_file(dir, "prices.yaml", Change::prices, &mut problems);
        folder.read_file(dir, "finance.yaml", Change::finance, &mut problems);
        folder.read_file(dir, "weights.json", Change::weights, &mut problems);
        for bundle in folders(&dir.join("policy"), &mut problems) {
            problems.extend(folder.read_bundle(&bundle).err());
        }
        let intents = dir.join("intents.ndjson");
        if intents.exists() {
            folder.intents = contents(&intents, &mut problems).map(|bytes| (intents, bytes));
        }
        for source in folders(&dir.join("exports"), &mut problems) {
            problems.extend(folder.find_exports(&source).err().map(|error| format!("{error:#}")));
        }
        if !problems.is_empty() {
            bail!(
                "{} cannot be used as it is; nothing of it was taken:\n{}",
                dir.display(),
                problems.join("\n")
            );
        }
        Ok(folder)
    }

    fn read_file(
        &mut self,
        dir: &Path,
        name: &str,
        read: fn(&mut Change, &[u8]) -> Result<(), IntakeError>,
        problems: &mut Vec<String>,
    ) {
        let path = dir.join(name);
        if path.exists()
            && let Some(bytes) = contents(&path, problems)
        {
            problems.extend(read(&mut self.change, &bytes).err().map(|error| error.to_string()));
        }
    }

    fn read_bundle(&mut self, dir: &Path) -> Result<(), String> {
        let files = read_bundle(dir).map_err(|error| format!("{error:#}"))?;
        self.change.policy(&files).map_err(|error| format!("{}:\n{error}", dir.display()))
    }

    fn find_exports(&mut self, folder: &Path) -> Result<()> {
        match sources::sendable(&name_of(folder)) {
            Ok(source) => self.deliveries.extend(fetches(&source, folder)?),
            Err(why) => self.remarks.push(format!("{}: left out: {why}", folder.display())),
        }
        Ok(())
    }
}

fn contents(path: &Path, problems: &mut Vec<String>) -> Option<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| problems.push(format!("cannot read {}: {error}", path.display())))
        .ok()
}

fn folders(dir: &Path, problems: &mut Vec<String>) -> Vec<PathBuf> {
    let mut found = sorted(dir).unwrap_or_else(|error| {
        problems.push(format!("{error:#}"));
        Vec::new()
    });
    found.retain(|path| path.is_dir());
    found
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
    fn a_folder_without_directory_and_exports_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(find(dir.path()).unwrap_err().to_string().contains("exports/"));
        std::fs::create_dir(dir.path().join("exports")).unwrap();
        assert!(find(dir.path()).is_ok());
    }

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
