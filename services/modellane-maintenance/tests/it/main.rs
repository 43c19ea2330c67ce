//! Upkeep of a lake that the sink writes, in one program: each one more would be compiled and linked with the lake
//! again.

mod bench;
mod exports;
mod readers;
mod upkeep;
