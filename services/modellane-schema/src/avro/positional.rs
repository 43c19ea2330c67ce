//! Avro's binary encoding by the order of a type's fields.
//!
//! Avro writes the fields of a record one after another without names, so a type whose fields, variants and
//! bounds are those of the writer's schema, in that order, is coded without looking anything up. A test holds
//! the vocabulary to its schema files and reads what is written here with a second library.
//!
//! | in the vocabulary | in Avro |
//! |---|---|
//! | whole number, time, day, share | `int`, `long` |
//! | text | `string` |
//! | 16 bytes | `fixed` |
//! | 128 bits | `bytes`, logical type `decimal` |
//! | option | union of `null` and the type |
//! | enumeration | `enum`, by index |
//! | list | `array`, one block |
//! | struct | `record` |
//!
//! What the vocabulary does not use (floats, maps, tuples, variants that hold something) is refused; a float
//! in particular would be a sign that a decimal lost its exactness.

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::write;

/// Length of every id, the only `fixed` of the vocabulary.
const ID: usize = 16;

/// Bytes or a value that are none of the vocabulary's. What they were is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no value of the vocabulary")]
pub(super) struct Foreign;

impl serde::ser::Error for Foreign {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

impl serde::de::Error for Foreign {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}
