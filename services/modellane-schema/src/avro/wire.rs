//! How a message names the schema under which it was written.
//!
//! Inside the product every message is single-object Avro: `C3 01`, the fingerprint of the writer's schema,
//! the datum (Avro specification, "Single-object encoding"). On topics of a cluster with a schema registry it
//! is in Confluent's wire format instead: `00`, the registry's id of the schema, the datum. The datum is the
//! same, so going from one to the other is a change of the header.

use crate::avro::subject::{SCHEMA_FILES, SchemaFile, fingerprint};

/// First bytes of a single-object message.
const SINGLE_OBJECT: [u8; 2] = [0xC3, 0x01];
/// First byte of a message in Confluent's wire format.
const CONFLUENT: u8 = 0;

/// How a message names its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By CRC-64-AVRO of its canonical form.
    Fingerprint(u64),
    /// By the id that a schema registry gave it.
    Id(u32),
}

/// What a message names as its schema, and its datum; `None` if it has no header at all.
pub fn header(message: &[u8]) -> Option<(Named, &[u8])> {
    if let Some(rest) = message.strip_prefix(&SINGLE_OBJECT) {
        let (fingerprint, datum) = rest.split_first_chunk::<8>()?;
        return Some((Named::Fingerprint(u64::from_le_bytes(*fingerprint)), datum));
    }
    let (id, datum) = message.strip_prefix(&[CONFLUENT])?.split_first_chunk::<4>()?;
    let id = u32::from_be_bytes(*id);
    // Registries count from 1: a message of zeros names nothing.
    (id != 0).then_some((Named::Id(id), datum))
}

/// Appends the header of a single-object message.
pub fn write_fingerprint(fingerprint: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&SINGLE_OBJECT);
    out.extend_from_slice(&fingerprint.to_le_bytes());
}

/// Appends the header of Confluent's wire format.
pub fn write_id(id: u32, out: &mut Vec<u8>) {
    out.push(CONFLUENT);
    out.extend_from_slice(&id.to_be_bytes());
}

/// The embedded versions of one schema with their fingerprints, oldest first.
pub fn versions(name: &str) -> impl Iterator<Item = (u64, &'static SchemaFile)> {
    let files = SCHEMA_FILES.iter().filter(move |file| file.name == name);
    files.filter_map(|file| Some((fingerprint(file.json)?, file)))
}

/// The fingerprint of any schema; `None` if the text is no Avro schema.
pub fn fingerprint_of(schema: &str) -> Option<u64> {
    fingerprint(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_headers_are_read_as_their_specifications_write_them() {
        // Avro: little-endian fingerprint. Confluent: big-endian id.
        let single = [0xC3, 0x01, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        assert_eq!(header(&single), Some((Named::Fingerprint(1), &[9][..])));
        assert_eq!(header(&[0, 0, 0, 1, 2, 9]), Some((Named::Id(258), &[9][..])));
        for short in [&[][..], &[0xC3, 0x01, 1, 2, 3], &[0, 0, 0, 1], &[1, 2, 3, 4, 5, 6], &[0; 9]] {
            assert_eq!(header(short), None);
        }
        let mut out = Vec::new();
        write_id(258, &mut out);
        write_fingerprint(1, &mut out);
        assert_eq!(out, [&[0, 0, 0, 1, 2][..], &single[..10]].concat());
    }

    #[test]
    fn a_registry_may_give_a_schema_back_in_other_words() {
        let (known, file) = versions("reject").last().unwrap();
        let without_space: String = file.json.split_whitespace().collect();
        assert_eq!(fingerprint_of(&without_space), Some(known));
        assert_eq!(fingerprint_of("{\"type\":\"record\"}"), None);
    }
}
