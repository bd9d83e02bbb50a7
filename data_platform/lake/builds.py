"""The register of attempts: what each build of a partition was made from, and how it ended.

Iceberg says which attempt is published; this says which contract and which inputs it stands on,
so that what has become stale can be found without reading data. A row is written before the
commit it describes: rows of attempts that were never published are harmless.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
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
        versions: Mapping[str, str],
        inputs: Mapping[str, str],
        contract: str,
        why: str,
    ) -> None:
        """Declare versions of partitions up to date with `inputs` and `contract`: after a
        rollback what a person chose must not be rebuilt until something new arrives.

        Harmless for versions that are not published in the end.
        """
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        known = self.of(table, versions)
        chosen = [
            replace(
                known.get(key) or _unknown(table, key, version),
                inputs=inputs.get(key, ""),
                contract=contract,
                created=now,
                detail=why,
            )
            for key, version in versions.items()
        ]
        same = sa.tuple_(_BUILDS.c.partition, _BUILDS.c.attempt)
        with self._engine.begin() as connection:
            for start in range(0, len(chosen), _CHUNK):
                rows = [asdict(build) for build in chosen[start : start + _CHUNK]]
                pairs = [(row["partition"], row["attempt"]) for row in rows]
                connection.execute(
                    _BUILDS.delete().where(_BUILDS.c.table_id == str(table), same.in_(pairs))
                )
                connection.execute(_BUILDS.insert(), rows)


def _unknown(table: TableId, partition: str, attempt: str) -> Build:
    """Of a version that the register does not know: a rollback's own, or older than it."""
    return Build(
        table_id=str(table),
        partition=partition,
        attempt=attempt,
        run_id="",
        state="published",
        contract="",
        inputs="",
        rows=0,
        quarantined=0,
        duplicates=0,
        created=dt.datetime.min,
    )
