//! `modellane policy`: checks a bundle, and says why one event was judged as it was.

use crate::cli::PolicyExplain;
use crate::config::AppConfig;
use crate::context::read_bundle;
use crate::out;
use crate::print::Rows;
use crate::rejudge::context_of_now;
use crate::report::open_query;
use crate::stack::{Base, Roles, Stack};
use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use modellane_event::{Date, EventId, UsageEvent};
use modellane_judge::{Bundle, PolicyObject, Remark, remarks_on_dates};
use modellane_query::Query;
use modellane_runtime::Shutdown;
use modellane_sink::LedgerReader;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Compiles bundles, runs their tests, and prints what their author may not have meant. Number of remarks.
pub(crate) fn check(dir: &Path) -> Result<usize> {
    let (mut bundles, mut remarks, mut refused) = (Vec::new(), 0, Vec::new());
    for folder in bundle_folders(dir)? {
        let compiled = read_bundle(&folder)
            .and_then(|files| Ok(Bundle::compile(&PolicyObject::from_files(&files)?)?))
            .with_context(|| format!("bundle {}", folder.display()));
        match compiled {
            Ok(bundle) => {
                out::line(format_args!(
                    "{} {}: {} rules, {} combinations of facts, tests passed",
                    bundle.id(),
                    bundle.version(),
                    bundle.rules().len(),
                    bundle.vectors()
                ))?;
                remarks += print_remarks(&bundle.remarks())?;
                bundles.push(bundle);
            }
            Err(error) => refused.push(format!("{error:#}")),
        }
    }
    if !refused.is_empty() {
        bail!("{}", refused.join("\n"));
    }
    Ok(remarks + print_remarks(&remarks_on_dates(&bundles))?)
}

/// The folder itself if it is a bundle, else the bundles in it, by name.
fn bundle_folders(dir: &Path) -> Result<Vec<PathBuf>> {
    if dir.join("bundle.yaml").is_file() {
        return Ok(vec![dir.to_owned()]);
    }
    let mut folders = Vec::new();
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.join("bundle.yaml").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    // Without any it is a bundle without a head, and told so.
    Ok(if folders.is_empty() { vec![dir.to_owned()] } else { folders })
}

fn print_remarks(remarks: &[Remark]) -> Result<usize> {
    remarks.iter().try_for_each(|remark| out::line(format_args!("  remark: {remark}")))?;
    Ok(remarks.len())
}

/// Judges one event of the ledger again and prints why.
pub(crate) async fn explain(mut config: AppConfig, args: PolicyExplain) -> Result<()> {
    config.use_data_dir(args.data_dir);
    config.check()?;
    let query = open_query(config.clone(), None).await?;
    let entry = Entry::find(&query, args.event_id).await?;
    drop(query);
    let base = Base::reach(config, Roles { processor: true, ..Roles::NONE }).await?;
    // Without roles it only keeps the embedded broker, if that is this process's own, and stops it in order.
    let stack = Stack::start(base, Roles::NONE, Shutdown::new()).await?;
    let explained = entry.explain(&stack.base, args.event_id).await;
    let stopped = stack.stop().await;
    let text = explained?;
    stopped?;
    out::bytes(text.as_bytes())
}

/// The current entry of an event, as far as it is shown.
struct Entry(BTreeMap<String, String>);

impl Entry {
    const COLUMNS: [&str; 17] = [
        "event_date",
        "verdict",
        "reason_code",
        "verdict_confidence",
        "verdict_label",
        "rule_ids",
        "facts",
        "missing_facts",
        "policy_version",
        "intent_id",
        "match_confidence",
        "confidence_label",
        "match_reasons",
        "candidates",
        "model_id",
        "context_version",
        "content_hash",
    ];

    async fn find(query: &Query, event_id: EventId) -> Result<Self> {
        let sql = format!("SELECT {} FROM usage WHERE event_id = '{event_id}'", Self::COLUMNS.join(", "));
        let batches = query.sql(&sql).await?;
        let rows = match batches.first() {
            Some(first) => Rows::of(&first.schema(), &batches)?.rows,
            None => Vec::new(),
        };
        let Some(row) = rows.into_iter().next() else {
            bail!("the ledger has no event {event_id}; the views unmatched_detail and usage show ids")
        };
        let stated = Self::COLUMNS.into_iter().zip(row);
        Ok(Self(stated.filter_map(|(column, cell)| Some((column.to_owned(), cell?))).collect()))
    }

    fn cell(&self, column: &str) -> &str {
        self.0.get(column).map_or("", String::as_str)
    }

    async fn explain(&self, base: &Base, event_id: EventId) -> Result<String> {
        let Some(event) = self.event(base, event_id).await? else { return Ok(self.stored(event_id)) };
        let context = context_of_now(base).await?;
        let explained = context.state().explain(&event);
        let mut text = explained.to_string();
        if explained.judgement.verdict.as_str() != self.cell("verdict") {
            text.push_str(&format!(
                "\nThe ledger has another verdict: {}, judged under context version {}. This is judged under \
                 version {} and with the intents that are known now; `modellane rejudge` applies that.\n",
                self.cell("verdict"),
                self.cell("context_version"),
                explained.judgement.context_version
            ));
        }
        Ok(text)
    }

    /// The event that the entry was made from; null if a version wrote it that kept less.
    async fn event(&self, base: &Base, event_id: EventId) -> Result<Option<UsageEvent>> {
        let ledger = LedgerReader::open(&base.lake).await?.context("the lake has no ledger")?;
        let day = ledger.day(Date::parse(self.cell("event_date"))?).await?;
        let mut stretches = ledger.current(&day);
        while let Some(current) = stretches.try_next().await? {
            let mut events = current.events.into_iter().map(|event| event.usage);
            if let Some(event) = events.find(|event| event.event_id == event_id) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// What the ledger says, where nothing can be weighed again.
    fn stored(&self, event_id: EventId) -> String {
        let mut text = format!(
            "event {event_id}\nIts entry was written before the ledger kept what it is judged from, so its evidence \
             cannot be weighed again. The ledger says of it:\n"
        );
        for column in Self::COLUMNS.into_iter().filter(|column| self.0.contains_key(*column)) {
            text.push_str(&format!("{column:<20}{}\n", self.cell(column)));
        }
        text
    }
}
