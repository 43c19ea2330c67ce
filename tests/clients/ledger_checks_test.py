"""Every check of ledger_checks.py passes on a sound ledger and fails on one with the damage that it is for."""
import copy
import unittest

import duckdb
import pyarrow as pa

from ledger_checks import commit_problems, entry_problems, total_problems


def entry(event, revision, kind, at, tokens):
    """An entry that counts for use and not for money."""
    sign = -1 if kind in ("reversal", "withdrawal") else 1
    return {
        "event_id": bytes([event]) * 16, "revision": revision, "entry_kind": kind, "cause": "first",
        "entry_sign": sign, "usage_sign": sign, "cost_sign": 0, "recorded_at": at, "output_tokens": tokens,
    }


# Event 1 as it was first, event 2 restated by the second commit, event 3 withdrawn by it.
SOUND = [
    entry(1, 1, "original", 10, 5),
    entry(2, 1, "original", 10, 7),
    entry(3, 1, "original", 10, None),
    entry(2, 1, "reversal", 20, 7),
    entry(2, 2, "restatement", 20, 8),
    entry(3, 1, "withdrawal", 20, None),
]


def counters(original=0, restated=0, duplicate=0):
    return {"original": original, "restated": restated, "rejudged": 0, "observed": 0, "duplicate": duplicate, "stale": 0}


def taken(start, end, partition=0):
    return {"stream": "s", "partition": partition, "from": start, "to": end}


COMMITS = [
    {"modellaneRecordedAt": 10, "modellaneRanges": [taken(0, 3)], "modellaneCounters": counters(original=3)},
    {"modellaneRecordedAt": 20, "modellaneRanges": [taken(3, 5)], "modellaneCounters": counters(restated=1, duplicate=1)},
]


def ledger(entries):
    table = pa.Table.from_pylist(entries)
    place = table.schema.get_field_index("recorded_at")
    table = table.set_column(place, "recorded_at", table["recorded_at"].cast(pa.timestamp("us", tz="UTC")))
    db = duckdb.connect()
    db.register("ledger", table)
    return db, table.schema.names


def problems_of(entries):
    return entry_problems(*ledger(entries))


def problems_of_commits(commits, position=5):
    return commit_problems(commits, lambda stream, partition: position)


class Checks(unittest.TestCase):
    def test_a_sound_ledger_has_no_problem(self):
        self.assertEqual(problems_of(SOUND), [])
        self.assertEqual(problems_of_commits(COMMITS), [])
        self.assertEqual(total_problems(ledger(SOUND)[0], COMMITS), [])

    def finds(self, problems, rule):
        self.assertTrue(any(rule in problem for problem in problems), f"{rule!r} is not among {problems}")

    def damaged(self, place, **changes):
        entries = copy.deepcopy(SOUND)
        entries[place].update(changes)
        return problems_of(entries)

    def test_a_duplicated_entry_is_found(self):
        for place in range(len(SOUND)):
            self.finds(problems_of(SOUND + [SOUND[place]]), "one +1 and at most one -1")

    def test_a_missing_entry_is_found(self):
        self.finds(problems_of(SOUND[1:3] + SOUND[4:]), "only the newest revision stands")
        self.finds(problems_of(SOUND[:1] + SOUND[2:]), "one +1 and at most one -1")
        self.finds(problems_of(SOUND[:4] + SOUND[5:]), "only the newest revision stands")

    def test_a_revision_that_is_left_out_is_found(self):
        self.finds(self.damaged(4, revision=3), "revisions count from 1")

    def test_a_reversal_that_differs_from_its_entry_is_found(self):
        for tokens in (6, None):
            self.finds(self.damaged(3, output_tokens=tokens), "a reversal is its entry again")
        self.finds(self.damaged(3, usage_sign=0), "counts nowhere")

    def test_a_reversal_with_other_evidence_is_found_and_one_of_an_earlier_version_is_sound(self):
        said = [row | {"stated_basis": "computed", "stated_amount": None} for row in SOUND]
        self.assertEqual(problems_of(said), [])
        for basis, amount in [("none", None), ("computed", 1)]:
            other = [said[3] | {"stated_basis": basis, "stated_amount": amount}]
            self.finds(problems_of(said[:3] + other + said[4:]), "a reversal has its entry's evidence")
        earlier = [said[3] | {"stated_basis": None, "stated_amount": None}]
        self.assertEqual(problems_of(said[:3] + earlier + said[4:]), [])

    def test_a_reversal_of_another_commit_is_found(self):
        self.finds(self.damaged(4, recorded_at=30), "in the commit that replaces it")

    def test_a_sign_that_contradicts_the_kind_is_found(self):
        self.finds(self.damaged(0, entry_kind="reversal"), "signs follow the kind")
        self.finds(self.damaged(0, cost_sign=-1), "signs follow the kind")

    def test_ranges_that_do_not_tile_are_found(self):
        for start in (2, 4):
            commits = copy.deepcopy(COMMITS)
            commits[1]["modellaneRanges"] = [taken(start, 5)]
            self.finds(problems_of_commits(commits), "I6: {'stream'")
        self.finds(problems_of_commits(COMMITS[1:]), "I6: {'stream'")
        self.finds(problems_of_commits(COMMITS, position=4), "I6: the table states")

    def test_commits_out_of_time_or_count_are_found(self):
        commits = copy.deepcopy(COMMITS)
        commits[1]["modellaneRecordedAt"] = 10
        self.finds(problems_of_commits(commits), "I9: a commit")
        commits = copy.deepcopy(COMMITS)
        commits[1]["modellaneCounters"]["duplicate"] = 0
        self.finds(problems_of_commits(commits), "I7: 2 messages")
        self.finds(total_problems(ledger(SOUND[1:])[0], COMMITS), "I7: 3 entries")
        self.finds(total_problems(ledger(SOUND)[0], COMMITS[:1]), "I9: entries")


if __name__ == "__main__":
    unittest.main()
