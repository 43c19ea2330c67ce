-- freshness: every known source, silent ones too: how far its data reaches and how late it comes.
--
-- source           feed, named vendor.feed
-- state            'reporting', 'rejecting' if every record was rejected, 'silent' if none ever came
-- rows             current rows
-- last_event       latest start of use among them
-- data_through     latest end of use among them
-- last_observed    when the vendor's data was last fetched or received
-- last_recorded    when the ledger last took an entry
-- fetch_lag_p50_s, fetch_lag_p99_s   seconds from observed_at to recorded_at of new content
-- event_lag_p50_s, event_lag_p99_s   seconds from the end of use to recorded_at of an event's first entry;
--                  includes exports imported long after the fact
-- rejects          rejected records
-- rejects_by_reason   the same by reason, as `reason=count, reason=count`
WITH current_rows AS (
    SELECT source, COUNT(*) AS rows, MAX(period_start) AS last_event, MAX(period_end) AS data_through
    FROM usage
    GROUP BY source
),
entries AS (
    SELECT
        source,
        MAX(observed_at) AS last_observed,
        MAX(recorded_at) AS last_recorded,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', recorded_at) - date_part('epoch', observed_at))
            FILTER (WHERE entry_kind IN ('original', 'restatement')) AS fetch_p50,
        percentile_cont(0.99) WITHIN GROUP (ORDER BY date_part('epoch', recorded_at) - date_part('epoch', observed_at))
            FILTER (WHERE entry_kind IN ('original', 'restatement')) AS fetch_p99,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', recorded_at) - date_part('epoch', period_end))
            FILTER (WHERE entry_kind = 'original') AS event_p50,
        percentile_cont(0.99) WITHIN GROUP (ORDER BY date_part('epoch', recorded_at) - date_part('epoch', period_end))
            FILTER (WHERE entry_kind = 'original') AS event_p99
    FROM usage_ledger
    GROUP BY source
),
reasons AS (
    SELECT source, reason, COUNT(*) AS count
    FROM rejects
    GROUP BY source, reason
),
rejected AS (
    SELECT
        source,
        SUM(count) AS rejects,
        string_agg(reason || '=' || CAST(count AS VARCHAR), ', ' ORDER BY reason) AS rejects_by_reason
    FROM reasons
    GROUP BY source
),
names AS (
    SELECT source FROM raw.known_sources
    UNION
    SELECT source FROM entries
    UNION
    SELECT source FROM rejected
)
SELECT
    names.source,
    CASE
        WHEN entries.source IS NOT NULL THEN 'reporting'
        WHEN rejected.source IS NOT NULL THEN 'rejecting'
        ELSE 'silent'
    END AS state,
    COALESCE(current_rows.rows, 0) AS rows,
    current_rows.last_event,
    current_rows.data_through,
    entries.last_observed,
    entries.last_recorded,
    ROUND(entries.fetch_p50, 1) AS fetch_lag_p50_s,
    ROUND(entries.fetch_p99, 1) AS fetch_lag_p99_s,
    ROUND(entries.event_p50, 1) AS event_lag_p50_s,
    ROUND(entries.event_p99, 1) AS event_lag_p99_s,
    COALESCE(rejected.rejects, 0) AS rejects,
    rejected.rejects_by_reason
FROM names
LEFT JOIN current_rows ON current_rows.source = names.source
LEFT JOIN entries ON entries.source = names.source
LEFT JOIN rejected ON rejected.source = names.source
