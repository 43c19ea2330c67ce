//! `modellane policy backtest`: judges history again under another bundle and says what would turn.

use crate::cli::{PolicyBacktest, TableFormat};
use crate::config::AppConfig;
use crate::context::read_bundle;
use crate::print::Rows;
use crate::rejudge::context_of_now;
use crate::report::has_ledger;
use crate::stack::{Base, Roles, Stack};
use crate::{out, progress};
use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use modellane_event::{Amount, Currency, Date};
use modellane_judge::{Adherence, Backtest, Candidate, PolicyObject, Turned};
use modellane_runtime::Shutdown;
use modellane_sink::LedgerReader;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Runs the command.
pub(crate) async fn run(mut config: AppConfig, args: PolicyBacktest) -> Result<()> {
    // What is wrong with the bundle is said before anything is started.
    let candidate = read_bundle(&args.bundle)
        .and_then(|files| Ok(Candidate::new(&PolicyObject::from_files(&files)?)?))
        .with_context(|| format!("bundle {}", args.bundle.display()))?;
    config.use_data_dir(args.data_dir.clone());
    config.check()?;
    if !has_ledger(&config).await? {
        let url = config.lake().url;
        bail!("there is no ledger at {url}; name the data directory of an instance with --data-dir");
    }
    let base = Base::reach(config, Roles { processor: true, ..Roles::NONE }).await?;
    // Without roles it only keeps the embedded broker, if that is this process's own, and stops it in order.
    let stack = Stack::start(base, Roles::NONE, Shutdown::new()).await?;
    let tried = backtest(&stack.base, &candidate, &args).await;
    let stopped = stack.stop().await;
    let tried = tried?;
    stopped?;
    let report = Report { candidate: &candidate, tried: &tried, from: args.from, to: args.to };
    match args.format {
        TableFormat::Table => report.print_tables(),
        TableFormat::Json => out::line(format_args!("{:#}", report.json())),
    }
}

/// Reads one version of the ledger, a stretch of rows at a time.
async fn backtest(base: &Base, candidate: &Candidate, args: &PolicyBacktest) -> Result<Backtest> {
    let ledger = LedgerReader::open(&base.lake).await?.context("the lake has no ledger")?;
    let context = context_of_now(base).await?;
    let mut days = ledger.days().await?;
    days.retain(|day, _| args.from.is_none_or(|from| from <= *day) && args.to.is_none_or(|to| *day < to));
    let bar = progress::steps(days.values().map(|entries| *entries as u64).sum());
    let mut tried = Backtest::default();
    for day in days.into_keys() {
        let day = ledger.day(day).await?;
        let mut stretches = ledger.current(&day);
        while let Some(current) = stretches.try_next().await? {
            for event in &current.events {
                let added = tried.add(context.state(), candidate, event);
                added.context("the sum of effective cost does not fit eleven digits")?;
            }
            bar.inc(current.entries as u64);
        }
    }
    bar.finish_and_clear();
    Ok(tried)
}

struct Report<'a> {
    candidate: &'a Candidate,
    tried: &'a Backtest,
    from: Option<Date>,
    to: Option<Date>,
}

impl Report<'_> {
    fn print_tables(&self) -> Result<()> {
        let (bundle, tried) = (self.candidate.bundle(), self.tried);
        out::line(format_args!(
            "{} {} in place of the guidance in force: {} rows judged{}",
            bundle.id(),
            bundle.version(),
            tried.rows,
            period(self.from, self.to)
        ))?;
        let names = ["adherence by rows", "rate", "lower", "expected", "upper"];
        let [before, after] = tried.adherence();
        let rows = [("in force", before), ("candidate", after)];
        let cells = |(name, adherence): (&str, Adherence)| {
            std::iter::once(Some(name.to_owned()))
                .chain(rates(&adherence).map(|rate| rate.map(shown)))
                .collect()
        };
        out::line(format_args!(
            "\n{}",
            Rows::texts(&names, rows.into_iter().map(cells).collect()).table(usize::MAX)
        ))?;
        if tried.flips.is_empty() {
            return out::line("\nnothing turns");
        }
        let names = ["from", "to", "rows", "people", "effective cost"];
        let flips = tried.flips.iter().map(|((from, to), turned)| ((*from, *to), turned));
        let all = flips.chain(std::iter::once((("all", ""), &tried.turned)));
        let cells = |((from, to), turned): ((&str, &str), &Turned)| {
            let texts =
                [from.to_owned(), to.to_owned(), turned.rows.to_string(), turned.people().to_string()];
            texts.into_iter().chain([money(&turned.effective_cost)]).map(Some).collect()
        };
        out::line(format_args!("\n{}", Rows::texts(&names, all.map(cells).collect()).table(usize::MAX)))?;
        let names = ["rule", "decides now", "no longer"];
        let cells = tried.rules.iter().map(|(rule, change)| {
            vec![Some(rule.to_string()), Some(change.decides.to_string()), Some(change.no_longer.to_string())]
        });
        out::line(format_args!("\n{}", Rows::texts(&names, cells.collect()).table(usize::MAX)))
    }

    fn json(&self) -> Value {
        let tried = self.tried;
        let [before, after] = tried.adherence().map(|adherence| {
            let [rate, lower, expected, upper] = rates(&adherence);
            json!({ "rate": rate, "lower": lower, "expected": expected, "upper": upper })
        });
        let flips = tried.flips.iter().map(|((from, to), turned)| {
            let mut flip = turned_json(turned);
            flip["from"] = (*from).into();
            flip["to"] = (*to).into();
            flip
        });
        let rules = tried.rules.iter().map(|(rule, change)| {
            json!({ "rule": rule.as_str(), "decides_now": change.decides, "no_longer": change.no_longer })
        });
        json!({
            "bundle": self.candidate.bundle().id().as_str(),
            "version": self.candidate.bundle().version().as_str(),
            "rows": tried.rows,
            "adherence": { "in_force": before, "candidate": after },
            "turned": turned_json(&tried.turned),
            "flips": flips.collect::<Vec<_>>(),
            "rules": rules.collect::<Vec<_>>(),
        })
    }
}

fn turned_json(turned: &Turned) -> Value {
    let costs = turned.effective_cost.iter();
    let costs: BTreeMap<String, String> =
        costs.map(|(currency, sum)| (currency.to_string(), sum.to_string())).collect();
    json!({ "rows": turned.rows, "people": turned.people(), "effective_cost": costs })
}

fn rates(adherence: &Adherence) -> [Option<f64>; 4] {
    [adherence.rate, adherence.lower, adherence.expected, adherence.upper]
}

fn shown(rate: f64) -> String {
    format!("{rate:.4}")
}

fn money(sums: &BTreeMap<Currency, Amount>) -> String {
    let sums: Vec<String> = sums.iter().map(|(currency, sum)| format!("{sum} {currency}")).collect();
    if sums.is_empty() { "none known".to_owned() } else { sums.join(", ") }
}

fn period(from: Option<Date>, to: Option<Date>) -> String {
    let from = from.map_or_else(String::new, |from| format!(" from {from} on"));
    let to = to.map_or_else(String::new, |to| format!(" before {to}"));
    format!("{from}{to}")
}
