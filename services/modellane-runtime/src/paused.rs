//! Partitions that wait for somebody who can read their next message.

use crate::{MetricName, Metrics, Readiness};
use modellane_event::UtcTime;
use std::collections::BTreeMap;
use std::fmt::Display;

/// How often a paused partition is tried again, in microseconds: what was missing may be there by now, such
/// as a registry that was down.
const TRY_AGAIN_MICROS: i64 = 10_000_000;

/// The paused partitions of one reader. Each is an alarm: a metric, an error in the log, and a service that
/// is not ready until it is over.
pub struct PausedPartitions {
    reader: &'static str,
    metrics: Metrics,
    readiness: Readiness,
    /// Topic and offset of the message that cannot be read, by partition.
    at: BTreeMap<i32, (String, i64)>,
    tried: Option<UtcTime>,
}

impl PausedPartitions {
    /// None yet. `reader` names the service in metrics and alarms.
    pub fn new(reader: &'static str, metrics: Metrics, readiness: Readiness) -> Self {
        Self { reader, metrics, readiness, at: BTreeMap::new(), tried: None }
    }

    /// Whether no partition waits.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Whether a partition waits before this offset, so that nothing there may be taken.
    pub fn is_beyond(&self, partition: i32, offset: i64) -> bool {
        self.at.get(&partition).is_some_and(|(_, at)| offset > *at)
    }

    /// Partitions that wait, with the offsets at which they do.
    pub fn offsets(&self) -> Vec<(i32, i64)> {
        self.at.iter().map(|(partition, (_, offset))| (*partition, *offset)).collect()
    }

    /// A partition waits at an offset from now on, and why. Also for one that still does.
    pub fn pause(&mut self, topic: &str, partition: i32, offset: i64, why: &dyn Display, now: UtcTime) {
        let reader = self.reader;
        tracing::error!(
            reader,
            topic,
            partition,
            offset,
            %why,
            "paused a partition: nothing of it is lost, it goes on with a version that can read the message"
        );
        self.tried = Some(now);
        let reason = format!(
            "paused at offset {offset}: {why}; run a version that knows it, and this partition goes on"
        );
        self.readiness.raise(&self.alarm(topic, partition), &reason);
        self.set(topic, partition, 1);
        self.at.insert(partition, (topic.to_owned(), offset));
    }

    /// A partition goes on, or belongs to somebody else now.
    pub fn resume(&mut self, partition: i32) {
        if let Some((topic, offset)) = self.at.remove(&partition) {
            tracing::info!(reader = self.reader, topic, partition, offset, "a paused partition goes on");
            self.readiness.clear(&self.alarm(&topic, partition));
            self.set(&topic, partition, 0);
        }
    }

    /// Whether it is time to try the paused partitions again; if so, the next time is later.
    pub fn is_time_to_try(&mut self, now: UtcTime) -> bool {
        let passed = |tried: UtcTime| {
            // A clock that was set back must not keep a partition waiting.
            now < tried || now.micros() - tried.micros() >= TRY_AGAIN_MICROS
        };
        let due = !self.at.is_empty() && self.tried.is_none_or(passed);
        if due {
            self.tried = Some(now);
        }
        due
    }

    fn alarm(&self, topic: &str, partition: i32) -> String {
        format!("{} {topic}/{partition}", self.reader)
    }

    fn set(&self, topic: &str, partition: i32, value: i64) {
        let labels = [("reader", self.reader), ("topic", topic), ("partition", &partition.to_string())];
        self.metrics.set(MetricName::PartitionPaused, &labels, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paused_partition_is_an_alarm_until_it_goes_on() {
        let (metrics, readiness) = (Metrics::new(), Readiness::new());
        readiness.set(true);
        let mut paused = PausedPartitions::new("sink", metrics.clone(), readiness.clone());
        paused.pause("judged", 3, 17, &"unknown schema", UtcTime(0));
        assert_eq!(paused.offsets(), [(3, 17)]);
        assert!(paused.is_beyond(3, 18) && !paused.is_beyond(3, 17) && !paused.is_beyond(2, 18));
        let gauge = r#"modellane_partition_paused{reader="sink",topic="judged",partition="3"}"#;
        assert!(metrics.render().contains(&format!("{gauge} 1")), "{}", metrics.render());
        assert!(readiness.alarms()[0].starts_with("sink judged/3: paused at offset 17: unknown schema"));
        assert!(!readiness.is_ready());
        paused.resume(3);
        assert!(paused.is_empty() && readiness.is_ready());
        assert!(metrics.render().contains(&format!("{gauge} 0")));
    }

    #[test]
    fn it_is_tried_again_now_and_then_whatever_the_clock_does() {
        let mut paused = PausedPartitions::new("sink", Metrics::new(), Readiness::new());
        assert!(!paused.is_time_to_try(UtcTime(0)));
        paused.pause("judged", 0, 0, &"unknown", UtcTime(0));
        assert!(!paused.is_time_to_try(UtcTime(TRY_AGAIN_MICROS - 1)));
        assert!(paused.is_time_to_try(UtcTime(TRY_AGAIN_MICROS)));
        assert!(!paused.is_time_to_try(UtcTime(TRY_AGAIN_MICROS + 1)));
        assert!(paused.is_time_to_try(UtcTime(5)));
    }
}
