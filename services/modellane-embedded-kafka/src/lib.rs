//! A single-node Kafka-protocol broker inside the process, for one machine, loopback only.
//!
//! It exists so that a laptop, a trial and most tests need no cluster: any Kafka client that speaks
//! the classic protocol can use it, and nothing else in the product knows that it is there.
//!
//! # What it does
//!
//! - topics: create, delete, grow, describe; a topic comes into being by request only, and a setting that would
//!   have no effect here is refused
//! - produce: plain and idempotent; record batches are checked by CRC and stored as they were received
//! - fetch with long poll; readers see only what has reached the disk, and every CRC is checked again on the way
//! - offsets by position and by time; an offset before or behind the log is out of range
//! - classic consumer groups with durable offsets; a member whose connection closes is not waited for
//! - an acknowledgement is sent after `fdatasync`, and many concurrent requests share one
//! - after a restart, or `kill -9`: every acknowledged record, every committed offset, the beginning of each log
//!   and the state that recognises a producer's retry are there again
//! - retention: segments whose records are all older than `retention.ms`, or which `retention.bytes` can do
//!   without, are deleted, oldest first. Nothing goes unless a topic was created with such a setting
//! - compaction of topics with `cleanup.policy=compact`: full segments are written anew with the latest record of
//!   each key; one without a value goes `delete.retention.ms` after its first compaction
//!
//! # What it refuses
//!
//! - to listen anywhere but on 127.0.0.1; there is no TLS and no authentication
//! - replication, and therefore any replication factor but 1
//! - transactions, static group membership and the newer consumer group protocol
//! - to run twice in one directory, and files of a version that it does not know
//! - in compacted topics: records without a key, and compressed batches, whose keys it could not read
//! - a frame that is malformed or too large: that connection is closed
//!
//! # When the disk fails
//!
//! - **full**: what waits is answered with the storage error, after which clients try again; what was written
//!   of it is cut off, and when there is space it goes on
//! - **torn**: what a crash tore off the end was never acknowledged and is cut at the next start
//! - **damaged**: each frame says how much of its file was on the disk before it was written. If a broken frame
//!   lies there, acknowledged records are lost: the broker does not start and names file and byte, and changes
//!   nothing. The very last write cannot be told from a torn one. Damage in segments that are full is found
//!   when they are read: their readers get what is before it and then `CORRUPT_MESSAGE`, all others go on
//! - **lost**: with the only disk everything is gone; there is no second copy
//!
//! # What it takes
//!
//! Memory does not grow with the number of records:
//!
//! | for | at most |
//! |---|---|
//! | all connections | 32 MiB of batches that wait for the disk, in buffers of up to twice the size |
//! | each of 1,000 connections | 32 MiB of requests that are not answered, one response of 16 MiB or one batch |
//! | each of 10,000 partitions | an index of about 1,000 entries of 24 bytes, the places of 256 batches, 1,000 producers of 150 bytes |
//! | each segment | 80 bytes |
//! | a compaction | 500,000 keys of 32 bytes, one batch |
//! | each group | 1,000 members; the offsets that it committed, until their topic is deleted |
//!
//! A request to produce has at most 32 MiB, any other 4 MiB, a batch what `max.message.bytes` says, 16 MiB unless
//! set. No file stays open but the metadata's, and each segment costs disk space until it goes: topics without
//! retention grow.
//!
//! # Where the promises live
//!
//! `log.rs` owns the one lock over the state, `writer.rs` the one thread that writes, and `maintenance.rs` the
//! one that removes; `state.rs` and `partition.rs` are what the files say, and every change of them can be taken
//! back when the disk refuses. `frame.rs` tells torn from damaged, `recovery.rs` opens, `reader.rs` reads,
//! `files.rs` names the files. `first_format.rs` brings a directory of the first format, one journal
//! with everything, into the present form; it needs as much space again while it does.

mod api;
mod batch;
mod broker;
mod compaction;
mod disk;
mod error;
mod files;
mod first_format;
mod frame;
mod groups;
mod guard;
mod home;
mod index;
mod journal;
mod log;
mod maintenance;
mod partition;
mod producers;
mod queue;
mod reader;
mod record;
mod recovery;
mod server;
mod settings;
mod state;
mod time;
mod writer;

pub use broker::{Broker, BrokerConfig};
pub use error::BrokerError;
