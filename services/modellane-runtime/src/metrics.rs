//! Metrics: every name is one variant, so the catalogue is this file.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::Arc;

type Labels = Vec<(&'static str, String)>;

/// Every metric of the product. Label values are names of sources, reasons, fields, topics and tables;
/// never a value of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricName {
    /// Records accepted, by source.
    CollectorAccepted,
    /// Records rejected, by source and reason.
    CollectorRejected,
    /// Records that are no usage, by source and kind.
    CollectorSkipped,
    /// Fields whose text was no label and became null, by source and field.
    CollectorNullLabels,
    /// Requests that were put off with 429, by what was full.
    CollectorPutOff,
    /// Bytes of requests that are worked on.
    CollectorHeldBytes,
    /// Usage events judged, by verdict.
    ProcessorJudged,
    /// Messages that could not be decoded, by topic.
    ProcessorUndecodable,
    /// Events that were deleted from the log before they were judged, by topic.
    ProcessorLost,
    /// Newest context version known.
    ProcessorContextVersion,
    /// Versions of the context that were refused, by service and kind; what held before goes on to hold.
    ContextRefused,
    /// Events by what the ledger decided.
    SinkDecisions,
    /// Commits, by table.
    SinkCommits,
    /// Rows of the newest commit.
    SinkCommitRows,
    /// 1 while a sink stands by for the owner of the tables.
    SinkStandsBy,
    /// 1 while a partition waits at a message that its reader cannot read, by reader, topic and partition.
    PartitionPaused,
    /// Queries answered, by interface and outcome.
    QueryAnswered,
    /// Jobs of maintenance, by job and outcome.
    MaintenanceJobs,
    /// When a job of maintenance last succeeded, in seconds since 1970, by job.
    MaintenanceLastSuccess,
    /// Violations that the newest audit found, by invariant.
    AuditViolations,
}

impl MetricName {
    const ALL: [Self; 20] = [
        Self::CollectorAccepted,
        Self::CollectorRejected,
        Self::CollectorSkipped,
        Self::CollectorNullLabels,
        Self::CollectorPutOff,
        Self::CollectorHeldBytes,
        Self::ProcessorJudged,
        Self::ProcessorUndecodable,
        Self::ProcessorLost,
        Self::ProcessorContextVersion,
        Self::ContextRefused,
        Self::SinkDecisions,
        Self::SinkCommits,
        Self::SinkCommitRows,
        Self::SinkStandsBy,
        Self::PartitionPaused,
        Self::QueryAnswered,
        Self::MaintenanceJobs,
        Self::MaintenanceLastSuccess,
        Self::AuditViolations,
    ];

    fn name_and_help(self) -> (&'static str, &'static str) {
        match self {
            Self::CollectorAccepted => ("modellane_collector_accepted", "Records accepted"),
            Self::CollectorRejected => ("modellane_collector_rejected", "Records rejected"),
            Self::CollectorSkipped => ("modellane_collector_skipped", "Records that are no usage"),
            Self::CollectorNullLabels => ("modellane_collector_null_labels", "Fields that became null"),
            Self::CollectorPutOff => ("modellane_collector_put_off", "Requests asked to come again"),
            Self::CollectorHeldBytes => ("modellane_collector_held_bytes", "Bytes of requests in flight"),
            Self::ProcessorJudged => ("modellane_processor_judged", "Usage events judged"),
            Self::ProcessorUndecodable => ("modellane_processor_undecodable", "Messages not decodable"),
            Self::ProcessorLost => ("modellane_processor_lost", "Events deleted before they were judged"),
            Self::ProcessorContextVersion => {
                ("modellane_processor_context_version", "Newest context version known")
            }
            Self::ContextRefused => ("modellane_context_refused", "Versions of the context refused"),
            Self::SinkDecisions => ("modellane_sink_decisions", "Events by decision of the ledger"),
            Self::SinkCommits => ("modellane_sink_commits", "Commits"),
            Self::SinkCommitRows => ("modellane_sink_commit_rows", "Rows of the newest commit"),
            Self::SinkStandsBy => ("modellane_sink_stands_by", "Whether a sink stands by"),
            Self::PartitionPaused => ("modellane_partition_paused", "Whether a partition waits"),
            Self::QueryAnswered => ("modellane_query_answered", "Queries answered"),
            Self::MaintenanceJobs => ("modellane_maintenance_jobs", "Jobs of maintenance"),
            Self::MaintenanceLastSuccess => {
                ("modellane_maintenance_last_success_seconds", "When a job of maintenance last succeeded")
            }
            Self::AuditViolations => ("modellane_audit_violations", "Violations in the newest audit"),
        }
    }

    fn is_gauge(self) -> bool {
        matches!(
            self,
            Self::CollectorHeldBytes
                | Self::ProcessorContextVersion
                | Self::SinkCommitRows
                | Self::SinkStandsBy
                | Self::PartitionPaused
                | Self::MaintenanceLastSuccess
                | Self::AuditViolations
        )
    }
}

/// The process's metrics; cheap to clone and pass.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    counters: BTreeMap<MetricName, Family<Labels, Counter>>,
    gauges: BTreeMap<MetricName, Family<Labels, Gauge>>,
}

impl Metrics {
    /// Registers every metric.
    pub fn new() -> Self {
        let mut inner =
            Inner { registry: Registry::default(), counters: BTreeMap::new(), gauges: BTreeMap::new() };
        for metric in MetricName::ALL {
            let (name, help) = metric.name_and_help();
            if metric.is_gauge() {
                let family = Family::<Labels, Gauge>::default();
                inner.registry.register(name, help, family.clone());
                inner.gauges.insert(metric, family);
            } else {
                let family = Family::<Labels, Counter>::default();
                inner.registry.register(name, help, family.clone());
                inner.counters.insert(metric, family);
            }
        }
        Self(Arc::new(inner))
    }

    /// Adds to a counter.
    pub fn add(&self, metric: MetricName, labels: &[(&'static str, &str)], amount: u64) {
        if let Some(family) = self.0.counters.get(&metric) {
            family.get_or_create(&owned(labels)).inc_by(amount);
        }
    }

    /// Sets a gauge.
    pub fn set(&self, metric: MetricName, labels: &[(&'static str, &str)], value: i64) {
        if let Some(family) = self.0.gauges.get(&metric) {
            family.get_or_create(&owned(labels)).set(value);
        }
    }

    /// The OpenMetrics text that Prometheus scrapes.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn owned(labels: &[(&'static str, &str)]) -> Labels {
    labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_registered_and_counted() {
        let metrics = Metrics::new();
        metrics.add(MetricName::CollectorAccepted, &[("source", "litellm.spend_logs")], 3);
        metrics.set(MetricName::ProcessorContextVersion, &[], 7);
        let text = metrics.render();
        assert!(
            text.contains("modellane_collector_accepted_total{source=\"litellm.spend_logs\"} 3"),
            "{text}"
        );
        let gauge = text.lines().find(|line| line.starts_with("modellane_processor_context_version"));
        assert!(gauge.is_some_and(|line| line.ends_with(" 7")), "{text}");
        for metric in MetricName::ALL {
            if metric.is_gauge() { metrics.set(metric, &[], 1) } else { metrics.add(metric, &[], 1) }
        }
        let text = metrics.render();
        for metric in MetricName::ALL {
            assert!(text.contains(metric.name_and_help().0), "{metric:?}");
        }
    }
}
