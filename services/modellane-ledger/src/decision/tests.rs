use super::*;
use crate::{Content, JudgementVersion};
use modellane_event::ContentHash;
use std::convert::Infallible;

fn incoming(hash: u8, observed_at: i64, settle_run: i32, context_version: i64) -> Incoming {
    Incoming {
        content: Content { observed_at: UtcTime(observed_at), hash: ContentHash([hash; 16]) },
        judged: JudgementVersion { settle_run, context_version },
    }
}

fn entry(of: Incoming) -> Version {
    Version::of_entry(1, EntryKind::Original, of.content, of.judged)
}

fn decided(current: &Version, incoming: &Incoming, differs: Option<Cause>) -> Decision {
    let decision: Result<_, Infallible> = decide(Some(current), incoming, || Ok(differs));
    decision.unwrap()
}

const RESTATED: Decision = Decision::Replace { kind: EntryKind::Restatement, cause: Cause::Restated };
const REJUDGED: Decision = Decision::Replace { kind: EntryKind::Rejudgement, cause: Cause::Policy };

#[test]
fn content_comes_before_judgement() {
    let current = entry(incoming(5, 100, 2, 9));
    assert_eq!(decided(&current, &incoming(6, 101, 0, 0), None), RESTATED);
    assert_eq!(decided(&current, &incoming(6, 99, 7, 99), None), Decision::Stale);
    assert_eq!(decided(&current, &incoming(5, 99, 2, 9), None), Decision::Duplicate);
}

#[test]
fn of_two_contents_seen_at_once_the_greater_hash_is_newer() {
    let current = entry(incoming(5, 100, 0, 1));
    assert_eq!(decided(&current, &incoming(6, 100, 0, 1), None), RESTATED);
    assert_eq!(decided(&current, &incoming(4, 100, 0, 1), None), Decision::Stale);
}

#[test]
fn a_settler_run_outranks_every_context_version() {
    let current = entry(incoming(5, 100, 1, 3));
    assert_eq!(decided(&current, &incoming(5, 100, 0, 99), Some(Cause::Policy)), Decision::Duplicate);
    assert_eq!(decided(&current, &incoming(5, 100, 2, 0), Some(Cause::Policy)), REJUDGED);
    assert_eq!(decided(&current, &incoming(5, 100, 1, 4), Some(Cause::Policy)), REJUDGED);
    assert_eq!(decided(&current, &incoming(5, 100, 1, 3), Some(Cause::Policy)), Decision::Duplicate);
}

#[test]
fn the_old_judgement_is_asked_for_only_where_it_matters() {
    let current = entry(incoming(5, 100, 0, 3));
    for (message, asked) in [
        (incoming(5, 100, 0, 4), true),
        (incoming(5, 200, 0, 3), false),
        (incoming(6, 200, 0, 4), false),
        (incoming(4, 50, 0, 4), false),
    ] {
        let mut compared = false;
        let decision: Result<_, Infallible> = decide(Some(&current), &message, || {
            compared = true;
            Ok(None)
        });
        decision.unwrap();
        assert_eq!(compared, asked);
        assert_eq!(asks_for_judgement(&current, &message), asked);
    }
}

#[test]
fn seen_again_later_is_remembered() {
    let id = EventId([9; 16]);
    let first = incoming(5, 100, 0, 1);
    let current = entry(first);
    let again = incoming(5, 300, 0, 1);
    let decision = decided(&current, &again, None);
    assert_eq!(decision, Decision::Observe);

    let after = decision.after(Some(&current), &again);
    assert_eq!(decided(&after, &incoming(7, 200, 0, 1), None), Decision::Stale);

    let observation = decision.observation(id, &after).unwrap();
    let mut reloaded = current;
    reloaded.observe(&observation);
    assert_eq!(reloaded, after);
    reloaded.observe(&observation);
    assert_eq!(reloaded, after);
}

#[test]
fn an_equal_judgement_with_more_knowledge_raises_the_version_only() {
    let current = entry(incoming(5, 100, 0, 1));
    let equal = incoming(5, 90, 0, 7);
    assert_eq!(decided(&current, &equal, None), Decision::Observe);
    let after = Decision::Observe.after(Some(&current), &equal);
    assert_eq!(after.content.observed_at, UtcTime(100));
    assert_eq!(decided(&after, &incoming(5, 100, 0, 4), Some(Cause::Policy)), Decision::Duplicate);
}

#[test]
fn an_observation_of_another_judgement_raises_the_time_only() {
    let mut current = entry(incoming(5, 100, 0, 4));
    current.observe(&Observation {
        event_id: EventId([9; 16]),
        content: Content { observed_at: UtcTime(150), hash: ContentHash([5; 16]) },
        entry_judged: JudgementVersion { settle_run: 0, context_version: 1 },
        judged: JudgementVersion { settle_run: 0, context_version: 8 },
    });
    assert_eq!(current.content.observed_at, UtcTime(150));
    assert_eq!(current.judged, JudgementVersion { settle_run: 0, context_version: 4 });
}

#[test]
fn a_rejudgement_of_an_older_sighting_keeps_the_latest_one() {
    let current = entry(incoming(5, 300, 0, 1));
    let message = incoming(5, 100, 0, 2);
    let after = REJUDGED.after(Some(&current), &message);
    assert_eq!(after.content.observed_at, UtcTime(300));
    assert_eq!((after.revision, after.judged, after.entry_judged), (2, message.judged, message.judged));
}

#[test]
fn the_content_of_a_withdrawn_event_is_kept_up_to_date() {
    let gone = incoming(5, 200, 0, 3);
    let mut current = Version::of_entry(3, EntryKind::Withdrawal, gone.content, gone.judged);
    assert_eq!(decided(&current, &incoming(6, 150, 9, 9), None), Decision::Stale);
    assert_eq!(decided(&current, &incoming(6, 200, 0, 1), None), RESTATED);
    assert_eq!(decided(&current, &incoming(5, 150, 0, 4), Some(Cause::Policy)), REJUDGED);
    assert_eq!(decided(&current, &incoming(5, 300, 0, 1), None), Decision::Observe);

    let entry = RESTATED.entry(Some(&current)).unwrap();
    assert_eq!((entry.revision, entry.reverses), (4, false), "nothing stands that could be reversed");
    assert_eq!(RESTATED.after(Some(&current), &incoming(6, 200, 0, 1)).presence, Presence::Live);

    let seen = Decision::Observe.after(Some(&current), &incoming(5, 300, 0, 1));
    assert_eq!((seen.presence, seen.content.observed_at), (Presence::Withdrawn, UtcTime(300)));
    current.observe(&Decision::Observe.observation(EventId([9; 16]), &seen).unwrap());
    assert_eq!(current, seen, "the table says the same as the process");
}

#[test]
fn decisions_become_entries() {
    assert_eq!(
        Decision::Append.entry(None),
        Some(NewEntry { revision: 1, kind: EntryKind::Original, cause: Cause::First, reverses: false })
    );
    let current = entry(incoming(5, 100, 0, 1));
    assert_eq!(
        RESTATED.entry(Some(&current)),
        Some(NewEntry { revision: 2, kind: EntryKind::Restatement, cause: Cause::Restated, reverses: true })
    );
    for nothing in [Decision::Observe, Decision::Duplicate, Decision::Stale] {
        assert_eq!(nothing.entry(Some(&current)), None);
    }
}
