//! What crosses crates.

pub mod clients;
pub mod faults;
pub mod instance;
pub mod kafka_conformance;
pub mod kill_nine;
pub mod sample_org;
pub mod servers;
