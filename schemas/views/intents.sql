-- intents: every version of every declared intent; the latest recorded_at of an intent_id holds.
--
-- intent_id        the declarer's id
-- account_kind, account_id   whose work: kind of account, and its keyed hash
-- workspace_key, branch_key, ticket_key, session_key   keyed hashes; null if not declared
-- task, tool       class of work and tool, if declared
-- started_at, ended_at   when; the end is exclusive, and null while open
-- recorded_at      when the server took it in
-- origin           file, http, cli, hook
SELECT
    intent_id,
    account_kind,
    uuid_text(account_id) AS account_id,
    uuid_text(workspace_key) AS workspace_key,
    uuid_text(branch_key) AS branch_key,
    uuid_text(ticket_key) AS ticket_key,
    uuid_text(session_key) AS session_key,
    task,
    tool,
    started_at,
    ended_at,
    recorded_at,
    origin
FROM raw.intents
