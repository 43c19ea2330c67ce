//! I6 over the kept commits of one table: versions follow one another, ranges tile their streams, times
//! increase. Pure.

use crate::commits::KeptCommit;
use modellane_event::UtcTime;
use modellane_ledger::{Invariant, OffsetDecision, Violation, commit_decision};
use std::collections::BTreeMap;

/// Goes through commits in order of version. After a violation it goes on from where the commit ends, so that
/// one fault is one violation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tiling {
    next_version: Option<i64>,
    next_offset: BTreeMap<(String, i32), i64>,
    recorded_at: Option<UtcTime>,
    pub(crate) violations: Vec<Violation>,
}

impl Tiling {
    /// The next commit.
    pub(crate) fn step(&mut self, commit: &KeptCommit) {
        let expected = self.next_version.unwrap_or(commit.version);
        if commit.version != expected {
            let place = format!("version {} follows {}", commit.version, expected - 1);
            self.violated(Invariant::I6, place);
        }
        self.next_version = Some(commit.version + 1);
        for range in &commit.ranges {
            let key = (range.stream.clone(), range.partition);
            let stored = self.next_offset.get(&key).copied();
            if range.to < range.from || commit_decision(stored, range) != OffsetDecision::Commit {
                let stood = stored.map_or("its beginning".to_owned(), |next| next.to_string());
                let place = format!("version {}: {range}, but the stream stands at {stood}", commit.version);
                self.violated(Invariant::I6, place);
            }
            self.next_offset.insert(key, range.to.max(stored.unwrap_or(range.to)));
        }
        if let Some(time) = commit.recorded_at {
            if let Some(before) = self.recorded_at.filter(|before| time <= *before) {
                let place = format!("version {} at {time} after one at {before}", commit.version);
                self.violated(Invariant::I9, place);
            }
            self.recorded_at = Some(time);
        }
    }

    /// The next offset of each partition of each stream, as the commits have it.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (&str, i32, i64)> {
        self.next_offset.iter().map(|((stream, partition), next)| (stream.as_str(), *partition, *next))
    }

    pub(crate) fn violated(&mut self, invariant: Invariant, place: String) {
        self.violations.push(Violation { invariant, place });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modellane_ledger::StreamRange;

    fn commit(version: i64, from: i64, to: i64) -> KeptCommit {
        let range = StreamRange { stream: "judged-1".to_owned(), partition: 0, from, to };
        KeptCommit {
            version,
            recorded_at: Some(UtcTime(version)),
            ranges: vec![range],
            fetches_applied: None,
        }
    }

    fn violations(commits: &[KeptCommit]) -> Vec<Invariant> {
        let mut tiling = Tiling::default();
        commits.iter().for_each(|commit| tiling.step(commit));
        tiling.violations.iter().map(|violation| violation.invariant).collect()
    }

    #[test]
    fn whole_history_has_no_violation() {
        let upkeep = KeptCommit { version: 3, recorded_at: None, ranges: Vec::new(), fetches_applied: None };
        let commits = [commit(1, 7, 9), commit(2, 9, 12), upkeep, commit(4, 12, 13)];
        assert_eq!(violations(&commits), []);
    }

    #[test]
    fn each_fault_is_one_violation() {
        let gap = [commit(1, 0, 5), commit(2, 6, 9), commit(3, 9, 10)];
        assert_eq!(violations(&gap), [Invariant::I6]);
        let overlap = [commit(1, 0, 5), commit(2, 4, 9), commit(3, 9, 10)];
        assert_eq!(violations(&overlap), [Invariant::I6]);
        let missing = [commit(1, 0, 5), commit(3, 5, 9)];
        assert_eq!(violations(&missing), [Invariant::I6]);
        let mut back = [commit(1, 0, 5), commit(2, 5, 9)];
        back[1].recorded_at = Some(UtcTime(1));
        assert_eq!(violations(&back), [Invariant::I9]);
    }
}
