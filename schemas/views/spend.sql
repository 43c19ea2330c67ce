-- spend: money and use by month, cost centre, team, vendor, tool, model and currency.
--
-- A sum never mixes currencies. Null is not zero: a cost that no row of the line states is null.
-- Feeds that report the same use are not told apart yet: each of them counts, for use and for money. Copilot's
-- user-days are the exception for money: their credits are pooled over the seats and charged in the billing
-- report, so that they have a list cost and no billed or effective one.
--
-- month            first day of the month of event_date
-- cost_center      '(unallocated)' where nobody owns the cost
-- team, vendor, tool, model   as in usage; null if the record does not say
-- currency         of the costs; null on lines without any amount
-- line             'judged', or 'gap' for rows whose verdict is unknown or unmatched
-- rows             current rows of the line
-- unpriced_rows    rows that count for money and have no effective cost, Copilot's user-days among them
-- requests, input_tokens, output_tokens   sums over rows that count for use
-- billed_cost      what vendors charge
-- effective_cost   billed, else estimated, else computed
-- contracted_cost  at negotiated prices
-- list_cost        at list prices
SELECT
    CAST(date_trunc('month', event_date) AS DATE) AS month,
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
FROM usage
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
