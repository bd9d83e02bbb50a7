"""Calling a table's function and checking its result."""

from collections.abc import Mapping, Sequence

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from data_platform.assets import JudgedTable
from data_platform.contracts.contract import Contract
from data_platform.contracts.schema import schema_of
from data_platform.contracts.winner import ARRIVAL
from data_platform.engine.sail.agreement import agreed
from data_platform.engine.sail.difference import EngineDifference
from data_platform.engine.sail.errors import missing_column
from data_platform.lake.errors import SchemaConflict
from data_platform.storage.errors import LakeError
from data_platform.tables.columns import INGESTED_AT, RECEIVED, RESCUED
from data_platform.telemetry.wording import unknown


def call_function(
    table: JudgedTable, keys: Sequence[str], frames: Mapping[str, DataFrame]
) -> DataFrame:
    """The function's result for these partitions.

    Raises LakeError if it is not a DataFrame, or if Sail would compute other rows than Spark;
    SchemaConflict if it does not fit the contract.
    """
    values = [table.partitioning.values(key) for key in keys]
    named: dict[str, object] = dict(frames)
    if table.takes_partitions:
        named["partitions"] = tuple(v[0] if len(v) == 1 else v for v in values)
    result = table(**named)  # type: ignore[arg-type]
    if not isinstance(result, DataFrame):
        raise LakeError(
            f"{table.id}: its function returned {type(result).__name__}, not a Spark DataFrame"
        )
    try:
        result = agreed(result)
        require_columns(table.contract, result)
    except EngineDifference as error:
        raise _of_function(table, str(error)) from error
    except PySparkException as error:
        # Spark reports it at once, with the line; Sail only when columns are requested, without.
        if error.getCondition():
            raise
        raise _of_function(table, _said(error, frames)) from error
    return result


def _said(error: PySparkException, frames: Mapping[str, DataFrame]) -> str:
    """Sail's message, or the nearest names for a column that there is not."""
    message = str(error.getMessage())
    name = missing_column(message)
    if name is None:
        return message
    return unknown("column", name, sorted({each for of in frames.values() for each in of.columns}))


def _of_function(table: JudgedTable, why: str) -> LakeError:
    """The error with the place of the table's function."""
    code = getattr(table.function, "__code__", None)
    line = f"{code.co_filename}:{code.co_firstlineno}: " if code else ""
    return LakeError(f"{line}the function of {table.id}: {why}")


def require_columns(contract: Contract, frame: DataFrame) -> None:
    """Raise SchemaConflict if the function's result does not fit the contract."""
    present: dict[str, T.DataType] = {f.name: f.dataType for f in frame.schema.fields}
    arrival = {one.column for one in ARRIVAL}
    for field in schema_of(contract).fields:
        found = present.get(field.name)
        if found is None and contract.lineage and field.name == INGESTED_AT:
            continue  # kept in the row as received
        if found is None and contract.arrival and field.name in arrival:
            raise SchemaConflict(
                f"{contract.table}: its function returns no {field.name}, so it is not known which "
                f"of two rows with equal {', '.join(contract.latest)} arrived last. Add columns "
                "with withColumns instead of select, or declare arrival=False, and the greatest in "
                "the other columns is kept"
            )
        if found is None:
            raise SchemaConflict(
                f"{contract.table}: its function returns no column {field.name} "
                f"({field.dataType.simpleString()}); it returns {', '.join(present)}"
            )
        # Nulls are judged row by row; Spark's nullability only reflects how a column was computed.
        if found.simpleString() != field.dataType.simpleString():
            raise SchemaConflict(
                f"{contract.table}: column {field.name} is {found.simpleString()} in the "
                f"function's result and {field.dataType.simpleString()} in the contract; cast it"
            )
    if contract.rescued and not contract.lineage and RESCUED not in present:
        raise SchemaConflict(
            f"{contract.table}: its function dropped {RESCUED}; keep it, so that rows that did not "
            "fit their file's header can be told"
        )
    if contract.lineage and RECEIVED not in present:
        raise SchemaConflict(
            f"{contract.table}: its function dropped {RECEIVED}; add columns with withColumns "
            "instead of select, so that rejected rows can be kept as received"
        )
