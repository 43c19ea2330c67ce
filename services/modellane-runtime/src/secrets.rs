//! The lake key.

use crate::{RuntimeError, random_bytes};
use modellane_event::LakeKey;
use std::io::Write;
use std::path::Path;

const EXPECTED: &str = "a lake key of 64 hexadecimal digits";

/// Reads the lake key from its file; `None` if there is no file. The key is never rotated: a new key would
/// give every event a new id.
pub fn load_lake_key(path: &Path) -> Result<Option<LakeKey>, RuntimeError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, text.trim()).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RuntimeError::file("read the lake key", path, error)),
    }
}

/// Draws a lake key into a new file of mode 0600. A file that exists is never written over.
pub fn create_lake_key(path: &Path) -> Result<LakeKey, RuntimeError> {
    let key: [u8; 32] = random_bytes();
    let text: String = key.iter().map(|b| format!("{b:02x}")).collect();
    create_private(path, text.as_bytes())
        .map_err(|error| RuntimeError::file("write a new lake key to", path, error))?;
    Ok(LakeKey::new(key))
}

fn parse(path: &Path, text: &str) -> Result<LakeKey, RuntimeError> {
    let wrong = || RuntimeError::Content {
        path: path.to_owned(),
        expected: EXPECTED,
        advice: "restore it from your backup: with another key every event would count a second time",
    };
    if text.len() != 64 {
        return Err(wrong());
    }
    let mut key = [0u8; 32];
    for (i, byte) in key.iter_mut().enumerate() {
        let digits = text.get(2 * i..2 * i + 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(LakeKey::new(key))
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let staged = path.with_extension("new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&staged, path)
}

/// Creates a file that only its owner can read. What could not be written to its end is taken away again.
fn create_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    // The name has to survive a crash as well as the content: events are acknowledged under this key.
    std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_drawn_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets/lake.key");
        assert!(load_lake_key(&path).unwrap().is_none());
        let first = create_lake_key(&path).unwrap();
        let again = load_lake_key(&path).unwrap().unwrap();
        assert_eq!(first.hash("d", &[b"x"]), again.hash("d", &[b"x"]));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lake.key");
        let first = create_lake_key(&path).unwrap();
        assert!(create_lake_key(&path).is_err());
        assert_eq!(load_lake_key(&path).unwrap().unwrap().hash("d", &[]), first.hash("d", &[]));
    }

    #[test]
    fn a_damaged_key_stops_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lake.key");
        std::fs::write(&path, "abc").unwrap();
        let message = load_lake_key(&path).unwrap_err().to_string();
        assert!(message.contains("backup") && !message.contains("abc"), "{message}");
    }
}
