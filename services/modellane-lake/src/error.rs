//! What can go wrong with the lake, by what the caller can do.

use deltalake_core::DeltaTableError;
use std::error::Error;
use std::io::ErrorKind;

type Source = Box<dyn Error + Send + Sync>;

/// Errors of the lake. Each says what to do; none repeats a value of a row.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The configuration cannot be used: change it.
    #[error("lake: {0}")]
    Config(String),
    /// The store cannot be reached or answers with an error: try again later.
    #[error(
        "cannot {action}: the store does not answer as it should ({source}); check the lake's url, network and credentials"
    )]
    Unreachable {
        /// What was tried.
        action: &'static str,
        /// The store's words.
        source: Source,
    },
    /// The store may not be written: give rights, or choose another place.
    #[error(
        "cannot {action}: the lake may not be written ({source}); check its owner and rights, or choose another place"
    )]
    ReadOnly {
        /// What was tried.
        action: &'static str,
        /// The store's words.
        source: Source,
    },
    /// The disk is full: free space, then go on.
    #[error(
        "cannot {action}: no space is left; free some, nothing is lost and the work goes on from the last commit"
    )]
    Full {
        /// What was tried.
        action: &'static str,
    },
    /// A file or object that the table or a pointer names is not there.
    #[error("{what} is missing from the lake; restore it from a backup")]
    Missing {
        /// Which one.
        what: String,
    },
    /// What the lake holds is not what this version writes.
    #[error("cannot {action}: {detail}")]
    Damaged {
        /// What was tried.
        action: &'static str,
        /// What is wrong.
        detail: String,
    },
}

impl LakeError {
    /// Whether the same call may succeed later without anybody's help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Full { .. })
    }

    pub(crate) fn config(text: &str) -> Self {
        Self::Config(text.to_owned())
    }

    pub(crate) fn io(action: &'static str, source: std::io::Error) -> Self {
        Self::classify(action, Box::new(source))
    }

    pub(crate) fn store(action: &'static str, source: object_store::Error) -> Self {
        match source {
            object_store::Error::NotFound { path, .. } => Self::Missing { what: path },
            source => Self::classify(action, Box::new(source)),
        }
    }

    pub(crate) fn delta(action: &'static str, source: DeltaTableError) -> Self {
        match source {
            DeltaTableError::ObjectStore { source } => Self::store(action, source),
            source => Self::classify(action, Box::new(source)),
        }
    }

    pub(crate) fn parquet(action: &'static str, source: parquet::errors::ParquetError) -> Self {
        match source {
            parquet::errors::ParquetError::External(source) => {
                match source.downcast::<object_store::Error>() {
                    Ok(source) => Self::store(action, *source),
                    Err(source) => Self::classify(action, source),
                }
            }
            source => Self::Damaged { action, detail: source.to_string() },
        }
    }

    pub(crate) fn arrow(action: &'static str, source: arrow::error::ArrowError) -> Self {
        Self::Damaged { action, detail: source.to_string() }
    }

    /// Finds the operating system's or the store's own reason at the end of a chain of errors.
    fn classify(action: &'static str, source: Source) -> Self {
        let mut link: Option<&(dyn Error + 'static)> = Some(source.as_ref());
        while let Some(error) = link {
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                match io.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => return Self::Full { action },
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                        return Self::ReadOnly { action, source };
                    }
                    _ => {}
                }
            }
            if let Some(
                object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. },
            ) = error.downcast_ref::<object_store::Error>()
            {
                return Self::ReadOnly { action, source };
            }
            link = error.source();
        }
        Self::Unreachable { action, source }
    }
}
