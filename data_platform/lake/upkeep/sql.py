"""Published tables in SQL, by DuckDB in this process: read only, nothing but the tables.

A table has its name in the catalog, `silver_retail.order_lines`, as in Athena and Spark.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from data_platform.tables.nearest import nearest
from data_platform.telemetry.wording import unknown

_AS_TABLE = re.compile(r"\b(?:from|join)\s+([\w./\"]+)", re.IGNORECASE)  # what a text has as tables
# DuckDB's errors have no fields for these names.
_NO_TABLE = re.compile(r"Table with name (?:\"([^\"]+)\"|(\S+)) does not exist")
_AT_SLASH = 'syntax error at or near "/"'
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
        if known is not None and (missing := _NO_TABLE.match(what)):
            name = _as_written(text, missing[1] or missing[2], known)
            what = unknown("table", name, known, separator=".")
        raise QueryError(what) from error
    except duckdb.Error as error:
        advice = _slashes(text, known or {}, error) or _double_quotes(text, error)
        raise QueryError("\n".join(filter(None, (str(error).strip(), advice)))) from error


def _as_written(text: str, missing: str, known: Iterable[str]) -> str:
    """The missing table as the text has it: DuckDB leaves out a schema that exists."""
    written = [name.replace('"', "") for name in _AS_TABLE.findall(text)]
    there = {name.lower() for name in known}
    written = [name for name in written if name.lower() not in there]
    same = [name for name in written if f".{name}".lower().endswith(f".{missing}".lower())]
    # A name without a schema may be that of a WITH.
    return max(same, key=lambda name: name.count("."), default=missing)


def _slashes(text: str, known: Mapping[str, TableId], error: duckdb.Error) -> str:
    """How SQL writes a table whose name has slashes, as other commands take it."""
    if not isinstance(error, duckdb.ParserException) or _AT_SLASH not in str(error):
        return ""
    by_path = {str(table_id): name for name, table_id in known.items()}
    paths = [name for name in _AS_TABLE.findall(text) if "/" in name]
    if there := [name for name in paths if name in by_path]:
        return "; ".join(f"in SQL, {name} is written {by_path[name]}" for name in there)
    if near := [name for name in paths if nearest(name, by_path, separator="/")]:
        return (
            f"{unknown('table', near[0], by_path)}; in SQL a table is {{layer}}_{{domain}}.{{name}}"
        )
    return ""


def _double_quotes(text: str, error: duckdb.Error) -> str:
    """How SQL writes text, where a text in double quotes is not the name of a column."""
    first = str(error).splitlines()[0]
    for quoted in re.findall(r'"([^"]+)"', text):
        if isinstance(error, duckdb.BinderException) and f'"{quoted}"' in first:
            return f"write text in single quotes: '{quoted}'; double quotes are for column names"
    return ""
