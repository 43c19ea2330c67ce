"""Rewrites the small files of a Delta table into larger ones and writes a checkpoint: python compact.py TABLE

Prints how many files were replaced. A writer that is in the way is waited for.
"""
import sys
import time

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError


def main():
    for _ in range(20):
        table = DeltaTable(sys.argv[1])
        try:
            replaced = table.optimize.compact()["numFilesRemoved"]
        except CommitFailedError:
            time.sleep(0.1)
            continue
        DeltaTable(sys.argv[1]).create_checkpoint()
        print(replaced)
        return
    raise SystemExit("the table changes faster than it can be compacted")


main()
