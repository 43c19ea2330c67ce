//! What the codecs and tables promise, seen from outside.

mod cells;
mod compatibility;
mod entries;
mod mirror;
mod other_readers;
mod round_trip;
mod sample;
mod tables;
mod values;
