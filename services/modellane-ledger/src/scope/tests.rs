use super::*;
use crate::{Content, JudgementVersion};
use modellane_event::ContentHash;

fn fetch(id: u8, observed_at: i64, confirmed: bool) -> CompleteFetch {
    CompleteFetch { observed_at: UtcTime(observed_at), fetch_id: FetchId([id; 16]), confirmed }
}

fn scope(fetches: &[CompleteFetch]) -> ScopeFetches {
    let mut scope = ScopeFetches::default();
    fetches.iter().for_each(|fetch| scope.add(*fetch));
    scope
}

/// Presence of an event last seen at a time, of which these fetches list it.
fn presence(scope: &ScopeFetches, last_seen: i64, listed_by: &[u8]) -> Presence {
    scope.presence(UtcTime(last_seen), |id| listed_by.contains(&id.0[0]))
}

#[test]
fn one_fetch_is_no_proof_and_two_in_a_row_are() {
    let one = scope(&[fetch(1, 100, false)]);
    assert_eq!(presence(&one, 50, &[]), Presence::Live);
    let two = scope(&[fetch(1, 100, false), fetch(2, 200, false)]);
    assert_eq!(presence(&two, 50, &[]), Presence::Withdrawn);
    assert_eq!(presence(&two, 50, &[1]), Presence::Live, "the fetch before still had it");
    assert_eq!(presence(&two, 50, &[2]), Presence::Live, "the newest has it again");
}

#[test]
fn the_vendors_own_total_makes_one_fetch_enough() {
    let confirmed = scope(&[fetch(1, 100, false), fetch(2, 200, true)]);
    assert_eq!(presence(&confirmed, 50, &[1]), Presence::Withdrawn);
    let since = scope(&[fetch(1, 100, true), fetch(2, 200, false)]);
    assert_eq!(presence(&since, 50, &[1]), Presence::Live);
    assert_eq!(presence(&since, 50, &[]), Presence::Withdrawn);
}

#[test]
fn what_was_seen_since_the_first_of_the_two_is_there() {
    let two = scope(&[fetch(1, 100, false), fetch(2, 200, false)]);
    assert_eq!(presence(&two, 99, &[]), Presence::Withdrawn);
    assert_eq!(presence(&two, 100, &[]), Presence::Live, "a sighting is no older than its own fetch");
    assert_eq!(presence(&two, 150, &[]), Presence::Live, "a partial export between the two had it");
}

#[test]
fn neither_order_nor_repetition_of_fetches_matters() {
    let fetches = [fetch(1, 100, true), fetch(2, 200, false), fetch(3, 200, false), fetch(4, 50, true)];
    let expected = scope(&fetches);
    assert_eq!(expected.both().map(|fetch| fetch.fetch_id.0[0]).collect::<Vec<_>>(), [3, 2]);
    for start in 0..fetches.len() {
        let mut turned = fetches.to_vec();
        turned.rotate_left(start);
        turned.extend(fetches);
        assert_eq!(scope(&turned), expected, "{start}");
        turned.reverse();
        assert_eq!(scope(&turned), expected, "{start} backwards");
    }
}

#[test]
fn a_withdrawn_event_keeps_its_revision_and_returns_with_the_next() {
    let content = Content { observed_at: UtcTime(5), hash: ContentHash([1; 16]) };
    let judged = JudgementVersion { settle_run: 0, context_version: 1 };
    let live = Version::of_entry(3, EntryKind::Original, content, judged);
    assert_eq!(PresenceChange::needed(&live, Presence::Live), None);
    let change = PresenceChange::needed(&live, Presence::Withdrawn).unwrap();
    assert_eq!((change.kind(), change.cause()), (EntryKind::Withdrawal, Cause::Withdrawn));
    let gone = change.after(&live);
    assert_eq!(gone, Version::of_entry(3, EntryKind::Withdrawal, content, judged), "as the table states it");

    assert_eq!(PresenceChange::needed(&gone, Presence::Withdrawn), None);
    let change = PresenceChange::needed(&gone, Presence::Live).unwrap();
    assert_eq!((change.kind(), change.cause()), (EntryKind::Restatement, Cause::Restated));
    assert_eq!(change.after(&gone), Version::of_entry(4, EntryKind::Restatement, content, judged));
}
