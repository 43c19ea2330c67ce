//! The stream processor: judges each usage event against the context of its time and passes it on.
//!
//! It keeps no memory of events: the same event judged twice gives two equal messages, and the sink counts
//! one. It reads context and intents to their ends before every batch of usage, so whatever was acknowledged
//! before a usage event was is known when that event is judged. It commits a group offset only after every
//! result of the batch was acknowledged.
//!
//! It refuses to wait for context: an event that nothing explains yet goes on as a gap with its reason.

mod context;
mod error;
mod pipeline;
mod undecodable;

pub use context::{ContextFeed, ContextObjects};
pub use error::ProcessorError;
pub use pipeline::{Processor, ProcessorConfig, Progress};
