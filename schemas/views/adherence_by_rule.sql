-- adherence_by_rule: what each rule of guidance decided, by month.
--
-- month            first day of the month of event_date
-- rule_id          rule that the verdict names; a row that names several counts for each
-- policy_version   bundle in force
-- currency         of the costs; null on lines without any amount
-- applicable       rows in scope that name the rule
-- followed, drifted, unknown   of these, by verdict; the rest is unmatched
-- drifted_effective_cost, drifted_list_cost   cost of the drifted rows
WITH named AS (
    SELECT
        CAST(date_trunc('month', event_date) AS DATE) AS month,
        unnest(rule_ids) AS rule_id,
        policy_version,
        currency,
        verdict,
        cost_sign,
        effective_cost,
        list_cost
    FROM usage
    WHERE verdict <> 'out_of_scope' AND usage_sign = 1
)
SELECT
    month,
    rule_id,
    policy_version,
    currency,
    COUNT(*) AS applicable,
    COUNT(*) FILTER (WHERE verdict = 'followed') AS followed,
    COUNT(*) FILTER (WHERE verdict = 'drifted') AS drifted,
    COUNT(*) FILTER (WHERE verdict = 'unknown') AS unknown,
    SUM(effective_cost) FILTER (WHERE verdict = 'drifted' AND cost_sign = 1) AS drifted_effective_cost,
    SUM(list_cost) FILTER (WHERE verdict = 'drifted' AND cost_sign = 1) AS drifted_list_cost
FROM named
GROUP BY month, rule_id, policy_version, currency
