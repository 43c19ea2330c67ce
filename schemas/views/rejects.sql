-- rejects: records that were not taken: coordinates and a reason, never their content.
--
-- reject_id        the same record rejected again, as by a second import of its file, is one row
-- source           feed the record came by
-- batch_id         keyed hash of the payload for files and requests, topic and partition for messages
-- index            of the record in its batch, from 0; offset for messages
-- reason           why, as a code
-- field            name of the allowed field that could not be read, if one
-- length           of the record in bytes; null if unknown
-- recorded_at      when it was rejected first
SELECT
    uuid_text(reject_id) AS reject_id,
    source,
    batch_id,
    index,
    reason,
    field,
    length,
    MIN(recorded_at) AS recorded_at
FROM raw.rejects
GROUP BY reject_id, source, batch_id, index, reason, field, length
