//! The embedded schema files and their fingerprints.

use serde_avro_fast::Schema;

/// One file of `schemas/avro/`.
#[derive(Clone, Copy, Debug)]
pub struct SchemaFile {
    /// What it describes, the file's name up to the version.
    pub name: &'static str,
    /// Version, from 1.
    pub version: u32,
    /// The file's text.
    pub json: &'static str,
}

macro_rules! schema_files {
    ($($name:literal $version:literal),+ $(,)?) => {
        /// All versions of all schemas, the versions of one name in ascending order. A version stays here
        /// as long as a topic may hold messages written under it.
        pub const SCHEMA_FILES: &[SchemaFile] = &[$(SchemaFile {
            name: $name,
            version: $version,
            json: include_str!(concat!("../../../../schemas/avro/", $name, ".v", $version, ".avsc")),
        }),+];
    };
}

schema_files! {
    "usage_event" 1,
    "judged_event" 1,
    "intent" 1,
    "context_pointer" 1,
    "context_pointer" 2,
    "context_pointer" 3,
    "reject" 1,
    "scope_closed" 1,
}

/// One version, ready for use.
pub(super) struct Version {
    pub(super) fingerprint: u64,
    pub(super) schema: Schema,
}

/// All versions of one schema.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) older: Vec<Version>,
    current: Version,
}

impl Subject {
    /// The embedded files of one name.
    pub(super) fn embedded(name: &'static str) -> Self {
        Self::new(name, SCHEMA_FILES)
    }

    /// The versions of one name among `files`. Panics if they are no Avro schemas, which depends on the
    /// source tree alone.
    pub(super) fn new(name: &'static str, files: &[SchemaFile]) -> Self {
        let mut versions: Vec<Version> = files.iter().filter(|file| file.name == name).map(parse).collect();
        match versions.pop() {
            Some(current) => Self { name, older: versions, current },
            None => panic!("no schema file is named {name}"),
        }
    }

    /// The version under which messages are written.
    pub(super) fn current(&self) -> &Version {
        &self.current
    }

    /// The version under which a message was written.
    pub(super) fn find(&self, fingerprint: u64) -> Option<&Version> {
        std::iter::once(&self.current)
            .chain(self.older.iter().rev())
            .find(|version| version.fingerprint == fingerprint)
    }
}

/// CRC-64-AVRO of a schema's canonical form; `None` if the text is no Avro schema.
pub(super) fn fingerprint(json: &str) -> Option<u64> {
    let schema: Schema = json.parse().ok()?;
    Some(u64::from_le_bytes(*schema.rabin_fingerprint()))
}

fn parse(file: &SchemaFile) -> Version {
    match file.json.parse::<Schema>() {
        Ok(schema) => Version { fingerprint: u64::from_le_bytes(*schema.rabin_fingerprint()), schema },
        Err(error) => panic!("schema file {} version {}: {error}", file.name, file.version),
    }
}
