-- unmatched: the gap by day, source and reason: rows whose verdict is unknown or unmatched.
--
-- day              event_date
-- source           feed
-- verdict          'unmatched': no person, intent or guidance to compare with; 'unknown': facts are missing
-- reason           why, as a code
-- currency         of the costs; null on lines without any amount
-- rows             rows of the line
-- unpriced_rows    rows that count for money and have no effective cost
-- billed_cost, effective_cost, list_cost   what is not explained
-- row_share        rows / rows in scope of the day and source
-- list_cost_share  list cost / list cost in scope of the day, source and currency; null if none is known
-- oldest           start of the earliest row
WITH cells AS (
    SELECT
        event_date AS day,
        source,
        verdict,
        COALESCE(reason_code, '(no reason)') AS reason,
        currency,
        COUNT(*) AS rows,
        COUNT(*) FILTER (WHERE cost_sign = 1 AND effective_cost IS NULL) AS unpriced_rows,
        SUM(billed_cost) FILTER (WHERE cost_sign = 1) AS billed_cost,
        SUM(effective_cost) FILTER (WHERE cost_sign = 1) AS effective_cost,
        SUM(list_cost) FILTER (WHERE cost_sign = 1) AS list_cost,
        MIN(period_start) AS oldest
    FROM usage
    WHERE verdict <> 'out_of_scope'
    GROUP BY 1, 2, 3, 4, 5
),
shared AS (
    SELECT
        *,
        SUM(rows) OVER (PARTITION BY day, source) AS scope_rows,
        SUM(list_cost) OVER (PARTITION BY day, source, currency) AS scope_list_cost
    FROM cells
)
SELECT
    day,
    source,
    verdict,
    reason,
    currency,
    rows,
    unpriced_rows,
    billed_cost,
    effective_cost,
    list_cost,
    CAST(ROUND(CAST(rows AS DOUBLE) / scope_rows, 6) AS DECIMAL(7, 6)) AS row_share,
    CAST(ROUND(CAST(list_cost AS DOUBLE) / CAST(NULLIF(scope_list_cost, 0) AS DOUBLE), 6) AS DECIMAL(7, 6))
        AS list_cost_share,
    oldest
FROM shared
WHERE verdict IN ('unknown', 'unmatched')
