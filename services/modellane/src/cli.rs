//! What users type.

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use modellane_event::{Date, EventId, UtcTime};
use modellane_query::REPORTS;
use std::path::PathBuf;

/// Which AI coding tools and models are used, whether their use follows guidance, and what it costs.
#[derive(Debug, Parser)]
#[command(name = "modellane", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Configuration file (TOML). `MODELLANE__SECTION__KEY` in the environment overrides it.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How log lines on standard error look.
    #[arg(long, global = true, value_enum, default_value_t = LogStyle::Text)]
    pub(crate) log_format: LogStyle,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogStyle {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    Table,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Table,
    Json,
    Csv,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything in one process on this machine: loads an organisation folder, prints the reports, serves.
    Demo(Demo),
    /// All services in one process, with the given configuration.
    All(Service),
    /// Receives vendor exports, OTLP and intents over HTTP.
    Collector(Service),
    /// Judges usage events against context.
    Processor(Service),
    /// Writes the ledger.
    Sink(Service),
    /// Answers SQL and reports.
    Query(Service),
    /// Keeps the lake up: commits, checkpoints, exports, compaction, vacuum, audit.
    Maintenance(Maintenance),
    /// Takes exported files in, into the running instance when there is one.
    Import(Import),
    /// Lists every source: grain, cost, identity, natural key, restatement window and state.
    Sources(Sources),
    /// Prints one report.
    Report(Report),
    /// Judges what the ledger holds again, with the context and the intents that are known now.
    Rejudge(Rejudge),
    /// Rebuilds the ledger in an empty lake and proves that it says the same.
    Replay(Replay),
    /// Works on what was rejected.
    #[command(subcommand)]
    Rejects(Rejects),
    /// Works on guidance bundles.
    #[command(subcommand)]
    Policy(Policy),
    /// Works on the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints the completion script of a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Prints the version.
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Organisation folder to load instead of the bundled sample.
    #[arg(long, value_name = "DIR")]
    pub(crate) org: Option<PathBuf>,
    /// Keep broker and lake there (the lake is `DIR/lake`) instead of in a directory that each demo clears.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Exit after the reports.
    #[arg(long)]
    pub(crate) once: bool,
    /// How the reports are printed.
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Service {
    /// Keep broker, lake and keys there, where they are local, instead of in the configured `data.dir`.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Maintenance {
    /// One round with an audit, then exit: 1 if a job failed or the audit found a violation.
    #[arg(long)]
    pub(crate) once: bool,
    /// Data directory of the instance whose lake it is.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Source of the files, such as `litellm.spend_logs`; `modellane sources` lists them.
    #[arg(value_parser = crate::sources::sendable)]
    pub(crate) source: String,
    /// Exported files, pages of one fetch together; gzip and zstd are unpacked.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The files together are everything that the vendor has for their period.
    ///
    /// That is each UTC day from their first record to their last, or, where a source's files are per
    /// organisation, each of its months or days that they hold records of. A row that two such imports in a
    /// row lack is withdrawn from the totals, and comes back when the vendor has it again. Files with a
    /// rejected record withdraw nothing. A Copilot billing report and a report that states its day are
    /// complete without this; all pages of a Cursor fetch are only if no filter was set.
    #[arg(long)]
    pub(crate) complete: bool,
    /// When the files were fetched, where they do not say so themselves (RFC 3339; default: now).
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) observed_at: Option<UtcTime>,
    /// Data directory of the instance.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Read and count, send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Exit with 3 if any record was rejected.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sources {
    /// Data directory of the instance.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How the list is printed.
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Which report.
    #[arg(value_parser = PossibleValuesParser::new(REPORTS.map(|report| report.name)))]
    pub(crate) name: String,
    /// First day, as `YYYY-MM-DD`.
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) from: Option<Date>,
    /// Day after the last, as `YYYY-MM-DD`.
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) to: Option<Date>,
    /// Only this team and those below it in the directory.
    #[arg(long)]
    pub(crate) team: Option<String>,
    /// As it was known at that time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) as_of: Option<UtcTime>,
    /// Data directory of the instance.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Rejudge {
    /// First day of the events, as `YYYY-MM-DD` (default: the first in the ledger).
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) from: Option<Date>,
    /// Day after the last, as `YYYY-MM-DD` (default: all that follow).
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) to: Option<Date>,
    /// Data directory of the instance.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Where to rebuild: an empty directory, or a URL such as `s3://bucket/rebuilt`.
    #[arg(long, value_name = "URL|DIR")]
    pub(crate) to: String,
    /// From the judged topic, as far back as Kafka holds it; each commit keeps its time (default).
    #[arg(long, conflicts_with = "from_exports")]
    pub(crate) from_kafka: bool,
    /// From an organisation folder with exported files, through collector and processor.
    #[arg(long, value_name = "DIR")]
    pub(crate) from_exports: Option<PathBuf>,
    /// Data directory of the instance.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rejects {
    /// Reads rejected messages again from the topics that still hold them, and sends those that this version
    /// can read. Messages that came through before are counted once all the same.
    Replay(RejectsReplay),
}

#[derive(Debug, Args)]
pub(crate) struct RejectsReplay {
    /// Only rejects of this source, as the view `rejects` names it: `topic` for messages.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Only what was rejected since then (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<UtcTime>,
    /// Only rejects with this reason.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Data directory of the instance.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Compiles bundles and runs their tests; remarks on rules that never decide, facts that nothing supplies,
    /// and holes and overlaps in dates.
    Check {
        /// Folder with `bundle.yaml`, `catalogue.csv`, `rules.cedar`, `tests.yaml`, or with such folders.
        dir: PathBuf,
        /// A remark is a failure.
        #[arg(long)]
        strict: bool,
    },
    /// Says why an event was judged as it was: candidates with their evidence in bits, facts, the rules that
    /// decided, and what would settle it.
    Explain(PolicyExplain),
    /// Judges history again under another bundle and says what would turn; writes nothing.
    Backtest(PolicyBacktest),
}

#[derive(Debug, Args)]
pub(crate) struct PolicyBacktest {
    /// Folder of the bundle that is tried, for every event and whatever its own dates.
    #[arg(long, value_name = "DIR")]
    pub(crate) bundle: PathBuf,
    /// First day of the events, as `YYYY-MM-DD` (default: the first in the ledger).
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) from: Option<Date>,
    /// Day after the last, as `YYYY-MM-DD` (default: all that follow).
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) to: Option<Date>,
    /// Data directory of the instance.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyExplain {
    /// Id of the event, as the views show it.
    #[arg(value_name = "EVENT_ID", value_parser = event_id)]
    pub(crate) event_id: EventId,
    /// Data directory of the instance.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Reads the configuration and says what is wrong with it.
    Check,
    /// Creates the lake key of a new installation, once; every service gets the same file as `lake.key_file`.
    Key {
        /// File to create; one that exists is left alone.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

impl Cli {
    /// What is wrong with arguments together, each of which is right alone.
    pub(crate) fn check(&self) -> Result<(), clap::Error> {
        let period = match &self.command {
            Command::Report(Report { from, to, .. })
            | Command::Rejudge(Rejudge { from, to, .. })
            | Command::Policy(Policy::Backtest(PolicyBacktest { from, to, .. })) => (from, to),
            _ => (&None, &None),
        };
        if let (Some(from), Some(to)) = period
            && from >= to
        {
            let message = "--to must be a day after --from; it is exclusive";
            return Err(Self::command().error(ErrorKind::ValueValidation, message));
        }
        Ok(())
    }
}

fn day(text: &str) -> Result<Date, &'static str> {
    Date::parse(text).map_err(|_| "not a day; write it as 2026-11-01")
}

fn event_id(text: &str) -> Result<EventId, &'static str> {
    EventId::parse(text).map_err(|_| "not the id of an event; the views show it, as in unmatched_detail")
}

fn time(text: &str) -> Result<UtcTime, &'static str> {
    UtcTime::parse(text).map_err(|_| "not a time; write it as 2026-11-10T00:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_says_what_the_product_is_for() {
        let command = Cli::command();
        command.clone().debug_assert();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(about.starts_with("Which AI coding tools"), "{about}");
    }

    #[test]
    fn wrong_values_are_wrong_usage() {
        let parse = |args: &[&str]| {
            let words = ["modellane"].iter().chain(args);
            Cli::try_parse_from(words).and_then(|cli| cli.check())
        };
        assert!(parse(&["report", "spend", "--from", "2026-11-01", "--to", "2026-11-02"]).is_ok());
        for wrong in [
            &["report", "nonsense"][..],
            &["report", "spend", "--from", "yesterday"],
            &["report", "spend", "--as-of", "2026-11-01"],
            &["report", "spend", "--from", "2026-11-02", "--to", "2026-11-02"],
            &["rejudge", "--from", "2026-11-02", "--to", "2026-11-02"],
            &["policy", "explain", "nonsense"],
            &["import", "nonsense", "x.json"],
            &["import", "claude_code.otel", "x.json"],
            &["import", "otlp", "x.json", "--observed-at", "now"],
        ] {
            assert_eq!(parse(wrong).map_err(|error| error.exit_code()), Err(2), "{wrong:?}");
        }
    }
}
