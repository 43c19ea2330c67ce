use super::*;

fn view(revision: i32, kind: EntryKind, signs: [i8; 3]) -> EntryView {
    EntryView {
        event_id: EventId([1; 16]),
        revision,
        kind,
        entry_sign: signs[0],
        usage_sign: signs[1],
        cost_sign: signs[2],
        recorded_at: UtcTime(i64::from(revision)),
        verdict: Some(Verdict::Followed),
    }
}

fn broken(entries: &[EntryView]) -> Vec<Invariant> {
    let mut found: Vec<_> = check_entries(entries).into_iter().map(|v| v.invariant).collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn a_correction_in_full_holds() {
    let restated = [
        view(1, EntryKind::Original, [1, 1, 0]),
        view(1, EntryKind::Reversal, [-1, -1, 0]),
        view(2, EntryKind::Restatement, [1, 1, 1]),
    ];
    assert_eq!(broken(&restated), []);
    let withdrawn = [view(1, EntryKind::Original, [1, 1, 1]), view(1, EntryKind::Withdrawal, [-1, -1, -1])];
    assert_eq!(broken(&withdrawn), []);
}

#[test]
fn a_reversal_that_turns_too_little_counts_on() {
    let entries = [
        view(1, EntryKind::Original, [1, 1, 1]),
        view(1, EntryKind::Reversal, [-1, 1, -1]),
        view(2, EntryKind::Restatement, [1, 1, 1]),
    ];
    assert_eq!(broken(&entries), [Invariant::I2]);
}

#[test]
fn two_current_revisions_and_orphans_are_found() {
    let twice = [view(1, EntryKind::Original, [1, 1, 1]), view(2, EntryKind::Restatement, [1, 1, 1])];
    assert_eq!(broken(&twice), [Invariant::I2, Invariant::I4]);
    let orphan = [view(1, EntryKind::Reversal, [-1, -1, -1])];
    assert_eq!(broken(&orphan), [Invariant::I2, Invariant::I4]);
    let lost = [view(1, EntryKind::Original, [1, 1, 1]), view(1, EntryKind::Reversal, [-1, -1, -1])];
    assert_eq!(broken(&lost), [Invariant::I4]);
    let same = [view(1, EntryKind::Original, [1, 1, 1]), view(1, EntryKind::Original, [1, 1, 1])];
    assert_eq!(broken(&same), [Invariant::I2, Invariant::I4]);
    let wrong_sign = [view(1, EntryKind::Original, [-1, -1, -1])];
    assert_eq!(broken(&wrong_sign), [Invariant::I2, Invariant::I4]);
}

#[test]
fn an_entry_without_a_verdict_is_found() {
    let mut entry = view(1, EntryKind::Original, [1, 1, 1]);
    assert_eq!(check_verdicts(&[entry]), []);
    entry.verdict = None;
    assert_eq!(check_verdicts(&[entry])[0].invariant, Invariant::I8);
}

#[test]
fn every_message_is_in_one_count() {
    let entries = [view(1, EntryKind::Original, [1, 1, 1])];
    let counters = Counters { original: 1, duplicate: 2, rejects: 1, ..Counters::default() };
    assert_eq!(check_counters(4, &counters, &entries), []);
    assert_eq!(check_counters(5, &counters, &entries).len(), 1);
    assert_eq!(check_counters(4, &counters, &[]).len(), 1);
}

#[test]
fn what_fetches_did_is_counted() {
    let entries = [
        view(1, EntryKind::Original, [1, 1, 1]),
        view(1, EntryKind::Withdrawal, [-1, -1, -1]),
        view(2, EntryKind::Restatement, [1, 1, 1]),
    ];
    assert_eq!(broken(&entries), []);
    let counters = Counters { original: 1, ..Counters::default() };
    let presence = PresenceCounters { withdrawn: 1, reinstated: 1 };
    assert_eq!(check_counters(1, &counters, &entries), []);
    assert_eq!(check_presence(&counters, &presence, &entries), []);
    assert_eq!(check_presence(&counters, &PresenceCounters { reinstated: 0, ..presence }, &entries).len(), 1);
    assert_eq!(check_presence(&counters, &PresenceCounters { withdrawn: 2, ..presence }, &entries).len(), 1);
    let twice = [&entries[..], &entries[2..]].concat();
    assert_eq!(check_counters(1, &counters, &[&twice[..], &entries[2..]].concat()).len(), 1);
}

#[test]
fn content_that_changes_while_the_event_is_gone_leaves_it_gone() {
    let entries = [
        view(1, EntryKind::Original, [1, 1, 1]),
        view(1, EntryKind::Withdrawal, [-1, -1, -1]),
        view(2, EntryKind::Restatement, [1, 1, 0]),
        view(2, EntryKind::Withdrawal, [-1, -1, 0]),
    ];
    assert_eq!(broken(&entries), []);
}

#[test]
fn commits_tile_and_move_forward() {
    let commit = |at, from, to| CommitRecord {
        recorded_at: UtcTime(at),
        ranges: vec![StreamRange { stream: "judged-1".into(), partition: 0, from, to }],
    };
    assert_eq!(check_commits(&[commit(1, 0, 5), commit(2, 5, 9)]), []);
    assert_eq!(check_commits(&[commit(1, 0, 5), commit(2, 6, 9)])[0].invariant, Invariant::I6);
    assert_eq!(check_commits(&[commit(1, 0, 5), commit(1, 5, 9)])[0].invariant, Invariant::I9);
}
