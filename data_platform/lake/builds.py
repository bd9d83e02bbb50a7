"""The register of attempts: what each build of a partition was made from, and how it ended.

Iceberg records which attempt is published; the register records its contract and inputs, so that
stale partitions are found without reading data. A row is written before the commit it describes
and marked as committed after it: rows of attempts that were never published are harmless, and
those of a process that died in between are checked again.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import sqlalchemy as sa

from data_platform.databases.chunks import chunks
from data_platform.databases.connections import Database
from data_platform.databases.tables import METADATA, Message, Name
from data_platform.databases.urls import WAIT_SECONDS
from data_platform.lake.build_changes import changes_of, count_change
from data_platform.tables.identity import TableId

State = Literal["published", "held_back"]

_JSON = sa.JSON(none_as_null=True)
BUILDS = sa.Table(
    "builds",
    METADATA,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("table_id", Name, nullable=False),
    sa.Column("partition", Name, nullable=False),
    sa.Column("attempt", Name, nullable=False),
    sa.Column("run_id", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("contract", sa.String, nullable=False),
    sa.Column("inputs", sa.String, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("quarantined", sa.BigInteger, nullable=False),
    sa.Column("duplicates", sa.BigInteger, nullable=False),
    sa.Column("detail", Message, nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("failed", _JSON, nullable=False, server_default="[]"),
    sa.Column("rules", _JSON),
    sa.Column("released", Message, nullable=False, server_default=""),
    sa.Column("dimensions", Message, nullable=False, server_default=""),
    sa.Column("staged", _JSON, nullable=False, server_default="[]"),
    sa.Column("committed", sa.Boolean, nullable=False, server_default=sa.false()),
)
_OF_PARTITION = (BUILDS.c.table_id, BUILDS.c.partition)
sa.Index("builds_attempt", *_OF_PARTITION, BUILDS.c.attempt, unique=True)
sa.Index("builds_latest", *_OF_PARTITION, BUILDS.c.sequence)


@dataclass(frozen=True)
class Build:
    """One attempt at one partition. `inputs` is a digest; `detail` says why it was held back, or
    that a person chose it; `dimensions` is the state of the dimensions that it read, as JSON.

    `failed` names the checks that held it back, and `rules` counts the rows that break each rule
    (None for attempts older than these counts). `released` says who published it although checks
    failed, and why; `staged` lists path, rows and bytes of its data files while it is held back.

    `committed` is set once the table's commit is known to have been made; otherwise compare with
    the published version.

    Attempts are ordered by `sequence`, which the database assigns; `created` is for people only,
    since a clock may be set back.
    """

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
    sequence: int = 0
    failed: Sequence[str] = ()
    rules: Mapping[str, int] | None = None
    released: str = ""
    dimensions: str = ""
    staged: Sequence[tuple[str, int, int]] = ()
    committed: bool = False

    @property
    def rejected(self) -> dict[str, int]:
        """Rows by the layer they went to."""
        return {"quarantine": self.quarantined, "duplicates": self.duplicates}


@dataclass(frozen=True)
class Builds:
    """The register in the ledger's database (`uri` is SQLAlchemy's).

    A writer waits at most `wait` seconds for another. Every method raises DatabaseUnavailable if
    the database cannot be used.
    """

    uri: str
    wait: float = WAIT_SECONDS
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    migrates: bool = True

    @cached_property
    def database(self) -> Database:
        """The register's database, migrated on first use if it `migrates`."""
        return Database(self.uri, wait=self.wait, migrates=self.migrates)

    def now(self) -> dt.datetime:
        """The present moment as the register stores moments: UTC without a time zone."""
        return self.clock().astimezone(dt.UTC).replace(tzinfo=None)

    def record(self, builds: Iterable[Build]) -> None:
        """Add these builds, in one transaction."""
        rows = [_row(build) for build in builds]
        if rows:
            with self._change(*(row["table_id"] for row in rows)) as connection:
                connection.execute(BUILDS.insert(), rows)

    def of(self, table: TableId, attempts: Mapping[str, str]) -> dict[str, Build]:
        """The build of the given attempt of each partition; unknown attempts are left out."""
        found: dict[str, Build] = {}
        same = sa.tuple_(BUILDS.c.partition, BUILDS.c.attempt)
        with self.database.read() as connection:
            for chunk in chunks(attempts.items()):
                query = sa.select(BUILDS).where(BUILDS.c.table_id == str(table), same.in_(chunk))
                rows = connection.execute(query).mappings()
                found |= {row["partition"]: _build(row) for row in rows}
        return found

    def latest(self, table: TableId, partitions: Iterable[str] | None = None) -> dict[str, Build]:
        """The last build of each partition (None: of all), published or held back."""
        if partitions is None:
            return self._latest(sa.true(), table)
        found: dict[str, Build] = {}
        for chunk in chunks(partitions):
            found |= self._latest(BUILDS.c.partition.in_(chunk), table)
        return found

    def doubtful(self, table: TableId, contract: str) -> list[str]:
        """The partitions whose last build was held back, has another contract, or may never have
        been committed."""
        doubted = sa.or_(BUILDS.c.contract != contract, BUILDS.c.committed.is_(False))
        query = sa.select(BUILDS.c.partition).where(_is_newest(table), doubted)
        with self.database.read() as connection:
            return list(connection.execute(query).scalars())

    def uncommitted(self, table: TableId) -> dict[str, str]:
        """By partition, the newest attempts that were to be published and are not known to be: of
        processes that died, or that lost to another writer."""
        to_publish = sa.and_(BUILDS.c.state == "published", BUILDS.c.committed.is_(False))
        query = sa.select(BUILDS.c.partition, BUILDS.c.attempt)
        with self.database.read() as connection:
            rows = connection.execute(query.where(_is_newest(table), to_publish))
            return {key: attempt for key, attempt in rows}

    def commit(self, table: TableId, attempts: Mapping[str, str]) -> None:
        """Mark these attempts, by partition, as the published versions."""
        same = sa.tuple_(BUILDS.c.partition, BUILDS.c.attempt)
        with self.database.write() as connection:
            for chunk in chunks(attempts.items()):
                these = sa.and_(BUILDS.c.table_id == str(table), same.in_(chunk))
                connection.execute(sa.update(BUILDS).where(these).values(committed=True))

    def _latest(self, chosen: sa.ColumnElement[bool], table: TableId) -> dict[str, Build]:
        query = sa.select(BUILDS).where(_is_newest(table, chosen))
        with self.database.read() as connection:
            rows = connection.execute(query)
            return {row["partition"]: _build(row) for row in rows.mappings()}

    def changes(self) -> dict[str, int]:
        """By table, a number that changes whenever attempts are recorded or forgotten; 0 for those
        that are left out. No attempt is read."""
        with self.database.read() as connection:
            return changes_of(connection)

    @contextmanager
    def _change(self, *tables: str) -> Iterator[sa.Connection]:
        """A transaction that adds attempts at these tables or removes them."""
        with self.database.write() as connection:
            count_change(connection, tables)
            yield connection

    def held_back(self, table: TableId) -> dict[str, Build]:
        """By partition, the last builds that did not pass their checks."""
        return {k: b for k, b in self.latest(table).items() if b.state == "held_back"}

    def held_since(
        self, table: TableId, partitions: Iterable[str] | None = None
    ) -> dict[str, dt.datetime]:
        """By partition (None: all), when the first attempt was held back since a version was last
        published (UTC, without a time zone)."""
        found: dict[str, dt.datetime] = {}
        later = BUILDS.alias()
        published = (
            sa.select(sa.func.coalesce(sa.func.max(later.c.sequence), 0))
            .where(
                later.c.table_id == BUILDS.c.table_id,
                later.c.partition == BUILDS.c.partition,
                later.c.state == "published",
            )
            .scalar_subquery()
        )
        with self.database.read() as connection:
            for chunk in [None] if partitions is None else chunks(partitions):
                query = (
                    sa.select(BUILDS.c.partition, BUILDS.c.sequence, BUILDS.c.created)
                    .where(
                        BUILDS.c.table_id == str(table),
                        sa.true() if chunk is None else BUILDS.c.partition.in_(chunk),
                        BUILDS.c.sequence > published,
                    )
                    .order_by(BUILDS.c.sequence.desc())
                )
                found |= {row.partition: row.created for row in connection.execute(query)}
        return found

    def forget(self, table: TableId, partitions: Iterable[str] | None = None) -> None:
        """Remove all attempts at these partitions (None: all), as if none had ever been made."""
        of_table = BUILDS.c.table_id == str(table)
        with self._change(str(table)) as connection:
            if partitions is None:
                connection.execute(BUILDS.delete().where(of_table))
                return
            for chunk in chunks(partitions):
                connection.execute(BUILDS.delete().where(of_table, BUILDS.c.partition.in_(chunk)))

    def accept(
        self,
        table: TableId,
        versions: Mapping[str, str],
        inputs: Mapping[str, str],
        contract: str,
        why: str,
        *,
        dimensions: Mapping[str, str] | None = None,
    ) -> None:
        """Declare versions of partitions up to date with `inputs`, `contract` and `dimensions`.

        After a rollback the chosen version must not be rebuilt until something new arrives.
        Harmless for versions that are not published in the end.
        """
        known = self.of(table, versions)
        builds = {key: known.get(key) or _unknown(table, key, v) for key, v in versions.items()}
        chosen = [
            replace(
                build,
                inputs=inputs.get(key, ""),
                dimensions=(dimensions or {}).get(key, build.dimensions),
                contract=contract,
                created=self.now(),
                detail=why,
                committed=False,
            )
            for key, build in builds.items()
        ]
        self._record_anew(table, chosen)

    def release(self, build: Build, by: str) -> None:
        """Record that a person publishes an attempt that was held back; `by` says who, and why."""
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        released = replace(build, state="published", created=now, detail="", released=by, staged=())
        self._record_anew(TableId.parse(build.table_id), [released])

    def adopt(self, table: TableId, builds: Iterable[Build]) -> None:
        """Record attempts of another register as the newest ones, before they are committed."""
        self._record_anew(table, [replace(build, committed=False) for build in builds])

    def staged_files(self, table: TableId) -> set[str]:
        """Paths of the data files of attempts that are held back now and may be released."""
        return {path for build in self.held_back(table).values() for path, _, _ in build.staged}

    def _record_anew(self, table: TableId, builds: Iterable[Build]) -> None:
        """Record known attempts again, as the newest ones."""
        same = sa.tuple_(BUILDS.c.partition, BUILDS.c.attempt)
        with self._change(str(table)) as connection:
            for chunk in chunks(builds):
                rows = [_row(build) for build in chunk]
                pairs = [(row["partition"], row["attempt"]) for row in rows]
                connection.execute(
                    BUILDS.delete().where(BUILDS.c.table_id == str(table), same.in_(pairs))
                )
                connection.execute(BUILDS.insert(), rows)


def _is_newest(table: TableId, *chosen: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """The condition that selects the table's last attempt at each (chosen) partition."""
    last = sa.select(sa.func.max(BUILDS.c.sequence)).where(BUILDS.c.table_id == str(table))
    return BUILDS.c.sequence.in_(last.where(*chosen).group_by(BUILDS.c.partition))


def _row(build: Build) -> dict[str, Any]:
    """The build as a row, without `sequence`, which the database assigns."""
    return {name: value for name, value in asdict(build).items() if name != "sequence"}


def _build(row: Mapping[Any, Any]) -> Build:
    staged = tuple(map(tuple, row["staged"]))
    return Build(**{**row, "failed": tuple(row["failed"]), "staged": staged})


def _unknown(table: TableId, partition: str, attempt: str) -> Build:
    """The build of an unregistered version: a rollback's own, or older than the register."""
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
