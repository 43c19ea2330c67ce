//! What can go wrong at the edge of the process.

use std::path::PathBuf;

/// Errors of the process's surroundings. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A file or directory cannot be read or written.
    #[error("cannot {action} {path}: {source}{advice}")]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
        /// What to do, starting with a separator; empty if the cause says it all.
        advice: &'static str,
    },
    /// A file holds something else than it should.
    #[error("{path} is not {expected}; {advice}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Another process holds the data directory.
    #[error(
        "{path} is in use by a running instance; stop it, or use client commands such as `modellane import`, \
         which go through it"
    )]
    InUse {
        /// Which directory.
        path: PathBuf,
    },
    /// The configuration cannot be used.
    #[error("configuration: {0}")]
    Config(String),
}

impl RuntimeError {
    pub(crate) fn file(action: &'static str, path: &std::path::Path, source: std::io::Error) -> Self {
        let advice = match source.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "; check the owner of the directory, or choose another one"
            }
            std::io::ErrorKind::ReadOnlyFilesystem => "; choose a directory on a writable file system",
            std::io::ErrorKind::StorageFull => "; free some space, then start again",
            _ => "",
        };
        Self::File { action, path: path.to_owned(), source, advice }
    }
}
