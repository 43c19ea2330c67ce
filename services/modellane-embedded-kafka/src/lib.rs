//! A single-node Kafka-protocol broker inside the process, for one machine, loopback only.
//!
//! It exists so that a laptop, a trial and most tests need no cluster: any Kafka client that speaks
//! the classic protocol can use it, and nothing else in the product knows that it is there.
//!
//! # What it does
//!
//! - topics: create, delete, grow, describe; a topic comes into being by request only
//! - produce: plain and idempotent; record batches are checked by CRC and stored as they were received
//! - fetch with long poll; readers see only what has reached the disk
//! - offsets by position and by time
//! - classic consumer groups with durable offsets
//! - one journal file with a CRC per record; an acknowledgement is sent after `fdatasync`, and many
//!   concurrent requests share one
//! - after a restart, or `kill -9`: every acknowledged record, every committed offset and the state
//!   that recognises a producer's retry are there again; a torn tail is cut
//!
//! # What it refuses
//!
//! - to listen anywhere but on 127.0.0.1; there is no TLS and no authentication
//! - replication, and therefore any replication factor but 1
//! - transactions, static group membership and the newer consumer group protocol
//! - to run twice in one directory
//! - a frame that is malformed or larger than 100 MiB: that connection is closed
//!
//! Retention and compaction settings are stored and reported, but nothing is removed yet: the journal
//! grows until its directory is deleted.
//!
//! # Where the promises live
//!
//! `log.rs` owns the one lock and the one thread that writes the journal; `state.rs`
//! is what the journal says, and every change of it can be taken back when the disk refuses.

mod api;
mod batch;
mod broker;
mod error;
mod groups;
mod guard;
mod journal;
mod log;
mod partition;
mod record;
mod server;
mod state;
mod time;

pub use broker::{Broker, BrokerConfig};
pub use error::BrokerError;
