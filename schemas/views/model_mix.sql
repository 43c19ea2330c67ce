-- model_mix: which model classes a team uses, by week.
--
-- week             Monday of the week of event_date
-- team, model_class   as in usage; a null class is a hidden model
-- currency         of the cost; null on lines without any amount
-- requests, tokens    sums over rows that count for use; tokens are input and output
-- effective_cost   over rows that count for money
-- request_share, token_share   of the team's week, all currencies together
-- cost_share       of the team's week in the same currency
-- cost_per_million_tokens   over rows that state both and count for both
-- cache_read_share    tokens read from a cache / input tokens, over rows that state both
WITH cells AS (
    SELECT
        CAST(date_trunc('week', event_date) AS DATE) AS week,
        team,
        model_class,
        currency,
        SUM(requests) FILTER (WHERE usage_sign = 1) AS requests,
        SUM(COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0)) FILTER (
            WHERE usage_sign = 1 AND (input_tokens IS NOT NULL OR output_tokens IS NOT NULL)) AS tokens,
        SUM(effective_cost) FILTER (WHERE cost_sign = 1) AS effective_cost,
        SUM(effective_cost) FILTER (
            WHERE usage_sign = 1 AND cost_sign = 1 AND input_tokens IS NOT NULL AND output_tokens IS NOT NULL)
            AS priced_cost,
        SUM(input_tokens + output_tokens) FILTER (
            WHERE usage_sign = 1 AND cost_sign = 1 AND effective_cost IS NOT NULL) AS priced_tokens,
        SUM(cache_read_tokens) FILTER (WHERE usage_sign = 1 AND input_tokens IS NOT NULL) AS cache_read,
        SUM(input_tokens) FILTER (WHERE usage_sign = 1 AND cache_read_tokens IS NOT NULL) AS cacheable
    FROM usage
    GROUP BY 1, 2, 3, 4
),
totals AS (
    SELECT
        *,
        SUM(requests) OVER (PARTITION BY week, team) AS all_requests,
        SUM(tokens) OVER (PARTITION BY week, team) AS all_tokens,
        SUM(effective_cost) OVER (PARTITION BY week, team, currency) AS all_cost
    FROM cells
)
SELECT
    week,
    team,
    model_class,
    currency,
    requests,
    tokens,
    effective_cost,
    CAST(ROUND(CAST(requests AS DOUBLE) / NULLIF(all_requests, 0), 6) AS DECIMAL(7, 6)) AS request_share,
    CAST(ROUND(CAST(tokens AS DOUBLE) / NULLIF(all_tokens, 0), 6) AS DECIMAL(7, 6)) AS token_share,
    CAST(ROUND(CAST(effective_cost AS DOUBLE) / CAST(NULLIF(all_cost, 0) AS DOUBLE), 6) AS DECIMAL(7, 6))
        AS cost_share,
    CAST(ROUND(CAST(priced_cost AS DOUBLE) * 1000000.0 / NULLIF(priced_tokens, 0), 6) AS DECIMAL(20, 6))
        AS cost_per_million_tokens,
    CAST(ROUND(CAST(cache_read AS DOUBLE) / NULLIF(cacheable, 0), 6) AS DECIMAL(7, 6)) AS cache_read_share
FROM totals
