-- spend_daily: money and use by day. Columns as in spend, with these before them:
--
-- day              the day; null on lines of rows that are longer than a day, which belong to none
-- span             'day', or 'longer' for rows longer than a day, each period on its own line
-- span_from, span_to   the line's days; span_to is exclusive
WITH placed AS (
    SELECT
        *,
        period_end > period_start + INTERVAL '1 day' AS longer
    FROM usage
)
SELECT
    CASE WHEN longer THEN NULL ELSE event_date END AS day,
    CASE WHEN longer THEN 'longer' ELSE 'day' END AS span,
    CASE WHEN longer THEN CAST(period_start AS DATE) ELSE event_date END AS span_from,
    CASE WHEN longer THEN CAST(period_end AS DATE)
         ELSE CAST(event_date + INTERVAL '1 day' AS DATE) END AS span_to,
    COALESCE(cost_center, '(unallocated)') AS cost_center,
    team,
    vendor,
    tool,
    model,
    currency,
    CASE WHEN verdict IN ('unknown', 'unmatched') THEN 'gap' ELSE 'judged' END AS line,
    COUNT(*) AS rows,
    COUNT(*) FILTER (WHERE cost_sign = 1 AND effective_cost IS NULL) AS unpriced_rows,
    SUM(requests) FILTER (WHERE usage_sign = 1) AS requests,
    SUM(input_tokens) FILTER (WHERE usage_sign = 1) AS input_tokens,
    SUM(output_tokens) FILTER (WHERE usage_sign = 1) AS output_tokens,
    SUM(billed_cost) FILTER (WHERE cost_sign = 1) AS billed_cost,
    SUM(effective_cost) FILTER (WHERE cost_sign = 1) AS effective_cost,
    SUM(contracted_cost) FILTER (WHERE cost_sign = 1) AS contracted_cost,
    SUM(list_cost) FILTER (WHERE cost_sign = 1) AS list_cost
FROM placed
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
