//! The processor between topics of the embedded broker.

mod schema_registry;
mod support;
mod unknown_schema;
mod weights;
