-- usage: what holds now, one row an event. Columns as in usage_ledger.
--
-- Per event and revision the ledger holds at most one entry that adds and one that takes away; the
-- current one is the entry that nothing took away. Reversals are few, so looking for them costs less
-- than summing every event. An event keeps its event_date, which lets a filter on it skip files on
-- both sides.
SELECT entry.*
FROM usage_ledger AS entry
WHERE entry.entry_sign = 1
  AND NOT EXISTS (
      SELECT 1
      FROM usage_ledger AS reversal
      WHERE reversal.entry_sign = -1
        AND reversal.event_date = entry.event_date
        AND reversal.event_id = entry.event_id
        AND reversal.revision = entry.revision
  )
