"""A machine that loads tables like others on the same database, with a home of its own.

`python -m data_platform_tests.support.processes.machine HOME PLACE MOMENT TABLE...`: PLACE is what
differs from a home whose files are in its directory, as JSON. At the MOMENT, like
`committing silver/retail/order_lines`, it says so and waits for a line of input; it can be stopped
then. The moments are `creating`, in the transaction that changes a new table's properties,
`staged`, before partitions are committed, and `committing`, in the transaction that does it. What
failed is on its standard error.
"""

import json
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from data_platform.assets import Table
from data_platform.databases import fencing
from data_platform.lake.writing import commit
from data_platform.tables.identity import TableId
from data_platform_tests.support.processes.loading import load
from data_platform_tests.support.tables import TABLES

FROZEN_FOR = 2.0  # seconds after which a server ends a transaction that does nothing


class Moment:
    """Waits for a line of input the first time that it comes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def reached(self, name: str) -> None:
        if name == self._name:
            self._name = ""
            print(name, flush=True)
            sys.stdin.readline()


def _watch(moment: Moment) -> None:
    begin, doing = commit.LeanTransaction.commit_transaction, ["creating"]

    def commit_transaction(self: commit.LeanTransaction) -> Any:
        moment.reached(f"staged {TableId.of(self._table.name())}")
        doing.append("committing")
        try:
            return begin(self)
        finally:
            doing.pop()

    commit.LeanTransaction.commit_transaction = commit_transaction  # type: ignore[method-assign]

    @event.listens_for(sa.Engine, "after_cursor_execute")
    def changed(
        connection: object, cursor: object, statement: str, parameters: Any, *_: object
    ) -> None:
        if statement.startswith("UPDATE iceberg_tables"):
            names = dict(parameters)
            of = names["table_namespace_1"], names["table_name_1"]
            moment.reached(f"{doing[-1]} {TableId.of(of)}")


def main(home: str, place: str, moment: str, *names: str) -> int:
    fencing.WAIT_SECONDS = FROZEN_FOR
    _watch(Moment(moment))
    tables: list[Table] = [table for table in TABLES if str(table.id) in names]
    failed = load(Path(home), json.loads(place), tables)
    print(*failed, sep="\n", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
