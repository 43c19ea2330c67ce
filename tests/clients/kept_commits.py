"""Compares the table `commits` with the log of the ledger: python kept_commits.py LAKE

Prints `whole` if both say the same of every commit that the log still has, else the first difference.
"""
import json
import os
import sys

import duckdb
from deltalake import DeltaTable

lake = sys.argv[1]
commits = DeltaTable(lake + "/commits").to_pyarrow_dataset()
db = duckdb.connect()
db.register("commits", commits)
rows = db.execute(
    "SELECT version, epoch_us(recorded_at), owner_epoch, commit_id, ranges, original, duplicate FROM commits "
    "WHERE table_name = 'usage_ledger' ORDER BY version"
).fetchall()
versions = [row[0] for row in rows]
if not rows or versions != list(range(len(versions))):
    sys.exit(f"versions do not follow one another: {versions}")
for version, recorded_at, owner, commit_id, ranges, original, duplicate in rows:
    path = os.path.join(lake, "usage_ledger", "_delta_log", f"{version:020}.json")
    if not os.path.exists(path):
        continue
    with open(path) as entry:
        info = next(action["commitInfo"] for action in map(json.loads, entry) if "commitInfo" in action)
    counters = info.get("modellaneCounters", {})
    said = (info.get("modellaneRecordedAt"), info.get("modellaneOwner"), info.get("modellaneCommitId"),
            counters.get("original"), counters.get("duplicate"))
    if said != (recorded_at, owner, commit_id, original, duplicate):
        sys.exit(f"version {version}: {said}")
    kept = [(r["stream"], r["partition"], r["from_offset"], r["to_offset"]) for r in ranges or []]
    if kept != [(r["stream"], r["partition"], r["from"], r["to"]) for r in info.get("modellaneRanges", [])]:
        sys.exit(f"version {version}: other ranges")
print("whole")
