//! What can go wrong, by what the caller can do about it.

use modellane_kafka::KafkaError;
use std::path::{Path, PathBuf};

/// Errors of the collector. None repeats a value of a payload.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// No such source: choose one of the list.
    #[error("unknown source; known are {known}")]
    UnknownSource {
        /// Names of the sources, comma separated.
        known: String,
    },
    /// The source exists to carry content and is never taken in.
    #[error("{source_name} is refused: {reason}")]
    ContentRefused {
        /// Which source.
        source_name: &'static str,
        /// Why, and what to use instead.
        reason: &'static str,
    },
    /// A file cannot be used; nothing was imported.
    #[error("{path}: {problem}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is the matter and what to do.
        problem: String,
    },
    /// The configuration cannot be used.
    #[error("collector configuration: {0}")]
    Config(&'static str),
    /// An event does not fit its schema: a fault of this program.
    #[error("an event does not fit its schema")]
    Unencodable,
    /// The broker did not take the events. What it acknowledged before stands; the same call may be made
    /// again, because repeated events change nothing.
    #[error(transparent)]
    Publish(#[from] KafkaError),
    /// The process is stopping.
    #[error("stopped before the end; the same call may be made again")]
    Stopped,
}

impl CollectorError {
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        let problem = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            std::io::ErrorKind::PermissionDenied => {
                "permission denied; check the owner of the file".to_owned()
            }
            _ => format!("cannot be read: {error}"),
        };
        Self::File { path: path.to_owned(), problem }
    }
}
