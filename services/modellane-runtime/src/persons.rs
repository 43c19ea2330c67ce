//! The one place that knows which surrogate is which person.

use crate::{RuntimeError, random_id};
use modellane_event::PersonId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Person {
    surrogate: PersonId,
    name: Option<String>,
}

/// Surrogates of persons, in one private file outside lake and topics, one person a line. Removing a line
/// leaves the totals and makes the surrogate nobody's.
///
/// The store is read anew for every change and locked until it is saved or dropped, so that nobody writes
/// back a person whom somebody else has removed, and two processes never draw two surrogates for one person.
#[derive(Debug)]
pub struct PersonStore {
    path: PathBuf,
    persons: BTreeMap<String, Person>,
    changed: bool,
    _lock: File,
}

impl PersonStore {
    /// Opens the store, waiting for whoever changes it now; a missing file is an empty store.
    pub fn open(path: &Path) -> Result<Self, RuntimeError> {
        let lock = lock(path)?;
        let persons = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| RuntimeError::Content {
                path: path.to_owned(),
                expected: "a store of persons",
                advice: "if a line was removed, see that every person's line but the last ends with a comma; \
                         else restore it from your backup: with new surrogates people would appear twice",
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(RuntimeError::file("read the store of persons", path, error)),
        };
        Ok(Self { path: path.to_owned(), persons, changed: false, _lock: lock })
    }

    /// The surrogate of a directory id, drawn at random when it is first seen.
    pub fn surrogate(&mut self, directory_id: &str) -> PersonId {
        if let Some(person) = self.persons.get(directory_id) {
            return person.surrogate;
        }
        let surrogate = PersonId(random_id());
        self.persons.insert(directory_id.to_owned(), Person { surrogate, name: None });
        self.changed = true;
        surrogate
    }

    /// Keeps a person's name for those who may see it.
    pub fn set_name(&mut self, directory_id: &str, name: &str) {
        if let Some(person) = self.persons.get_mut(directory_id)
            && person.name.as_deref() != Some(name)
        {
            person.name = Some(name.to_owned());
            self.changed = true;
        }
    }

    /// Writes the store, whole or not at all, if anything changed, and lets others at it.
    pub fn save(self) -> Result<(), RuntimeError> {
        if !self.changed {
            return Ok(());
        }
        crate::secrets::write_private(&self.path, self.text().as_bytes())
            .map_err(|error| RuntimeError::file("write the store of persons", &self.path, error))
    }

    /// One person a line, so that an editor removes a person by removing a line.
    fn text(&self) -> String {
        let line =
            |(id, person): (&String, &Person)| format!("{}: {}", Value::from(id.as_str()), json!(person));
        let lines: Vec<String> = self.persons.iter().map(line).collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }
}

/// A file beside the store: the store itself is replaced when it is written, and a lock would go with it.
fn lock(store: &Path) -> Result<File, RuntimeError> {
    let path = store.with_extension("lock");
    let failed = |error| RuntimeError::file("lock the store of persons at", &path, error);
    if let Some(parent) = store.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(path: &Path, ids: &[&str]) -> Vec<PersonId> {
        let mut store = PersonStore::open(path).unwrap();
        let surrogates = ids.iter().map(|id| store.surrogate(id)).collect();
        ids.iter().for_each(|id| store.set_name(id, &format!("Name of {id}")));
        store.save().unwrap();
        surrogates
    }

    #[test]
    fn a_person_keeps_the_surrogate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets/persons.json");
        let first = saved(&path, &["p-1", "p-2"]);
        assert_ne!(first[0], first[1]);
        assert_eq!(saved(&path, &["p-2", "p-1"]), [first[1], first[0]]);
    }

    #[test]
    fn a_removed_line_stays_removed_until_the_person_comes_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("persons.json");
        let first = saved(&path, &["p-1", "p-2", "p-3"]);
        let text = std::fs::read_to_string(&path).unwrap();
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("\"p-2\"")).collect();
        assert_eq!(kept.len() + 1, text.lines().count(), "one line a person: {text}");
        std::fs::write(&path, kept.join("\n")).unwrap();

        assert_eq!(saved(&path, &["p-1", "p-4"])[0], first[0]);
        assert!(!std::fs::read_to_string(&path).unwrap().contains("p-2"));
        assert_ne!(saved(&path, &["p-2"])[0], first[1]);
    }

    #[test]
    fn two_at_once_draw_one_surrogate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("persons.json");
        let drawn: Vec<PersonId> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| saved(&path, &["p-1"])[0])).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(drawn.iter().all(|surrogate| *surrogate == drawn[0]), "{drawn:?}");
    }

    #[test]
    fn a_damaged_store_stops_and_repeats_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("persons.json");
        std::fs::write(&path, "{\n\"p-1\": hunter2\n}").unwrap();
        let message = PersonStore::open(&path).unwrap_err().to_string();
        assert!(message.contains("comma") && !message.contains("hunter2"), "{message}");
    }
}
