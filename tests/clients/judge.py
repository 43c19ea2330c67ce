"""Judges a lake after a run of faults: python judge.py CASE.json

The case names the lake, what the oracle says must stand, where the topics end, where the query service answers
and what must be nowhere. Prints JSON: counts, and every place where an invariant I1 to I11 fails.
"""
import json
import os
import sys
import time

import ledger_checks

# What the oracle states of an event.
FACTS = ["event_date", "requests", "input_tokens", "output_tokens", "credits", "cost"]

# What was sent, and of it what must stand: all but what the vendor's last word takes back.
SENT = """
CREATE TABLE sent AS
SELECT source, key, COUNT(*) AS versions, ANY_VALUE(account) AS account, COALESCE(ARG_MAX(stands, version), TRUE) AS stands, {columns}
FROM (
    SELECT source, key, version, account, stands, CAST(event_date AS VARCHAR) AS event_date, CAST(requests AS BIGINT) AS requests,
        CAST(input_tokens AS BIGINT) AS input_tokens, CAST(output_tokens AS BIGINT) AS output_tokens,
        CAST(credits AS DECIMAL(20, 9)) AS credits, CAST(cost AS DECIMAL(20, 9)) AS cost
    FROM read_json('{file}', format = 'newline_delimited', columns = {{
        source: 'VARCHAR', key: 'VARCHAR', version: 'INTEGER', event_date: 'VARCHAR', requests: 'BIGINT',
        input_tokens: 'BIGINT', output_tokens: 'BIGINT', credits: 'VARCHAR', cost: 'VARCHAR', account: 'VARCHAR', stands: 'BOOLEAN'}})
)
GROUP BY 1, 2
"""

# The own keys of these hold a hashed account; the oracle gives each a billing account of its own, or one a day.
KEY = """CASE source WHEN 'github_copilot.user_day' THEN billing_account_id
    WHEN 'github_copilot.billing_csv' THEN billing_account_id || ':' || CAST(event_date AS VARCHAR) ELSE source_key END"""

CURRENT = """
CREATE TABLE current AS
SELECT *, {key} AS key, CAST(event_date AS VARCHAR) AS fact_event_date, requests AS fact_requests,
    input_tokens AS fact_input_tokens, output_tokens AS fact_output_tokens, credits AS fact_credits, effective_cost AS fact_cost
FROM ledger AS entry
WHERE entry_sign = 1 AND NOT EXISTS (
    SELECT 1 FROM ledger AS reversal
    WHERE reversal.entry_sign = -1 AND reversal.event_id = entry.event_id AND reversal.revision = entry.revision)
"""

# Both engines read these the same way.
ANSWERS = {
    "the view usage": """
        SELECT source, CAST(event_date AS VARCHAR), COUNT(*), CAST(SUM(requests) AS BIGINT),
            CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
            CAST(SUM(credits) AS VARCHAR), CAST(SUM(effective_cost) AS VARCHAR)
        FROM {usage} GROUP BY 1, 2 ORDER BY 1, 2""",
    "the signed ledger": """
        SELECT source, CAST(event_date AS VARCHAR), CAST(SUM(entry_sign) AS BIGINT),
            CAST(SUM(usage_sign * requests) AS BIGINT), CAST(SUM(usage_sign * input_tokens) AS BIGINT),
            CAST(SUM(usage_sign * output_tokens) AS BIGINT),
            CAST(SUM(CASE usage_sign WHEN 1 THEN credits WHEN -1 THEN -credits END) AS VARCHAR),
            CAST(SUM(CASE cost_sign WHEN 1 THEN effective_cost WHEN -1 THEN -effective_cost END) AS VARCHAR)
        FROM {ledger} GROUP BY 1, 2 ORDER BY 1, 2""",
}

# What an entry says about how it came to stand rather than about the event.
HISTORY = {"revision", "entry_kind", "cause", "recorded_at", "observed_at", "context_version"}

# The ledger as it was known at a time.
PREFIX = "SELECT SUM(entry_sign), SUM(usage_sign * input_tokens) FROM ledger WHERE EPOCH_US(recorded_at) <= ?"

PATIENCE = 120


def load(db, versions):
    """Makes the tables `sent` and `truth`, from the oracle's file, and `current`, from the view `ledger`."""
    # Packed, because the latest version counts where it says nothing, too.
    columns = ", ".join(f"ARG_MAX(STRUCT_PACK(v := {fact}), version).v AS {fact}" for fact in FACTS)
    db.execute(SENT.format(columns=columns, file=versions))
    db.execute("CREATE VIEW truth AS SELECT * FROM sent WHERE stands")
    db.execute(CURRENT.format(key=KEY))


def shown(rows):
    return f"{len(rows)}, such as {rows[0]}" if rows else ""


def truth_problems(db):
    """Where the current entries are not what the oracle says: I1, I2, I3, I5."""
    same = " AND ".join(f"t.{fact} IS NOT DISTINCT FROM c.fact_{fact}" for fact in FACTS)
    questions = {
        "I1: events are missing": "SELECT source, key FROM truth ANTI JOIN current USING (source, key)",
        "I3: events stand that nobody sent": "SELECT source, key FROM current ANTI JOIN truth USING (source, key)",
        "I2: events stand more than once": "SELECT source, key FROM current GROUP BY 1, 2 HAVING COUNT(*) > 1",
        "I2: events do not count once": f"""
            SELECT source, key FROM (SELECT source, {KEY} AS key, event_id, SUM(CAST(usage_sign AS INTEGER)) AS counts FROM ledger GROUP BY 1, 2, 3)
            JOIN sent USING (source, key) WHERE counts <> CAST(stands AS INTEGER)""",
        "I3: more was appended than was sent": f"""
            SELECT source, key FROM (SELECT source, {KEY} AS key FROM ledger WHERE entry_kind IN ('original', 'restatement')) AS appended
            JOIN sent AS t USING (source, key) GROUP BY 1, 2, t.versions HAVING COUNT(*) > t.versions""",
        "I5: events stand with other content": f"SELECT t.source, t.key FROM truth AS t JOIN current AS c USING (source, key) WHERE NOT ({same})",
    }
    problems = []
    for name, question in questions.items():
        found = db.execute(question).fetchall()
        if found:
            problems.append(f"{name}: {shown(found)}")
    return problems


def total_problems(db):
    """I5 over source and day, by the signs alone."""
    signed = """SELECT source, CAST(event_date AS VARCHAR) AS day, SUM(usage_sign * input_tokens)::HUGEINT, SUM(usage_sign * output_tokens)::HUGEINT,
        SUM(CAST(usage_sign AS DECIMAL(2, 0)) * credits), SUM(CAST(cost_sign AS DECIMAL(2, 0)) * effective_cost) FROM ledger GROUP BY 1, 2 ORDER BY 1, 2"""
    true = """SELECT source, event_date, SUM(input_tokens)::HUGEINT, SUM(output_tokens)::HUGEINT, SUM(credits), SUM(cost)
        FROM truth GROUP BY 1, 2 ORDER BY 1, 2"""
    signed, true = db.execute(signed).fetchall(), db.execute(true).fetchall()
    wrong = [(have, want) for have, want in zip(signed, true) if have != want]
    if len(signed) != len(true) or wrong:
        return [f"I5: totals of {len(wrong) or 'other'} days differ: {shown(wrong)}"]
    return []


def verdict_problems(db):
    """I8: every current entry has one verdict, and its shares make a whole."""
    bad = db.execute("""SELECT source, key FROM current WHERE verdict IS NULL
        OR explained_share + partial_share + unexplained_share <> 1
        OR (p_followed IS NOT NULL AND p_followed + p_drifted + p_undecided <> 1)""").fetchall()
    return [f"I8: entries have no sound verdict: {shown(bad)}"] if bad else []


# Guidance permits the only model, from a day on not to one team. A user-day states no model, so that nothing decides.
EXPECTED = """
SELECT t.source, t.key, m.team, CASE
    WHEN t.source = 'github_copilot.user_day' THEN 'unmatched'
    WHEN t.event_date < $turn THEN 'followed'
    WHEN m.team IS NULL THEN 'unmatched'
    WHEN m.team = $forbidden THEN 'drifted'
    ELSE 'followed' END AS verdict
FROM truth AS t
LEFT JOIN memberships AS m ON m.account = t.account AND t.event_date >= m."from" AND (m."to" IS NULL OR t.event_date < m."to")
"""


def judgement_problems(case, db):
    """I8: team and verdict are those of the event's own day, computed anew from records and dates."""
    organisation = case.get("organisation")
    if not organisation:
        return []
    import pyarrow as pa

    schema = pa.schema([(name, pa.string()) for name in ("account", "team", "from", "to")])
    db.register("memberships", pa.Table.from_pylist(organisation["memberships"], schema=schema))
    days = {"turn": organisation["turn"], "forbidden": organisation["forbidden"]}
    wrong = db.execute(f"""
        SELECT e.source, e.key, e.team, c.team, e.verdict, c.verdict FROM ({EXPECTED}) AS e JOIN current AS c USING (source, key)
        WHERE e.team IS DISTINCT FROM c.team OR e.verdict <> c.verdict""", days).fetchall()
    verdicts = {verdict for verdict, in db.execute("SELECT DISTINCT verdict FROM current").fetchall()}
    problems = [f"I8: events are judged otherwise: {shown(wrong)}"] if wrong else []
    if not {"followed", "drifted", "unmatched"} <= verdicts:
        problems.append(f"I8: there are only the verdicts {sorted(verdicts)}, so nothing was shown")
    return problems


def offset_problems(case, tables):
    """I6: the tables stand where the topics end."""
    problems = []
    for stream in case["streams"]:
        for partition, end in stream["ends"].items():
            stated = tables[stream["table"]].transaction_version(f"{stream['stream']}/{partition}") or 0
            if stated != end:
                problems.append(f"I6: {stream['table']} stands at {stated} of {stream['stream']}/{partition}, which ends at {end}")
    return problems


def side_table_problems(case, tables):
    """I1, I3 and I7 for intents and rejects."""
    problems = []
    intents = set(tables["intents"].to_pyarrow_table(columns=["intent_id"])["intent_id"].to_pylist())
    if intents != set(case["intents"]):
        problems.append(f"I1: {len(intents)} intents are stored, {len(case['intents'])} were declared")
    rejects = tables["rejects"].to_pyarrow_table(columns=["reject_id"])["reject_id"].to_pylist()
    if len(set(rejects)) != case["rejects"]:
        problems.append(f"I7: {len(set(rejects))} rejects are stored, {case['rejects']} messages were unreadable")
    return problems


def answer_problems(case, db):
    """The query service says over the PostgreSQL wire what DuckDB reads from the files."""
    if not case.get("query"):
        return []
    import psycopg2

    def same(one, other):
        return [tuple(map(plain, row)) for row in one] == [tuple(map(plain, row)) for row in other]

    def plain(value):
        # 1.50 and 1.500000000 are one amount.
        return value.rstrip("0").rstrip(".") if isinstance(value, str) and "." in value and value[0] in "-0123456789" else value

    host, port = case["query"].split(":")
    begun, problems = time.time(), ["the query service never answered"]
    while problems and time.time() - begun < PATIENCE:
        try:
            connection = psycopg2.connect(host=host, port=port, user="modellane", dbname="modellane")
            connection.autocommit = True
            problems = []
            with connection.cursor() as cursor:
                for name, sql in ANSWERS.items():
                    cursor.execute(sql.format(usage="usage", ledger="usage_ledger"))
                    answer = cursor.fetchall()
                    files = db.execute(sql.format(usage="current", ledger="ledger")).fetchall()
                    if not same(answer, files):
                        problems.append(f"I9: {name} is not what the files say: {answer[:1]} for {files[:1]}")
            connection.close()
        except psycopg2.Error as error:
            problems = [f"I9: the query service does not answer: {error}"]
        if problems:
            time.sleep(0.5)
    return problems


def poll_problems(case, db, history):
    """I9: what a reader saw at a version is the ledger up to that version's commit, and versions never go back."""
    if not case.get("polls"):
        return []
    times = {commit["version"]: commit.get("modellaneRecordedAt") for commit in history}
    problems, newest, seen = [], {}, {}
    with open(case["polls"]) as lines:
        polls = [json.loads(line) for line in lines]
    for poll in polls:
        version, reader = poll["version"], poll["reader"]
        if version < newest.get(reader, 0):
            problems.append(f"I9: reader {reader} saw version {version} after {newest[reader]}")
        newest[reader] = version
        # A version that is no commit of the sink's shows what the one before it showed.
        at = max((time for number, time in times.items() if number <= version and time), default=0)
        if at not in seen:
            seen[at] = [int(value or 0) for value in db.execute(PREFIX, [at]).fetchone()]
        if poll["seen"] != seen[at]:
            problems.append(f"I9: at version {version} a reader saw {poll['seen']}, the ledger's prefix is {seen[at]}")
    if not polls:
        problems.append("I9: no reader saw anything")
    return problems


def old_version_problems(case, db, history):
    """I9: a version whose files were merged since still gives whoever has begun to read it what it was."""
    if not case.get("asks_old_versions"):
        return []
    problems = []
    for version, rows in replaced_versions(case, history):
        at = max((commit.get("modellaneRecordedAt") or 0 for commit in history if commit["version"] <= version), default=0)
        [want] = db.execute(PREFIX, [at]).fetchall()
        if isinstance(rows, Exception):
            problems.append(f"I9: version {version} can be read no more: {type(rows).__name__}")
            continue
        db.register("old", rows)
        [have] = db.execute("SELECT SUM(entry_sign), SUM(usage_sign * input_tokens) FROM old").fetchall()
        db.unregister("old")
        if have != want:
            problems.append(f"I9: version {version} has {have}, the ledger's prefix is {want}")
    return problems


def replaced_versions(case, history):
    """Versions before merges, each with its rows or why they cannot be read."""
    from deltalake import DeltaTable

    for commit in history:
        if commit.get("operation") != "OPTIMIZE":
            continue
        version = commit["version"] - 1
        try:
            old = DeltaTable(f"{case['lake']}/usage_ledger", version=version)
            yield version, old.to_pyarrow_dataset().to_table(columns=["entry_sign", "usage_sign", "input_tokens"])
        except Exception as error:  # whatever the engine says of a file that is gone
            yield version, error


def texts(path):
    """What a file of the lake holds, as bytes to search."""
    if path.endswith(".parquet"):
        import pyarrow.parquet as pq

        table = pq.read_table(path, partitioning=None)
        return "\n".join({str(value) for column in table.columns for value in column.to_pylist()}).encode()
    with open(path, "rb") as file:
        return file.read()


def canary_problems(case):
    """I11: nothing that was planted is in the lake, its log, or a log of a service."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(case["lake_dir"]) for name in names]
    problems = []
    for path in paths + case["logs"]:
        content = texts(path).lower()
        problems += [f"I11: {path} holds planted text" for canary in case["canaries"] if canary.lower().encode() in content]
    return problems


def replay_problems(db, other, name):
    """I10: another ledger, for which everything was read again, has the same current entries."""
    db.register("other_ledger", other)
    columns = [row[0] for row in db.execute("DESCRIBE ledger").fetchall()]
    kept = ", ".join(f'"{column}"' for column in columns if column not in HISTORY)
    stands = """SELECT {kept} FROM {ledger} AS entry WHERE entry_sign = 1 AND NOT EXISTS (SELECT 1 FROM {ledger} AS reversal
        WHERE reversal.entry_sign = -1 AND reversal.event_id = entry.event_id AND reversal.revision = entry.revision)"""
    one, two = stands.format(kept=kept, ledger="ledger"), stands.format(kept=kept, ledger="other_ledger")
    differ = db.execute(f"({one} EXCEPT ALL {two}) UNION ALL ({two} EXCEPT ALL {one})").fetchall()
    db.unregister("other_ledger")
    return [f"I10: {name} has {len(differ)} other current entries"] if differ else []


def main():
    import duckdb
    from deltalake import DeltaTable

    with open(sys.argv[1]) as file:
        case = json.load(file)
    tables = {name: DeltaTable(f"{case['lake']}/{name}") for name in ("usage_ledger", "intents", "rejects", "fetches")}
    db = duckdb.connect()
    history, problems = ledger_checks.check(tables["usage_ledger"], db)
    load(db, case["versions"])
    problems += truth_problems(db) + total_problems(db) + verdict_problems(db) + judgement_problems(case, db)
    problems += offset_problems(case, tables) + side_table_problems(case, tables)
    problems += answer_problems(case, db) + poll_problems(case, db, history) + old_version_problems(case, db, history)
    problems += canary_problems(case)
    for other in case["same_as"]:
        problems += replay_problems(db, DeltaTable(other + "/usage_ledger").to_pyarrow_table(), other)
    count = lambda what: db.execute(f"SELECT COUNT(*) FROM {what}").fetchone()[0]
    counts = {
        "events": count("current"), "entries": count("ledger"), "commits": len([c for c in history if "modellaneRanges" in c]),
        "reversals": count("ledger WHERE entry_sign = -1"), "problems": problems,
    }
    print(json.dumps(counts, indent=1))


if __name__ == "__main__":
    main()
