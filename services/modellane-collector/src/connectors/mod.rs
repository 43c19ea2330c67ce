//! The vendor formats, one file each. A vendor is added by one file, one fixture, one line in [`all`] and
//! one call of the conformance suite.

#[cfg(test)]
pub(crate) mod collected;
mod copilot_billing_csv;
mod copilot_user_day;
mod cursor_usage_events;
mod litellm_spend_logs;
pub mod otlp;

use crate::connector::{Connector, SourceSpec};

/// Every source that can be taken in.
static CONNECTORS: &[&dyn Connector] = &[
    &copilot_user_day::CopilotUserDay,
    &copilot_billing_csv::CopilotBillingCsv,
    &cursor_usage_events::CursorUsageEvents,
    &litellm_spend_logs::LitellmSpendLogs,
    &otlp::Otlp,
];

/// The connector of a source.
pub fn connector(source: &str) -> Option<&'static dyn Connector> {
    all().find(|connector| connector.spec().name == source)
}

/// Every connector, in the order in which `modellane sources` prints them.
pub fn all() -> impl Iterator<Item = &'static dyn Connector> {
    CONNECTORS.iter().copied()
}

/// What every source is.
pub fn specs() -> impl Iterator<Item = &'static SourceSpec> {
    all().map(Connector::spec)
}

/// A feed that is never taken in because it exists to carry content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedSource {
    /// `vendor.feed`.
    pub name: &'static str,
    /// Why, and what to use instead.
    pub reason: &'static str,
}

static REFUSED: &[RefusedSource] = &[
    RefusedSource {
        name: "github_copilot.usage_records",
        reason: "its records are the full prompts and completions; use github_copilot.user_day for usage and \
                 github_copilot.billing_csv for money",
    },
    RefusedSource {
        name: "cloudflare_ai_gateway.log_detail",
        reason: "it holds the heads of requests and responses; use the list, cloudflare_ai_gateway.logs",
    },
    RefusedSource {
        name: "openai.compliance_messages",
        reason: "its records are conversations; use openai.usage_completions or codex.enterprise_usage",
    },
    RefusedSource {
        name: "kiro.prompt_log",
        reason: "it holds prompts and code context; use kiro.user_activity",
    },
];

/// The feed's entry if it is one that exists to carry content.
pub fn refused(source: &str) -> Option<&'static RefusedSource> {
    REFUSED.iter().find(|refused| refused.name == source)
}

/// Why no records are taken under a name that is neither a connector's nor a refused feed's, and what to do
/// instead. The name is not repeated.
pub fn unknown(source: &str) -> String {
    if otlp::FEEDS.iter().any(|feed| feed.name == source) {
        return format!("a feed that is told from telemetry; send it as {}", otlp::SPEC.name);
    }
    let known: Vec<&str> = specs().map(|spec| spec.name).collect();
    format!("no such source; known are {}", known.join(", "))
}

/// Every feed that is refused.
pub fn all_refused() -> &'static [RefusedSource] {
    REFUSED
}
