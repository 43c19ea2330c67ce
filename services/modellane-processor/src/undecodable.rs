//! Messages that cannot be decoded: coordinates, length and reason, never bytes.

use modellane_event::{Label, LakeKey, RejectEvent, RejectId, RejectReason, UtcTime};
use modellane_kafka::Record;

/// The reject of one message.
pub(crate) fn reject(key: &LakeKey, record: &Record, now: UtcTime) -> RejectEvent {
    let batch = format!("{}/{}", record.topic, record.partition);
    let reject_id = RejectId(key.hash("reject", &[batch.as_bytes(), &record.offset.to_le_bytes()]));
    RejectEvent {
        reject_id,
        source: Label::literal("topic"),
        batch_id: Label::new(&batch).unwrap_or_else(|_| Label::literal("topic")),
        index: record.offset,
        reason: RejectReason::Undecodable,
        field: None,
        length: record.payload.as_ref().and_then(|payload| i64::try_from(payload.len()).ok()),
        recorded_at: now,
    }
}
