//! In which steps a ledger is rebuilt from its topics.

use modellane_event::UtcTime;
use modellane_ledger::CommitRecord;
use modellane_sink::{History, HistoryCommit};
use std::collections::BTreeMap;

/// What the old lake and the log say of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) partition: i32,
    /// First offset that the log still holds.
    pub(crate) low: i64,
    /// Next offset, as the old lake has it.
    pub(crate) position: i64,
}

/// One commit of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Time that its rows carry.
    pub(crate) recorded_at: UtcTime,
    /// Partition and next offset, for the partitions that move.
    pub(crate) through: BTreeMap<i32, i64>,
    /// Up to when it takes account of complete fetches; null if no further than the commit before.
    pub(crate) fetches: Option<UtcTime>,
}

/// A partition whose beginning the log has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) partition: i32,
    /// First offset that the old lake read.
    pub(crate) needed: i64,
    /// First offset that the log still holds.
    pub(crate) low: i64,
}

/// The steps of one table, and what cannot be rebuilt.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Timeline {
    pub(crate) steps: Vec<Step>,
    pub(crate) lost: Vec<Lost>,
    /// Commits of the old lake that came from other clusters alone.
    pub(crate) foreign: usize,
}

impl Timeline {
    /// Commits as the old lake made them, each with its time. What it committed before its log begins comes
    /// first, in one step a microsecond earlier.
    pub(crate) fn of(stream: &str, history: &History, stretches: &[Stretch]) -> Self {
        let end = End { recorded_through: history.recorded_through, fetches: history.fetches_applied };
        Self::from_commits(stream, &history.commits, (!history.is_complete()).then_some(end), stretches)
    }

    /// `forgotten` says where the table stands if its log does not hold its first commits.
    fn from_commits(
        stream: &str,
        commits: &[HistoryCommit],
        forgotten: Option<End>,
        stretches: &[Stretch],
    ) -> Self {
        let mut timeline = Self::default();
        let mut reached: BTreeMap<i32, i64> =
            stretches.iter().map(|stretch| (stretch.partition, stretch.low)).collect();
        let records = || commits.iter().map(|commit| &commit.record);
        let ours = |record: &CommitRecord| record.ranges.iter().any(|range| range.stream == stream);
        timeline.foreign = records().filter(|record| !record.ranges.is_empty() && !ours(record)).count();

        let mut first_known = BTreeMap::new();
        for range in records().flat_map(|record| &record.ranges).filter(|range| range.stream == stream) {
            first_known.entry(range.partition).or_insert(range.from);
        }
        for stretch in stretches.iter().filter(|stretch| stretch.position > 0) {
            let known = first_known.get(&stretch.partition).copied();
            let needed = if forgotten.is_some() { 0 } else { known.unwrap_or(0) };
            if stretch.low > needed {
                let Stretch { partition, low, .. } = *stretch;
                timeline.lost.push(Lost { partition, needed, low });
            }
        }

        let before = stretches.iter().map(|stretch| {
            let known = first_known.get(&stretch.partition).copied();
            (stretch.partition, known.unwrap_or(stretch.position))
        });
        let first = records().next().map(|record| UtcTime(record.recorded_at.micros() - 1));
        let end = forgotten.unwrap_or_default();
        // What is applied by a commit that is known comes with that commit.
        let unstated = commits.iter().all(|commit| commit.fetches_applied.is_none());
        let fetches = end.fetches.filter(|_| unstated);
        timeline.push(
            first.or(end.recorded_through).unwrap_or(UtcTime(0)),
            before.collect(),
            fetches,
            &mut reached,
        );
        for HistoryCommit { record, fetches_applied, .. } in commits {
            let ranges = record.ranges.iter().filter(|range| range.stream == stream);
            let ends = ranges.map(|range| (range.partition, range.to)).collect();
            timeline.push(record.recorded_at, ends, *fetches_applied, &mut reached);
        }
        timeline
    }

    fn push(
        &mut self,
        recorded_at: UtcTime,
        ends: Vec<(i32, i64)>,
        fetches: Option<UtcTime>,
        reached: &mut BTreeMap<i32, i64>,
    ) {
        let mut through = BTreeMap::new();
        for (partition, end) in ends {
            let Some(reached) = reached.get_mut(&partition).filter(|reached| **reached < end) else {
                continue;
            };
            *reached = end;
            through.insert(partition, end);
        }
        if !through.is_empty() || fetches.is_some() {
            self.steps.push(Step { recorded_at, through, fetches });
        }
    }
}

/// Where a table stands.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    recorded_through: Option<UtcTime>,
    fetches: Option<UtcTime>,
}

/// A commit of one of the two tables.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn<'a> {
    /// Of the table of fetches.
    Fetches(&'a Step),
    /// Of the ledger.
    Ledger(&'a Step),
}

/// The steps of both tables, each of the ledger right after the fetches that it takes account of. Fetches that
/// the ledger does not take account of yet are left out: whoever goes on with the new lake reads them.
pub(crate) fn turns<'a>(ledger: &'a Timeline, fetches: &'a Timeline) -> Vec<Turn<'a>> {
    let mut waiting = fetches.steps.iter().peekable();
    let mut turns = Vec::new();
    for step in &ledger.steps {
        while let Some(fetch) = waiting.next_if(|fetch| Some(fetch.recorded_at) <= step.fetches) {
            turns.push(Turn::Fetches(fetch));
        }
        turns.push(Turn::Ledger(step));
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use modellane_ledger::StreamRange;

    fn commit(at: i64, ranges: &[(&str, i32, i64, i64)]) -> HistoryCommit {
        let range = |(stream, partition, from, to): &(&str, i32, i64, i64)| StreamRange {
            stream: (*stream).to_owned(),
            partition: *partition,
            from: *from,
            to: *to,
        };
        let record = CommitRecord { recorded_at: UtcTime(at), ranges: ranges.iter().map(range).collect() };
        HistoryCommit { version: 1, record, fetches_applied: None }
    }

    fn applying(fetches: i64, commit: HistoryCommit) -> HistoryCommit {
        HistoryCommit { fetches_applied: Some(UtcTime(fetches)), ..commit }
    }

    fn step(at: i64, through: &[(i32, i64)]) -> Step {
        Step { recorded_at: UtcTime(at), through: through.iter().copied().collect(), fetches: None }
    }

    const fn stretch(partition: i32, low: i64, position: i64) -> Stretch {
        Stretch { partition, low, position }
    }

    fn end(at: i64, fetches: Option<i64>) -> Option<End> {
        Some(End { recorded_through: Some(UtcTime(at)), fetches: fetches.map(UtcTime) })
    }

    #[test]
    fn commits_are_made_again_with_their_times() {
        let commits = [commit(100, &[("a", 0, 0, 5), ("a", 1, 0, 2)]), commit(200, &[("a", 0, 5, 9)])];
        let timeline = Timeline::from_commits("a", &commits, None, &[stretch(0, 0, 9), stretch(1, 0, 2)]);
        assert_eq!(timeline.steps, [step(100, &[(0, 5), (1, 2)]), step(200, &[(0, 9)])]);
        assert_eq!((timeline.lost, timeline.foreign), (vec![], 0));
    }

    #[test]
    fn what_the_log_of_the_lake_forgot_comes_first() {
        let commits = [commit(200, &[("a", 0, 5, 9)])];
        let stretches = [stretch(0, 0, 9), stretch(1, 0, 4)];
        let timeline = Timeline::from_commits("a", &commits, end(200, None), &stretches);
        assert_eq!(timeline.steps, [step(199, &[(0, 5), (1, 4)]), step(200, &[(0, 9)])]);
        assert_eq!(timeline.lost, []);
        let all = Timeline::from_commits("a", &[], end(200, Some(150)), &stretches);
        assert_eq!(all.steps, [Step { fetches: Some(UtcTime(150)), ..step(200, &[(0, 9), (1, 4)]) }]);
    }

    #[test]
    fn a_lost_beginning_is_named_and_the_rest_rebuilt() {
        let commits = [commit(100, &[("a", 0, 0, 5)]), commit(200, &[("a", 0, 5, 9)])];
        let timeline = Timeline::from_commits("a", &commits, None, &[stretch(0, 7, 9)]);
        assert_eq!(timeline.steps, [step(200, &[(0, 9)])]);
        assert_eq!(timeline.lost, [Lost { partition: 0, needed: 0, low: 7 }]);
        let unknown = Timeline::from_commits("a", &commits[1..], end(200, None), &[stretch(0, 5, 9)]);
        assert_eq!(unknown.lost, [Lost { partition: 0, needed: 0, low: 5 }]);
        // A lake that was begun when the log had lost its beginning already lacks nothing of it.
        let late = Timeline::from_commits("a", &commits[1..], None, &[stretch(0, 5, 9)]);
        assert_eq!((late.lost, late.steps.len()), (vec![], 1));
    }

    #[test]
    fn commits_from_another_cluster_are_counted() {
        let commits = [commit(100, &[("b", 0, 0, 5)]), commit(200, &[("a", 0, 0, 9)]), commit(300, &[])];
        let timeline = Timeline::from_commits("a", &commits, None, &[stretch(0, 0, 9)]);
        assert_eq!((timeline.steps, timeline.foreign), (vec![step(200, &[(0, 9)])], 1));
    }

    #[test]
    fn fetches_come_right_before_the_commit_that_takes_account_of_them() {
        let ledger = [
            commit(100, &[("a", 0, 0, 5)]),
            // Nothing but what a fetch did.
            applying(150, commit(200, &[])),
            applying(170, commit(300, &[("a", 0, 5, 9)])),
        ];
        let ledger = Timeline::from_commits("a", &ledger, None, &[stretch(0, 0, 9)]);
        let fetches: Vec<_> = [90, 150, 160, 180].iter().zip(0..).collect();
        let fetches: Vec<_> =
            fetches.into_iter().map(|(at, from)| commit(*at, &[("f", 0, from, from + 1)])).collect();
        let fetches = Timeline::from_commits("f", &fetches, None, &[stretch(0, 0, 4)]);
        let times: Vec<_> = turns(&ledger, &fetches)
            .iter()
            .map(|turn| match turn {
                Turn::Fetches(step) => ("fetches", step.recorded_at.micros()),
                Turn::Ledger(step) => ("ledger", step.recorded_at.micros()),
            })
            .collect();
        let expected = [
            ("ledger", 100),
            ("fetches", 90),
            ("fetches", 150),
            ("ledger", 200),
            ("fetches", 160),
            ("ledger", 300),
        ];
        assert_eq!(times, expected, "what is not applied yet is left out");
    }
}
