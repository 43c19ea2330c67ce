//! The product's services as processes, each started again when it ends, as an operator's supervisor does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::http_proxy::Hook;
use crate::instance::command;
use crate::servers::{Process, free_ports};

/// How long a service that ended by itself stays away.
const PAUSE: Duration = Duration::from_millis(500);
/// A service that ends so soon after its start, so many times in a row, does not recover.
const SOON: Duration = Duration::from_secs(3);
const MOST_FUTILE: usize = 30;
/// An orderly end takes 45 s at most, on a machine that does nothing else.
const ORDERLY: Duration = Duration::from_secs(90);

/// A service of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes records in.
    Collector,
    /// Judges them.
    Processor,
    /// Writes the lake.
    Sink,
    /// Answers.
    Query,
    /// Keeps the lake up; in the plans that are about it.
    Maintenance,
}

impl Role {
    /// Those of every installation.
    pub const ALL: [Self; 4] = [Self::Collector, Self::Processor, Self::Sink, Self::Query];

    /// Its command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Collector => "collector",
            Self::Processor => "processor",
            Self::Sink => "sink",
            Self::Query => "query",
            Self::Maintenance => "maintenance",
        }
    }
}

/// One service.
pub struct Service {
    /// What it does.
    pub role: Role,
    /// What runs; another binary than the fleet's in a rolling upgrade.
    pub binary: PathBuf,
    /// Where a collector takes records, where the query service answers over HTTP, and where the others say
    /// how they are.
    pub http: String,
    /// Where the query service speaks PostgreSQL's protocol.
    pub postgres: String,
    /// What it prints, over all its starts.
    pub log: PathBuf,
    /// Settings of its own, over those of the fleet.
    pub settings: Vec<(String, String)>,
    process: Option<Process>,
    pid: Arc<AtomicU32>,
    ended: Option<Instant>,
    is_wanted: bool,
    started: Instant,
    restarts: usize,
    futile: usize,
}

/// All services of one installation.
pub struct Fleet {
    services: Vec<Service>,
    environment: Vec<(String, String)>,
    binary: PathBuf,
    dir: PathBuf,
}

impl Fleet {
    /// An installation without services.
    pub fn new(binary: &Path, dir: &Path, environment: Vec<(String, String)>) -> Self {
        Self { services: Vec::new(), environment, binary: binary.to_owned(), dir: dir.to_owned() }
    }

    /// Starts one more service and says which number it has.
    pub fn add(&mut self, role: Role) -> Result<usize> {
        self.add_with(role, &[])
    }

    /// The same with settings of its own.
    pub fn add_with(&mut self, role: Role, settings: &[(String, String)]) -> Result<usize> {
        let number = self.services.len();
        let ports = free_ports(2)?;
        let address = |port: u16| format!("127.0.0.1:{port}");
        self.services.push(Service {
            role,
            binary: self.binary.clone(),
            http: address(ports[0]),
            postgres: address(ports[1]),
            log: self.dir.join(format!("{}-{number}.log", role.name())),
            settings: settings.to_vec(),
            process: None,
            pid: Arc::new(AtomicU32::new(0)),
            ended: None,
            is_wanted: true,
            started: Instant::now(),
            restarts: 0,
            futile: 0,
        });
        self.start(number)?;
        Ok(number)
    }

    /// Changes a setting of the whole fleet for services that start from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The number that the next service will have.
    pub fn next_number(&self) -> usize {
        self.services.len()
    }

    /// A service.
    pub fn service(&mut self, number: usize) -> &mut Service {
        &mut self.services[number]
    }

    /// The numbers of all services of a role, those that were sent away left out.
    pub fn of(&self, role: Role) -> Vec<usize> {
        let wanted = |number: &usize| self.services[*number].role == role && self.services[*number].is_wanted;
        (0..self.services.len()).filter(wanted).collect()
    }

    /// Where the collectors take records.
    pub fn collectors(&self) -> Vec<String> {
        self.of(Role::Collector).into_iter().map(|number| self.services[number].http.clone()).collect()
    }

    /// What a service keeps on its own machine.
    pub fn data(&self, number: usize) -> PathBuf {
        data(&self.dir, number)
    }

    /// The logs of all services.
    pub fn logs(&self) -> Vec<PathBuf> {
        self.services.iter().map(|service| service.log.clone()).collect()
    }

    /// Starts a service.
    pub fn start(&mut self, number: usize) -> Result<()> {
        let service = &mut self.services[number];
        let mut command = command(&service.binary);
        command
            .arg(service.role.name())
            .env("MODELLANE__DATA__DIR", data(&self.dir, number))
            .env("MODELLANE__COLLECTOR__LISTEN", &service.http)
            .env("MODELLANE__COLLECTOR__OTLP_HTTP_LISTEN", "127.0.0.1:0")
            .env("MODELLANE__QUERY__HTTP_LISTEN", &service.http)
            .env("MODELLANE__QUERY__PG_LISTEN", &service.postgres)
            .env("MODELLANE__PROCESSOR__HEALTH_LISTEN", &service.http)
            .env("MODELLANE__SINK__HEALTH_LISTEN", &service.http)
            .env("MODELLANE__MAINTENANCE__HEALTH_LISTEN", &service.http)
            .envs(self.environment.iter().chain(&service.settings).map(|(name, value)| (name, value)));
        let process = Process::start(&mut command, &service.log)?;
        service.pid.store(process.pid(), Ordering::SeqCst);
        service.process = Some(process);
        service.is_wanted = true;
        service.started = Instant::now();
        service.ended = None;
        Ok(())
    }

    /// A command of the product in this installation that is no service.
    pub fn one_shot(&self, arguments: &[&str]) -> Command {
        let mut command = command(&self.binary);
        command
            .args(arguments)
            .env("MODELLANE__DATA__DIR", self.dir.join("data-once"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// SIGKILL, and starts it again at once.
    pub fn crash(&mut self, number: usize) -> Result<()> {
        self.kill(number);
        self.start(number)
    }

    /// Whether a service runs.
    pub fn is_alive(&mut self, number: usize) -> Result<bool> {
        match self.services[number].process.as_mut() {
            Some(process) => Ok(!process.has_ended()?),
            None => Ok(false),
        }
    }

    /// SIGKILL; it stays away until it is started.
    pub fn kill(&mut self, number: usize) {
        let service = &mut self.services[number];
        service.is_wanted = false;
        if let Some(mut process) = service.process.take() {
            process.kill();
        }
    }

    /// SIGTERM, and waits for the orderly end.
    pub fn stop(&mut self, number: usize) -> Result<()> {
        let service = &mut self.services[number];
        service.is_wanted = false;
        let Some(mut process) = service.process.take() else { return Ok(()) };
        if process.has_ended()? {
            // By itself, a moment ago.
            return Ok(());
        }
        process.terminate()?;
        process.wait_for_end(ORDERLY).with_context(|| format!("stop the {}", service.role.name()))
    }

    /// SIGSTOP: it keeps memory and connections and does nothing.
    pub fn pause(&self, number: usize) -> Result<()> {
        self.process(number)?.pause()
    }

    /// SIGCONT.
    pub fn resume(&self, number: usize) -> Result<()> {
        self.process(number)?.resume()
    }

    /// A hook for a proxy that kills whatever process the service has then.
    pub fn killer(&self, number: usize) -> Hook {
        let pid = Arc::clone(&self.services[number].pid);
        Arc::new(move || {
            // One that is gone already needs no signal.
            let _ = Command::new("kill").args(["-KILL", &pid.load(Ordering::SeqCst).to_string()]).status();
        })
    }

    /// Starts what ended by itself again.
    pub fn tend(&mut self) -> Result<()> {
        for number in 0..self.services.len() {
            let service = &mut self.services[number];
            let Some(process) = service.process.as_mut().filter(|_| service.is_wanted) else { continue };
            if !process.has_ended()? {
                continue;
            }
            if service.ended.get_or_insert_with(Instant::now).elapsed() < PAUSE {
                continue;
            }
            service.restarts += 1;
            service.futile = if service.started.elapsed() < SOON { service.futile + 1 } else { 0 };
            let (name, tail) = (service.role.name(), process.tail());
            ensure!(
                service.futile <= MOST_FUTILE,
                "the {name} ends again and again; its last lines:\n{tail}"
            );
            self.start(number)?;
        }
        Ok(())
    }

    /// How often services of a role ended by themselves.
    pub fn restarts(&self, role: Role) -> usize {
        self.services.iter().filter(|service| service.role == role).map(|service| service.restarts).sum()
    }

    /// The most memory that a service has held since its last start, in bytes.
    pub fn peak_memory(&self, number: usize) -> u64 {
        crate::instance::memory_of(self.services[number].pid.load(Ordering::SeqCst))
    }

    fn process(&self, number: usize) -> Result<&Process> {
        self.services[number].process.as_ref().context("the service does not run")
    }
}

fn data(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("data-{number}"))
}
