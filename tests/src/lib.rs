//! What crosses crates.

pub mod kafka_conformance;
