//! The one place that knows which surrogate is which person.

use crate::{RuntimeError, random_id};
use modellane_event::PersonId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Person {
    surrogate: PersonId,
    name: Option<String>,
}

/// Surrogates of persons, in one private file outside lake and topics. Removing a person here leaves the
/// totals and makes the surrogate nobody's.
#[derive(Debug)]
pub struct PersonStore {
    path: PathBuf,
    persons: BTreeMap<String, Person>,
}

impl PersonStore {
    /// Opens the store; a missing file is an empty store.
    pub fn open(path: &Path) -> Result<Self, RuntimeError> {
        let persons = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| RuntimeError::Content {
                path: path.to_owned(),
                expected: "a store of persons",
                advice: "restore it from your backup: with new surrogates people would appear twice",
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(RuntimeError::file("read the store of persons", path, error)),
        };
        Ok(Self { path: path.to_owned(), persons })
    }

    /// The surrogate of a directory id, drawn at random when it is first seen.
    pub fn surrogate(&mut self, directory_id: &str) -> PersonId {
        let person = || Person { surrogate: PersonId(random_id()), name: None };
        self.persons.entry(directory_id.to_owned()).or_insert_with(person).surrogate
    }

    /// Keeps a person's name for those who may see it.
    pub fn set_name(&mut self, directory_id: &str, name: &str) {
        if let Some(person) = self.persons.get_mut(directory_id) {
            person.name = Some(name.to_owned());
        }
    }

    /// Writes the store, whole or not at all.
    pub fn save(&self) -> Result<(), RuntimeError> {
        let bytes = serde_json::to_vec(&self.persons).unwrap_or_default();
        crate::secrets::write_private(&self.path, &bytes)
            .map_err(|error| RuntimeError::file("write the store of persons", &self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_keeps_the_surrogate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("persons.json");
        let mut store = PersonStore::open(&path).unwrap();
        let ana = store.surrogate("p-1");
        assert_ne!(ana, store.surrogate("p-2"));
        store.set_name("p-1", "Ana");
        store.save().unwrap();
        assert_eq!(PersonStore::open(&path).unwrap().surrogate("p-1"), ana);
    }
}
