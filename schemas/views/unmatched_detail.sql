-- unmatched_detail: the gap row by row, with what would close it.
--
-- event_id, source, source_key, period_start, period_end   the row, and how to find it at the vendor
-- verdict, reason          as in unmatched
-- person_id, team, tool, model, workspace   who and what, as far as known
-- effective_cost, list_cost, currency       what is not explained
-- match_confidence, candidates   probability of the best link, and the next best intents
-- missing_facts            facts whose absence left it undecided
-- suggested_fix            what to do about the reason
SELECT
    event_id,
    source,
    source_key,
    period_start,
    period_end,
    verdict,
    COALESCE(reason_code, '(no reason)') AS reason,
    person_id,
    team,
    tool,
    model,
    workspace,
    effective_cost,
    list_cost,
    currency,
    match_confidence,
    candidates,
    missing_facts,
    CASE
        WHEN reason_code IN ('IDENTITY_UNKNOWN', 'NO_PERSON') THEN 'add the account to the directory'
        WHEN reason_code = 'IDENTITY_SHARED_KEY' THEN 'give each owner of the shared key an own key'
        WHEN reason_code IN ('NO_CANDIDATE', 'NO_INTENT') THEN 'declare an intent for this time, or install the hook'
        WHEN reason_code IN ('TIED_INTENTS', 'TOO_MANY_CANDIDATES') THEN 'declare the session or end the other intents'
        WHEN reason_code = 'NO_GUIDANCE' THEN 'put a guidance bundle in force for this time'
        WHEN reason_code = 'NOT_COVERED' THEN 'add a rule that speaks of this use'
        WHEN reason_code = 'MODEL_UNLISTED' THEN 'add the model to the catalogue'
        WHEN reason_code = 'AGGREGATE_ONLY' THEN 'connect a feed with one record a request'
        WHEN verdict = 'unknown' THEN 'provide the missing facts'
        ELSE 'see the reason'
    END AS suggested_fix
FROM usage
WHERE verdict IN ('unknown', 'unmatched')
