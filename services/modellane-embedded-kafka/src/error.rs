//! What can keep the broker from starting, by what the caller can do about it.

use std::path::PathBuf;

/// Why the broker did not start or stop cleanly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// Another process listens on the port: choose another one, or 0 for any.
    #[error("port {port} on 127.0.0.1 is in use: stop what listens there, or choose another port")]
    PortBusy {
        /// The port that was asked for.
        port: u16,
    },
    /// The listener could not be opened for another reason.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another broker holds the directory: use that one, or another directory.
    #[error("{} is in use by another broker: connect to that one, or choose another directory", dir.display())]
    DirectoryBusy {
        /// The broker's directory.
        dir: PathBuf,
    },
    /// The directory or a file in it cannot be read or written: free space, fix permissions.
    #[error("cannot use the files in {}: check free space and permissions", dir.display())]
    Storage {
        /// The broker's directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is damaged where records were already acknowledged: restore it, or start in a new directory.
    #[error(
        "{} is damaged at byte {position}, among acknowledged records: \
         restore {} from a copy, or start in a new directory", file.display(), dir.display()
    )]
    Damaged {
        /// The broker's directory.
        dir: PathBuf,
        /// The damaged file.
        file: PathBuf,
        /// Where reading stopped.
        position: u64,
    },
    /// The files were written by another version of the broker.
    #[error("{} does not hold files that this version can read", dir.display())]
    Format {
        /// The broker's directory.
        dir: PathBuf,
    },
}
