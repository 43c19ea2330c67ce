//! The binary: wiring only.

mod admin;
mod backtest;
mod budgets;
mod cli;
mod config;
mod context;
mod demo;
mod flow;
mod import;
mod key;
mod listen;
mod maintenance;
mod objects;
mod org;
mod out;
mod pointers;
mod policy;
mod print;
mod progress;
mod ready;
mod rejects;
mod rejudge;
mod replay;
mod report;
mod sample;
mod sources;
mod stack;
mod teams;

use crate::cli::{Cli, Command, ConfigCommand, LogStyle, Policy, Rejects, Service};
use crate::config::AppConfig;
use crate::ready::ready;
use crate::stack::{Base, Roles, Stack};
use anyhow::Result;
use clap::{CommandFactory, Parser};
use modellane_kafka::check_cluster;
use modellane_runtime::{LogFormat, Shutdown, init_logging, load_config};
use std::process::ExitCode;

/// Some records were rejected and `--strict` was given.
const SOME_REJECTED: u8 = 3;

/// Columns grow by doubling on one thread and are freed on another, which glibc's allocator answers with
/// a page fault for every page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = cli.check() {
        error.exit();
    }
    let format = match cli.log_format {
        LogStyle::Text => LogFormat::Text,
        LogStyle::Json => LogFormat::Json,
    };
    init_logging(format, default_filter(&cli.command));
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            out::complain(format_args!("the machine gives no threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            out::complain(chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Commands that talk to a person log warnings only; services say what they do, and libraries what is wrong.
fn default_filter(command: &Command) -> &'static str {
    match command {
        Command::All(_)
        | Command::Collector(_)
        | Command::Processor(_)
        | Command::Sink(_)
        | Command::Query(_) => "warn,modellane=info",
        Command::Maintenance(args) if !args.once => "warn,modellane=info",
        _ => "warn",
    }
}

/// The causes in one line; a cause that its effect already repeats is said once.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let config = || load_config::<AppConfig>(cli.config.as_deref());
    let service_config = |args: Service| {
        let mut config = config()?;
        config.data.dir = args.data_dir.unwrap_or(config.data.dir);
        Ok::<_, anyhow::Error>(config)
    };
    match cli.command {
        Command::Demo(args) => demo::run(config()?, args).await?,
        Command::All(args) => {
            let config = service_config(args)?;
            ready(&config, Roles::ALL)?;
            serve(Base::own(config).await?, Roles::ALL).await?;
        }
        Command::Collector(args) => service(service_config(args)?, |roles| roles.collector = true).await?,
        Command::Processor(args) => service(service_config(args)?, |roles| roles.processor = true).await?,
        Command::Sink(args) => service(service_config(args)?, |roles| roles.sink = true).await?,
        Command::Query(args) => service(service_config(args)?, |roles| roles.query = true).await?,
        Command::Maintenance(args) => return maintenance::run(config()?, args).await,
        Command::Import(args) => {
            let strict = args.strict;
            if import::run(config()?, args).await? > 0 && strict {
                return Ok(ExitCode::from(SOME_REJECTED));
            }
        }
        Command::Rejudge(args) => rejudge::run(config()?, args).await?,
        Command::Replay(args) => {
            if !replay::run(config()?, args).await? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Sources(args) => sources::run(config()?, args).await?,
        Command::Report(args) => report::run(config()?, args).await?,
        Command::Rejects(Rejects::Replay(args)) => rejects::replay(config()?, args).await?,
        Command::Policy(Policy::Check { dir, strict }) => {
            if policy::check(&dir)? > 0 && strict {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Policy(Policy::Explain(args)) => policy::explain(config()?, args).await?,
        Command::Policy(Policy::Backtest(args)) => backtest::run(config()?, args).await?,
        Command::Config(ConfigCommand::Check) => check_config(&config()?).await?,
        Command::Config(ConfigCommand::Key { out }) => key::create(&out)?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "modellane", &mut script);
            out::bytes(&script)?;
        }
        Command::Version => out::line(format_args!("modellane {}", env!("CARGO_PKG_VERSION")))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn service(config: AppConfig, choose: fn(&mut Roles)) -> Result<()> {
    let mut roles = Roles::NONE;
    choose(&mut roles);
    ready(&config, roles)?;
    serve(Base::member(config, roles).await?, roles).await
}

async fn serve(base: Base, roles: Roles) -> Result<()> {
    let shutdown = Shutdown::new();
    shutdown.on_signal()?;
    let mut stack = Stack::start(base, roles, shutdown).await?;
    let served = stack.serve().await;
    served.and(stack.stop().await)
}

async fn check_config(config: &AppConfig) -> Result<()> {
    config.check()?;
    if config.kafka.bootstrap.is_some() {
        match check_cluster(&config.kafka).await {
            // The configuration may be checked where it does not run.
            Err(error) if error.is_retryable() => {
                out::line(format_args!("the cluster was not asked: {error}"))?
            }
            checked => checked?,
        }
    }
    let key = config.key_file();
    let key_is_needed = config.kafka.bootstrap.is_some() || config.lake.key_file.is_some();
    if key_is_needed && !key.exists() {
        // A host of sink or query alone needs none, so this is a remark.
        out::line(format_args!("for collector, processor and import: {}", key::missing(&key)))?;
    }
    out::line("the configuration can be used")
}
