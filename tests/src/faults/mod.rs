//! Faults from outside, and an oracle that knows what must stand afterwards.
//!
//! A [`plan`] drives the real services as processes against Apache Kafka and an S3 server, with a proxy in
//! front of each, and does one kind of harm to them. The [`oracle`] draws every record from a seed and keeps
//! what must stand in the end; the [`judge`] compares log, lake and answers with it. Nothing in the product
//! knows of any of this.
//!
//! `tests/README.md` says how to run a plan.

pub mod arena;
pub mod clock;
pub mod feed;
pub mod fleet;
pub mod http_proxy;
pub mod judge;
pub mod kafka_proxy;
pub mod measure;
pub mod oracle;
pub mod organisation;
pub mod plan;
mod plans;
pub mod reader;
pub mod registry;
mod reports;
pub mod servers;
