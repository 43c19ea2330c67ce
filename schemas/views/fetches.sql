-- fetches: complete fetches: when a vendor's data was fetched for all of a scope, and how much it had.
--
-- source           feed, named vendor.feed
-- scope_key        the scope, such as an organisation's month, as the entries of its events name it
-- period_start, period_end   the scope's period; the end is exclusive
-- fetch_id         the same fetch twice has one id
-- observed_at      when the vendor's data was fetched or received
-- events           events that the vendor had; of those that an earlier fetch had and two in a row lack, the
--                  ledger has withdrawals
-- confirmed        whether the vendor's own total agrees, so that one fetch is enough to withdraw
-- recorded_at      when the fetch was kept
SELECT
    source,
    scope_key,
    period_start,
    period_end,
    uuid_text(fetch_id) AS fetch_id,
    observed_at,
    events,
    confirmed,
    MAX(first_recorded_at) AS recorded_at
FROM (
    -- A large fetch comes in parts, and a part may come again.
    SELECT
        source, scope_key, period_start, period_end, fetch_id, observed_at, events, confirmed, chunk, chunks,
        MIN(recorded_at) AS first_recorded_at
    FROM raw.fetches
    GROUP BY
        source, scope_key, period_start, period_end, fetch_id, observed_at, events, confirmed, chunk, chunks
) AS parts
GROUP BY source, scope_key, period_start, period_end, fetch_id, observed_at, events, confirmed
HAVING COUNT(*) = MAX(chunks)
