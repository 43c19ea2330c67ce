//! Receives and imports vendor exports, normalizes them and publishes usage events.
//!
//! The way of a record: bytes → [`Connector`] (one vendor format; pure) → [`Draft`] → [`Intake`] (ids,
//! ordinals, repeats) → [`modellane_event::UsageEvent`] → topic. Every record goes this way, whether it came
//! over HTTP or from a file. Whoever sends records is told that they are accepted only after the broker has
//! acknowledged every one of them.
//!
//! The crate refuses:
//! - to keep what it was not told to read: connectors declare the fields they take, everything else is skipped
//!   at the parser;
//! - sources that exist to carry prompts or completions (see [`connectors::refused`]);
//! - to repeat a value of a payload in an error, a reply, a log or a metric: a [`Rejection`] holds a reason,
//!   the name of an allowed field and a length;
//! - clear account identifiers: they are keyed hashes before anything leaves a connector.

mod config;
pub mod connector;
pub mod connectors;
mod error;
pub(crate) mod fetch;
pub(crate) mod framing;
pub mod http;
pub(crate) mod id_search;
pub mod import;
pub mod intake;
pub mod intents;
pub(crate) mod json;
pub mod model_names;
pub mod natural_key;
pub mod publish;
pub(crate) mod sniff;
pub(crate) mod tools;

pub use config::{AccessKey, CollectorConfig};
pub use connector::{
    Connector, Draft, Extent, JsonRecords, Keys, Page, Payload, Records, Rejection, Scope, SourceSpec,
    Statement,
};
pub use error::CollectorError;
pub use http::{Collector, admin_only, otlp_router, router};
pub use import::{FileSummary, ImportOptions, ImportSummary, Importer, Progress};
pub use intake::{Counts, IndexedRejection, Intake, Outlet, Sealed};
pub use model_names::ModelName;
pub use natural_key::NaturalKey;
pub use publish::{Batch, KafkaPublish, Publish};
