"""Published tables in SQL, by DuckDB in this process: read only, nothing but the tables.

A table goes by its names in the catalog, `silver_retail.order_lines`, as Athena and Spark have it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from data_platform.lake.catalog import Lake, LakeTable
from data_platform.lake.errors import QueryError
from data_platform.lake.files import files_by_partition
from data_platform.lake.schema import arrow_schema
from data_platform.lake.upkeep.browse import key_of, require_snapshot
from data_platform.storage.files import Storage
from data_platform.tables.identity import TableId

_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


@contextmanager
def query(lake: Lake, storage: Storage, text: str) -> Iterator[pa.RecordBatchReader]:
    """The rows of one SELECT over the tables as they are published now, a batch at a time.

    Reads the manifests of the tables that the text names, and what DuckDB needs of their files.
    Raises QueryError if the text is not a single query, or if DuckDB refuses it.
    """
    known = lake.tables()
    with duckdb.connect() as connection, _explained(known):
        if not _reads(connection, text):
            raise QueryError(
                "sql takes one query that reads, such as SELECT count(*) FROM "
                "silver_retail.order_lines; tables change by runs alone"
            )
        named = text.lower()
        for table_id in known:
            if table_id.name in named:
                _show(connection, table_id, _dataset(lake.load(table_id), storage))
        _shut(connection)
        yield connection.sql(text).to_arrow_reader()


@contextmanager
def select(
    table: LakeTable,
    storage: Storage,
    *,
    columns: Sequence[str] = (),
    where: str = "",
    partition: str | None = None,
    snapshot: int | None = None,
) -> Iterator[pa.RecordBatchReader]:
    """The rows of one table, of one partition, or as of a snapshot, for which an expression of SQL
    holds; all columns where none is named.

    Raises QueryError for an expression that DuckDB refuses and for a column that is not there,
    NotThere for a partition or snapshot that the table does not have.
    """
    keys = key_of(table, partition)
    require_snapshot(table, snapshot)
    listed = ", ".join('"{}"'.format(name.replace('"', '""')) for name in columns) or "*"
    text = f"SELECT {listed} FROM rows" + (f" WHERE (\n{where}\n)" if where else "")
    with duckdb.connect() as connection, _explained():
        if not _reads(connection, text):
            raise QueryError(f"{where!r} is no expression of SQL, such as quantity > 10")
        connection.register("rows", _dataset(table, storage, keys, snapshot))
        _shut(connection)
        yield connection.sql(text).to_arrow_reader()


def _reads(connection: duckdb.DuckDBPyConnection, text: str) -> bool:
    statements = connection.extract_statements(text)
    return len(statements) == 1 and statements[0].type in _READING


def _shut(connection: duckdb.DuckDBPyConnection) -> None:
    """Deny queries access to files, extensions and the network."""
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")


def _show(connection: duckdb.DuckDBPyConnection, table_id: TableId, rows: ds.Dataset) -> None:
    namespace, name = table_id.identifier
    connection.register(str(table_id), rows)
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{namespace}"')
    connection.execute(f'CREATE VIEW "{namespace}"."{name}" AS SELECT * FROM "{table_id}"')


def _dataset(
    table: LakeTable,
    storage: Storage,
    keys: Sequence[str] | None = None,
    snapshot: int | None = None,
) -> ds.Dataset:
    """The table's rows, columns by name; older files have nulls in columns added later."""
    schema = arrow_schema(table.schema())
    paths = [
        file.file_path
        for files in files_by_partition(table, keys, snapshot).values()
        for file in files
        if file.record_count
    ]
    if not paths:
        return ds.dataset(schema.empty_table())
    return storage.dataset(paths, schema)


@contextmanager
def _explained(known: Sequence[TableId] | None = None) -> Iterator[None]:
    try:
        yield
    except duckdb.CatalogException as error:
        what = str(error).splitlines()[0].removeprefix("Catalog Error: ")
        if known is None:
            raise QueryError(what) from error
        names = ", ".join(".".join(table.identifier) for table in known)
        raise QueryError(f"{what} The tables are {names or 'none yet'}") from error
    except duckdb.Error as error:
        raise QueryError(str(error).strip()) from error
