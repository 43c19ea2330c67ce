//! Offsets as intervals with an expected start.

use std::collections::BTreeMap;
use std::fmt;

/// A stretch of one partition of one stream: offsets `from` up to, not including, `to`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamRange {
    /// Identity of the topic, another one after it was recreated or on another cluster.
    pub stream: String,
    /// Partition.
    pub partition: i32,
    /// First offset.
    pub from: i64,
    /// Next offset, which the commit stores. Transactional topics skip offsets, so a range is counted by
    /// where it ends, never by how many records it has.
    pub to: i64,
}

impl fmt::Display for StreamRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} [{}, {})", self.stream, self.partition, self.from, self.to)
    }
}

/// What to do with a range, given where the table stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetDecision {
    /// It begins where the table stands.
    Commit,
    /// All of it is in the table.
    AlreadyDone,
    /// Records before it are missing; they must be read first.
    Gap {
        /// Where the table stands.
        expected: i64,
    },
    /// The part before `trim_to` is in the table and must be dropped.
    Overlap {
        /// First offset that is not in the table.
        trim_to: i64,
    },
}

/// Compares a range with the next offset that the table stores; `None` if it knows nothing of the partition,
/// which then begins wherever the log begins.
pub fn commit_decision(stored_next: Option<i64>, range: &StreamRange) -> OffsetDecision {
    match stored_next {
        None => OffsetDecision::Commit,
        Some(next) if range.from == next => OffsetDecision::Commit,
        Some(next) if range.to <= next => OffsetDecision::AlreadyDone,
        Some(next) if range.from > next => OffsetDecision::Gap { expected: next },
        Some(next) => OffsetDecision::Overlap { trim_to: next },
    }
}

/// Ranges do not tile a stream.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum OffsetError {
    /// Offsets between two ranges are missing.
    #[error("{range} leaves a gap: the stream stands at {expected}")]
    Gap {
        /// The later range.
        range: StreamRange,
        /// Where the stream stood.
        expected: i64,
    },
    /// Offsets come twice.
    #[error("{range} overlaps: the stream stands at {expected}")]
    Overlap {
        /// The later range.
        range: StreamRange,
        /// Where the stream stood.
        expected: i64,
    },
    /// A range ends before it begins.
    #[error("{range} ends before it begins")]
    Backwards {
        /// The range.
        range: StreamRange,
    },
}

/// Ranges that tile their streams: per partition one stretch, grown at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet(BTreeMap<(String, i32), (i64, i64)>);

impl RangeSet {
    /// Grows a partition's stretch by a range that begins where the stretch ends.
    pub fn extend(&mut self, range: &StreamRange) -> Result<(), OffsetError> {
        if range.to < range.from {
            return Err(OffsetError::Backwards { range: range.clone() });
        }
        let key = (range.stream.clone(), range.partition);
        match self.0.get_mut(&key) {
            None => {
                self.0.insert(key, (range.from, range.to));
            }
            Some((_, end)) if *end == range.from => *end = range.to,
            Some((_, end)) if *end < range.from => {
                return Err(OffsetError::Gap { range: range.clone(), expected: *end });
            }
            Some((_, end)) => return Err(OffsetError::Overlap { range: range.clone(), expected: *end }),
        }
        Ok(())
    }

    /// Where a partition's stretch ends: the next offset to read.
    pub fn next(&self, stream: &str, partition: i32) -> Option<i64> {
        self.0.get(&(stream.to_owned(), partition)).map(|(_, end)| *end)
    }

    /// Whether there is no range.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The stretches, by stream and partition.
    pub fn iter(&self) -> impl Iterator<Item = StreamRange> + '_ {
        self.0.iter().map(|((stream, partition), (from, to))| StreamRange {
            stream: stream.clone(),
            partition: *partition,
            from: *from,
            to: *to,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: i64, to: i64) -> StreamRange {
        StreamRange { stream: "judged-1".into(), partition: 0, from, to }
    }

    #[test]
    fn a_range_is_committed_only_where_the_table_stands() {
        assert_eq!(commit_decision(None, &range(7, 9)), OffsetDecision::Commit);
        assert_eq!(commit_decision(Some(5), &range(5, 9)), OffsetDecision::Commit);
        assert_eq!(commit_decision(Some(9), &range(5, 9)), OffsetDecision::AlreadyDone);
        assert_eq!(commit_decision(Some(4), &range(5, 9)), OffsetDecision::Gap { expected: 4 });
        assert_eq!(commit_decision(Some(6), &range(5, 9)), OffsetDecision::Overlap { trim_to: 6 });
    }

    #[test]
    fn stretches_grow_only_at_their_end() {
        let mut set = RangeSet::default();
        set.extend(&range(3, 5)).unwrap();
        set.extend(&range(5, 5)).unwrap();
        set.extend(&range(5, 8)).unwrap();
        assert_eq!(set.next("judged-1", 0), Some(8));
        assert_eq!(set.next("judged-2", 0), None);
        assert!(matches!(set.extend(&range(9, 10)), Err(OffsetError::Gap { expected: 8, .. })));
        assert!(matches!(set.extend(&range(7, 10)), Err(OffsetError::Overlap { expected: 8, .. })));
        assert!(matches!(set.extend(&range(8, 7)), Err(OffsetError::Backwards { .. })));
        assert_eq!(set.iter().collect::<Vec<_>>(), [range(3, 8)]);
    }
}
