"""The Iceberg catalog: which tables there are, and their files by partition.

Tables are loaded, created and evolved here; `writing.commit` publishes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from pyiceberg.table.name_mapping import create_mapping_from_schema
from pyspark.sql import types as T
from sqlalchemy import make_url, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from data_platform.databases.connections import explained
from data_platform.databases.errors import unavailable
from data_platform.databases.fencing import fence
from data_platform.databases.urls import waiting, with_driver
from data_platform.lake import schema as schemas
from data_platform.lake.errors import ForeignTable, PartitionConflict, SchemaConflict, UnknownTable
from data_platform.lake.file_io import LakeFileIO
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import LAYERS, TableId

LakeTable = Table
"""A loaded table. Outside of `lake` it is handed to functions of `lake`; PyIceberg's methods are
used in `lake` alone."""

CATALOG_NAME = "data_platform"

_EVOLVE_TRIES = 5
_FILES, _OWN_FILES = "py-io-impl", f"{LakeFileIO.__module__}.{LakeFileIO.__name__}"

# Metadata must not grow with the age of a table: each commit deletes the oldest metadata file, and
# small manifests of past commits are merged (see commit.py).
_PROPERTIES = {
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
    "commit.retry.num-retries": "20",
    "commit.retry.min-wait-ms": "50",
    "commit.retry.max-wait-ms": "2000",
}


@dataclass(frozen=True)
class Lake:
    """A catalog and the warehouse it publishes from.

    `properties` are PyIceberg's for `load_catalog`; `warehouse` is a URI or an absolute path.
    """

    properties: Mapping[str, str]
    warehouse: str

    @cached_property
    def catalog(self) -> Catalog:
        """PyIceberg's catalog, opened on first use. Raises LakeError if it cannot be opened."""
        uri = with_driver(self.properties.get("uri", ""))
        given = {"uri": waiting(uri), "pool_pre_ping": "true"} if uri else {}
        try:
            catalog = open_catalog({_FILES: _OWN_FILES, **self.properties, **given})
        except DBAPIError as error:
            raise unavailable(make_url(uri), error.orig or error) from error
        except Exception as error:  # the file system's, the network's: no common base
            raise LakeError(f"the catalog {uri} cannot be opened: {error}") from error
        if isinstance(catalog, SqlCatalog):
            explained(catalog.engine)
            fence(catalog.engine, IcebergTables.__tablename__)
        if self._in_glue:
            from data_platform.lake import glue  # boto3 takes its time to import

            glue.fit(catalog)
        return catalog

    @property
    def _in_glue(self) -> bool:
        return self.properties.get("type") == "glue"

    def location(self, table: TableId) -> str:
        """The table's place in the warehouse."""
        return "/".join([self.warehouse.rstrip("/"), *table.path])

    def exists(self, table: TableId) -> bool:
        """Whether the table was ever written in this warehouse."""
        return self.find(table) is not None

    def find(self, table: TableId) -> Table | None:
        """The table, None if the catalog has none of that name.

        Raises ForeignTable if the catalog's table is in another warehouse, LakeError if its
        metadata file is gone.
        """
        with suppress(NoSuchTableError):
            return self._here(table, lambda: self.catalog.load_table(table.identifier))
        return None

    def own(self, table: TableId) -> Table | None:
        """The same, None also for a table of another warehouse where the catalog is shared, as Glue
        is: it has nothing to do with this one."""
        try:
            return self.find(table)
        except ForeignTable:
            if self._in_glue:
                return None
            raise

    def as_of(self, table: TableId, metadata_location: str) -> Table:
        """The table as one of its metadata files has it. Raises as `find` does."""
        io = LakeFileIO(dict(self.properties))

        def read() -> Table:
            metadata = FromInputFile.table_metadata(io.new_input(metadata_location))
            return Table(table.identifier, metadata, metadata_location, io, self.catalog)

        return self._here(table, read)

    def _here(self, table: TableId, read: Callable[[], Table]) -> Table:
        try:
            found = read()
        except FileNotFoundError as error:
            raise LakeError(
                f"{table}: the metadata file that the catalog names is not there ({error}). If the "
                "home or the warehouse was moved, run `data-platform relocate`; else restore the "
                "file, or a backup"
            ) from error
        if found.location() != self.location(table):
            raise ForeignTable(
                f"{table}: the catalog has it at {found.location()}, which is not in the warehouse "
                f"{self.warehouse}: it is another environment's or project's. Give each a catalog "
                "of its own; Glue has one for each account and region. If its files were copied "
                "here, run `data-platform relocate`"
            )
        return found

    def load(self, table: TableId) -> Table:
        """Raises UnknownTable."""
        found = self.find(table)
        if found is None:
            raise UnknownTable(f"there is no table {table} in the catalog")
        return found

    def metadata_locations(self, tables: Iterable[TableId]) -> dict[TableId, str]:
        """The current metadata file of each table, another one after each commit; empty if it was
        never written. A catalog in a database is asked once for all, and no file is read."""
        if isinstance(self.catalog, SqlCatalog):
            known = self._current(self.catalog)
            return {table: known.get(table.identifier, "") for table in tables}
        found = {table: self.find(table) for table in tables}
        return {table: each.metadata_location if each else "" for table, each in found.items()}

    @staticmethod
    def _current(catalog: SqlCatalog) -> dict[tuple[str, str], str]:
        """The metadata file of each table of the catalog, by namespace and name."""
        columns = IcebergTables.table_namespace, IcebergTables.table_name
        query = select(*columns, IcebergTables.metadata_location)
        with catalog.engine.connect() as connection:
            of_catalog = query.where(IcebergTables.catalog_name == catalog.name)
            return {
                (space, name): file or "" for space, name, file in connection.execute(of_catalog)
            }

    def tables(self) -> list[TableId]:
        """The catalog's tables that follow the naming rule, sorted; of Glue, which is shared, only
        those in this warehouse."""
        found = [
            table
            for (namespace, *_) in self.catalog.list_namespaces()
            for layer, _, domain in [namespace.partition("_")]
            if domain and layer in LAYERS  # of the rest in Glue no role may ask
            for name, location in self._locations(namespace).items()
            for table in [TableId.of((namespace, name))]
            if not location or location == self.location(table)
        ]
        return sorted(found)

    def _locations(self, namespace: str) -> dict[str, str]:
        """The namespace's tables by name, with their locations if the catalog is shared."""
        if self._in_glue:
            from data_platform.lake import glue

            return glue.locations(self.catalog, namespace)
        return {identifier[-1]: "" for identifier in self.catalog.list_tables(namespace)}

    def ensure(
        self,
        table: TableId,
        schema: T.StructType,
        partition_by: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
    ) -> Table:
        """The table, created or evolved to fit `schema`.

        Raises SchemaConflict if published files would become unreadable or wrong.
        """
        wanted = schemas.iceberg_schema(schema)
        if not self.exists(table):
            self._create(table, wanted, partition_by, properties or {})
        for _ in range(_EVOLVE_TRIES):
            with suppress(CommitFailedException):  # another writer was there: look again
                return self._evolve(table, wanted, partition_by, properties or {})
        raise PartitionConflict(
            f"{table}: other writers changed it {_EVOLVE_TRIES} times while it was being evolved"
        )

    def _create(self, table: TableId, wanted, partition_by, properties) -> None:
        namespace, _ = table.identifier
        with suppress(NamespaceAlreadyExistsError, IntegrityError):  # the latter in a race
            self.catalog.create_namespace(namespace)
        with suppress(TableAlreadyExistsError):  # another writer was first; evolve it like any
            self.catalog.create_table(
                table.identifier,
                schema=wanted,
                location=self.location(table),
                partition_spec=schemas.partition_spec(wanted, partition_by),
                properties={**_PROPERTIES, **properties},
            )

    def _evolve(self, table: TableId, wanted, partition_by, properties) -> Table:
        loaded = self.load(table)
        present = tuple(f.name for f in loaded.spec().fields)
        if present != tuple(partition_by):
            raise SchemaConflict(
                f"{table}: it is partitioned by {present or 'nothing'} and declared by "
                f"{tuple(partition_by) or 'nothing'}. Ways out: keep the partitions, or "
                + schemas.built_anew(table)
            )
        new = schemas.additions(table, loaded.schema(), wanted)
        relaxed = schemas.relaxations(loaded.schema(), wanted)
        docs = [
            f
            for f in wanted.fields
            if f not in new and f.doc and loaded.schema().find_field(f.name).doc != f.doc
        ]
        mapping = "schema.name-mapping.default"
        changed = {k: v for k, v in properties.items() if loaded.properties.get(k) != v}
        if mapping not in loaded.properties:
            changed[mapping] = create_mapping_from_schema(loaded.schema()).model_dump_json()
        if not (new or relaxed or docs or changed):
            return loaded
        with loaded.transaction() as transaction:
            if changed:
                transaction.set_properties(changed)
            if new or relaxed or docs:
                with transaction.update_schema() as update:
                    for column in new:  # a path: a name may have dots
                        update.add_column((column.name,), column.field_type, column.doc)
                    for name in relaxed:
                        update.make_column_optional((name,))
                    for column in docs:
                        update.update_column((column.name,), doc=column.doc)
        return self.load(table)


def open_catalog(properties: Mapping[str, str]) -> Catalog:
    """The catalog. PyIceberg checks for its two tables, then creates them: processes may race."""
    for _ in range(2):
        try:
            return load_catalog(CATALOG_NAME, **properties)
        except DBAPIError as error:
            if "already exists" not in str(error.orig):
                raise
    return load_catalog(CATALOG_NAME, **properties)
