//! What a user is told when something is in the way: which file, port or address, why, and what to do; nothing
//! is half done, and the next start goes on.

use anyhow::{Context, Result, ensure};
use modellane_tests::clients::{ledger_totals, tests_dir};
use modellane_tests::instance::{
    Ended, Instance, LISTENERS, binary, command_on_free_ports, run_within, skip,
};
use modellane_tests::sample_org::litellm_rows;
use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);
/// What no input may make the product hold, however large it is or unpacks to.
const MEMORY: u64 = 500 << 20;

/// The binary and a directory of its own.
struct Bench {
    binary: PathBuf,
    dir: tempfile::TempDir,
}

impl Bench {
    /// `None` where the binary was not built.
    fn new(what: &str) -> Result<Option<Self>> {
        let Some(binary) = binary() else {
            skip(what, "build the binary with `cargo build -p modellane`");
            return Ok(None);
        };
        Ok(Some(Self { binary, dir: tempfile::tempdir()? }))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A command with this bench's data directory and free ports.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = command_on_free_ports(&self.binary);
        command.args(args).env("MODELLANE__DATA__DIR", self.data());
        command
    }

    fn run(&self, args: &[&str]) -> Result<Ended> {
        run_within(&mut self.command(args), LIMIT)
    }

    /// Imports a file of LiteLLM rows.
    fn import(&self, file: &Path) -> Result<Ended> {
        self.run(&["import", "--strict", "litellm.spend_logs", text(file)?])
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        std::fs::write(self.path(name), content)?;
        Ok(self.path(name))
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path of text")
}

/// What a person reads of both streams; names in messages may stand in quotes of code.
fn said(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr).replace('`', "")
}

/// The command failed in order, and what it said holds each of these.
fn failed(ended: &Ended, told: &[&str]) -> Result<()> {
    refused(ended, 1, told)
}

fn refused(ended: &Ended, code: i32, told: &[&str]) -> Result<()> {
    let message = said(ended);
    ensure!(ended.code == Some(code), "exit code {:?}: {message}", ended.code);
    ensure!(!message.contains("panicked"), "{message}");
    ensure!(!ended.stderr.is_empty(), "nothing was said on standard error: {message}");
    for part in told {
        ensure!(message.contains(part), "should say {part:?}: {message}");
    }
    Ok(())
}

fn row(id: &str) -> String {
    format!(
        "{{\"request_id\":\"{id}\",\"spend\":0.5,\"prompt_tokens\":10,\"completion_tokens\":5,\
         \"startTime\":\"2026-11-05T10:00:00Z\",\"model\":\"openai/gpt-6.1-sol\",\"status\":\"success\"}}\n"
    )
}

/// A process that does not outlive its test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so.
fn within(limit: Duration, mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !so()? {
        ensure!(started.elapsed() < limit, "not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A port on which nobody listens.
fn closed_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[test]
fn a_busy_port_is_named_with_its_setting() -> Result<()> {
    let Some(bench) = Bench::new("busy ports")? else { return Ok(()) };
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    for (variable, setting) in LISTENERS {
        let ended = run_within(bench.command(&["all"]).env(variable, &address), LIMIT)?;
        failed(&ended, &[&address, setting, "stop what"]).with_context(|| setting.to_owned())?;
    }
    Instance::start(&bench.binary, &bench.data(), 300, &bench.path("log"))?.stop()
}

#[test]
fn a_directory_in_use_is_left_alone() -> Result<()> {
    let Some(bench) = Bench::new("a directory in use")? else { return Ok(()) };
    let instance = Instance::start(&bench.binary, &bench.data(), 300, &bench.path("log"))?;
    let data = bench.data();
    for args in [vec!["all"], vec!["demo", "--once", "--data-dir", text(&data)?]] {
        failed(&bench.run(&args)?, &[text(&data)?, "in use", "stop it"])?;
    }
    // The first one goes on.
    let file = bench.write("good.ndjson", &row("a"))?;
    let ended = bench.import(&file)?;
    ensure!(ended.code == Some(0), "{}", ended.stderr);
    instance.stop()
}

#[test]
fn an_unreachable_broker_is_named_soon() -> Result<()> {
    let Some(bench) = Bench::new("an unreachable broker")? else { return Ok(()) };
    let file = bench.write("good.ndjson", &row("a"))?;
    let address = format!("127.0.0.1:{}", closed_port()?);
    for args in [vec!["collector"], vec!["import", "litellm.spend_logs", text(&file)?]] {
        let mut command = bench.command(&args);
        command.env("MODELLANE__KAFKA__BOOTSTRAP", &address);
        let ended = run_within(&mut command, Duration::from_secs(40))?;
        failed(&ended, &[&address, "broker"]).with_context(|| format!("{args:?}"))?;
    }
    Ok(())
}

/// A file system of its own; taken away when dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None` where the user may not mount.
    fn new(at: &Path, options: &str) -> Result<Option<Self>> {
        std::fs::create_dir_all(at)?;
        let mounted = Self::mount(at, options)?;
        Ok(mounted.then(|| Self(at.to_owned())))
    }

    fn mount(at: &Path, options: &str) -> Result<bool> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
        Ok(command.stderr(Stdio::null()).status().is_ok_and(|status| status.success()))
    }

    fn change(&self, options: &str) -> Result<()> {
        ensure!(Self::mount(&self.0, &format!("remount,{options}"))?, "cannot change the file system");
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_read_only_directory_is_named() -> Result<()> {
    let Some(bench) = Bench::new("a read-only directory")? else { return Ok(()) };
    let data = bench.data();
    // Whoever may do everything is stopped by a file system alone, the others by the directory's mode.
    let mount = Mount::new(&data, "ro,size=1m")?;
    std::fs::set_permissions(&data, Permissions::from_mode(0o555)).ok();
    if mount.is_none() && std::fs::metadata(&data)?.uid() == 0 {
        skip("a read-only directory", "root may write everywhere and may not mount here");
        return Ok(());
    }
    failed(&bench.run(&["all"])?, &[text(&data)?, "choose"])
}

#[test]
fn a_full_disk_is_said_and_a_larger_one_goes_on() -> Result<()> {
    const ROWS: u64 = 20_000;
    let Some(bench) = Bench::new("a full disk")? else { return Ok(()) };
    let Some(mount) = Mount::new(&bench.data(), "size=3m")? else {
        skip("a full disk", "only root can mount a small file system");
        return Ok(());
    };
    let rows = bench.path("rows.json");
    let truth = litellm_rows(&mut BufWriter::new(File::create(&rows)?), ROWS, 1, 5)?;
    let log = bench.path("log");
    let mut command = bench.command(&["import", "litellm.spend_logs", text(&rows)?]);
    let mut import = Started(command.stdout(Stdio::null()).stderr(File::create(&log)?).spawn()?);
    let said = || Ok(std::fs::read_to_string(&log)?.contains("no space is left; free some"));
    within(LIMIT, said).context("it does not say that the disk is full")?;
    // Whether it waits for space or gives up, the same import ends well once there is space.
    mount.change("size=300m")?;
    within(LIMIT, || Ok(import.0.try_wait()?.is_some())).context("it does not end")?;
    let ended = bench.import(&rows)?;
    ensure!(ended.code == Some(0), "after space was made: {}", ended.stderr);
    if std::env::var_os("MODELLANE_TEST_PYTHON").is_none() {
        skip("totals after a full disk", "needs MODELLANE_TEST_PYTHON, as tests/run sets it");
        return Ok(());
    }
    let totals = &ledger_totals("duckdb", &bench.data().join("lake"), None)?["litellm.spend_logs"];
    for (column, value) in [
        ("events", ROWS.to_string()),
        ("input_tokens", truth.prompt_tokens.to_string()),
        ("effective_cost", truth.spend_usd),
    ] {
        ensure!(totals[column] == value.as_str(), "{column} is {}, the truth is {value}", totals[column]);
    }
    Ok(())
}

/// One broken bundle in a folder of sound files: all or nothing.
#[test]
fn a_folder_with_a_broken_policy_leaves_nothing_behind() -> Result<()> {
    let Some(bench) = Bench::new("a broken policy")? else { return Ok(()) };
    let sample = tests_dir().parent().context("a parent")?.join("deploy/demo");
    let (folder, bundle) = (bench.path("folder"), "policy/2026.11.1");
    std::fs::create_dir_all(folder.join(bundle))?;
    let files = ["bundle.yaml", "catalogue.csv", "tests.yaml"].map(|name| format!("{bundle}/{name}"));
    for name in ["directory.yaml", "prices.yaml", "finance.yaml"]
        .into_iter()
        .chain(files.each_ref().map(String::as_str))
    {
        std::fs::copy(sample.join(name), folder.join(name)).with_context(|| name.to_owned())?;
    }
    std::fs::write(folder.join(bundle).join("rules.cedar"), "permit (principal, action")?;
    let data = bench.data();
    let args = ["demo", "--once", "--org", text(&folder)?, "--data-dir", text(&data)?];
    failed(&bench.run(&args)?, &["2026.11.1", "rules.cedar"])?;
    let stored = std::fs::read_dir(data.join("lake/context")).map_or(0, Iterator::count);
    ensure!(stored == 0, "{stored} objects of the folder were stored");
    Ok(())
}

#[test]
fn a_folder_of_bundles_is_checked_with_its_dates() -> Result<()> {
    let Some(bench) = Bench::new("checked bundles")? else { return Ok(()) };
    let policy = bench.path("policy");
    let sample = tests_dir().parent().context("a parent")?.join("deploy/demo/policy");
    for version in ["2026.10.1", "2026.11.1"] {
        std::fs::create_dir_all(policy.join(version))?;
        for file in std::fs::read_dir(sample.join(version))? {
            let file = file?;
            std::fs::copy(file.path(), policy.join(version).join(file.file_name()))?;
        }
    }
    let check = ["policy", "check", "--strict", text(&policy)?];
    let sound = bench.run(&check)?;
    ensure!(sound.code == Some(0) && !sound.stdout.contains("remark"), "{}", said(&sound));
    let head = policy.join("2026.10.1/bundle.yaml");
    let open = std::fs::read_to_string(&head)?.replace(", to: 2026-11-01", "");
    std::fs::write(&head, open)?;
    let overlap = bench.run(&check)?;
    ensure!(overlap.code == Some(1), "{}", said(&overlap));
    ensure!(
        overlap.stdout.contains("2026.10.1 and 2026.11.1 are both in force from 2026-11-01"),
        "{}",
        said(&overlap)
    );
    std::fs::write(&head, "id: broken\n")?;
    refused(&bench.run(&check)?, 1, &["2026.10.1: bundle.yaml", "version"])
}

#[test]
fn a_reader_that_leaves_early_causes_no_panic() -> Result<()> {
    let Some(bench) = Bench::new("a closed pipe")? else { return Ok(()) };
    let data = bench.data();
    let log = bench.path("log");
    let mut command = bench.command(&["demo", "--once", "--data-dir", text(&data)?]);
    let mut demo = Started(command.stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?);
    let mut line = String::new();
    BufReader::new(demo.0.stdout.take().context("its output")?).read_line(&mut line)?;
    let ended = within(LIMIT, || Ok(demo.0.try_wait()?.is_some()));
    let said = std::fs::read_to_string(&log)?;
    ensure!(!line.is_empty(), "no line was printed: {said}");
    ensure!(!said.contains("panicked"), "{said}");
    ended.context("it does not end")
}

/// A good row, what stands in `bad`, a good row: both good ones go in and the bad one is told by its place,
/// whatever its size.
fn costs_itself(bench: &Bench, file: &Path, reason: &str) -> Result<()> {
    let ended = bench.import(file)?;
    let said = said(&ended);
    // Some records were rejected, and `--strict` was given.
    ensure!(ended.code == Some(3), "exit code {:?}: {said}", ended.code);
    let name = file.file_name().context("a name")?.to_string_lossy();
    for part in ["accepted 2,", "rejected 1", &*name, reason] {
        ensure!(said.contains(part), "should say {part:?}: {said}");
    }
    ensure!(!said.contains("xxxx") && !said.contains("[[["), "repeats the payload: {said:.2000}");
    let peak = ended.peak_memory;
    ensure!(peak < MEMORY, "held {} MB", peak >> 20);
    Ok(())
}

#[test]
fn a_line_of_a_hundred_megabytes_costs_itself() -> Result<()> {
    let Some(bench) = Bench::new("a long line")? else { return Ok(()) };
    let long = "x".repeat(100_000_000);
    let garbage = bench.write("garbage.ndjson", &format!("{}{long}\n{}", row("a"), row("b")))?;
    costs_itself(&bench, &garbage, "large")?;
    let json = format!("{}{{\"request_id\":\"c\",\"model\":\"{long}\"}}\n{}", row("a"), row("b"));
    costs_itself(&bench, &bench.write("long.ndjson", &json)?, "large")
}

#[test]
fn a_bomb_of_nested_json_costs_itself() -> Result<()> {
    let Some(bench) = Bench::new("a bomb of nested JSON")? else { return Ok(()) };
    let nested =
        format!("{{\"request_id\":\"c\",\"metadata\":{}{}}}\n", "[".repeat(1 << 20), "]".repeat(1 << 20));
    let file = bench.write("nested.ndjson", &format!("{}{nested}{}", row("a"), row("b")))?;
    costs_itself(&bench, &file, "deep")
}

#[test]
fn a_bomb_of_gzip_costs_itself() -> Result<()> {
    let Some(bench) = Bench::new("a bomb of gzip")? else { return Ok(()) };
    let path = bench.path("bomb.ndjson.gz");
    let mut command = Command::new("gzip");
    let Ok(mut gzip) = command.arg("-c1").stdin(Stdio::piped()).stdout(File::create(&path)?).spawn() else {
        skip("a bomb of gzip", "needs gzip");
        return Ok(());
    };
    let mut packed = gzip.stdin.take().context("its input")?;
    packed.write_all(row("a").as_bytes())?;
    for _ in 0..600 {
        packed.write_all(&[b'x'; 1 << 20])?;
    }
    packed.write_all(format!("\n{}", row("b")).as_bytes())?;
    drop(packed);
    ensure!(gzip.wait()?.success());
    costs_itself(&bench, &path, "large")
}

#[test]
fn a_feed_of_otlp_is_no_source_of_its_own() -> Result<()> {
    let Some(bench) = Bench::new("a feed as a source")? else { return Ok(()) };
    let file = bench.write("good.ndjson", &row("a"))?;
    for feed in ["claude_code.otel", "otel.gen_ai", "github_copilot.otel"] {
        let ended = bench.run(&["import", feed, text(&file)?])?;
        refused(&ended, 2, &["send it as otlp"]).with_context(|| feed.to_owned())?;
    }
    Ok(())
}

#[test]
fn an_empty_file_is_a_mistake() -> Result<()> {
    let Some(bench) = Bench::new("an empty file")? else { return Ok(()) };
    let file = bench.write("nothing.ndjson", "")?;
    failed(&bench.run(&["import", "litellm.spend_logs", text(&file)?])?, &["nothing.ndjson", "empty"])
}

#[test]
fn a_fetch_in_the_future_is_a_mistake() -> Result<()> {
    let Some(bench) = Bench::new("a fetch in the future")? else { return Ok(()) };
    let file = bench.write("rows.ndjson", &row("a"))?;
    let args = ["import", "litellm.spend_logs", text(&file)?, "--observed-at", "2127-01-01T00:00:00Z"];
    failed(&bench.run(&args)?, &["--observed-at", "2127", "future"])
}
