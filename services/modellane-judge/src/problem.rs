//! What is wrong with a file of the organisation folder, said so that it can be mended.

use std::fmt;

/// One fault of a file. Names the place and what to do there, never a value of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File inside the organisation folder or bundle, such as `directory.yaml`.
    pub file: &'static str,
    /// Place in the file, such as `people[3].memberships[1]` or `line 4`; empty for the whole file.
    pub path: String,
    /// What is wrong and what to do.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "{}: {}", self.file, self.what)
        } else {
            write!(f, "{}: {}: {}", self.file, self.path, self.what)
        }
    }
}

/// Why a context object cannot be used, by what the caller can do about it.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum ContextError {
    /// The author mends the file; every fault that was found is listed.
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
    /// The stored bytes are not those that the pointer names: fetch them again.
    #[error("the stored object is not the one that its pointer names")]
    WrongObject,
    /// The stored object was written by another version of the program, or is damaged.
    #[error("the stored object cannot be read by this version")]
    Unreadable,
}

impl ContextError {
    /// The faults of the file, if the file is what has to be mended.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) => problems,
            Self::WrongObject | Self::Unreadable => &[],
        }
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// Collects the faults of one file.
#[derive(Debug)]
pub(crate) struct Problems {
    file: &'static str,
    found: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(file: &'static str) -> Self {
        Self { file, found: Vec::new() }
    }

    pub(crate) fn add(&mut self, path: impl Into<String>, what: impl Into<String>) {
        self.found.push(Problem { file: self.file, path: path.into(), what: what.into() });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn into_found(self) -> Vec<Problem> {
        self.found
    }

    /// The value, if nothing is wrong.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, ContextError> {
        if self.found.is_empty() { Ok(value) } else { Err(ContextError::Invalid(self.found)) }
    }
}
