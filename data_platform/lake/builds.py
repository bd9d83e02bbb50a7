"""The register of attempts: what each build of a partition was made from, and how it ended.

Iceberg says which attempt is published; this says which contract and which inputs it stands on,
so that what has become stale can be found without reading data. A row is written before the
commit it describes: rows of attempts that were never published are harmless.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

import sqlalchemy as sa

from data_platform.lake.databases import explained, waiting
from data_platform.lake.table import TableId

State = Literal["published", "held_back"]

_METADATA = sa.MetaData()
_BUILDS = sa.Table(
    "builds",
    _METADATA,
    sa.Column("table_id", sa.String, primary_key=True),
    sa.Column("partition", sa.String, primary_key=True),
    sa.Column("attempt", sa.String, primary_key=True),
    sa.Column("run_id", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("contract", sa.String, nullable=False),
    sa.Column("inputs", sa.String, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("quarantined", sa.BigInteger, nullable=False),
    sa.Column("duplicates", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.String, nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Index("builds_by_table", "table_id", "created"),
)
_CHUNK = 500


@dataclass(frozen=True)
class Build:
    """One attempt at one partition. `inputs` is a digest; `detail` says why it was held back, or
    that a person chose it."""

    table_id: str
    partition: str
    attempt: str
    run_id: str
    state: State
    contract: str
    inputs: str
    rows: int
    quarantined: int
    duplicates: int
    created: dt.datetime
    detail: str = ""

    @property
    def rejected(self) -> dict[str, int]:
        """Rows by the layer they went to."""
        return {"quarantine": self.quarantined, "duplicates": self.duplicates}


@dataclass(frozen=True)
class Builds:
    """The register in the ledger's database (`uri` is SQLAlchemy's)."""

    uri: str

    @cached_property
    def _engine(self) -> sa.Engine:
        engine = explained(sa.create_engine(waiting(self.uri)))
        _METADATA.create_all(engine)
        return engine

    def record(self, builds: Iterable[Build]) -> None:
        rows = [asdict(build) for build in builds]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(_BUILDS.insert(), rows)

    def of(self, table: TableId, attempts: Mapping[str, str]) -> dict[str, Build]:
        """The builds behind the given attempt of each partition, where they are known."""
        found: dict[str, Build] = {}
        wanted = sorted(set(attempts.values()))
        with self._engine.connect() as connection:
            for start in range(0, len(wanted), _CHUNK):
                query = sa.select(_BUILDS).where(
                    _BUILDS.c.table_id == str(table),
                    _BUILDS.c.attempt.in_(wanted[start : start + _CHUNK]),
                )
                for row in connection.execute(query).mappings():
                    if attempts.get(row["partition"]) == row["attempt"]:
                        found[row["partition"]] = Build(**row)
        return found

    def latest(self, table: TableId, partitions: Iterable[str] | None = None) -> dict[str, Build]:
        """The last build of each partition, published or held back."""
        newest = (
            sa.select(_BUILDS.c.partition, sa.func.max(_BUILDS.c.created).label("created"))
            .where(_BUILDS.c.table_id == str(table))
            .group_by(_BUILDS.c.partition)
            .subquery()
        )
        query = (
            sa.select(_BUILDS)
            .join(
                newest,
                (_BUILDS.c.partition == newest.c.partition)
                & (_BUILDS.c.created == newest.c.created),
            )
            .where(_BUILDS.c.table_id == str(table))
        )
        wanted = None if partitions is None else set(partitions)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings()
            return {
                row["partition"]: Build(**row)
                for row in rows
                if wanted is None or row["partition"] in wanted
            }

    def held_back(self, table: TableId) -> dict[str, Build]:
        """Partitions whose last build did not pass its checks."""
        return {k: b for k, b in self.latest(table).items() if b.state == "held_back"}

    def accept(
        self,
        table: TableId,
        versions: Mapping[str, str | None],
        inputs: Mapping[str, str],
        contract: str,
        why: str,
    ) -> None:
        """Declare versions of partitions up to date with `inputs` and `contract` (after a
        rollback: what a person chose must not be rebuilt until something new arrives).

        A partition that is to have no version counts as held back from these inputs.
        """
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        absent = [key for key, version in versions.items() if version is None and key in inputs]
        self.record(_withheld(table, key, inputs[key], contract, why, now) for key in absent)
        with self._engine.begin() as connection:
            for partition, attempt in versions.items():
                connection.execute(
                    _BUILDS.update()
                    .where(
                        _BUILDS.c.table_id == str(table),
                        _BUILDS.c.partition == partition,
                        _BUILDS.c.attempt == attempt,
                    )
                    .values(
                        inputs=inputs.get(partition, ""),
                        contract=contract,
                        created=now,
                        detail=why,
                    )
                )


def _withheld(
    table: TableId, partition: str, inputs: str, contract: str, why: str, now: dt.datetime
) -> Build:
    return Build(
        table_id=str(table),
        partition=partition,
        attempt=f"none-{uuid.uuid4().hex[:12]}",
        run_id="",
        state="held_back",
        contract=contract,
        inputs=inputs,
        rows=0,
        quarantined=0,
        duplicates=0,
        created=now,
        detail=why,
    )
