//! Typed columns of a batch. What does not fit is damage, said by column name, never by value.

use crate::{LEDGER_TABLE, SinkError};
use arrow::array::{
    Array, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Int8Array, Int32Array, Int64Array,
    ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};

pub(crate) fn damaged(column: &str) -> SinkError {
    let detail = format!("column {column} is not what this version writes");
    SinkError::Damaged { table: LEDGER_TABLE.to_owned(), detail }
}

fn column<'a, A: Array + 'static>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a A, SinkError> {
    batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref()).ok_or_else(|| damaged(name))
}

macro_rules! typed_columns {
    ($($(#[$doc:meta])* $name:ident($array:ty): $value:ty, |$values:ident, $row:ident| $get:expr;)+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name<'a> {
                array: &'a $array,
                name: &'static str,
            }

            impl<'a> $name<'a> {
                /// The named column.
                pub(crate) fn of(batch: &'a RecordBatch, name: &'static str) -> Result<Self, SinkError> {
                    Ok(Self { array: column(batch, name)?, name })
                }

                /// The value of a row, if it is not null.
                pub(crate) fn value(&self, $row: usize) -> Result<Option<$value>, SinkError> {
                    if self.array.is_null($row) {
                        return Ok(None);
                    }
                    let $values = self.array;
                    let value: Option<$value> = $get;
                    value.map(Some).ok_or_else(|| damaged(self.name))
                }

                /// The value of a row, which is not null.
                // Every kind of column has both readers, whether or not the ledger has one that needs it.
                #[allow(dead_code)]
                pub(crate) fn required(&self, row: usize) -> Result<$value, SinkError> {
                    self.value(row)?.ok_or_else(|| damaged(self.name))
                }
            }
        )+
    };
}

typed_columns! {
    /// 16 bytes.
    Ids(BinaryArray): [u8; 16], |values, row| values.value(row).try_into().ok();
    /// Any number of bytes.
    Bytes(BinaryArray): &'a [u8], |values, row| Some(values.value(row));
    /// Yes or no.
    Flags(BooleanArray): bool, |values, row| Some(values.value(row));
    /// Text.
    Texts(StringArray): &'a str, |values, row| Some(values.value(row));
    /// Microseconds.
    Times(TimestampMicrosecondArray): i64, |values, row| Some(values.value(row));
    /// Days.
    Days(Date32Array): i32, |values, row| Some(values.value(row));
    /// −1, 0 or +1.
    Signs(Int8Array): i8, |values, row| Some(values.value(row));
    /// Unscaled decimals.
    Decimals(Decimal128Array): i128, |values, row| Some(values.value(row));
    /// Lists of text.
    Lists(ListArray): StringArray, |values, row| values.value(row).as_any().downcast_ref().cloned();
}

/// Whole numbers of 32 or 64 bits.
pub(crate) enum Numbers<'a> {
    /// 32 bits.
    Int32(&'a Int32Array),
    /// 64 bits.
    Int64(&'a Int64Array),
}

impl<'a> Numbers<'a> {
    pub(crate) fn of(batch: &'a RecordBatch, name: &'static str) -> Result<Self, SinkError> {
        match column(batch, name) {
            Ok(array) => Ok(Self::Int32(array)),
            Err(_) => column(batch, name).map(Self::Int64),
        }
    }

    pub(crate) fn value(&self, row: usize) -> Option<i64> {
        match self {
            Self::Int32(array) => array.is_valid(row).then(|| i64::from(array.value(row))),
            Self::Int64(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }

    pub(crate) fn int64(&self, row: usize) -> Result<i64, SinkError> {
        self.value(row).ok_or_else(|| damaged("of whole numbers"))
    }

    pub(crate) fn int32(&self, row: usize) -> Result<i32, SinkError> {
        i32::try_from(self.int64(row)?).map_err(|_| damaged("of whole numbers"))
    }
}
