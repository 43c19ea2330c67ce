//! Messages that cannot be decoded.

use crate::LogRecord;
use crate::log::topic_of;
use modellane_event::{Label, LakeKey, RejectEvent, RejectId, RejectReason, UtcTime};

/// The reject of a message: its coordinates and length. Its id follows from the coordinates, so that the
/// same message rejected twice is one reject.
pub(crate) fn undecodable(stream: &str, record: &LogRecord, now: UtcTime) -> RejectEvent {
    let coordinates: [&[u8]; 3] =
        [stream.as_bytes(), &record.partition.to_le_bytes(), &record.offset.to_le_bytes()];
    // Coordinates are no secret: the key only gives the hash its shape.
    let id = LakeKey::new([0; 32]).hash("undecodable message", &coordinates);
    let place = Label::new(&format!("{}/{}", topic_of(stream), record.partition));
    RejectEvent {
        reject_id: RejectId(id),
        source: Label::literal("topic"),
        batch_id: place.unwrap_or_else(|_| Label::literal("topic")),
        index: record.offset,
        reason: RejectReason::Undecodable,
        field: None,
        length: record.payload.as_ref().and_then(|payload| i64::try_from(payload.len()).ok()),
        recorded_at: now,
    }
}
