"""State of declared tables, as if every partition had been landed, built and published.

The catalog, the Iceberg metadata, the ledger and the register of builds are real; data files and
landed objects exist only in them.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from copy import copy
from pathlib import Path

from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, write_manifest_list
from pyiceberg.typedef import Record

from benchmarks.sensor_tick import landed_object
from data_platform.assets import BronzeTable, Table
from data_platform.build.platform import Platform
from data_platform.build.tables import ensure_tables
from data_platform.lake.catalog import Lake, LakeTable
from data_platform.lake.files import stored
from data_platform.lake.writing.commit import replace_partitions
from data_platform.quality.freshness import digest
from data_platform.quality.mapping import Trailing
from data_platform.tables.identity import TableId
from data_platform.tables.outcomes import DATA

_ATTEMPT = "attempt"
_THEN = "2025-01-01 00:00:00.000000"
_BYTES, _ROWS = 100_000, 1_000
_PATH = 0  # the position of its path in the record of a manifest


def publish_all(platform: Platform, tables: Sequence[Table]) -> None:
    """Record every partition of the tables, each with the same daily ones, as published and up to
    date. Tables are given after those they read; those of one shape follow one another."""
    keys = _keys(tables[0])
    first: dict[str, LakeTable] = {}
    for table in tables:
        shape = f"{table.id.layer} {table.id.name.rstrip('0123456789')}"
        if shape in first:
            _publish_alike(platform.lake, table.id, first[shape])
        else:
            first[shape] = _publish(platform.lake, table, keys)
    platform.ledger.summary()  # creates the database's tables
    with closing(sqlite3.connect(platform.settings.home / "ledger.db")) as database:
        ids = _insert_objects(database, platform.bucket.name, tables, keys)
        for table in tables:
            _insert_builds(database, table, keys, ids)
        database.commit()


def _keys(table: Table) -> list[str]:
    assert table.partitions is not None
    return list(table.partitions.get_partition_keys())


def _publish(lake: Lake, table: Table, keys: Sequence[str]) -> LakeTable:
    loaded = ensure_tables(table, lake)[DATA]
    files = [_data_file(loaded, table, key, _ATTEMPT) for key in keys]
    replace_partitions(loaded, keys=keys, add=files, base={}, properties={})
    return lake.load(table.id)


def _data_file(loaded: LakeTable, table: Table, key: str, attempt: str) -> DataFile:
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=f"{loaded.location()}/data/{attempt}/{key}.parquet",
        file_format=FileFormat.PARQUET,
        partition=Record(*map(stored, table.partitioning.values(key))),
        record_count=_ROWS,
        file_size_in_bytes=_BYTES,
        spec_id=loaded.spec().spec_id,
    )


def publish_again(lake: Lake, table: Table, key: str, attempt: str) -> None:
    """Publish a new version of one partition, as a run does."""
    loaded = lake.load(table.id)
    file = _data_file(loaded, table, key, attempt)
    replace_partitions(loaded, keys=[key], add=[file], base=None, properties={})


def _publish_alike(lake: Lake, table: TableId, like: LakeTable) -> None:
    """A table with metadata files of its own, copied from another table of its shape: a commit of
    thousands of files takes a second, and there are a thousand tables."""
    here, there = like.location(), lake.location(table)
    target = Path(_path(there)) / "metadata"
    target.mkdir(parents=True)
    snapshot = like.current_snapshot()
    assert snapshot is not None
    manifests = [copy(each) for each in snapshot.manifests(like.io)]
    for manifest in manifests:
        source = Path(_path(manifest.manifest_path))
        (target / source.name).hardlink_to(source)
        manifest[_PATH] = manifest.manifest_path.replace(here, there)
    of_list = snapshot.snapshot_id, snapshot.parent_snapshot_id, snapshot.sequence_number
    output = like.io.new_output(snapshot.manifest_list.replace(here, there))
    with write_manifest_list(2, output, *of_list, "null") as writer:
        writer.add_manifests(manifests)
    source = Path(_path(like.metadata_location))
    text = source.read_text("utf-8").replace(here, there)
    (target / source.name).write_text(text, "utf-8")
    lake.catalog.create_namespace_if_not_exists(table.identifier[0])
    lake.catalog.register_table(table.identifier, like.metadata_location.replace(here, there))


def _path(uri: str) -> str:
    return uri.removeprefix("file://")


def object_key(table: Table, day: str, suffix: str = "") -> str:
    """The key of a day's object of the table's source."""
    assert table.source is not None
    return f"{table.source.prefix}{day}{suffix}.csv"


def _insert_objects(
    database: sqlite3.Connection, bucket: str, tables: Sequence[Table], keys: Sequence[str]
) -> dict[TableId, int]:
    """Record one loaded object for each day of each source, as the ledger does; returns the id of
    the first of each table."""
    rows: list[tuple] = []
    first: dict[TableId, int] = {}
    for table in tables:
        if table.source is None:
            continue
        first[table.id] = len(rows) + 1
        for key in keys:
            landed = landed_object(object_key(table, key))
            known = (bucket, landed.key, f"{landed.size}-{landed.etag}", landed.etag, landed.size)
            rows.append((len(rows) + 1, *known, table.source.name, key))
    database.executemany(
        "insert into landed_objects (id, bucket, key, version, etag, size, source, partition, "
        "latest, modified, state, attempts, rows, bronze_version, first_seen, updated) values "
        f"(?, ?, ?, ?, ?, ?, ?, ?, 1, '{_THEN}', 'loaded', 1, {_ROWS}, '{_ATTEMPT}', "
        f"'{_THEN}', '{_THEN}')",
        rows,
    )
    return first


def _insert_builds(
    database: sqlite3.Connection, table: Table, keys: Sequence[str], ids: dict[TableId, int]
) -> None:
    """Record one committed build of each partition, as the register does."""
    database.executemany(
        "insert into builds (table_id, partition, attempt, run_id, state, contract, inputs, rows, "
        "quarantined, duplicates, detail, created, committed) values (?, ?, ?, 'run', "
        f"'published', ?, ?, {_ROWS}, 0, 0, '', '{_THEN}', 1)",
        (
            (str(table.id), key, _ATTEMPT, table.version, inputs)
            for key, inputs in zip(keys, _inputs(table, keys, ids), strict=True)
        ),
    )


def _inputs(table: Table, keys: Sequence[str], ids: dict[TableId, int]) -> Iterator[str]:
    """The digest of what each partition is built from, as planning computes it."""
    if isinstance(table, BronzeTable):
        for number in range(len(keys)):
            yield hashlib.sha256(f"{ids[table.id] + number}\n".encode()).hexdigest()
        return
    ((name, upstream),) = table.inputs.items()
    how = table.how(name)
    reach = how.days if isinstance(how, Trailing) else 0
    for number in range(len(keys)):
        window = keys[max(0, number - reach) : number + 1]
        yield digest((upstream, key, _ATTEMPT) for key in window)
