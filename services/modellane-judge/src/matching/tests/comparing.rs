use super::*;
use modellane_event::{SessionKey, TicketKey, UtcTime, Who, Work};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
/// Ten o'clock of some day.
const START: i64 = 1_800_000_000_000_000;

fn trace(at: i64) -> Trace {
    Trace::new(UtcTime(at), &Who::default(), &Work::default())
}

fn declared(end: Option<i64>) -> Declaration {
    Declaration {
        started_at: UtcTime(START),
        ended_at: end.map(UtcTime),
        session: None,
        ticket: None,
        workspace: None,
    }
}

#[test]
fn time_levels_change_at_the_stated_moments() {
    let end = START + 6 * HOUR;
    let level = |at: i64| Comparison::of(&trace(at), &declared(Some(end)), true).time;
    for (at, expected) in [
        (START - HOUR - 1, Level::Far),
        (START - HOUR, Level::Outside),
        (START - 10 * MINUTE - 1, Level::Outside),
        (START - 10 * MINUTE, Level::Near),
        (START - 1, Level::Near),
        (START, Level::Inside),
        (START + 4 * HOUR, Level::Inside),
        (START + 4 * HOUR + 1, Level::Stale),
        (end - 1, Level::Stale),
        (end, Level::Near),
        (end + 10 * MINUTE, Level::Near),
        (end + HOUR, Level::Outside),
        (end + HOUR + 1, Level::Far),
    ] {
        assert_eq!(level(at), expected, "{} minutes after the start", (at - START) / MINUTE);
    }
}

#[test]
fn an_intent_that_the_next_one_superseded_says_so() {
    let level = |end, latest| Comparison::of(&trace(START + HOUR), &declared(end), latest).time;
    assert_eq!(level(Some(START + 2 * HOUR), false), Level::Superseded);
    assert_eq!(level(None, false), Level::Abandoned);
    assert_eq!(level(None, true), Level::Inside);
    // After its end it does not matter what came next.
    assert_eq!(level(Some(START + HOUR), false), Level::Near);
}

#[test]
fn an_open_intent_is_contested_by_an_earlier_one_that_is_open_too() {
    let levels = |times: &[Level]| -> Vec<Level> {
        let candidates: Vec<Candidate> = times.iter().map(|time| timed(*time)).collect();
        set(&candidates).candidates.iter().map(|candidate| candidate.comparison.time).collect()
    };
    assert_eq!(levels(&[Level::Inside, Level::Superseded]), [Level::Contested, Level::Superseded]);
    assert_eq!(levels(&[Level::Inside, Level::Abandoned]), [Level::Inside, Level::Abandoned]);
}

#[test]
fn a_ticket_comes_before_the_repository_and_what_one_side_leaves_out_says_nothing() {
    let ticket = |n: u8| Some(TicketKey([n; 16]));
    let work = |seen: (Option<TicketKey>, Option<WorkspaceKey>),
                said: (Option<TicketKey>, Option<WorkspaceKey>)| {
        let work = Work { ticket_key: seen.0, workspace_key: seen.1, ..Work::default() };
        let trace = Trace::new(UtcTime(START), &Who::default(), &work);
        Comparison::of(&trace, &Declaration { ticket: said.0, workspace: said.1, ..declared(None) }, true)
            .work
    };
    let (repo, other) = (Some(REPO), Some(MONOREPO));
    assert_eq!(work((ticket(1), repo), (ticket(1), other)), Some(Level::TicketEqual));
    assert_eq!(work((ticket(1), repo), (ticket(2), repo)), Some(Level::TicketDiffers));
    assert_eq!(work((ticket(1), repo), (None, repo)), Some(Level::RepoEqual));
    assert_eq!(work((None, repo), (ticket(1), other)), Some(Level::RepoDiffers));
    assert_eq!(work((ticket(1), None), (None, repo)), None);
}

#[test]
fn session_keys_are_equal_different_or_not_there() {
    let key = |seen: Option<u8>, said: Option<u8>| {
        let who = Who { session_key: seen.map(|n| SessionKey([n; 16])), ..Who::default() };
        let trace = Trace::new(UtcTime(START), &who, &Work::default());
        let session = said.map(|n| SessionKey([n; 16]));
        Comparison::of(&trace, &Declaration { session, ..declared(None) }, true).key
    };
    assert_eq!(key(Some(1), Some(1)), KeyLevel::Equal);
    assert_eq!(key(Some(1), Some(2)), KeyLevel::Differs);
    assert_eq!(key(Some(1), None), KeyLevel::Missing);
    assert_eq!(key(None, Some(1)), KeyLevel::Missing);
}
