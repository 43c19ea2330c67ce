"""Sums a ledger with one engine: python ledger_totals.py duckdb|polars LAKE [--as-of TIME]

Prints JSON: rows of entries, current events, per source the signed sums, and for two costs how many current
events have none. Decimals are text.
"""
import json
import sys

COLUMNS = [
    "requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
    "lines_accepted",
]
USAGE = COLUMNS + ["credits"]
COSTS = ["billed_cost", "effective_cost", "list_cost"]
NULLS = ["effective_cost", "list_cost"]


def text(value):
    if value is None:
        return None
    shown = format(value, "f") if hasattr(value, "as_tuple") else str(value)
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def with_duckdb(lake, as_of):
    import duckdb
    from deltalake import DeltaTable

    ledger = DeltaTable(lake + "/usage_ledger").to_pyarrow_dataset()
    db = duckdb.connect()
    db.register("ledger", ledger)
    where = f"WHERE recorded_at <= TIMESTAMPTZ '{as_of}'" if as_of else ""
    usage = ", ".join(f"SUM(CAST(usage_sign AS HUGEINT) * {c})" if c != "credits" else "SUM(CAST(usage_sign AS DECIMAL(2,0)) * credits)" for c in USAGE)
    costs = ", ".join(f"SUM(CAST(cost_sign AS DECIMAL(2,0)) * {c})" for c in COSTS)
    nulls = ", ".join(f"SUM(CASE WHEN {c} IS NULL THEN CAST(entry_sign AS INT) ELSE 0 END)" for c in NULLS)
    rows = db.execute(f"SELECT source, COUNT(*), SUM(CAST(entry_sign AS INT)), {usage}, {costs}, {nulls} FROM ledger {where} GROUP BY 1 ORDER BY 1").fetchall()
    return rows


def with_polars(lake, as_of):
    import polars as pl

    ledger = pl.scan_delta(lake + "/usage_ledger")
    if as_of:
        ledger = ledger.filter(pl.col("recorded_at") <= pl.lit(as_of).str.to_datetime(time_zone="UTC", time_unit="us"))
    # A sum over no value is null, as in SQL.
    def total(values, column):
        return pl.when(values.count() > 0).then(values.sum()).alias(column)

    signed = [total(pl.col("usage_sign").cast(pl.Int64) * pl.col(c), c) for c in COLUMNS]
    # Turned decimals stay decimals: a product with a sign column could pass through a float.
    def signed_decimal(sign, column):
        turned = pl.when(pl.col(sign) < 0).then(-pl.col(column)).when(pl.col(sign) > 0).then(pl.col(column))
        return total(turned, column)
    signed.append(signed_decimal("usage_sign", "credits"))
    signed += [signed_decimal("cost_sign", c) for c in COSTS]
    signed += [
        pl.when(pl.col(c).is_null()).then(pl.col("entry_sign").cast(pl.Int64)).otherwise(0).sum().alias(c + "_null")
        for c in NULLS
    ]
    grouped = ledger.group_by("source").agg(pl.len().alias("entries"), pl.col("entry_sign").cast(pl.Int64).sum().alias("events"), *signed)
    return grouped.sort("source").collect().rows()


def main():
    engine, lake = sys.argv[1], sys.argv[2]
    as_of = sys.argv[4] if len(sys.argv) > 4 else None
    rows = {"duckdb": with_duckdb, "polars": with_polars}[engine](lake, as_of)
    names = ["entries", "events"] + USAGE + COSTS + [c + "_null" for c in NULLS]
    print(json.dumps({row[0]: dict(zip(names, map(text, row[1:]))) for row in rows}, indent=1))


main()
