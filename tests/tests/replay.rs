//! A ledger rebuilt from the topics and from exported files says what the old one says; one that lost rows is
//! found out.

use anyhow::{Context, Result, ensure};
use modellane_tests::clients::tests_dir;
use modellane_tests::instance::{Ended, binary, command_on_free_ports, run_within, skip};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(300);

const HEADER: &str = "date,username,product,sku,model,quantity,unit_type,applied_cost_per_quantity,\
                      gross_amount,discount_amount,net_amount,total_monthly_quota,organization,repository,\
                      cost_center_name,aic_quantity,aic_gross_amount";

/// A row of a billing report: a person's day of so many credits.
fn row(day: &str, person: &str, credits: u32) -> String {
    format!(
        "{day},{person},copilot,copilot_ai_credit,Claude Sonnet 5.5,{credits},ai-credits,0.01,1,0,1,300,acme,,,\
         {credits},1"
    )
}

/// The first days of the sample organisation, restated files among them: every replay takes a commit as long
/// again as it took.
fn first_days(to: &Path) -> Result<()> {
    copy(&tests_dir().parent().context("a parent")?.join("deploy/demo"), to)?;
    for source in std::fs::read_dir(to.join("exports"))? {
        for file in std::fs::read_dir(source?.path())? {
            let file = file?;
            if file.file_name().to_string_lossy().as_ref() > "2026-10-19" {
                std::fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}

struct Demo {
    binary: PathBuf,
    dir: tempfile::TempDir,
}

impl Demo {
    fn load() -> Result<Option<Self>> {
        let Some(binary) = binary() else {
            skip("replay", "build the binary with `cargo build -p modellane`");
            return Ok(None);
        };
        let demo = Self { binary, dir: tempfile::tempdir()? };
        let mut command = command_on_free_ports(&demo.binary);
        command.args(["demo", "--once", "--format", "json"]);
        // Several commits, so that there is a history to keep.
        command.env("MODELLANE__SINK__MAX_ROWS", "300");
        first_days(&demo.organisation())?;
        command.arg("--org").arg(demo.organisation()).arg("--data-dir").arg(demo.data());
        let ended = run_within(&mut command, PATIENCE)?;
        ensure!(ended.code == Some(0), "demo: {}", ended.stderr);
        Ok(Some(demo))
    }

    /// An instance with nothing but what is imported here: three billing reports, the last two of which lack a
    /// row that the first one has, so that it is withdrawn.
    fn with_a_vanished_row() -> Result<Option<Self>> {
        let Some(binary) = binary() else {
            skip("replay of vanished rows", "build the binary with `cargo build -p modellane`");
            return Ok(None);
        };
        let demo = Self { binary, dir: tempfile::tempdir()? };
        let rows = [row("2026-10-05", "ana-dev", 125), row("2026-10-06", "ben-dev", 250)];
        for rows in [&rows[..], &rows[..1], &rows[..1]] {
            std::fs::write(demo.to("export"), format!("{HEADER}\n{}\n", rows.join("\n")))?;
            let mut command = command_on_free_ports(&demo.binary);
            command.args(["import", "github_copilot.billing_csv"]).arg(demo.to("export"));
            let ended = run_within(command.arg("--data-dir").arg(demo.data()), PATIENCE)?;
            ensure!(ended.code == Some(0), "import: {}", ended.stderr);
        }
        Ok(Some(demo))
    }

    fn organisation(&self) -> PathBuf {
        self.dir.path().join("organisation")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn to(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn replay(&self, data: &Path, to: &Path, more: &[&str]) -> Result<Ended> {
        let mut command = command_on_free_ports(&self.binary);
        command.arg("replay").arg("--data-dir").arg(data).arg("--to").arg(to).args(more);
        run_within(&mut command, PATIENCE)
    }
}

/// The actions of a table's log, a list a version.
fn log(lake: &Path, table: &str) -> Result<Vec<(PathBuf, Vec<Value>)>> {
    let folder = lake.join(table).join("_delta_log");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| format!("read {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path)?;
        let actions = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        Ok((path, actions))
    };
    files.into_iter().map(read).collect()
}

/// Time and ranges of each commit of the ledger.
fn history(lake: &Path) -> Result<Vec<(Value, Value)>> {
    history_of(lake, "usage_ledger")
}

fn history_of(lake: &Path, table: &str) -> Result<Vec<(Value, Value)>> {
    let commits = log(lake, table)?.into_iter().flat_map(|(_, actions)| actions);
    let infos = commits.filter_map(|mut action| action.get_mut("commitInfo").map(Value::take));
    let ours = infos.filter(|info| !info["modellaneRanges"].is_null());
    Ok(ours.map(|info| (info["modellaneRecordedAt"].clone(), info["modellaneRanges"].clone())).collect())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[test]
fn a_rebuilt_ledger_says_the_same_and_a_damaged_one_does_not() -> Result<()> {
    let Some(demo) = Demo::load()? else { return Ok(()) };
    let data = demo.data();

    // From the topics: the same commits at the same times.
    let rebuilt = demo.to("rebuilt");
    let ended = demo.replay(&data, &rebuilt, &[])?;
    ensure!(ended.code == Some(0), "replay: {}{}", ended.stdout, ended.stderr);
    ensure!(
        ended.stdout.contains("Kafka holds all") && ended.stdout.contains("\nequal: "),
        "{}",
        ended.stdout
    );
    let (before, after) = (history(&data.join("lake"))?, history(&rebuilt)?);
    ensure!(before.len() > 3, "{} commits are no history", before.len());
    ensure!(before == after, "the times and ranges of the commits are others");

    // A place that holds a ledger is not written.
    let ended = demo.replay(&data, &rebuilt, &[])?;
    ensure!(ended.code == Some(1) && ended.stderr.contains("holds a ledger already"), "{}", ended.stderr);
    ensure!(history(&rebuilt)? == after);

    // From exported files: the same current state.
    let folder = demo.organisation();
    let folder = folder.to_str().context("a path of text")?;
    let ended = demo.replay(&data, &demo.to("from-exports"), &["--from-exports", folder])?;
    ensure!(ended.code == Some(0), "from exports: {}{}", ended.stdout, ended.stderr);
    ensure!(ended.stdout.contains("\nequal: "), "{}", ended.stdout);
    let left: Vec<_> = std::fs::read_dir(&data)?.flatten().map(|entry| entry.file_name()).collect();
    ensure!(!left.iter().any(|name| name.to_string_lossy().starts_with("replay-")), "{left:?}");

    damaged(&demo)
}

#[test]
fn what_a_vendor_no_longer_has_is_gone_from_the_rebuilt_ledger_too() -> Result<()> {
    let Some(demo) = Demo::with_a_vanished_row()? else { return Ok(()) };
    let (old, rebuilt) = (demo.data().join("lake"), demo.to("rebuilt"));
    let ended = demo.replay(&demo.data(), &rebuilt, &[])?;
    ensure!(ended.code == Some(0), "replay: {}{}", ended.stdout, ended.stderr);
    ensure!(ended.stdout.contains("\nequal: 1 events"), "{}", ended.stdout);
    ensure!(ended.stdout.contains("\nequal: 3 complete fetches"), "{}", ended.stdout);
    for table in ["usage_ledger", "fetches"] {
        let (before, after) = (history_of(&old, table)?, history_of(&rebuilt, table)?);
        ensure!(before.len() >= 3 && before == after, "{table}: {before:?} became {after:?}");
    }

    // An old lake that lost its last fetch is not called equal.
    let data = demo.to("forgetful");
    copy(&demo.data(), &data)?;
    let (path, mut actions) = log(&data.join("lake"), "fetches")?.pop().context("there are fetches")?;
    actions.retain(|action| action["add"].is_null());
    std::fs::write(&path, actions.iter().map(|action| format!("{action}\n")).collect::<String>())?;
    let ended = demo.replay(&data, &demo.to("rebuilt-again"), &[])?;
    ensure!(
        ended.code == Some(1) && ended.stdout.contains("different: 1 complete fetches"),
        "a table of fetches that lost one was called equal: {}",
        ended.stdout
    );
    Ok(())
}

/// A copy of the lake that lost one file's rows.
fn damaged(demo: &Demo) -> Result<()> {
    let data = demo.to("damaged");
    copy(&demo.data(), &data)?;
    let (path, mut actions) =
        log(&data.join("lake"), "usage_ledger")?.pop().context("the ledger has commits")?;
    let lost = actions.iter().position(|action| !action["add"].is_null()).context("the commit has files")?;
    let rows = actions.remove(lost)["add"]["stats"].as_str().map(serde_json::from_str::<Value>);
    let rows = rows.context("the file's rows are stated")??["numRecords"].as_u64().context("a number")?;
    let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
    std::fs::write(&path, text)?;

    let ended = demo.replay(&data, &demo.to("rebuilt-again"), &[])?;
    ensure!(ended.code == Some(1), "a lake without {rows} rows was called equal: {}", ended.stdout);
    let count = |line: &str| line.strip_prefix("different: ")?.split(' ').next()?.parse::<u64>().ok();
    let different = ended.stdout.lines().find_map(count).context("the difference is counted")?;
    ensure!((1..=rows).contains(&different), "{different} events differ for {rows} rows");
    let named: Vec<_> = ended.stdout.lines().filter(|line| line.starts_with("  ")).collect();
    ensure!(named.len() as u64 >= different.min(10), "{}", ended.stdout);
    for line in named.iter().take(different.min(10) as usize) {
        let id = line.trim().split(' ').next().unwrap_or_default();
        let is_id = id.len() == 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        ensure!(is_id, "{line} names more than an id");
    }
    ensure!(ended.stdout.contains("rebuilt: "), "the totals differ as well: {}", ended.stdout);
    Ok(())
}
