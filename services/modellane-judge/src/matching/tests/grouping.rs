//! Segments, and days that are summed up.

use super::*;
use crate::reason::Reason;
use modellane_event::{PersonId, SessionKey, UtcTime, Who, Work};
use proptest::prelude::*;

const MINUTE: i64 = 60_000_000;

fn stretch(at: i64) -> UseMoment {
    let trace = Trace::new(UtcTime(at * MINUTE), &Who::default(), &Work::default());
    UseMoment { key: SegmentKey::Stretch(PersonId([1; 16]), Some(Label::literal("cursor"))), trace }
}

fn in_session(at: i64, number: u8) -> UseMoment {
    let session_key = Some(SessionKey([number; 16]));
    let trace = Trace::new(UtcTime(at * MINUTE), &Who { session_key, ..Who::default() }, &Work::default());
    UseMoment { key: SegmentKey::Session(source(), SessionKey([number; 16])), trace }
}

fn cut(uses: &[UseMoment], edges: &[i64]) -> Vec<Vec<usize>> {
    let edges: Vec<UtcTime> = edges.iter().map(|edge| UtcTime(edge * MINUTE)).collect();
    let mut found: Vec<_> = segments(uses, &edges).into_iter().map(|segment| segment.uses).collect();
    found.sort();
    found
}

#[test]
fn a_pause_of_half_an_hour_ends_a_stretch_and_no_session() {
    let uses = [stretch(0), stretch(29), stretch(59), stretch(60)];
    assert_eq!(cut(&uses, &[]), [vec![0, 1], vec![2, 3]]);
    let uses = [in_session(0, 1), in_session(500, 1), in_session(10, 2)];
    assert_eq!(cut(&uses, &[]), [vec![0, 1], vec![2]]);
}

#[test]
fn no_segment_reaches_across_the_edge_of_an_intent() {
    let uses = [in_session(0, 1), in_session(10, 1), in_session(20, 1)];
    // A use at the very edge belongs to what begins there.
    assert_eq!(cut(&uses, &[10]), [vec![0], vec![1, 2]]);
    assert_eq!(cut(&uses, &[15, 40]), [vec![0, 1], vec![2]]);
    assert_eq!(cut(&uses, &[0]), [vec![0, 1, 2]]);
}

#[test]
fn a_segment_tells_what_all_of_its_uses_agree_on() {
    let with = |at: i64, repo: Option<WorkspaceKey>| {
        Trace::new(UtcTime(at), &Who::default(), &Work { workspace_key: repo, ..Work::default() })
    };
    let merged = Trace::merged([with(9, None), with(5, Some(REPO)), with(7, Some(REPO))]).unwrap();
    assert_eq!((merged.at(), merged.workspace()), (UtcTime(5), Some(REPO)));
    let differ = Trace::merged([with(5, Some(REPO)), with(7, Some(MONOREPO))]).unwrap();
    assert_eq!(differ.workspace(), None);
    assert_eq!(Trace::merged([]), None);
}

proptest! {
    #[test]
    fn every_use_is_in_exactly_one_segment(
        times in prop::collection::vec((0i64..600, 0u8..4), 0..40),
        edges in prop::collection::vec(0i64..600, 0..6),
    ) {
        let uses: Vec<UseMoment> = times
            .iter()
            .map(|(at, number)| if *number == 0 { stretch(*at) } else { in_session(*at, *number) })
            .collect();
        let segments = cut(&uses, &edges);
        let mut all: Vec<usize> = segments.iter().flatten().copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..uses.len()).collect::<Vec<_>>());
        for segment in segments {
            let times: Vec<i64> = segment.iter().map(|number| times[*number].0).collect();
            let (from, to) = (times.iter().min().unwrap(), times.iter().max().unwrap());
            prop_assert!(!edges.iter().any(|edge| from < edge && edge <= to), "an edge lies inside");
        }
    }

    #[test]
    fn a_day_is_distributed_to_the_whole(
        amount in 0u64..1_000,
        minutes in prop::collection::vec(0i64..2_000, 0..5),
        finer in prop::collection::vec((0u64..400, prop::collection::vec(0.0f64..0.2, 5)), 0..6),
    ) {
        let intents: Vec<ActiveIntent> = minutes.iter().map(|minutes| ActiveIntent { minutes: *minutes }).collect();
        let cut = |shares: Vec<f64>| shares.into_iter().take(intents.len()).collect();
        let evidence: Vec<DayEvidence> =
            finer.into_iter().map(|(amount, shares)| DayEvidence { amount, shares: cut(shares) }).collect();
        let (shares, _) = distribute_day(amount, &intents, &evidence, Share::nearest(0.4));
        prop_assert_eq!(shares.len(), intents.len() + 1);
        prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        prop_assert!(shares.iter().all(|share| (-1e-12..=1.0 + 1e-9).contains(share)));
    }
}

fn day(amount: u64, minutes: &[i64], evidence: &[DayEvidence]) -> (Vec<f64>, Option<Reason>) {
    let intents: Vec<ActiveIntent> =
        minutes.iter().map(|minutes| ActiveIntent { minutes: *minutes }).collect();
    distribute_day(amount, &intents, evidence, Share::nearest(0.4))
}

#[test]
fn a_day_without_finer_records_is_split_by_time() {
    // 60 and 180 minutes of 40 % undeclared; a day-long one counts 240 minutes at most.
    let (shares, reason) = day(100, &[60, 180], &[]);
    assert!(close(shares[0], 0.15) && close(shares[1], 0.45) && close(shares[2], 0.4), "{shares:?}");
    assert_eq!(reason, Some(Reason::AggregateOnly));
    let (shares, _) = day(100, &[240, 1_440], &[]);
    assert!(close(shares[0], 0.3) && close(shares[1], 0.3), "{shares:?}");
    assert_eq!(day(100, &[], &[]).0, [1.0]);
}

#[test]
fn finer_records_decide_and_what_they_leave_over_is_told() {
    let finer = |amount, shares: [f64; 2]| DayEvidence { amount, shares: shares.to_vec() };
    let (shares, reason) = day(100, &[60, 60], &[finer(75, [1.0, 0.0]), finer(25, [0.0, 0.5])]);
    assert!(close(shares[0], 0.75) && close(shares[1], 0.125) && close(shares[2], 0.125), "{shares:?}");
    assert_eq!(reason, None);
    // 60 of 100 are explained; 40 go by time: 30 % each and 40 % to none.
    let (shares, reason) = day(100, &[60, 60], &[finer(60, [1.0, 0.0])]);
    assert!(close(shares[0], 0.72) && close(shares[1], 0.12) && close(shares[2], 0.16), "{shares:?}");
    assert_eq!(reason, Some(Reason::AggregateUnexplained));
}
