"""A table whose files are elsewhere: what its metadata says there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.avro.file import AvroFile
from pyiceberg.serializers import FromInputFile
from pyspark.sql import types as T

from data_platform.lake.catalog import LakeTable
from data_platform.lake.file_io import LakeFileIO
from data_platform.lake.relocation import Move, Relocation
from data_platform.lake.upkeep.clean import referenced_files
from data_platform.lake.upkeep.relocate import adopt, rewrite
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, SALES, TUESDAY, WEDNESDAY, LakeHome, days


def test_only_what_is_below_a_place_is_moved() -> None:
    move = Move("s3://old/warehouse", "s3://new/w")

    assert move("s3://old/warehouse/silver/a.parquet") == "s3://new/w/silver/a.parquet"
    assert move("s3://old/warehouse") == "s3://new/w"
    for elsewhere in ("s3://old/warehouse2/a.parquet", "s3://old", "zstd"):
        assert move(elsewhere) == elsewhere


def test_a_table_is_moved_with_its_warehouse_if_it_is_at_the_same_place_in_it() -> None:
    inside = "silver/shop/sales"
    table = TableId.parse(inside)

    assert Move.of(table, f"s3://old/{inside}", f"s3://new/w/{inside}") == Move(
        "s3://old", "s3://new/w"
    )
    assert Move.of(table, "s3://old/sales", f"s3://new/{inside}") == Move(
        "s3://old/sales", f"s3://new/{inside}"
    )


def relocate(home: LakeHome) -> int:
    """How many tables moved."""
    rewritten = rewrite(home.lake, home.storage)
    adopt(home.lake, rewritten)
    return len(rewritten.forgotten)


def old_home(folder: Path) -> LakeHome:
    (folder / "old").mkdir()
    return LakeHome(folder / "old")


@pytest.fixture
def moved(tmp_path: Path) -> Callable[[], LakeHome]:
    """A table with a history, and what gives the same lake after it was moved."""
    home = old_home(tmp_path)
    home.make_rejecting()
    home.judge({MONDAY: [1, 2], TUESDAY: [3]}, bad={MONDAY: [-1]})
    home.judge({TUESDAY: [4, 5]}, repeated={TUESDAY: [5]})
    home.write({WEDNESDAY: []})

    def move() -> LakeHome:
        home.folder.rename(tmp_path / "new")
        return LakeHome(tmp_path / "new")

    return move


def described(table: LakeTable, root: Path) -> dict[str, Any]:
    """All that a table's metadata says, with its place left out."""

    def plain(value: object) -> str:
        return repr(value).replace(str(root), "")

    metadata = table.metadata
    manifests = {}
    for snapshot in metadata.snapshots:
        for manifest in snapshot.manifests(table.io):
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
            counts = manifest.added_files_count, manifest.deleted_files_count, manifest.partitions
            files = [
                [plain(value) if not hasattr(value, "items") else dict(value.items())
                 for value in entry.data_file._data]
                for entry in entries
            ]  # fmt: skip
            numbers = [(e.status, e.snapshot_id, e.sequence_number) for e in entries]
            manifests.setdefault(snapshot.snapshot_id, []).append((plain(counts), files, numbers))
    return {
        "schemas": metadata.schemas,
        "specs": metadata.partition_specs,
        "properties": metadata.properties,
        "uuid": metadata.table_uuid,
        "current": metadata.current_snapshot_id,
        "summaries": [(s.snapshot_id, s.parent_snapshot_id, s.summary) for s in metadata.snapshots],
        "manifests": manifests,
    }


def test_all_that_metadata_says_is_the_same_and_names_no_other_place(
    moved: Callable[[], LakeHome], tmp_path: Path
) -> None:
    before = LakeHome(tmp_path / "old")
    tables = before.lake.tables()
    known = {t: described(before.lake.load(t), tmp_path / "old") for t in tables}
    new = moved()

    relocate(new)

    for table in tables:
        loaded = new.lake.load(table)
        assert described(loaded, tmp_path / "new") == known[table]
        assert referenced_files(loaded) <= new.place.files()
        sizes = {f.path: f.size for f in new.storage.files(loaded.location())}
        current = loaded.current_snapshot()
        for manifest in current.manifests(loaded.io) if current else ():
            assert sizes[manifest.manifest_path] == manifest.manifest_length
    assert new.numbers() == {MONDAY: [1, 2], TUESDAY: [4, 5]}
    assert new.numbers(snapshot=new.snapshots()[0]) == {MONDAY: [1, 2], TUESDAY: [3]}
    assert new.rejected("quarantine") == {MONDAY: [-1]}
    new.write({MONDAY: [9]})
    assert new.numbers() == {MONDAY: [9], TUESDAY: [4, 5]}


def test_a_relocation_that_was_interrupted_can_be_repeated(moved: Callable[[], LakeHome]) -> None:
    new = moved()
    rewrite(new.lake, new.storage)

    assert relocate(new) == 3
    assert relocate(new) == 0
    assert new.numbers() == {MONDAY: [1, 2], TUESDAY: [4, 5]}


def test_names_of_partition_columns_that_avro_does_not_allow_are_kept(tmp_path: Path) -> None:
    home = old_home(tmp_path)
    table = TableId.parse("silver/shop/odd")
    column = "of-day 1"
    schema = T.StructType([T.StructField(column, T.StringType(), False)])
    home.make(table, schema, partition_by=(column,))
    loaded = home.lake.load(table)
    rows = pa.table({column: ["a", "b"]}, schema=loaded.schema().as_arrow())
    loaded.append(rows)
    home.folder.rename(tmp_path / "new")
    new = LakeHome(tmp_path / "new")

    relocate(new)

    there = new.lake.load(table)
    assert sorted(there.scan().to_arrow()[column].to_pylist()) == ["a", "b"]
    assert len(list(there.scan(f"\"{column}\" == 'a'").plan_files())) == 1


def test_a_table_with_delete_files_of_another_engine_is_not_moved(
    moved: Callable[[], LakeHome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyIceberg writes none, so the content of a manifest is said to be deletes."""
    new = moved()
    entered = AvroFile.__enter__

    def with_deletes(self: Any) -> Any:
        found = entered(self)
        if found.header.meta.get("content"):
            found.header.meta["content"] = "deletes"
        return found

    monkeypatch.setattr(AvroFile, "__enter__", with_deletes)
    with pytest.raises(LakeError, match="another engine has written delete files"):
        relocate(new)


def test_a_file_outside_of_the_table_that_is_gone_is_missed_and_nothing_is_left_out_for_it(
    tmp_path: Path,
) -> None:
    home, outside = old_home(tmp_path), tmp_path / "outside.parquet"
    required = pa.schema([pa.field("day", pa.date32(), nullable=False), ("n", pa.int64())])
    pq.write_table(days({TUESDAY: [7]}).cast(required), outside)
    home.make().add_files([str(outside)])
    home.folder.rename(tmp_path / "new")
    new, away = LakeHome(tmp_path / "new"), outside.rename(tmp_path / "away.parquet")

    with pytest.raises(LakeError, match=r"1 files .*/outside\.parquet"):
        relocate(new)

    away.rename(outside)
    relocate(new)
    assert new.numbers() == {TUESDAY: [7]}


def test_metadata_is_not_written_without_the_current_snapshot(
    moved: Callable[[], LakeHome], tmp_path: Path
) -> None:
    new = moved()
    location = new.lake.location(SALES)
    old = LakeHome(tmp_path / "old").lake.location(SALES)
    at = new.lake.metadata_locations([SALES])[SALES].replace(old, location)
    metadata = FromInputFile.table_metadata(LakeFileIO().new_input(at))
    there = {f.path: f.size for f in new.storage.files(location)}
    kept = {path: size for path, size in there.items() if TUESDAY not in path}
    relocation = Relocation(SALES, metadata, Move(old, location), kept, LakeFileIO())

    with pytest.raises(LakeError, match="of its current snapshot missing"):
        relocation.write()

    assert kept != there
    assert {f.path for f in new.storage.files(location)} == there.keys()
