"""Every check of judge.py passes on a sound lake and fails on one with the damage that it is for."""
import decimal
import json
import os
import tempfile
import unittest

import duckdb
import pyarrow as pa

import judge

DAY = "2026-11-02"


def version(source, key, number, tokens, credits=None, cost=None):
    return {
        "source": source, "key": key, "version": number, "event_date": DAY, "requests": 1, "input_tokens": tokens,
        "output_tokens": 2, "credits": credits, "cost": cost,
    }


# A request, one that is restated, and a user-day.
VERSIONS = [
    version("litellm.spend_logs", "row-1", 0, 10, cost="0.000000001"),
    version("litellm.spend_logs", "row-2", 1, 21, cost="2.5"),
    version("litellm.spend_logs", "row-2", 0, 20, cost="7.25"),
    version("github_copilot.user_day", "1000001", 0, None, credits="0.500000000"),
]


def entry(event, said, revision=1, kind="original", at=10, **changes):
    sign = -1 if kind == "reversal" else 1
    is_day = said["source"] == "github_copilot.user_day"
    exact = lambda text: None if text is None else decimal.Decimal(text).quantize(decimal.Decimal("1e-9"))
    made = {
        "event_id": bytes([event]) * 16, "revision": revision, "entry_kind": kind, "cause": "first", "recorded_at": at,
        "entry_sign": sign, "usage_sign": sign, "cost_sign": sign, "source": said["source"],
        "source_key": "hashed" if is_day else said["key"], "billing_account_id": said["key"] if is_day else None,
        "event_date": said["event_date"], "requests": said["requests"], "input_tokens": said["input_tokens"],
        "output_tokens": said["output_tokens"], "credits": exact(said["credits"]), "effective_cost": exact(said["cost"]),
        "verdict": "unknown", "explained_share": 0, "partial_share": 0, "unexplained_share": 1,
        "p_followed": None, "p_drifted": None, "p_undecided": None,
    }
    return made | changes


def sound():
    request, restated, first, day = VERSIONS
    return [
        entry(1, request), entry(2, first), entry(3, day),
        entry(2, first, kind="reversal", at=20), entry(2, restated, revision=2, kind="restatement", at=20),
    ]


SCHEMA = pa.schema(
    [("event_id", pa.binary()), ("revision", pa.int32()), ("entry_kind", pa.string()), ("cause", pa.string()),
     ("recorded_at", pa.timestamp("us", tz="UTC")), ("entry_sign", pa.int8()), ("usage_sign", pa.int8()), ("cost_sign", pa.int8()),
     ("source", pa.string()), ("source_key", pa.string()), ("billing_account_id", pa.string()), ("event_date", pa.string()),
     ("requests", pa.int64()), ("input_tokens", pa.int64()), ("output_tokens", pa.int64()),
     ("credits", pa.decimal128(20, 9)), ("effective_cost", pa.decimal128(20, 9)), ("verdict", pa.string()), ("team", pa.string()),
     ("explained_share", pa.int8()), ("partial_share", pa.int8()), ("unexplained_share", pa.int8()),
     ("p_followed", pa.int8()), ("p_drifted", pa.int8()), ("p_undecided", pa.int8())])


def table(entries):
    return pa.Table.from_pylist(entries, schema=SCHEMA)


def ledger(entries, versions=VERSIONS):
    db = duckdb.connect()
    db.register("ledger", table(entries))
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
        file.writelines(json.dumps(version) + "\n" for version in versions)
        file.flush()
        judge.load(db, file.name)
    return db


def problems(entries, versions=VERSIONS):
    db = ledger(entries, versions)
    return judge.truth_problems(db) + judge.total_problems(db) + judge.verdict_problems(db)


class Judgement(unittest.TestCase):
    def finds(self, found, rule):
        self.assertTrue(any(problem.startswith(rule) for problem in found), f"{rule!r} is not among {found}")

    def test_a_sound_lake_has_no_problem(self):
        self.assertEqual(problems(sound()), [])

    def test_a_lost_event_is_found(self):
        self.finds(problems(sound()[1:]), "I1: events are missing")

    def test_an_event_that_counts_twice_is_found(self):
        again = entry(9, VERSIONS[0])
        self.finds(problems(sound() + [again]), "I2: events stand more than once")
        self.finds(problems(sound() + sound()[:1]), "I2: events do not count once")

    def test_a_row_that_the_vendor_took_back_is_found(self):
        bill = lambda number, stands: version("github_copilot.billing_csv", "acme:" + DAY, number, None, credits="1", cost="1") | {"stands": stands}
        billed = [bill(0, True), bill(1, False)]
        stands = entry(1, billed[0], source_key="hashed", billing_account_id="acme")
        gone = stands | {"entry_kind": "withdrawal", "entry_sign": -1, "usage_sign": -1, "cost_sign": -1}
        other = entry(2, VERSIONS[0])
        self.assertEqual(judge.truth_problems(ledger([stands, gone, other], billed + VERSIONS[:1])), [])
        found = judge.truth_problems(ledger([stands, other], billed + VERSIONS[:1]))
        self.finds(found, "I3: events stand that nobody sent")
        self.finds(found, "I2: events do not count once")
        found = judge.truth_problems(ledger([stands, gone], billed[:1]))
        self.finds(found, "I1: events are missing")

    def test_an_event_that_nobody_sent_is_found(self):
        stranger = entry(9, version("litellm.spend_logs", "row-9", 0, 1))
        self.finds(problems(sound() + [stranger]), "I3: events stand that nobody sent")
        flapping = [entry(2, VERSIONS[2], revision=r, kind=k) for r, k in [(3, "restatement"), (3, "reversal")]]
        self.finds(problems(sound() + flapping), "I3: more was appended than was sent")

    def test_a_judgement_that_is_not_of_its_day_is_found(self):
        gateway = "litellm.spend_logs"
        versions = [version(gateway, f"row-{n}", 0, 1, cost="1") | {"account": f"u-{n}"} for n in (1, 2)]
        versions.append(VERSIONS[3])
        membership = lambda account, team, start, end: {"account": account, "team": team, "from": start, "to": end}
        organisation = {"turn": DAY, "forbidden": "beta", "memberships": [
            membership("u-1", "beta", "2026-01-01", DAY), membership("u-1", "alpha", DAY, None),
            membership("u-2", "beta", "2026-01-01", None)]}
        judged = [("alpha", "followed"), ("beta", "drifted"), (None, "unmatched")]

        def found(judged):
            entries = [entry(n, said, team=team, verdict=verdict) for n, (said, (team, verdict)) in enumerate(zip(versions, judged))]
            return judge.judgement_problems({"organisation": organisation}, ledger(entries, versions))

        self.assertEqual(found(judged), [])
        self.finds(found([("beta", "followed")] + judged[1:]), "I8: events are judged otherwise")
        self.finds(found([judged[0], ("beta", "followed"), judged[2]]), "I8: events are judged otherwise")
        self.finds(found([judged[0], ("beta", "followed"), judged[2]]), "I8: there are only the verdicts")

    def test_the_last_digit_counts(self):
        entries = sound()
        entries[0]["effective_cost"] += decimal.Decimal("0.000000001")
        self.finds(problems(entries), "I5: events stand with other content")
        self.finds(problems(entries), "I5: totals")
        entries = sound()
        entries[2]["credits"] = None
        self.finds(problems(entries), "I5: events stand with other content")

    def test_an_older_version_that_stands_is_found(self):
        request, _, first, day = VERSIONS
        self.finds(problems([entry(1, request), entry(2, first), entry(3, day)]), "I5: events stand")

    def test_a_missing_sign_is_found(self):
        entries = sound()
        entries[0]["usage_sign"] = 0
        self.finds(problems(entries), "I5: totals")

    def test_an_unsound_verdict_is_found(self):
        for change in ({"verdict": None}, {"unexplained_share": 0}, {"p_followed": 1, "p_drifted": 1, "p_undecided": 0}):
            entries = sound()
            entries[0].update(change)
            self.finds(problems(entries), "I8")

    def test_a_torn_or_older_snapshot_is_found(self):
        db = ledger(sound())
        history = [{"version": 0}, {"version": 1, "modellaneRecordedAt": 10}, {"version": 2, "modellaneRecordedAt": 20}]
        def polled(*polls):
            with tempfile.NamedTemporaryFile("w") as file:
                file.writelines(json.dumps({"reader": 0, "version": v, "seen": s}) + "\n" for v, s in polls)
                file.flush()
                return judge.poll_problems({"polls": file.name}, db, history)
        # Versions 10 + 20 tokens, then 10 + 21.
        self.assertEqual(polled((0, [0, 0]), (1, [3, 30]), (2, [3, 31])), [])
        self.finds(polled((1, [3, 10])), "I9: at version 1")
        self.finds(polled((2, [3, 31]), (1, [3, 30])), "I9: reader 0 saw version 1")
        self.finds(polled(), "I9: no reader")

    def test_an_old_version_that_is_gone_or_another_is_found(self):
        db = ledger(sound())
        history = [
            {"version": 0}, {"version": 1, "modellaneRecordedAt": 10}, {"version": 2, "operation": "OPTIMIZE"},
            {"version": 3, "modellaneRecordedAt": 20}, {"version": 4, "operation": "OPTIMIZE"},
        ]
        import deltalake

        def read(rows, asks=True):
            class Old:
                def __init__(self, url, version):
                    self.rows = rows[version]

                def to_pyarrow_dataset(self):
                    return self

                def to_table(self, columns):
                    if self.rows is None:
                        raise FileNotFoundError("part-1.parquet")
                    return table(self.rows)

            real, deltalake.DeltaTable = deltalake.DeltaTable, Old
            try:
                return judge.old_version_problems({"asks_old_versions": asks, "lake": "lake"}, db, history)
            finally:
                deltalake.DeltaTable = real
        first, whole = sound()[:3], sound()
        self.assertEqual(read({1: first, 3: whole}), [])
        self.finds(read({1: None, 3: whole}), "I9: version 1 can be read no more")
        self.finds(read({1: first, 3: whole[1:]}), "I9: version 3 has")
        self.assertEqual(read({}, asks=False), [])

    def test_a_replay_that_ends_otherwise_is_found(self):
        db = ledger(sound())
        request, restated, first, day = VERSIONS
        straight = [entry(1, request, at=99), entry(2, restated, at=99), entry(3, day, at=99)]
        self.assertEqual(judge.replay_problems(db, table(straight), "again"), [])
        self.finds(judge.replay_problems(db, table(straight[1:]), "again"), "I10: again has 1")
        self.finds(judge.replay_problems(db, table(straight + straight[:1]), "again"), "I10: again has 1")

    def test_planted_text_is_found_wherever_it_is(self):
        import pyarrow.parquet as pq

        with tempfile.TemporaryDirectory() as folder:
            case = {"lake_dir": folder, "logs": [], "canaries": ["kingfishernest"]}
            pq.write_table(pa.table({"a": ["quiet"]}), os.path.join(folder, "a.parquet"), compression="zstd")
            self.assertEqual(judge.canary_problems(case), [])
            pq.write_table(pa.table({"a": ["a KINGFISHERnest b"]}), os.path.join(folder, "b.parquet"), compression="zstd")
            self.finds(judge.canary_problems(case), "I11")
        with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
            log.write("error near kingfishernest")
            log.flush()
            self.finds(judge.canary_problems(case | {"logs": [log.name]}), "I11")

    def test_offsets_and_side_tables_are_compared(self):
        class Side:
            def __init__(self, column, values):
                self.rows = pa.table({column: values})

            def to_pyarrow_table(self, columns):
                return self.rows

            def transaction_version(self, application):
                return {"c/judged/0": 5}.get(application)

        tables = {"usage_ledger": Side("x", [1]), "intents": Side("intent_id", ["i-1", "i-1"]), "rejects": Side("reject_id", [b"1", b"1"])}
        stream = {"table": "usage_ledger", "stream": "c/judged", "ends": {"0": 5, "1": 0}}
        case = {"streams": [stream], "intents": ["i-1"], "rejects": 1}
        self.assertEqual(judge.offset_problems(case, tables) + judge.side_table_problems(case, tables), [])
        self.finds(judge.offset_problems({"streams": [stream | {"ends": {"0": 6}}]}, tables), "I6")
        self.finds(judge.side_table_problems(case | {"intents": ["i-1", "i-2"]}, tables), "I1")
        self.finds(judge.side_table_problems(case | {"rejects": 2}, tables), "I7")


if __name__ == "__main__":
    unittest.main()
