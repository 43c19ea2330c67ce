//! What rows amount to, whatever their order and whichever files hold them.

use crate::LakeError;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use std::fmt;

/// A set of rows in a few bytes. Two sets with the same tally hold the same rows as often: the tally adds up a
/// hash of each whole row, and a row that is missing, doubled or changed changes the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowTally {
    /// How many rows.
    pub rows: u64,
    digest: u128,
}

impl RowTally {
    /// Both sets together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, digest: self.digest.wrapping_add(other.digest) }
    }
}

/// The digest in hexadecimal.
impl fmt::Display for RowTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.digest)
    }
}

/// Tallies batches of one schema.
#[derive(Debug)]
pub struct Tallier {
    converter: RowConverter,
    tally: RowTally,
}

impl Tallier {
    /// For rows of these columns, in this order.
    pub fn new(schema: &SchemaRef) -> Result<Self, LakeError> {
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let converter = RowConverter::new(fields).map_err(|error| LakeError::arrow("tally rows", error))?;
        Ok(Self { converter, tally: RowTally::default() })
    }

    /// Adds rows.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        let rows = self.converter.convert_columns(batch.columns());
        for row in &rows.map_err(|error| LakeError::arrow("tally rows", error))? {
            let hash = blake3::hash(row.as_ref());
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *hash.as_bytes();
            let value = u128::from_le_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]);
            self.tally.digest = self.tally.digest.wrapping_add(value);
        }
        self.tally.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// What was added so far.
    pub fn tally(&self) -> RowTally {
        self.tally
    }
}
