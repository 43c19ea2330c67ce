//! The tables of intents, rejects, teams and fetches.

use crate::cells::shown;
use arrow::array::RecordBatch;
use modellane_event::*;
use modellane_schema::*;

fn columns(batch: &RecordBatch) -> Vec<(String, String, bool)> {
    let fields = batch.schema();
    let fields = fields.fields().iter();
    fields.map(|f| (f.name().clone(), f.data_type().to_string(), f.is_nullable())).collect()
}

fn row(batch: &RecordBatch, row: usize) -> Vec<Option<String>> {
    batch.columns().iter().map(|column| shown(column, row)).collect()
}

fn expected_columns(columns: &[(&str, &str, bool)]) -> Vec<(String, String, bool)> {
    columns.iter().map(|(name, kind, null)| (name.to_string(), kind.to_string(), *null)).collect()
}

fn expected_row(cells: &[Option<&str>]) -> Vec<Option<String>> {
    cells.iter().map(|cell| cell.map(str::to_owned)).collect()
}

const TIME: &str = "Timestamp(µs, \"UTC\")";

fn intent() -> IntentEvent {
    IntentEvent {
        intent_id: Label::literal("i-1"),
        account: AccountRef { kind: AccountKind::Email, hash: AccountHash([1; 16]) },
        workspace_key: Some(WorkspaceKey([2; 16])),
        branch_key: Some(BranchKey([3; 16])),
        ticket_key: Some(TicketKey([4; 16])),
        session_key: Some(SessionKey([5; 16])),
        task: Some(Label::literal("routine")),
        tool: Some(Label::literal("cursor")),
        started_at: UtcTime::parse("2026-11-03T23:59:59Z").unwrap(),
        ended_at: Some(UtcTime::parse("2026-11-04T01:00:00Z").unwrap()),
        recorded_at: UtcTime::parse("2026-11-05T00:00:00Z").unwrap(),
        origin: IntentOrigin::Hook,
    }
}

#[test]
fn an_intent_is_a_row() {
    let open = IntentEvent {
        workspace_key: None,
        branch_key: None,
        ticket_key: None,
        session_key: None,
        task: None,
        tool: None,
        ended_at: None,
        ..intent()
    };
    let mut builder = IntentBatchBuilder::with_capacity(2);
    builder.append(&intent());
    builder.append(&open);
    let batch = builder.finish().unwrap();
    assert_eq!(batch.schema(), intents_schema());
    let columns_expected = [
        ("intent_id", "Utf8", false),
        ("account_kind", "Utf8", false),
        ("account_id", "Binary", false),
        ("workspace_key", "Binary", true),
        ("branch_key", "Binary", true),
        ("ticket_key", "Binary", true),
        ("session_key", "Binary", true),
        ("task", "Utf8", true),
        ("tool", "Utf8", true),
        ("started_at", TIME, false),
        ("ended_at", TIME, true),
        ("recorded_at", TIME, false),
        ("origin", "Utf8", false),
        ("started_date", "Date32", false),
    ];
    assert_eq!(columns(&batch), expected_columns(&columns_expected));
    let id = |digit: &str| digit.repeat(16);
    let (account, workspace, branch) = (id("01"), id("02"), id("03"));
    let (ticket, session) = (id("04"), id("05"));
    let full = [
        Some("i-1"),
        Some("email"),
        Some(account.as_str()),
        Some(workspace.as_str()),
        Some(branch.as_str()),
        Some(ticket.as_str()),
        Some(session.as_str()),
        Some("routine"),
        Some("cursor"),
        Some("2026-11-03T23:59:59Z"),
        Some("2026-11-04T01:00:00Z"),
        Some("2026-11-05T00:00:00Z"),
        Some("hook"),
        Some("2026-11-03"),
    ];
    assert_eq!(row(&batch, 0), expected_row(&full));
    let mut sparse = full;
    for index in [3, 4, 5, 6, 7, 8, 10] {
        sparse[index] = None;
    }
    assert_eq!(row(&batch, 1), expected_row(&sparse));
}

#[test]
fn a_reject_is_a_row() {
    let reject = RejectEvent {
        reject_id: RejectId([9; 16]),
        source: Label::literal("cursor.usage_csv"),
        batch_id: Label::literal("b-7"),
        index: 41,
        reason: RejectReason::BadNumber,
        field: Some(Label::literal("cost")),
        length: Some(120),
        recorded_at: UtcTime::parse("2026-11-05T00:00:00Z").unwrap(),
    };
    let mut builder = RejectBatchBuilder::with_capacity(2);
    builder.append(&reject);
    builder.append(&RejectEvent { field: None, length: None, ..reject });
    let batch = builder.finish().unwrap();
    assert_eq!(batch.schema(), rejects_schema());
    let columns_expected = [
        ("reject_id", "Binary", false),
        ("source", "Utf8", false),
        ("batch_id", "Utf8", false),
        ("index", "Int64", false),
        ("reason", "Utf8", false),
        ("field", "Utf8", true),
        ("length", "Int64", true),
        ("recorded_at", TIME, false),
        ("recorded_date", "Date32", false),
    ];
    assert_eq!(columns(&batch), expected_columns(&columns_expected));
    let id = "09".repeat(16);
    let full = [
        Some(id.as_str()),
        Some("cursor.usage_csv"),
        Some("b-7"),
        Some("41"),
        Some("bad_number"),
        Some("cost"),
        Some("120"),
        Some("2026-11-05T00:00:00Z"),
        Some("2026-11-05"),
    ];
    assert_eq!(row(&batch, 0), expected_row(&full));
    let mut sparse = full;
    (sparse[5], sparse[6]) = (None, None);
    assert_eq!(row(&batch, 1), expected_row(&sparse));
}

#[test]
fn a_team_is_a_row_and_a_directory_without_any_is_one_too() {
    let (directory, team, parent) =
        (Label::literal("ab12"), Label::literal("cards"), Label::literal("payments"));
    let recorded_at = UtcTime::parse("2026-11-05T00:00:00Z").unwrap();
    let row = TeamRow { directory: &directory, team: Some(&team), parent: Some(&parent), recorded_at };
    let mut builder = TeamBatchBuilder::with_capacity(2);
    builder.append(row);
    builder.append(TeamRow { team: None, parent: None, ..row });
    let batch = builder.finish().unwrap();
    let columns_expected = [
        ("directory", "Utf8", false),
        ("team", "Utf8", true),
        ("parent", "Utf8", true),
        ("recorded_at", TIME, false),
    ];
    assert_eq!(columns(&batch), expected_columns(&columns_expected));
    let full = [Some("ab12"), Some("cards"), Some("payments"), Some("2026-11-05T00:00:00Z")];
    assert_eq!(self::row(&batch, 0), expected_row(&full));
    assert_eq!(self::row(&batch, 1), expected_row(&[full[0], None, None, full[3]]));
}

#[test]
fn a_part_of_a_fetch_is_a_row() {
    let closed = ScopeClosed {
        source: Label::literal("github_copilot.billing_csv"),
        scope_key: Label::literal("acme|2026-10"),
        period_start: UtcTime::parse("2026-10-01T00:00:00Z").unwrap(),
        period_end: UtcTime::parse("2026-11-01T00:00:00Z").unwrap(),
        fetch_id: FetchId([8; 16]),
        observed_at: UtcTime::parse("2026-11-04T23:00:00Z").unwrap(),
        confirmed: true,
        events: 70_000,
        chunk: 2,
        chunks: 3,
        event_ids: vec![EventId([1; 16]), EventId([2; 16])],
    };
    let mut builder = FetchBatchBuilder::with_capacity(2);
    builder.append(&closed, UtcTime::parse("2026-11-05T00:00:00Z").unwrap());
    let none = ScopeClosed { event_ids: Vec::new(), confirmed: false, ..closed };
    builder.append(&none, UtcTime::parse("2026-11-05T00:00:00Z").unwrap());
    let batch = builder.finish().unwrap();
    assert_eq!(batch.schema(), fetches_schema());
    let columns_expected = [
        ("source", "Utf8", false),
        ("scope_key", "Utf8", false),
        ("period_start", TIME, false),
        ("period_end", TIME, false),
        ("fetch_id", "Binary", false),
        ("observed_at", TIME, false),
        ("confirmed", "Boolean", false),
        ("events", "Int64", false),
        ("chunk", "Int32", false),
        ("chunks", "Int32", false),
        ("event_ids", "Binary", false),
        ("recorded_at", TIME, false),
        ("observed_date", "Date32", false),
    ];
    assert_eq!(columns(&batch), expected_columns(&columns_expected));
    let (id, ids) = ("08".repeat(16), "01".repeat(16) + &"02".repeat(16));
    let full = [
        Some("github_copilot.billing_csv"),
        Some("acme|2026-10"),
        Some("2026-10-01T00:00:00Z"),
        Some("2026-11-01T00:00:00Z"),
        Some(id.as_str()),
        Some("2026-11-04T23:00:00Z"),
        Some("true"),
        Some("70000"),
        Some("2"),
        Some("3"),
        Some(ids.as_str()),
        Some("2026-11-05T00:00:00Z"),
        Some("2026-11-04"),
    ];
    assert_eq!(row(&batch, 0), expected_row(&full));
    let mut empty = full;
    (empty[6], empty[10]) = (Some("false"), Some(""));
    assert_eq!(row(&batch, 1), expected_row(&empty));
}
