-- restatements: corrections, by the month that they change and the day that they were recorded.
--
-- month_affected   first day of the month of event_date
-- recorded_on      day of the correction
-- source, cause    feed, and why: restated, withdrawn, identity, intent, policy, price, overlap, weights
-- currency         of the costs; a correction that changes the currency shows under both
-- taken_back, added   entries taken back and entries put in their place
-- before, after    effective cost taken back and put in its place; null if no entry states one
-- effective_cost_change, billed_cost_change, list_cost_change   what the correction did to the totals
-- input_tokens_change, output_tokens_change                     likewise
SELECT
    CAST(date_trunc('month', event_date) AS DATE) AS month_affected,
    CAST(recorded_at AS DATE) AS recorded_on,
    source,
    cause,
    currency,
    COUNT(*) FILTER (WHERE entry_sign = -1) AS taken_back,
    COUNT(*) FILTER (WHERE entry_sign = 1) AS added,
    SUM(effective_cost) FILTER (WHERE cost_sign = -1) AS before,
    SUM(effective_cost) FILTER (WHERE cost_sign = 1) AS after,
    SUM(cost_sign * effective_cost) AS effective_cost_change,
    SUM(cost_sign * billed_cost) AS billed_cost_change,
    SUM(cost_sign * list_cost) AS list_cost_change,
    SUM(usage_sign * input_tokens) AS input_tokens_change,
    SUM(usage_sign * output_tokens) AS output_tokens_change
FROM usage_ledger
WHERE entry_kind <> 'original'
GROUP BY 1, 2, 3, 4, 5
