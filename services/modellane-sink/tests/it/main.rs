//! The sink over logs and tables, in one program: each one more would be compiled and linked with the lake again.

mod bounds;
mod exactly_once;
mod owners;
mod reader;
mod simulation;
mod support;
mod vanished;
