"""Checks the ledger's invariants from outside, with DuckDB: python ledger_checks.py LAKE

Prints JSON: how many entries, reversals and commits there are, and every place where an invariant fails.
"""
import json
import sys

# What a reversal may say otherwise than the entry that it takes back.
TURNED = {"entry_kind", "cause", "entry_sign", "usage_sign", "cost_sign", "recorded_at"}

# Columns that a ledger of an earlier version lacks. A sink of that version leaves all of them null in what it writes,
# also where it takes an entry back that has them, while services are being replaced; no report reads them.
EVIDENCE = [
    "account_kinds", "account_hashes", "workspace_key", "cache_write_1h_tokens",
    "stated_basis", "stated_amount", "stated_list_amount", "stated_currency",
]

REVISIONS = """
WITH sums AS (
    SELECT event_id, revision,
        COUNT(*) FILTER (WHERE entry_sign = 1) AS plus,
        COUNT(*) FILTER (WHERE entry_sign = -1) AS minus,
        BOOL_OR(entry_kind = 'withdrawal') AS withdrawn,
        SUM(usage_sign) AS usage, SUM(cost_sign) AS cost,
        MIN(recorded_at) FILTER (WHERE entry_sign = 1) AS appended_at,
        MIN(recorded_at) FILTER (WHERE entry_sign = -1) AS reversed_at
    FROM ledger GROUP BY 1, 2
)
SELECT *, MAX(revision) OVER (PARTITION BY event_id) AS newest,
    ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY revision) AS place,
    LEAD(appended_at) OVER (PARTITION BY event_id ORDER BY revision) AS replaced_at
FROM sums
"""

# What must be true of every revision of an event; a revision that is not the newest was replaced.
RULES = {
    "I4: a revision has one +1 and at most one -1": "plus = 1 AND minus <= 1",
    "I4: revisions count from 1": "revision = place",
    "I4: only the newest revision stands": "(minus = 0) = (revision = newest AND NOT withdrawn)",
    "I2: what was taken back counts nowhere": "minus = 0 OR (usage = 0 AND cost = 0)",
    "I4: an entry is reversed in the commit that replaces it":
        "minus = 0 OR withdrawn OR reversed_at IS NOT DISTINCT FROM replaced_at",
}

SIGNS = """
SELECT event_id, revision FROM ledger
WHERE entry_sign <> (CASE WHEN entry_kind IN ('reversal', 'withdrawal') THEN -1 ELSE 1 END)
    OR usage_sign NOT IN (0, entry_sign) OR cost_sign NOT IN (0, entry_sign)
"""

PAIRS = """
SELECT event_id, revision FROM ledger
SEMI JOIN (SELECT event_id, revision FROM ledger WHERE entry_sign = -1) AS reversed USING (event_id, revision)
GROUP BY 1, 2 HAVING COUNT(DISTINCT ROW({columns})) FILTER (WHERE {where}) > 1
"""


def entry_problems(db, columns):
    """Where the entries of the view `ledger` break I2 or I4."""
    kept = ", ".join(f'"{name}"' for name in columns if name not in TURNED and name not in EVIDENCE)
    evidence = [f'"{name}"' for name in columns if name in EVIDENCE]
    queries = {name: f"SELECT event_id, revision FROM ({REVISIONS}) WHERE NOT ({rule})" for name, rule in RULES.items()}
    queries["I4: signs follow the kind of entry"] = SIGNS
    queries["I4: a reversal is its entry again"] = PAIRS.format(columns=kept, where="true")
    if evidence:
        where = " OR ".join(f"{name} IS NOT NULL" for name in evidence)
        queries["I4: a reversal has its entry's evidence"] = PAIRS.format(columns=", ".join(evidence), where=where)
    problems = []
    for name, query in queries.items():
        found = db.execute(query).fetchall()
        problems += [f"not so for event {event_id.hex()} revision {revision}: {name}" for event_id, revision in found]
    return problems


def commit_problems(commits, position):
    """Where commits, in their order and as the sink describes them, break I6, I7 or I9.

    `position(stream, partition)` is the next offset that the table states.
    """
    problems, stands, before = [], {}, 0
    for commit in commits:
        messages = 0
        for taken in commit["modellaneRanges"]:
            place = (taken["stream"], taken["partition"])
            expected = stands.get(place, 0)
            if taken["from"] != expected or taken["to"] < taken["from"]:
                problems.append(f"I6: {taken} was committed where the stream stands at {expected}")
            stands[place] = taken["to"]
            messages += taken["to"] - taken["from"]
        if messages != sum(commit["modellaneCounters"].values()):
            problems.append(f"I7: {messages} messages became {commit['modellaneCounters']}")
        if commit["modellaneRecordedAt"] <= before:
            problems.append(f"I9: a commit of {commit['modellaneRecordedAt']} follows one of {before}")
        before = commit["modellaneRecordedAt"]
    for (stream, partition), end in stands.items():
        stated = position(stream, partition)
        if stated != end:
            problems.append(f"I6: the table states {stated} for {stream}/{partition}, its ranges end at {end}")
    return problems


def total_problems(db, commits):
    """Where entries and commits contradict each other: I7, I9."""
    problems = []
    appended = db.execute("SELECT COUNT(*) FROM ledger WHERE entry_sign = 1").fetchone()[0]
    counters = [commit["modellaneCounters"] for commit in commits]
    counted = sum(counter[name] for counter in counters for name in ("original", "restated", "rejudged"))
    # What a fetch put back came by no message of its own.
    counted += sum(commit.get("modellanePresence", {}).get("reinstated", 0) for commit in commits)
    if appended != counted:
        problems.append(f"I7: {appended} entries were appended, the commits count {counted}")
    times = {row[0] for row in db.execute("SELECT DISTINCT EPOCH_US(recorded_at) FROM ledger").fetchall()}
    stray = times - {commit["modellaneRecordedAt"] for commit in commits}
    if stray:
        problems.append(f"I9: entries are of {len(stray)} times at which nothing was committed")
    return problems


def check(table, db):
    """Reads a Delta ledger into the view `ledger`; gives its history, oldest first, and what is wrong."""
    history = sorted(table.history(), key=lambda commit: commit["version"])
    commits = [commit for commit in history if "modellaneRanges" in commit]
    dataset = table.to_pyarrow_dataset()
    db.register("ledger", dataset.to_table())
    problems = commit_problems(commits, lambda stream, partition: table.transaction_version(f"{stream}/{partition}"))
    problems += entry_problems(db, dataset.schema.names) + total_problems(db, commits)
    return history, problems


def main():
    import duckdb
    from deltalake import DeltaTable

    db = duckdb.connect()
    history, problems = check(DeltaTable(sys.argv[1] + "/usage_ledger"), db)
    commits = sum("modellaneRanges" in commit for commit in history)
    entries, reversals = db.execute("SELECT COUNT(*), COUNT(*) FILTER (WHERE entry_kind = 'reversal') FROM ledger").fetchone()
    print(json.dumps({"entries": entries, "reversals": reversals, "commits": commits, "problems": problems}, indent=1))


if __name__ == "__main__":
    main()
