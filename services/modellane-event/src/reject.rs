//! Rejected records: coordinates and a reason, never bytes.

use crate::usage::closed_enum;
use crate::{Label, RejectId, UtcTime};
use serde::{Deserialize, Serialize};

closed_enum! {
    /// Why a record was not taken.
    RejectReason {
        /// Not readable as the source's format at all.
        Malformed = "malformed",
        /// The file or record ends in the middle, or is a page without the pages before it.
        Truncated = "truncated",
        /// Not UTF-8.
        InvalidUtf8 = "invalid_utf8",
        /// A record or field is over its size limit.
        TooLarge = "too_large",
        /// Nested deeper than any vendor's format.
        TooDeep = "too_deep",
        /// A required field is missing.
        MissingField = "missing_field",
        /// A number cannot be read.
        BadNumber = "bad_number",
        /// A count or amount is negative where none can be.
        NegativeNumber = "negative_number",
        /// A time cannot be read, or lies more than a year ahead.
        BadTime = "bad_time",
        /// A currency code cannot be read.
        BadCurrency = "bad_currency",
        /// An identifier holds characters that no identifier has, or is too long.
        BadLabel = "bad_label",
        /// The payload belongs to another source.
        WrongSource = "wrong_source",
        /// The source exists to carry content and is refused.
        ContentRefused = "content_refused",
        /// The message on the topic cannot be decoded.
        Undecodable = "undecodable",
        /// A reason that this version does not know.
        Unknown = "unknown",
    }
}

/// A rejected record, as the topic `modellane.rejects.v1` carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectEvent {
    /// Keyed hash of batch and index: the same reject twice has one id.
    pub reject_id: RejectId,
    /// Feed the record came by.
    pub source: Label,
    /// Batch: keyed hash of the payload for files and requests, topic and partition for messages.
    pub batch_id: Label,
    /// Index of the record in its batch, from 0; offset for messages.
    pub index: i64,
    /// Why.
    pub reason: RejectReason,
    /// Name of the allowed field that could not be read, if one.
    pub field: Option<Label>,
    /// Length of the record in bytes; null if unknown.
    pub length: Option<i64>,
    /// When it was rejected.
    pub recorded_at: UtcTime,
}
