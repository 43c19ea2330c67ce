//! A bundle's files as one content-addressed object.

use crate::problem::{ContextError, Problem, Problems};
use crate::reader::text_of;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) const BUNDLE: &str = "bundle.yaml";
pub(crate) const CATALOGUE: &str = "catalogue.csv";
pub(crate) const RULES: &str = "rules.cedar";
pub(crate) const TESTS: &str = "tests.yaml";
const FILES: [&str; 4] = [BUNDLE, CATALOGUE, RULES, TESTS];

/// Largest file of a bundle, in bytes.
const LARGEST_FILE: usize = 4 << 20;

/// A guidance bundle as the lake keeps it: the text of its files, without byte order mark and with `\n`
/// line ends. The hash of its JSON is the bundle's hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyObject {
    /// Version of this layout.
    pub format: u32,
    /// Texts by file name.
    pub files: BTreeMap<String, String>,
}

impl PolicyObject {
    /// Version of the layout that this program writes and reads.
    pub const FORMAT: u32 = 1;

    /// Takes the files of a bundle's folder. `bundle.yaml` and `rules.cedar` must be there; files that
    /// are no part of a bundle (a README, the generated Cedar schema) are left out.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, ContextError> {
        let mut texts = BTreeMap::new();
        let mut found: Vec<Problem> = Vec::new();
        for name in FILES {
            let mut problems = Problems::new(name);
            match files.get(name) {
                Some(bytes) if bytes.len() > LARGEST_FILE => {
                    problems.add("", format!("is larger than {} MiB", LARGEST_FILE >> 20));
                }
                Some(bytes) => {
                    if let Some(text) = text_of(bytes, &mut problems) {
                        texts.insert(name.to_owned(), text);
                    }
                }
                None if matches!(name, BUNDLE | RULES) => problems.add("", "is missing from the bundle"),
                None => {}
            }
            found.extend(problems.into_found());
        }
        if found.is_empty() {
            Ok(Self { format: Self::FORMAT, files: texts })
        } else {
            Err(ContextError::Invalid(found))
        }
    }

    /// Text of a file; an absent one is empty.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.files.get(name).map_or("", String::as_str)
    }
}
