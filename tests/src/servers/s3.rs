//! A server that speaks S3, with atomic conditional writes: the Versity S3 gateway over a local directory.
//! `deploy/README.md` says why this one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Availability, Process, free_ports, install, random_text};

/// The module of the Go proxy, and the version whose `If-None-Match` holds under concurrency: before 1.8.0
/// the condition was checked first and the object published later.
const MODULE: &str = "github.com/versity/versitygw/cmd/versitygw";
const VERSION: &str = "v1.8.0";

/// The oldest Go that compiles it: one that is older than the server asks for fetches a newer one.
const GO: (u32, u32) = (1, 21);

/// It answers within a fraction of a second.
const START: Duration = Duration::from_secs(30);

/// Open requests may end first.
const STOP: Duration = Duration::from_secs(10);

/// The region that clients sign for.
pub const REGION: &str = "us-east-1";

/// The bucket that every server has.
pub const BUCKET: &str = "modellane";

/// What has to stay the same when a server is started again.
#[derive(Serialize, Deserialize)]
struct Layout {
    port: u16,
    access_key: String,
    secret_key: String,
}

/// A running server; killed when dropped.
pub struct Server {
    dir: PathBuf,
    program: PathBuf,
    layout: Layout,
    process: Option<Process>,
}

/// Says what is missing to run the server here.
pub fn availability() -> Availability {
    if program().map_err(|error| error.to_string())?.exists() {
        return Ok(());
    }
    let go = install::version_text("go", "version").ok_or("go is missing")?;
    match install::version_after(&go, "version go") {
        Some(version) if version >= GO => Ok(()),
        _ => Err(format!("go is older than {}.{}", GO.0, GO.1)),
    }
}

/// Compiles the server into the cache if it is not there, and says where it is. Takes minutes.
pub fn install() -> Result<PathBuf> {
    let program = program()?;
    let folder = program.parent().context("a folder in the cache")?;
    install::once(folder, |partial| {
        install::run(
            Command::new("go")
                .current_dir(partial)
                .env("GOBIN", partial)
                // The Go that the server asks for is a module of the same proxy. Distributions switch off that
                // an older one fetches it.
                .env("GOTOOLCHAIN", "auto")
                // Nothing of it needs C, and a C compiler may be missing.
                .env("CGO_ENABLED", "0")
                .args(["install", "-trimpath", "-ldflags=-s -w"])
                .arg(format!("{MODULE}@{VERSION}")),
            &partial.join("go.log"),
        )
    })
    .context("compile the S3 server")?;
    Ok(program)
}

fn program() -> Result<PathBuf> {
    Ok(install::cached("s3-server", VERSION)?.join("versitygw"))
}

impl Server {
    /// Starts a server in a directory, waits until it answers and makes the bucket. A directory that has
    /// held one before gives the same objects, credentials and port.
    pub fn start(dir: &Path) -> Result<Self> {
        let program = install()?;
        std::fs::create_dir_all(dir.join("objects"))?;
        let dir = dir.canonicalize()?;
        let layout = layout(&dir)?;
        let mut server = Self { dir, program, layout, process: None };
        server.restart()?;
        if !server.dir.join("objects").join(BUCKET).exists() {
            server.make_bucket()?;
        }
        Ok(server)
    }

    /// Where it listens, as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens, `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.layout.port)
    }

    /// Who may read and write everything.
    pub fn access_key(&self) -> &str {
        &self.layout.access_key
    }

    /// The secret of that key.
    pub fn secret_key(&self) -> &str {
        &self.layout.secret_key
    }

    /// The URL of a lake in the bucket.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// The options of a lake in the bucket, reached at `endpoint`: the server's own, or that of a proxy in
    /// front of it.
    pub fn options(&self, endpoint: &str) -> BTreeMap<String, String> {
        let options = [
            ("aws_endpoint", endpoint),
            ("aws_region", REGION),
            ("aws_access_key_id", self.access_key()),
            ("aws_secret_access_key", self.secret_key()),
            ("aws_allow_http", "true"),
            ("aws_conditional_put", "etag"),
        ];
        options.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Its process, unless it was killed.
    pub fn process(&self) -> Result<&Process> {
        self.process.as_ref().context("the S3 server does not run")
    }

    /// What it printed, over all its starts.
    pub fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// SIGKILL, as a crash does it.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().context("the S3 server does not run")?.kill();
        Ok(())
    }

    /// Starts it again after a kill and waits until it answers.
    pub fn restart(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the S3 server runs already");
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.dir)
            .env("ROOT_ACCESS_KEY_ID", self.access_key())
            .env("ROOT_SECRET_ACCESS_KEY", self.secret_key())
            .args(["--quiet", "--keep-alive", "--health", "/health", "--region", REGION, "--port"])
            .arg(self.address())
            .args(["posix", "objects"]);
        let health = format!("{}/health", self.endpoint());
        let mut process = Process::start(&mut command, &self.log())?;
        process.wait_until_ready(START, || ureq::get(&health).call().is_ok())?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops it in order.
    pub fn stop(mut self) -> Result<()> {
        let mut process = self.process.take().context("the S3 server does not run")?;
        process.terminate()?;
        process.wait_for_end(STOP)
    }

    fn make_bucket(&self) -> Result<()> {
        install::run(
            Command::new(&self.program)
                .env("ADMIN_ACCESS_KEY_ID", self.access_key())
                .env("ADMIN_SECRET_ACCESS_KEY", self.secret_key())
                .args(["admin", "--region", REGION, "--endpoint-url", &self.endpoint()])
                .args(["create-bucket", "--owner", self.access_key(), "--bucket", BUCKET]),
            &self.dir.join("bucket.log"),
        )
        .context("make the bucket")
    }
}

/// The layout that a directory has, or a new one that only this user can read.
fn layout(dir: &Path) -> Result<Layout> {
    let file = dir.join("server.json");
    if file.exists() {
        return Ok(serde_json::from_slice(&std::fs::read(&file)?)?);
    }
    let port = free_ports(1)?[0];
    let layout = Layout { port, access_key: random_text(20), secret_key: random_text(40) };
    let mut file = File::options().create_new(true).write(true).mode(0o600).open(&file)?;
    file.write_all(&serde_json::to_vec_pretty(&layout)?)?;
    Ok(layout)
}
