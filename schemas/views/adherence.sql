-- adherence: how much use followed guidance, with bounds, by week, team, tool, model class and grain.
--
-- Each cell appears once per weight. With w the weight of a row, T its sum in scope, F and D the sums
-- over followed and drifted:
--   rate     = F / (F + D)
--   lower    = sum of w * p_followed over followed rows with a high label / T
--   upper    = 1 - sum of w * p_drifted over drifted rows with a high label / T
--   expected = sum of w * p_followed / T
-- so lower <= expected <= upper and lower <= rate <= upper. A value that is undefined is null.
--
-- week             Monday of the week of event_date
-- team, tool, model_class, grain   as in usage
-- weight           'rows', 'requests' or 'list_cost': what the amounts count
-- currency         of the amounts under 'list_cost'; null under the other weights
-- followed, drifted, unknown, unmatched, out_of_scope   amounts per verdict, 0 if no row has it; null if no row of
--                  the cell states the weight
-- in_scope         T: the amount over the first four
-- rate, lower, expected, upper   as above
-- expected_low, expected_high    90 % interval of expected: 1.645 standard errors. The rows of one session
--                  are right or wrong together; without a session, those of one person, tool and day. It
--                  does not yet hold the calibration error of a source
-- rows             rows that count for use (under 'list_cost': for money), out of scope included
-- unweighted_rows  those of them in scope that state no weight, or a negative one, and so are in no amount
WITH weighed AS (
    SELECT
        CAST(date_trunc('week', event_date) AS DATE) AS week,
        team,
        tool,
        model_class,
        grain,
        weights.weight,
        CASE WHEN weights.weight = 'list_cost' THEN currency END AS currency,
        source,
        COALESCE(session_key, person_id || ' ' || COALESCE(tool, '') || ' ' || CAST(event_date AS VARCHAR),
                 event_id) AS segment,
        verdict,
        verdict_label,
        p_followed,
        p_drifted,
        CASE weights.weight
            WHEN 'rows' THEN CAST(1 AS DECIMAL(20, 9))
            WHEN 'requests' THEN CASE WHEN requests >= 0 THEN CAST(requests AS DECIMAL(20, 9)) END
            ELSE CASE WHEN list_cost >= 0 THEN list_cost END
        END AS w
    FROM usage
    CROSS JOIN (VALUES ('rows'), ('requests'), ('list_cost')) AS weights (weight)
    WHERE CASE WHEN weights.weight = 'list_cost' THEN cost_sign ELSE usage_sign END = 1
),
segments AS (
    SELECT
        week, team, tool, model_class, grain, weight, currency, source, segment,
        COUNT(*) AS rows,
        COUNT(*) FILTER (WHERE w IS NULL AND verdict <> 'out_of_scope') AS unweighted_rows,
        COUNT(*) FILTER (WHERE w IS NOT NULL AND verdict <> 'out_of_scope' AND p_followed IS NULL)
            AS undecided_rows,
        SUM(w) FILTER (WHERE verdict = 'followed') AS followed,
        SUM(w) FILTER (WHERE verdict = 'drifted') AS drifted,
        SUM(w) FILTER (WHERE verdict = 'unknown') AS unknown,
        SUM(w) FILTER (WHERE verdict = 'unmatched') AS unmatched,
        SUM(w) FILTER (WHERE verdict = 'out_of_scope') AS out_of_scope,
        SUM(w) FILTER (WHERE verdict <> 'out_of_scope') AS in_scope,
        SUM(w * p_followed) FILTER (WHERE verdict <> 'out_of_scope') AS expected_followed,
        SUM(w * p_followed) FILTER (WHERE verdict = 'followed' AND verdict_label = 'high') AS sure_followed,
        SUM(w * p_drifted) FILTER (WHERE verdict = 'drifted' AND verdict_label = 'high') AS sure_drifted
    FROM weighed
    GROUP BY week, team, tool, model_class, grain, weight, currency, source, segment
),
cells AS (
    SELECT
        week, team, tool, model_class, grain, weight, currency,
        SUM(rows) AS rows,
        SUM(unweighted_rows) AS unweighted_rows,
        SUM(undecided_rows) AS undecided_rows,
        SUM(followed) AS followed,
        SUM(drifted) AS drifted,
        SUM(unknown) AS unknown,
        SUM(unmatched) AS unmatched,
        SUM(out_of_scope) AS out_of_scope,
        SUM(in_scope) AS in_scope,
        COALESCE(SUM(in_scope), SUM(out_of_scope)) IS NOT NULL AS weighed,
        -- The divisor and dividends leave the decimals here, after every sum was taken exactly.
        CAST(NULLIF(SUM(in_scope), 0) AS DOUBLE) AS t,
        CAST(NULLIF(COALESCE(SUM(followed), 0) + COALESCE(SUM(drifted), 0), 0) AS DOUBLE) AS decided,
        CAST(COALESCE(SUM(followed), 0) AS DOUBLE) AS f,
        CAST(SUM(expected_followed) AS DOUBLE) AS e,
        CAST(COALESCE(SUM(sure_followed), 0) AS DOUBLE) AS l,
        CAST(SUM(in_scope) - COALESCE(SUM(sure_drifted), 0) AS DOUBLE) AS u,
        -- W^2 a (1 - a) of a segment with W = in_scope and a = expected_followed / in_scope
        SUM(CAST(expected_followed AS DOUBLE) * CAST(in_scope - expected_followed AS DOUBLE)) AS variance
    FROM segments
    GROUP BY week, team, tool, model_class, grain, weight, currency
),
ratios AS (
    SELECT
        *,
        ROUND(l / t, 6) AS lower_ratio,
        ROUND(u / t, 6) AS upper_ratio,
        CASE WHEN undecided_rows = 0 THEN e / t END AS expected_ratio,
        1.645 * SQRT(GREATEST(variance, 0)) / t AS half_width
    FROM cells
)
SELECT
    week, team, tool, model_class, grain, weight, currency,
    CASE WHEN weighed THEN COALESCE(followed, CAST(0 AS DECIMAL(38, 9))) END AS followed,
    CASE WHEN weighed THEN COALESCE(drifted, CAST(0 AS DECIMAL(38, 9))) END AS drifted,
    CASE WHEN weighed THEN COALESCE(unknown, CAST(0 AS DECIMAL(38, 9))) END AS unknown,
    CASE WHEN weighed THEN COALESCE(unmatched, CAST(0 AS DECIMAL(38, 9))) END AS unmatched,
    CASE WHEN weighed THEN COALESCE(out_of_scope, CAST(0 AS DECIMAL(38, 9))) END AS out_of_scope,
    CASE WHEN weighed THEN COALESCE(in_scope, CAST(0 AS DECIMAL(38, 9))) END AS in_scope,
    -- The clamps only take back the last digit that a division may have lost.
    CAST(CASE WHEN t IS NOT NULL AND decided IS NOT NULL
              THEN GREATEST(lower_ratio, LEAST(upper_ratio, ROUND(f / decided, 6))) END AS DECIMAL(7, 6)) AS rate,
    CAST(lower_ratio AS DECIMAL(7, 6)) AS lower,
    CAST(CASE WHEN expected_ratio IS NOT NULL
              THEN GREATEST(lower_ratio, LEAST(upper_ratio, ROUND(expected_ratio, 6))) END AS DECIMAL(7, 6)) AS expected,
    CAST(upper_ratio AS DECIMAL(7, 6)) AS upper,
    CAST(CASE WHEN expected_ratio IS NOT NULL
              THEN GREATEST(0.0, ROUND(expected_ratio - half_width, 6)) END AS DECIMAL(7, 6)) AS expected_low,
    CAST(CASE WHEN expected_ratio IS NOT NULL
              THEN LEAST(1.0, ROUND(expected_ratio + half_width, 6)) END AS DECIMAL(7, 6)) AS expected_high,
    rows,
    unweighted_rows
FROM ratios
