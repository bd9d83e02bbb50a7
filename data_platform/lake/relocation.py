"""Relocation of a table: its metadata rewritten for files that are in another place now.

Iceberg's metadata holds absolute locations: the metadata file, the list of manifests of each
snapshot, and the manifests. They are written anew beside those that are there, so that an
interrupted relocation leaves everything as it was. Data files are not touched.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from pyiceberg.avro.file import AvroFile, AvroOutputFile
from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestEntryStatus
from pyiceberg.schema import Schema
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.typedef import Record
from pyiceberg.types import StructType

from data_platform.lake.files import some
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted

# Ids of fields in manifest lists and manifests, https://iceberg.apache.org/spec/#manifests
_PATH, _LENGTH = 500, 501
_STATUS, _FILE, _FILE_PATH = 0, 2, 100


@dataclass(frozen=True)
class Move:
    """What was below `old` is below `new` now; both are locations without a slash at the end."""

    old: str
    new: str

    def __call__(self, location: str) -> str:
        if location == self.old or location.startswith(f"{self.old}/"):
            return self.new + location.removeprefix(self.old)
        return location

    @classmethod
    def of(cls, table: TableId, old: str, new: str) -> "Move":
        """How a table's location changed: with its whole warehouse, if it is at the same place in
        both, since files that were promoted from a virtual environment are beside its own."""
        inside = "/" + "/".join(table.path)
        if old.endswith(inside) and new.endswith(inside):
            return cls(old.removesuffix(inside), new.removesuffix(inside))
        return cls(old, new)


@dataclass(frozen=True)
class Relocation:
    """A table's metadata and how its files moved; `there` are the files at the new location, with
    their bytes. Files outside of a table's location are looked for where they were.

    Nothing needs to have moved: then only the metadata file is written anew, without what is gone.
    """

    table: TableId
    metadata: TableMetadata
    move: Move
    there: Mapping[str, int]
    io: FileIO
    _missing: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False)
    _outside: dict[str, bool] = field(default_factory=dict, init=False, repr=False)

    @property
    def location(self) -> str:
        """The table's new location."""
        return self.move(self.metadata.location)

    def missing(self, sizes: Mapping[str, int | None] = MappingProxyType({})) -> list[str]:
        """Files of the current snapshot that are not there, or that have other bytes than `sizes`
        says by their old paths (None: any); by their new paths.

        Raises LakeError if the table cannot be moved.
        """
        current = self.metadata.current_snapshot()
        missing = self._missing_of(current) if current else []
        wanted = {self.move(path): size for path, size in sizes.items()}
        other = [
            path
            for path, size in wanted.items()
            if not self._is_there(path) or size not in (None, self.there.get(path, size))
        ]
        return list(dict.fromkeys([*missing, *other]))

    def forgotten(self) -> int:
        """How many snapshots are left out, since files of theirs are gone. Raises LakeError if the
        table cannot be moved."""
        return len(self.metadata.snapshots) - len(self.kept())

    def kept(self) -> list[Snapshot]:
        """The snapshots whose files are all there."""
        return [each for each in self.metadata.snapshots if not self._missing_of(each)]

    def write(self) -> str:
        """Write the metadata; returns the location of the new metadata file."""
        kept = self.kept()
        if missing := self.missing():
            raise LakeError(
                f"{self.table}: {counted(len(missing), 'file')} of its current snapshot missing: "
                f"{some(missing)}; copy them to {self.location}"
            )
        lists = self._lists_rewritten(kept) if self.move.old != self.move.new else {}
        document = _without_the_rest(self.metadata, {each.snapshot_id for each in kept})
        for snapshot in document["snapshots"]:
            listed = snapshot["manifest-list"]
            snapshot["manifest-list"] = lists.get(listed, listed)
        document["location"] = self.location
        document["properties"] = {k: self.move(v) for k, v in document["properties"].items()}
        moved = TableMetadataUtil.parse_obj(document)
        number = len(self.metadata.metadata_log)
        target = f"{self.location}/metadata/{number:05}-{uuid4()}.metadata.json"
        ToOutputFile.table_metadata(moved, self.io.new_output(target))
        return target

    def _is_there(self, path: str) -> bool:
        if path.startswith(f"{self.location}/"):
            return path in self.there
        if path not in self._outside:
            self._outside[path] = self.io.new_input(path).exists()
        return self._outside[path]

    def _missing_of(self, snapshot: Snapshot) -> list[str]:
        listed = self.move(snapshot.manifest_list)
        if not self._is_there(listed):
            return [listed]
        missing = []
        for manifest in _manifests(_Avro.read(self.io, listed)):
            moved = self.move(manifest)
            if moved not in self._missing:
                self._missing[moved] = list(self._missing_in(moved))
            missing += self._missing[moved]
        return missing

    def _missing_in(self, manifest: str) -> Iterator[str]:
        if not self._is_there(manifest):
            yield manifest
            return
        found = _Avro.read(self.io, manifest)
        if self.move.old != self.move.new and found.meta.get("content", "data") != "data":
            raise LakeError(
                f"{self.table}: another engine has written delete files, which name data files by "
                "their old locations; have it compact the table where it was, expire its earlier "
                "snapshots, and begin again"
            )
        for path in map(self.move, _live(found)):
            if not self._is_there(path):
                yield path

    def _lists_rewritten(self, snapshots: Collection[Snapshot]) -> dict[str, str]:
        """Write the snapshots' manifests and lists; returns the new lists by the old ones."""
        manifests: dict[str, tuple[str, int]] = {}
        lists = {}
        for snapshot in snapshots:
            listed = _Avro.read(self.io, self.move(snapshot.manifest_list))
            path, length = listed.position(_PATH), listed.position(_LENGTH)
            for record in listed.records:
                old = record[path]
                if old not in manifests:
                    manifests[old] = self._manifest_rewritten(old)
                record[path], record[length] = manifests[old]
            lists[snapshot.manifest_list] = self._new(snapshot.manifest_list)
            listed.write(self.io, lists[snapshot.manifest_list], "manifest_file")
        return lists

    def _manifest_rewritten(self, old: str) -> tuple[str, int]:
        manifest = _Avro.read(self.io, self.move(old))
        file, path = manifest.position(_FILE), manifest.position(_FILE_PATH, within=_FILE)
        for record in manifest.records:
            record[file][path] = self.move(record[file][path])
        new = self._new(old)
        return new, manifest.write(self.io, new, "manifest_entry")

    def _new(self, old: str) -> str:
        """A new name for a rewritten file: the old one's content stays as it is."""
        name = old.rpartition("/")[2].partition("-")[0]
        return f"{self.location}/metadata/{name}-{uuid4()}.avro"


def _without_the_rest(metadata: TableMetadata, kept: Collection[int]) -> dict[str, Any]:
    """The metadata as JSON without other snapshots and earlier metadata files."""
    document = json.loads(metadata.model_dump_json(exclude_none=True))
    for name in ("snapshots", "snapshot-log"):
        document[name] = [e for e in document.get(name, ()) if e["snapshot-id"] in kept]
    refs = document.get("refs", {}).items()
    document["refs"] = {name: ref for name, ref in refs if ref["snapshot-id"] in kept}
    for name in ("metadata-log", "statistics", "partition-statistics"):
        document[name] = []  # the last two may be computed again
    return document


@dataclass(frozen=True)
class _Avro:
    """An Avro file as it is: records by position, whatever version of Iceberg's format."""

    schema: Schema
    meta: Mapping[str, str]
    records: list[Record]

    @classmethod
    def read(cls, io: FileIO, location: str) -> "_Avro":
        with AvroFile[Record](io.new_input(location)) as file:
            return cls(file.schema, dict(file.header.meta), list(file))

    def write(self, io: FileIO, location: str, name: str) -> int:
        """Write the records; returns the bytes of the file."""
        codec = {"avro.codec": self.meta.get("avro.codec", "null")}
        meta = {k: v for k, v in self.meta.items() if not k.startswith("avro.")} | codec
        output = io.new_output(location)
        with AvroOutputFile[Record](output, self.schema, name, metadata=meta) as file:
            file.write_block(self.records)
            length = file.tell()
        return length

    def position(self, field_id: int, within: int | None = None) -> int:
        """Where a field is in a record, or in the struct of another field."""
        fields = self.schema.fields
        if within is not None:
            kind = next(each.field_type for each in fields if each.field_id == within)
            assert isinstance(kind, StructType)
            fields = kind.fields
        return next(i for i, each in enumerate(fields) if each.field_id == field_id)


def _manifests(listed: _Avro) -> list[str]:
    path = listed.position(_PATH)
    return [record[path] for record in listed.records]


def _live(manifest: _Avro) -> list[str]:
    status, file = manifest.position(_STATUS), manifest.position(_FILE)
    path = manifest.position(_FILE_PATH, within=_FILE)
    deleted = ManifestEntryStatus.DELETED.value
    return [record[file][path] for record in manifest.records if record[status] != deleted]
