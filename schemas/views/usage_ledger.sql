-- usage_ledger: every entry of the ledger, one row an entry, never changed once written.
--
-- Usage totals are SUM(usage_sign * x), money totals SUM(cost_sign * x) per currency. A correction is two
-- entries in one commit: the old one again with its signs turned (same revision), then the new one.
-- "As known at T" is recorded_at <= T. Files hold ids as 16 bytes; here they are UUID text. Null means
-- unknown and is not zero. Times are UTC.
--
-- event_id, revision        the event, and the number of its version from 1
-- entry_kind                original, reversal, restatement, rejudgement, withdrawal
-- cause                     first, restated, withdrawn, identity, intent, policy, price, overlap, weights
-- entry_sign                +1, or -1 for a reversal or withdrawal
-- usage_sign, cost_sign     the entry's sign, or 0 where another feed counts for tokens or for money
-- recorded_at               commit time, one value a commit, strictly increasing
-- observed_at               when the vendor's data was fetched or received
-- content_hash              hash of what the record says
-- context_version           newest context pointer known to the judgement
-- settle_run                run of the settler that judged; 0 for the stream
-- source                    feed, named vendor.feed
-- source_key                the vendor's natural key, accounts replaced by keyed hashes
-- scope_key                 account, report and period of the fetch
-- billing_account_id        the vendor's billing account
-- grain                     request, session, user_day, user_month, model_day, org_day
-- period_start, period_end  the use; the end is exclusive
-- event_date                day of the record's natural key; never changes for an event
-- accounting_period         month that finance books the entry in
-- person_id, account_id, session_key, request_key, branch_key, ticket_key   surrogate and keyed hashes
-- actor_kind                person, service_account, unknown
-- identity_confidence       probability that the person is right
-- team, cost_center         of the person or service account, as of the event's time
-- vendor, tool              who invoices, and the product used
-- surface                   ide, cli, web, agent, ci, api
-- provider, model           who runs the model, and the model in one spelling
-- model_raw, model_class    the model as the vendor wrote it, and its class in the catalogue
-- outcome                   ok, error, cancelled
-- workspace, sensitivity    repository, if the directory lists it, and its declared sensitivity
-- language, file_type, work_class   what the work was
-- requests, input_tokens, output_tokens   counts; input includes what the cache served
-- cache_read_tokens, cache_write_tokens   parts of the input
-- reasoning_tokens          part of the output
-- lines_accepted            lines of code that the person accepted
-- credits, credit_unit      vendor credits and their unit
-- billed_cost               what the vendor charges; 0 if a seat includes it
-- effective_cost            billed, else the vendor's estimate, else computed; 0 if a seat includes it
-- contracted_cost, list_cost   at negotiated prices, at list prices
-- currency                  of the four costs
-- cost_basis                invoiced, vendor_reported, vendor_estimate, computed, seat_included, none
-- price_version, fx_version    versions of the prices and exchange rates applied
-- derived_from, duplicate_of, overlap_rule   how feeds that report the same use were told apart
-- intent_id, match_confidence, confidence_label, match_reasons, candidates, model_id   the linked intent
-- verdict                   followed, drifted, unknown, unmatched, out_of_scope
-- matched_by                intent, guidance, service_account
-- p_followed, p_drifted, p_undecided   probabilities that sum to exactly 1
-- verdict_confidence, verdict_label    probability that the verdict is right, and its label
-- rule_ids, reason_code, facts, missing_facts, recommended_class, policy_version   why
-- explained_share, partial_share, unexplained_share   shares of any cost that sum to exactly 1
--
-- The files hold eight columns more, at the end, from which `modellane rejudge` judges an entry again. They are
-- no part of this view; rows that were written before there was that command have null there.
--
-- account_kinds, account_hashes   accounts of the record, the most specific first: kinds, and keyed hashes one
--                           after another, 16 bytes each; null if the record names none
-- workspace_key             keyed hash of the repository, whether the directory lists it or not
-- cache_write_1h_tokens     part of cache_write_tokens that is kept for an hour
-- stated_basis, stated_amount, stated_list_amount, stated_currency   money as the vendor's record states it
SELECT
    uuid_text(event_id) AS event_id,
    revision,
    entry_kind,
    cause,
    entry_sign,
    usage_sign,
    cost_sign,
    recorded_at,
    observed_at,
    uuid_text(content_hash) AS content_hash,
    context_version,
    settle_run,
    source,
    source_key,
    scope_key,
    billing_account_id,
    grain,
    period_start,
    period_end,
    event_date,
    accounting_period,
    uuid_text(person_id) AS person_id,
    uuid_text(account_id) AS account_id,
    uuid_text(session_key) AS session_key,
    actor_kind,
    identity_confidence,
    team,
    cost_center,
    uuid_text(request_key) AS request_key,
    uuid_text(branch_key) AS branch_key,
    uuid_text(ticket_key) AS ticket_key,
    vendor,
    tool,
    surface,
    provider,
    model,
    model_raw,
    model_class,
    outcome,
    workspace,
    sensitivity,
    language,
    file_type,
    work_class,
    requests,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    output_tokens,
    reasoning_tokens,
    lines_accepted,
    credits,
    credit_unit,
    billed_cost,
    effective_cost,
    contracted_cost,
    list_cost,
    currency,
    cost_basis,
    price_version,
    fx_version,
    uuid_text(derived_from) AS derived_from,
    uuid_text(duplicate_of) AS duplicate_of,
    overlap_rule,
    intent_id,
    match_confidence,
    confidence_label,
    match_reasons,
    candidates,
    model_id,
    verdict,
    matched_by,
    p_followed,
    p_drifted,
    p_undecided,
    verdict_confidence,
    verdict_label,
    rule_ids,
    reason_code,
    facts,
    missing_facts,
    recommended_class,
    policy_version,
    explained_share,
    partial_share,
    unexplained_share
FROM raw.usage_ledger
