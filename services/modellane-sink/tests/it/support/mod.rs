//! A log in memory, events to put into it, and a reader of the table that shares no code with the sink.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

mod commits;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Decimal128Type, Int8Type, Int32Type, Int64Type, TimestampMicrosecondType};
pub(crate) use commits::{commit_record, commits, counters_of, presence, presence_of};
use modellane_event::*;
use modellane_lake::{Lake, LakeConfig};
use modellane_ledger::EntryView;
use modellane_runtime::{Metrics, Shutdown, SystemClock};
use modellane_schema::{fetch_codec, judged_codec};
use modellane_sink::*;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The messages of one partition by offset; none where a message left nothing to read.
type Partition = Vec<Option<Vec<u8>>>;

/// One topic in memory. Clones share their messages.
#[derive(Clone, Debug)]
pub(crate) struct MemoryLog {
    stream: String,
    partitions: Arc<Mutex<Vec<Partition>>>,
    /// Offsets below are gone, as after retention.
    low: i64,
    /// What is assigned, by partition.
    next: Vec<Option<i64>>,
}

impl MemoryLog {
    pub(crate) fn new(stream: &str, partitions: usize) -> Self {
        let partitions_of = vec![Vec::new(); partitions];
        Self {
            stream: stream.to_owned(),
            partitions: Arc::new(Mutex::new(partitions_of)),
            low: 0,
            next: vec![None; partitions],
        }
    }

    pub(crate) fn put_bytes(&self, partition: usize, payload: Vec<u8>) {
        self.partitions.lock().unwrap()[partition].push(Some(payload));
    }

    /// Returns how many bytes the message has.
    pub(crate) fn put(&self, partition: usize, event: &JudgedEvent) -> usize {
        let mut payload = Vec::new();
        judged_codec().encode(event, &mut payload).unwrap();
        let length = payload.len();
        self.put_bytes(partition, payload);
        length
    }

    /// The message as another version reads it.
    pub(crate) fn replace(&self, partition: usize, offset: usize, event: &JudgedEvent) {
        let mut payload = Vec::new();
        judged_codec().encode(event, &mut payload).unwrap();
        self.partitions.lock().unwrap()[partition][offset] = Some(payload);
    }

    pub(crate) fn put_fetch(&self, partition: usize, closed: &ScopeClosed) {
        let mut payload = Vec::new();
        fetch_codec().encode(closed, &mut payload).unwrap();
        self.put_bytes(partition, payload);
    }

    pub(crate) fn with_low(mut self, low: i64) -> Self {
        self.low = low;
        self
    }

    pub(crate) fn stream_name(&self) -> &str {
        &self.stream
    }

    /// The end of each partition.
    pub(crate) fn ends(&self) -> Vec<(String, i32, i64)> {
        let partitions = self.partitions.lock().unwrap();
        let end = |(number, messages): (usize, &Vec<_>)| {
            (self.stream.clone(), number as i32, messages.len() as i64)
        };
        partitions.iter().enumerate().map(end).collect()
    }

    pub(crate) fn len(&self) -> u64 {
        self.partitions.lock().unwrap().iter().map(|messages| messages.len() as u64).sum()
    }
}

impl LogReader for MemoryLog {
    async fn stream(&self) -> Result<String, SinkError> {
        Ok(self.stream.clone())
    }

    async fn bounds(&self) -> Result<Vec<PartitionBounds>, SinkError> {
        let bounds = |(_, partition, high)| PartitionBounds { partition, low: self.low, high };
        Ok(self.ends().into_iter().map(bounds).collect())
    }

    async fn assign(&mut self, starts: &[(i32, i64)]) -> Result<(), SinkError> {
        self.next.fill(None);
        for (partition, next) in starts {
            self.next[*partition as usize] = Some(*next);
        }
        Ok(())
    }

    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, SinkError> {
        let mut records = Vec::new();
        {
            let partitions = self.partitions.lock().unwrap();
            for (partition, messages) in partitions.iter().enumerate() {
                let Some(next) = &mut self.next[partition] else { continue };
                while records.len() < max && (*next as usize) < messages.len() {
                    let payload = messages[*next as usize].clone();
                    records.push(LogRecord { partition: partition as i32, offset: *next, payload });
                    *next += 1;
                }
            }
        }
        if records.is_empty() {
            tokio::time::sleep(wait.min(Duration::from_millis(5))).await;
        }
        Ok(records)
    }
}

pub(crate) fn time(text: &str) -> UtcTime {
    UtcTime::parse(text).unwrap()
}

/// A usage event with `tokens` as its content, judged under `context_version` with `team` as the outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) event: u32,
    pub(crate) day: u32,
    pub(crate) tokens: i64,
    pub(crate) seen: i64,
    pub(crate) context_version: i64,
    pub(crate) settle_run: i32,
    pub(crate) team: &'static str,
}

impl Told {
    pub(crate) fn new(event: u32, tokens: i64, seen: i64) -> Self {
        Self { event, day: event % 3, tokens, seen, context_version: 1, settle_run: 0, team: "payments" }
    }

    pub(crate) fn judged(mut self, context_version: i64, team: &'static str) -> Self {
        (self.context_version, self.team) = (context_version, team);
        self
    }

    pub(crate) fn id(&self) -> EventId {
        let key = LakeKey::new([7; 32]);
        key.event_id("litellm.spend_logs", &format!("request-{}", self.event))
    }

    /// The scope of its day, as sources name it whose scopes are days.
    pub(crate) fn scope(&self) -> String {
        self.start().date().to_string()
    }

    fn start(&self) -> UtcTime {
        UtcTime(time("2026-11-01T08:00:00Z").micros() + i64::from(self.day) * 86_400_000_000)
    }

    /// A tenth of a cent a token.
    pub(crate) fn cost(&self) -> Amount {
        Amount::from_billionths(i128::from(self.tokens) * 1_000_000).unwrap()
    }

    pub(crate) fn to_event(self) -> JudgedEvent {
        let start = self.start();
        let facts = facts(start, self.tokens, self.cost());
        let usage = UsageEvent {
            event_id: self.id(),
            source: Label::literal("litellm.spend_logs"),
            source_key: Label::new(&format!("request-{}", self.event)).unwrap(),
            scope_key: Some(Label::new(&self.scope()).unwrap()),
            observed_at: UtcTime(time("2026-11-05T00:00:00Z").micros() + self.seen),
            event_date: start.date(),
            content_hash: facts.content_hash(),
            facts,
        };
        let judgement = judgement(&self);
        JudgedEvent { usage, judgement }
    }
}

fn facts(start: UtcTime, tokens: i64, cost: Amount) -> UsageFacts {
    UsageFacts {
        grain: Grain::Request,
        period_start: start,
        period_end: start,
        vendor: Label::literal("litellm"),
        tool: Some(Label::literal("litellm")),
        surface: Some(Surface::Api),
        provider: Some(Label::literal("anthropic")),
        model: Some(Label::literal("claude-sonnet-5-5")),
        model_raw: Some(Label::literal("anthropic/claude-sonnet-5-5")),
        outcome: Outcome::Ok,
        billing_account_id: None,
        who: Who {
            accounts: vec![AccountRef { kind: AccountKind::Litellm, hash: AccountHash([3; 16]) }],
            session_key: Some(SessionKey([4; 16])),
            request_key: None,
        },
        work: Work::default(),
        tokens: Tokens {
            requests: Some(1),
            input_tokens: Some(tokens),
            output_tokens: Some(10),
            ..Tokens::default()
        },
        cost: CostEvidence {
            basis: CostBasis::VendorEstimate,
            amount: Some(cost),
            list_amount: None,
            currency: Some(Currency::usd()),
        },
    }
}

fn judgement(told: &Told) -> Judgement {
    let label = Label::literal;
    Judgement {
        settle_run: told.settle_run,
        context_version: told.context_version,
        person_id: Some(PersonId([9; 16])),
        actor_kind: ActorKind::Person,
        identity_confidence: Some(Share::ONE),
        team: Some(label(told.team)),
        cost_center: Some(label("CC-100")),
        model_class: Some(label("standard")),
        workspace: Some(label("github.com/acme/payments-core")),
        sensitivity: Some(Sensitivity::Restricted),
        work_class: Some(label("routine")),
        billed_cost: None,
        effective_cost: Some(told.cost()),
        contracted_cost: None,
        list_cost: Some(told.cost()),
        currency: Some(Currency::usd()),
        cost_basis: CostBasis::VendorEstimate,
        price_version: Some(label("prices-1")),
        fx_version: None,
        intent_id: Some(label("i-1")),
        match_confidence: Share::new(970_000).ok(),
        confidence_label: ConfidenceLabel::High,
        match_reasons: vec![label("same_session")],
        candidates: vec![label("i-2=0.020000")],
        model_id: Some(label("exact-1")),
        verdict: Verdict::Followed,
        matched_by: Some(MatchedBy::Intent),
        p_followed: Share::new(970_000).ok(),
        p_drifted: Share::new(20_000).ok(),
        p_undecided: Share::new(10_000).ok(),
        verdict_confidence: Share::new(970_000).ok(),
        verdict_label: ConfidenceLabel::High,
        rule_ids: vec![label("R-1"), label("R-2")],
        reason_code: None,
        facts: vec![label("model_class=standard")],
        missing_facts: Vec::new(),
        recommended_class: Some(label("standard")),
        policy_version: Some(label("bundle-1")),
        explained_share: Share::ONE,
        partial_share: Share::ZERO,
        unexplained_share: Share::ZERO,
        counts_usage: true,
        counts_cost: true,
        derived_from: None,
        duplicate_of: None,
        overlap_rule: None,
    }
}

/// A lake in a directory, and sinks on it.
pub(crate) struct Bench {
    pub(crate) root: tempfile::TempDir,
    pub(crate) config: SinkConfig,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let config = SinkConfig {
            commit_interval_ms: 20,
            spacing_per_day_ms: 0,
            max_rows: 40,
            ..SinkConfig::default()
        };
        Self { root: tempfile::tempdir().unwrap(), config }
    }

    /// The same lake as it is now, somewhere else.
    pub(crate) fn copy(&self) -> Self {
        let root = tempfile::tempdir().unwrap();
        copy_all(self.root.path(), root.path());
        Self { root, config: self.config.clone() }
    }

    pub(crate) async fn open(&self) -> Sink {
        self.open_with(Metrics::new()).await
    }

    pub(crate) async fn open_with(&self, metrics: Metrics) -> Sink {
        let lake = Lake::open(&LakeConfig::directory(self.root.path())).unwrap();
        Sink::open(&lake, self.config.clone(), Arc::new(SystemClock), metrics).await.unwrap()
    }

    /// Runs a fresh sink until everything in the log is committed, or until it ends by itself.
    pub(crate) async fn drain(&self, judged: &MemoryLog) -> Result<Progress, SinkError> {
        self.drain_with(judged, StageHook::default()).await
    }

    pub(crate) async fn drain_with(
        &self,
        judged: &MemoryLog,
        hook: StageHook,
    ) -> Result<Progress, SinkError> {
        self.drain_both(judged, &MemoryLog::new("test/fetches", 1), hook).await
    }

    /// The same with a log of complete fetches beside the events.
    pub(crate) async fn drain_both(
        &self,
        judged: &MemoryLog,
        fetches: &MemoryLog,
        hook: StageHook,
    ) -> Result<Progress, SinkError> {
        let sink = self.open().await.with_stage_hook(hook);
        drain_logs(sink, judged, fetches).await
    }

    pub(crate) fn table(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let batches = active_files(&self.table(LEDGER_TABLE)).into_iter().flat_map(|file| read(&file));
        batches.flat_map(|batch| entries_of(&batch)).collect()
    }
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy_all(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

pub(crate) async fn drain_sink(sink: Sink, judged: &MemoryLog) -> Result<Progress, SinkError> {
    drain_logs(sink, judged, &MemoryLog::new("test/fetches", 1)).await
}

async fn drain_logs(sink: Sink, judged: &MemoryLog, fetches: &MemoryLog) -> Result<Progress, SinkError> {
    let shutdown = Shutdown::new();
    let mut handle = sink.handle();
    let logs = SinkLogs {
        judged: judged.clone(),
        intents: MemoryLog::new("test/intents", 1),
        rejects: MemoryLog::new("test/rejects", 1),
        fetches: fetches.clone(),
    };
    let running = tokio::spawn(sink.run(logs, shutdown.clone()));
    // If the sink ends by itself, its own error is the better one.
    let ends = [judged.ends(), fetches.ends()].concat();
    let _ = handle.wait_committed(&ends).await;
    shutdown.trigger();
    running.await.unwrap()?;
    Ok(handle.progress())
}

/// The log's actions of one kind, in order of commit.
pub(crate) fn actions(table: &Path, kind: &str) -> Vec<serde_json::Value> {
    let mut commits: Vec<PathBuf> = std::fs::read_dir(table.join("_delta_log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    commits.sort();
    let lines = commits.iter().flat_map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    });
    lines.filter_map(|mut action| action.get_mut(kind).map(serde_json::Value::take)).collect()
}

pub(crate) fn active_files(table: &Path) -> Vec<PathBuf> {
    let path = |add: &serde_json::Value| table.join(add["path"].as_str().unwrap());
    actions(table, "add").iter().map(path).collect()
}

pub(crate) fn read(file: &Path) -> Vec<RecordBatch> {
    let file = std::fs::File::open(file).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    reader.map(Result::unwrap).collect()
}

/// An entry as a reader of the files sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) view: EntryView,
    pub(crate) cause: String,
    pub(crate) tokens: i64,
    pub(crate) cost: i128,
    pub(crate) team: String,
}

/// The entries of a batch.
pub(crate) fn entries_of(batch: &RecordBatch) -> Vec<Entry> {
    let column = |name: &str| batch.column_by_name(name).unwrap_or_else(|| panic!("column {name}"));
    let text = |name: &str, row: usize| column(name).as_string::<i32>().value(row).to_owned();
    let sign = |name: &str, row: usize| column(name).as_primitive::<Int8Type>().value(row);
    (0..batch.num_rows())
        .map(|row| Entry {
            view: EntryView {
                event_id: EventId(column("event_id").as_binary::<i32>().value(row).try_into().unwrap()),
                revision: column("revision").as_primitive::<Int32Type>().value(row),
                kind: kind(&text("entry_kind", row)),
                entry_sign: sign("entry_sign", row),
                usage_sign: sign("usage_sign", row),
                cost_sign: sign("cost_sign", row),
                recorded_at: UtcTime(
                    column("recorded_at").as_primitive::<TimestampMicrosecondType>().value(row),
                ),
                verdict: column("verdict").is_valid(row).then_some(Verdict::Followed),
            },
            cause: text("cause", row),
            tokens: column("input_tokens").as_primitive::<Int64Type>().value(row),
            cost: column("effective_cost").as_primitive::<Decimal128Type>().value(row),
            team: text("team", row),
        })
        .collect()
}

fn kind(text: &str) -> EntryKind {
    match text {
        "original" => EntryKind::Original,
        "reversal" => EntryKind::Reversal,
        "restatement" => EntryKind::Restatement,
        "rejudgement" => EntryKind::Rejudgement,
        "withdrawal" => EntryKind::Withdrawal,
        other => panic!("entry kind {other}"),
    }
}

/// The sums that any reader takes: tokens and billionths of money.
pub(crate) fn sums<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> (i64, i128) {
    entries.into_iter().fold((0, 0), |(tokens, cost), entry| {
        let view = &entry.view;
        (tokens + i64::from(view.usage_sign) * entry.tokens, cost + i128::from(view.cost_sign) * entry.cost)
    })
}

/// The sums that a list of current states stands for.
pub(crate) fn truth<'a>(told: impl IntoIterator<Item = &'a Told>) -> (i64, i128) {
    told.into_iter().fold((0, 0), |(tokens, cost), told| {
        (tokens + told.tokens, cost + i128::from(told.tokens) * 1_000_000)
    })
}

/// User and system time of this process, in the kernel's hundredths of a second.
pub(crate) fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |field: usize| after_name.split_whitespace().nth(field).and_then(|t| t.parse::<f64>().ok());
    Ok((ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0)
}
