//! The process-wide parts of ModelLane: configuration, telemetry, clock, randomness, keys, the locked data
//! directory, the store of persons and orderly shutdown.
//!
//! It is the only crate that reads a clock, draws random numbers or touches process state. Everything is
//! passed explicitly; there are no globals but the log subscriber.

mod clock;
mod config;
mod data_dir;
mod error;
mod health;
mod metrics;
mod paused;
mod persons;
mod random;
mod secrets;
mod shutdown;
mod telemetry;

pub use clock::{Clock, ManualClock, SystemClock};
pub use config::load_config;
pub use data_dir::{DataDir, Instance};
pub use error::RuntimeError;
pub use health::{Readiness, health_router};
pub use metrics::{MetricName, Metrics};
pub use paused::PausedPartitions;
pub use persons::PersonStore;
pub use random::{random_bytes, random_id};
pub use secrets::{create_lake_key, load_lake_key};
pub use shutdown::Shutdown;
pub use telemetry::{LogFormat, init_logging};
