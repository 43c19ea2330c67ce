//! When what waits is committed.

use modellane_event::UtcTime;

/// The times of reads and commits that decide when the next commit is due.
#[derive(Debug)]
pub(crate) struct Cadence {
    /// When the log was read last: what comes next came to the log after that.
    read_at: UtcTime,
    /// Whether the last read took all that there was.
    caught_up: bool,
    /// Since when the oldest record that waits has been in the log, at the longest.
    waiting_since: Option<UtcTime>,
    /// Begin and end of the last commit.
    last_commit: Option<(UtcTime, UtcTime)>,
}

impl Cadence {
    /// Reading starts now.
    pub(crate) fn start(now: UtcTime) -> Self {
        Self { read_at: now, caught_up: false, waiting_since: None, last_commit: None }
    }

    /// Reading starts anew after a commit.
    #[must_use]
    pub(crate) fn restarted(&self, now: UtcTime) -> Self {
        Self { last_commit: self.last_commit, ..Self::start(now) }
    }

    /// The log was read, until now. What it gave came after the time that is answered.
    pub(crate) fn has_read(&mut self, now: UtcTime, caught_up: bool) -> UtcTime {
        self.caught_up = caught_up;
        std::mem::replace(&mut self.read_at, now)
    }

    /// A record waits that came to the log after this time.
    pub(crate) fn waits(&mut self, came_after: UtcTime) {
        self.waiting_since.get_or_insert(came_after);
    }

    /// Everything that waited was committed.
    pub(crate) fn has_committed(&mut self, began: UtcTime, ended: UtcTime) {
        self.waiting_since = None;
        self.last_commit = Some((began, ended));
    }

    /// Whether what waits has waited for an interval, and the last commit is far enough away: from begin to
    /// begin, so that the time of a commit is not added to everybody's wait. But what waits in the log is read
    /// first, or commits that take longer than their interval would hold few records each.
    pub(crate) fn is_due(&self, now: UtcTime, interval_ms: u64, spacing_ms: u64) -> bool {
        let passed =
            |since: Option<UtcTime>, millis| since.is_none_or(|since| has_passed(since, now, millis));
        let spaced_from = self.last_commit.map(|(began, ended)| if self.caught_up { began } else { ended });
        passed(self.waiting_since, interval_ms) && passed(spaced_from, spacing_ms)
    }
}

/// Whether so many milliseconds lie between. A clock that was set back must not hold anything up.
pub(crate) fn has_passed(since: UtcTime, now: UtcTime, millis: u64) -> bool {
    let passed = u64::try_from(now.micros() - since.micros());
    passed.is_ok_and(|passed| passed / 1_000 >= millis) || now < since
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: u64 = 2_000;

    fn at(millis: i64) -> UtcTime {
        UtcTime(1_794_218_400_000_000 + millis * 1_000)
    }

    /// A record was read at 100 ms that came after 0 ms, everything else being read.
    fn waiting() -> Cadence {
        let mut cadence = Cadence::start(at(0));
        let came_after = cadence.has_read(at(100), true);
        cadence.waits(came_after);
        cadence
    }

    #[test]
    fn a_record_waits_from_its_arrival_and_not_from_its_reading() {
        let mut cadence = waiting();
        cadence.has_read(at(200), true);
        cadence.waits(at(200));
        assert!(!cadence.is_due(at(1_999), INTERVAL, INTERVAL));
        assert!(cadence.is_due(at(2_000), INTERVAL, INTERVAL));
    }

    #[test]
    fn commits_are_an_interval_apart_from_begin_to_begin() {
        let mut cadence = waiting();
        cadence.has_committed(at(2_000), at(3_500));
        cadence.has_read(at(3_600), true);
        cadence.waits(at(2_000));
        assert!(!cadence.is_due(at(3_999), INTERVAL, INTERVAL));
        assert!(
            cadence.is_due(at(4_000), INTERVAL, INTERVAL),
            "the commit took 1.5 s, which nobody waits for"
        );
    }

    #[test]
    fn behind_the_log_commits_are_an_interval_apart_from_end_to_begin() {
        let mut cadence = waiting();
        cadence.has_committed(at(2_000), at(5_000));
        cadence.has_read(at(5_100), false);
        cadence.waits(at(2_000));
        assert!(!cadence.is_due(at(6_999), INTERVAL, INTERVAL));
        assert!(cadence.is_due(at(7_000), INTERVAL, INTERVAL));
    }

    #[test]
    fn nothing_that_came_before_a_commit_makes_the_next_one_due() {
        let mut cadence = waiting();
        cadence.has_committed(at(2_000), at(2_100));
        let came_after = cadence.has_read(at(6_000), true);
        cadence.waits(came_after);
        assert!(!cadence.is_due(at(2_099), INTERVAL, 0), "it came after 100 ms");
        assert!(cadence.is_due(at(2_100), INTERVAL, 0));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let mut cadence = waiting();
        cadence.has_committed(at(2_000), at(2_100));
        cadence.waits(at(2_050));
        assert!(cadence.is_due(at(-60_000), INTERVAL, INTERVAL));
    }
}
