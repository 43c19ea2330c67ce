//! Whether it is compaction's turn to commit. Pure.

use modellane_event::UtcTime;

/// If the sink has not committed since, compaction waits for so long: a sink that reads a large table anew may
/// take its time, and one without records has none to commit.
const PATIENCE_MICROS: i64 = 3_600_000_000;

/// What a table says of its last compaction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    /// When it was; null if there was none.
    pub(crate) compacted_at: Option<i64>,
    /// Where the sink's time stood then.
    pub(crate) compacted_after: Option<i64>,
    /// Where it stands now; null for a table without an owner.
    pub(crate) recorded_at: Option<i64>,
}

impl Turn {
    /// Not before the pause is over, and not before the sink has had its turn.
    pub(crate) fn has_come(&self, now: UtcTime, pause_s: u64) -> bool {
        let Some(compacted_at) = self.compacted_at else { return true };
        let passed = now.micros().saturating_sub(compacted_at);
        // A clock that was set back must not hold compaction up for ever.
        let paused = u64::try_from(passed).is_ok_and(|micros| micros / 1_000_000 < pause_s);
        let sink_was_here = self.recorded_at.is_none_or(|now| Some(now) > self.compacted_after);
        !paused && (sink_was_here || passed.unsigned_abs() > PATIENCE_MICROS.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn turn(minutes_ago: i64, sink_committed: bool) -> Turn {
        let now = 1_794_218_400_000_000;
        Turn {
            compacted_at: Some(now - minutes_ago * MINUTE),
            compacted_after: Some(5),
            recorded_at: Some(if sink_committed { 6 } else { 5 }),
        }
    }

    #[test]
    fn compaction_waits_for_its_pause_and_for_the_sink() {
        let has_come = |turn: Turn| turn.has_come(UtcTime(1_794_218_400_000_000), 600);
        assert!(has_come(Turn::default()));
        assert!(!has_come(turn(9, true)), "the pause is not over");
        assert!(has_come(turn(11, true)));
        assert!(!has_come(turn(11, false)), "the sink has not committed since");
        assert!(has_come(turn(61, false)), "a sink without records does not hold compaction up");
        assert!(has_come(Turn { recorded_at: None, ..turn(11, false) }), "nobody owns the table");
    }
}
