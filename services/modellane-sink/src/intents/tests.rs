use super::*;
use modellane_event::{AccountKind, IntentOrigin, Label, UtcTime};
use modellane_schema::IntentBatchBuilder;

fn full() -> IntentEvent {
    IntentEvent {
        intent_id: Label::literal("i-1"),
        account: AccountRef { kind: AccountKind::Github, hash: AccountHash([1; 16]) },
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
fn a_row_gives_back_the_intent_that_made_it() {
    let sparse = IntentEvent {
        workspace_key: None,
        branch_key: None,
        ticket_key: None,
        session_key: None,
        task: None,
        tool: None,
        ended_at: None,
        ..full()
    };
    let mut builder = IntentBatchBuilder::with_capacity(2);
    builder.append(&full());
    builder.append(&sparse);
    let batch = builder.finish().unwrap();
    assert_eq!(intent(&batch, 0).unwrap(), full());
    assert_eq!(intent(&batch, 1).unwrap(), sparse);
}
