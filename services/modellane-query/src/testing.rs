//! A small ledger worked out by hand: nine events, two commits.
//!
//! Commit 1 on 10 November records E1 to E9; commit 2 on 12 November restates E8 from 5.00 to 4.50 and
//! withdraws E9. The week starts on Monday 2 November; E7 is a month's bill that counts for money alone.

use crate::{Query, QueryConfig};
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use deltalake_core::DeltaTable;
use modellane_event::{
    ActorKind, Amount, Cause, ConfidenceLabel, ContentHash, CostBasis, CostEvidence, Currency, Date,
    EntryKind, EntryStamp, EventId, Grain, JudgedEvent, Judgement, Label, Outcome, PersonId, RejectEvent,
    RejectId, RejectReason, SessionKey, Share, Sign, Tokens, UsageEvent, UsageFacts, UtcTime, Verdict, Who,
    Work,
};
use modellane_lake::LakeConfig;
use modellane_schema::{LedgerBatchBuilder, RejectBatchBuilder, TeamBatchBuilder, TeamRow};
use tempfile::TempDir;
use url::Url;

pub(crate) const FIRST_COMMIT: &str = "2026-11-10T00:00:00Z";
pub(crate) const SECOND_COMMIT: &str = "2026-11-12T00:00:00Z";

/// What differs between the events of the ledger.
#[derive(Clone)]
struct Use {
    id: u8,
    start: &'static str,
    team: &'static str,
    cost_center: Option<&'static str>,
    person: u8,
    session: Option<u8>,
    outcome: Outcome,
    tokens: [Option<i64>; 4],
    currency: Option<&'static str>,
    billed: Option<&'static str>,
    effective: Option<&'static str>,
    list: Option<&'static str>,
    verdict: Verdict,
    label: ConfidenceLabel,
    chances: Option<[i32; 3]>,
    reason: Option<&'static str>,
    rule: Option<&'static str>,
}

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn time(text: &str) -> UtcTime {
    UtcTime::parse(text).unwrap()
}

fn amount(text: Option<&str>) -> Option<Amount> {
    text.map(|text| Amount::parse(text).unwrap())
}

/// Millionths of a thousandth.
fn share(thousandths: i32) -> Share {
    Share::new(thousandths * 1_000).unwrap()
}

fn base(id: u8, start: &'static str) -> Use {
    Use {
        id,
        start,
        team: "payments",
        cost_center: Some("CC-100"),
        person: 1,
        session: None,
        outcome: Outcome::Ok,
        tokens: [Some(1), None, None, None],
        currency: Some("USD"),
        billed: None,
        effective: None,
        list: None,
        verdict: Verdict::Followed,
        label: ConfidenceLabel::High,
        chances: Some([970, 10, 20]),
        reason: None,
        rule: None,
    }
}

fn costs(mut event: Use, billed: Option<&'static str>, effective: &'static str, list: &'static str) -> Use {
    (event.billed, event.effective, event.list) = (billed, Some(effective), Some(list));
    event
}

fn followed_high() -> Use {
    let event = base(1, "2026-11-03T09:00:00Z");
    let event = costs(event, Some("1.25"), "1.25", "2.00");
    Use { tokens: [Some(1), Some(1000), Some(400), Some(200)], session: Some(1), rule: Some("R1"), ..event }
}

fn drifted_high() -> Use {
    let event = costs(base(2, "2026-11-03T10:00:00Z"), Some("3.00"), "3.00", "4.00");
    Use {
        tokens: [Some(1), Some(500), None, Some(100)],
        session: Some(1),
        verdict: Verdict::Drifted,
        chances: Some([20, 960, 20]),
        rule: Some("R1"),
        ..event
    }
}

fn unmatched() -> Use {
    let event = costs(base(3, "2026-11-04T09:00:00Z"), None, "0.75", "1.00");
    Use {
        cost_center: None,
        person: 2,
        tokens: [Some(1), Some(300), None, Some(50)],
        verdict: Verdict::Unmatched,
        label: ConfidenceLabel::None,
        chances: Some([600, 100, 300]),
        reason: Some("NO_CANDIDATE"),
        ..event
    }
}

fn unknown_unpriced() -> Use {
    Use {
        tokens: [Some(2), None, None, None],
        currency: None,
        verdict: Verdict::Unknown,
        label: ConfidenceLabel::None,
        chances: Some([500, 200, 300]),
        reason: Some("FACT_MISSING:work_class"),
        ..base(4, "2026-11-04T10:00:00Z")
    }
}

fn in_euro() -> Use {
    let event = costs(base(5, "2026-11-04T11:00:00Z"), Some("10.00"), "10.00", "10.00");
    Use {
        team: "platform",
        cost_center: Some("CC-200"),
        person: 3,
        tokens: [Some(1), Some(100), None, Some(100)],
        currency: Some("EUR"),
        label: ConfidenceLabel::Medium,
        chances: Some([850, 50, 100]),
        ..event
    }
}

fn failed() -> Use {
    let event = costs(base(6, "2026-11-04T12:00:00Z"), Some("0.10"), "0.10", "0.10");
    Use {
        tokens: [Some(1), Some(10), None, Some(0)],
        outcome: Outcome::Error,
        verdict: Verdict::OutOfScope,
        label: ConfidenceLabel::None,
        chances: None,
        ..event
    }
}

fn month_bill() -> Use {
    let event = costs(base(7, "2026-11-01T00:00:00Z"), Some("19.00"), "19.00", "19.00");
    Use {
        tokens: [Some(300), None, None, None],
        verdict: Verdict::Unmatched,
        label: ConfidenceLabel::None,
        chances: Some([0, 0, 1000]),
        reason: Some("NOT_COVERED"),
        ..event
    }
}

fn before_restatement() -> Use {
    let event = costs(base(8, "2026-11-05T09:00:00Z"), Some("5.00"), "5.00", "6.00");
    Use {
        tokens: [Some(1), Some(2000), None, Some(400)],
        session: Some(2),
        label: ConfidenceLabel::Medium,
        chances: Some([900, 50, 50]),
        ..event
    }
}

fn after_restatement() -> Use {
    let event = costs(before_restatement(), Some("4.50"), "4.50", "5.50");
    Use { tokens: [Some(1), Some(1800), None, Some(400)], ..event }
}

fn withdrawn() -> Use {
    let event = costs(base(9, "2026-11-05T11:00:00Z"), Some("7.00"), "7.00", "7.00");
    Use { tokens: [Some(1), Some(5), None, Some(5)], ..event }
}

impl Use {
    fn is_month_bill(&self) -> bool {
        self.id == 7
    }

    fn source(&self) -> &'static str {
        match self.id {
            7 => "github_copilot.billing_csv",
            5 => "claude_code.otel",
            _ => "litellm.spend_logs",
        }
    }

    fn judged(&self, observed_at: &str) -> JudgedEvent {
        let start = time(self.start);
        let end = if self.is_month_bill() { time("2026-12-01T00:00:00Z") } else { start };
        let facts = UsageFacts {
            grain: if self.is_month_bill() { Grain::UserMonth } else { Grain::Request },
            period_start: start,
            period_end: end,
            vendor: label(if self.is_month_bill() { "github" } else { "anthropic" }),
            tool: Some(label(if self.is_month_bill() { "copilot" } else { "claude_code" })),
            surface: None,
            provider: None,
            model: (!self.is_month_bill()).then(|| label("claude-sonnet-5-5")),
            model_raw: None,
            outcome: self.outcome,
            billing_account_id: None,
            who: Who { session_key: self.session.map(|n| SessionKey([n; 16])), ..Who::default() },
            work: Work::default(),
            tokens: Tokens {
                requests: self.tokens[0],
                input_tokens: self.tokens[1],
                cache_read_tokens: self.tokens[2],
                output_tokens: self.tokens[3],
                ..Tokens::default()
            },
            cost: CostEvidence::none(),
        };
        let usage = UsageEvent {
            event_id: EventId([self.id; 16]),
            source: label(self.source()),
            source_key: label(&format!("key-{}", self.id)),
            scope_key: None,
            observed_at: time(observed_at),
            event_date: Date::parse(&self.start[..10]).unwrap(),
            content_hash: ContentHash([self.id; 16]),
            facts,
        };
        JudgedEvent { usage, judgement: self.judgement() }
    }

    fn judgement(&self) -> Judgement {
        let chance = |index: usize| self.chances.map(|chances| share(chances[index]));
        Judgement {
            settle_run: 0,
            context_version: 1,
            person_id: Some(PersonId([self.person; 16])),
            actor_kind: ActorKind::Person,
            identity_confidence: Some(Share::ONE),
            team: Some(label(self.team)),
            cost_center: self.cost_center.map(label),
            model_class: (!self.is_month_bill()).then(|| label("standard")),
            workspace: None,
            sensitivity: None,
            work_class: None,
            billed_cost: amount(self.billed),
            effective_cost: amount(self.effective),
            contracted_cost: None,
            list_cost: amount(self.list),
            currency: self.currency.map(|code| Currency::new(code).unwrap()),
            cost_basis: if self.effective.is_some() { CostBasis::VendorReported } else { CostBasis::None },
            price_version: None,
            fx_version: None,
            intent_id: None,
            match_confidence: None,
            confidence_label: ConfidenceLabel::None,
            match_reasons: vec![],
            candidates: vec![],
            model_id: None,
            verdict: self.verdict,
            matched_by: None,
            p_followed: chance(0),
            p_drifted: chance(1),
            p_undecided: chance(2),
            verdict_confidence: None,
            verdict_label: self.label,
            rule_ids: self.rule.map(label).into_iter().collect(),
            reason_code: self.reason.map(label),
            facts: vec![],
            missing_facts: if self.verdict == Verdict::Unknown { vec![label("work_class")] } else { vec![] },
            recommended_class: None,
            policy_version: Some(label("2026-11")),
            explained_share: Share::ONE,
            partial_share: Share::ZERO,
            unexplained_share: Share::ZERO,
            counts_usage: !self.is_month_bill(),
            counts_cost: true,
            derived_from: None,
            duplicate_of: None,
            overlap_rule: None,
        }
    }

    fn stamp(&self, revision: i32, kind: EntryKind, cause: Cause, recorded_at: &str) -> EntryStamp {
        let adds = !matches!(kind, EntryKind::Reversal | EntryKind::Withdrawal);
        let sign = if adds { Sign::Plus } else { Sign::Minus };
        EntryStamp {
            revision,
            kind,
            cause,
            entry_sign: sign,
            usage_sign: if self.is_month_bill() { Sign::Zero } else { sign },
            cost_sign: sign,
            recorded_at: time(recorded_at),
        }
    }
}

fn first_commit() -> RecordBatch {
    let mut ledger = LedgerBatchBuilder::with_capacity(9);
    let events = [
        followed_high(),
        drifted_high(),
        unmatched(),
        unknown_unpriced(),
        in_euro(),
        failed(),
        month_bill(),
        before_restatement(),
        withdrawn(),
    ];
    for event in events {
        let stamp = event.stamp(1, EntryKind::Original, Cause::First, FIRST_COMMIT);
        ledger.append(&event.judged("2026-11-09T23:00:00Z"), &stamp);
    }
    ledger.finish().unwrap()
}

fn second_commit() -> RecordBatch {
    let mut ledger = LedgerBatchBuilder::with_capacity(3);
    let old = before_restatement();
    let stamp = old.stamp(1, EntryKind::Reversal, Cause::Restated, SECOND_COMMIT);
    ledger.append(&old.judged("2026-11-09T23:00:00Z"), &stamp);
    let new = after_restatement();
    let stamp = new.stamp(2, EntryKind::Restatement, Cause::Restated, SECOND_COMMIT);
    ledger.append(&new.judged("2026-11-11T22:00:00Z"), &stamp);
    let gone = withdrawn();
    let stamp = gone.stamp(1, EntryKind::Withdrawal, Cause::Withdrawn, SECOND_COMMIT);
    ledger.append(&gone.judged("2026-11-09T23:00:00Z"), &stamp);
    ledger.finish().unwrap()
}

fn rejects() -> RecordBatch {
    let mut rejects = RejectBatchBuilder::with_capacity(3);
    let reasons = [RejectReason::BadNumber, RejectReason::BadTime, RejectReason::BadNumber];
    for (index, reason) in reasons.into_iter().enumerate() {
        rejects.append(&RejectEvent {
            reject_id: RejectId([index as u8; 16]),
            source: label("cursor.usage_events"),
            batch_id: label("batch-1"),
            index: index as i64,
            reason,
            field: Some(label("timestamp")),
            length: Some(120),
            recorded_at: time(FIRST_COMMIT),
        });
    }
    rejects.finish().unwrap()
}

/// Events of one commit, numbered from `from`: a fourth each of four of the events above.
pub(crate) fn many(from: u32, count: u32) -> RecordBatch {
    let kinds = [followed_high(), drifted_high(), unmatched(), after_restatement()];
    let mut ledger = LedgerBatchBuilder::with_capacity(count as usize);
    for number in from..from + count {
        let kind = &kinds[(number % 4) as usize];
        let mut event = kind.judged("2026-11-09T23:00:00Z");
        event.usage.event_id = EventId(u128::from(number).to_be_bytes());
        event.usage.facts.who.session_key = Some(SessionKey(u128::from(number / 20).to_be_bytes()));
        ledger.append(&event, &kind.stamp(1, EntryKind::Original, Cause::First, FIRST_COMMIT));
    }
    ledger.finish().unwrap()
}

/// A lake in a directory of its own.
pub(crate) struct TestLake {
    directory: TempDir,
}

impl TestLake {
    /// A lake without any table.
    pub(crate) fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A lake with both commits.
    pub(crate) async fn filled() -> Self {
        let lake = Self::empty();
        lake.commit_first().await;
        lake.commit_second().await;
        lake
    }

    pub(crate) async fn commit_first(&self) {
        self.append("usage_ledger", Some("event_date"), first_commit()).await;
        // The same file is imported twice.
        self.append("rejects", Some("recorded_date"), rejects()).await;
        self.append("rejects", Some("recorded_date"), rejects()).await;
    }

    pub(crate) async fn commit_second(&self) {
        self.append("usage_ledger", Some("event_date"), second_commit()).await;
    }

    /// A version of the directory: its teams, each with the one above it.
    pub(crate) async fn list_teams(&self, recorded_at: &str, teams: &[(&str, Option<&str>)]) {
        let directory = label(&format!("directory-{}", teams.len()));
        let mut builder = TeamBatchBuilder::with_capacity(teams.len());
        let mut append = |team: Option<&str>, parent: Option<&str>| {
            let (team, parent) = (team.map(label), parent.map(label));
            builder.append(TeamRow {
                directory: &directory,
                team: team.as_ref(),
                parent: parent.as_ref(),
                recorded_at: time(recorded_at),
            });
        };
        teams.iter().for_each(|(team, parent)| append(Some(*team), *parent));
        if teams.is_empty() {
            append(None, None);
        }
        self.append("teams", None, builder.finish().unwrap()).await;
    }

    pub(crate) async fn append(&self, table: &str, partition: Option<&str>, batch: RecordBatch) {
        let path = self.directory.path().join(table);
        std::fs::create_dir_all(&path).unwrap();
        let table = DeltaTable::try_from_url(Url::from_directory_path(&path).unwrap()).await.unwrap();
        table.write(vec![batch]).with_partition_columns(partition).await.unwrap();
    }

    pub(crate) fn config(&self) -> LakeConfig {
        LakeConfig::directory(self.directory.path())
    }

    pub(crate) async fn open(&self) -> Query {
        self.open_with(config()).await
    }

    pub(crate) async fn open_with(&self, config: QueryConfig) -> Query {
        Query::open(config, &self.config()).await.unwrap()
    }
}

/// Free ports, and three known sources, one of which is silent.
pub(crate) fn config() -> QueryConfig {
    QueryConfig {
        pg_listen: "127.0.0.1:0".parse().unwrap(),
        http_listen: "127.0.0.1:0".parse().unwrap(),
        refresh_ms: 100,
        known_sources: ["litellm.spend_logs", "github_copilot.billing_csv", "kiro.user_activity"]
            .map(str::to_owned)
            .to_vec(),
        ..QueryConfig::default()
    }
}

/// Rows as text, columns parted by `|`, null as `-`.
pub(crate) fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::new().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%SZ"));
    let mut lines = vec![];
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = batch
                .columns()
                .iter()
                .map(|column| {
                    if column.is_null(row) {
                        return "-".to_owned();
                    }
                    ArrayFormatter::try_new(column, &options).unwrap().value(row).to_string()
                })
                .collect();
            lines.push(cells.join("|"));
        }
    }
    lines
}

/// Answers a statement as text lines.
pub(crate) async fn ask(query: &Query, sql: &str) -> Vec<String> {
    match query.sql(sql).await {
        Ok(batches) => lines(&batches),
        Err(error) => panic!("{sql}: {error}"),
    }
}
