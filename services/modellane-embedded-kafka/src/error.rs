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
        /// The journal's directory.
        dir: PathBuf,
    },
    /// The directory or the journal cannot be read or written: free space, fix permissions.
    #[error("cannot use the journal in {}: check free space and permissions", dir.display())]
    Storage {
        /// The journal's directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The journal is damaged where records were already acknowledged: restore it, or start in a new directory.
    #[error(
        "the journal in {} is damaged at byte {position}, before acknowledged records: \
         restore it from a copy, or start in a new directory", dir.display()
    )]
    Damaged {
        /// The journal's directory.
        dir: PathBuf,
        /// Where reading stopped.
        position: u64,
    },
    /// The file was not written by this version of the broker.
    #[error("{} does not hold a journal that this version can read", dir.display())]
    Format {
        /// The journal's directory.
        dir: PathBuf,
    },
}
