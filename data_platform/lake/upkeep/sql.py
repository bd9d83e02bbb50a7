"""Published tables in SQL, by DuckDB in this process: read only, nothing but the tables.

A table has its name in the catalog, `silver_retail.order_lines`, as in Athena and Spark.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from data_platform.lake.catalog import Lake, LakeTable
from data_platform.lake.errors import QueryError
from data_platform.lake.files import files_by_partition
from data_platform.lake.schema import arrow_columns_of
from data_platform.lake.upkeep.browse import key_of, require_snapshot
from data_platform.storage.files import Storage
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import unknown

_AS_TABLE = re.compile(r"\b(?:from|join)\s+([\w./\"]+)", re.IGNORECASE)  # what a text has as tables
_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


@contextmanager
def query(lake: Lake, storage: Storage, text: str) -> Iterator[pa.RecordBatchReader]:
    """The rows of one SELECT over the tables as they are published now, a batch at a time.

    Reads the manifests of the tables that the text names, and what DuckDB needs of their files.
    Raises QueryError if the text is not a single query, or if DuckDB refuses it.
    """
    known = {".".join(table_id.identifier): table_id for table_id in lake.tables()}
    with duckdb.connect() as connection, _explained(text, known):
        if not _reads(connection, text):
            raise QueryError(
                "sql takes one query that reads, such as SELECT count(*) FROM "
                "silver_retail.order_lines; tables change by runs alone"
            )
        named = text.lower()
        for table_id in known.values():
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{table_id.identifier[0]}"')
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
    with duckdb.connect() as connection, _explained(where):
        if not _reads(connection, text):
            raise QueryError(f"{where!r} is not an SQL expression, such as quantity > 10")
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
    connection.execute(f'CREATE VIEW "{namespace}"."{name}" AS SELECT * FROM "{table_id}"')


def _dataset(
    table: LakeTable,
    storage: Storage,
    keys: Sequence[str] | None = None,
    snapshot: int | None = None,
) -> ds.Dataset:
    """The table's rows, columns by name; older files have nulls in columns added later."""
    schema = arrow_columns_of(table)
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
def _explained(text: str, known: Mapping[str, TableId] | None = None) -> Iterator[None]:
    """DuckDB's errors about what a person wrote become QueryError; `known` tables by SQL name."""
    try:
        yield
    except duckdb.CatalogException as error:
        said, *_ = str(error).removeprefix("Catalog Error: ").split("\n\n")
        what = " ".join(said.split())
        missing = [name for name in _unknown_tables(text, known or ()) if _last(name) in what]
        raise QueryError(
            unknown("table", missing[0], known or (), separator=".") if missing else what
        ) from error
    except duckdb.Error as error:
        advice = _slashes(text, known or {}) or _double_quotes(text, error)
        raise QueryError("\n".join(filter(None, (str(error).strip(), advice)))) from error


def _unknown_tables(text: str, known: Collection[str]) -> list[str]:
    written = [name.replace('"', "") for name in _AS_TABLE.findall(text)]
    return [name for name in written if name.lower() not in known]


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _slashes(text: str, known: Mapping[str, TableId]) -> str:
    """How a table is written that has slashes, as other commands take it."""
    by_path = {str(table_id): name for name, table_id in known.items()}
    for written in (name for name in _AS_TABLE.findall(text) if "/" in name):
        if name := by_path.get(written):
            return f"in SQL, {written} is written {name}"
        return (
            f"{unknown('table', written, by_path)}; in SQL a table is {{layer}}_{{domain}}.{{name}}"
        )
    return ""


def _double_quotes(text: str, error: duckdb.Error) -> str:
    """That a text in double quotes is a name, where it is none of a column."""
    first = str(error).splitlines()[0]
    for quoted in re.findall(r'"([^"]+)"', text):
        if isinstance(error, duckdb.BinderException) and f'"{quoted}"' in first:
            return f"text takes single quotes: '{quoted}'; in double quotes it is a column's name"
    return ""
