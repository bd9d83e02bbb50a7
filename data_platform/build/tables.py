"""Create a declared table in the lake: the table itself, its quarantine and its duplicates."""

from pyspark.sql import types as T

from data_platform.assets import BronzeTable, JudgedTable, Table
from data_platform.contracts.schema import schema_of
from data_platform.lake.catalog import Lake, LakeTable
from data_platform.lake.expiry import KEEP_DAYS, KEEP_SNAPSHOTS
from data_platform.lake.reads import columns_of
from data_platform.lake.rejected import REJECTED_BY, REJECTED_LAYERS
from data_platform.landing.bronze_schema import bronze_schema
from data_platform.tables.columns import ATTEMPT, REPEATS_OBJECT, REPEATS_ROW, TRACE
from data_platform.tables.identity import TableId
from data_platform.tables.outcomes import DATA, DUPLICATES, NAMED, QUARANTINE, REASONS, Outcome
from data_platform.tables.partition_times import as_property, times_of

_ATTEMPT = T.StructField(
    ATTEMPT, T.StringType(), False, {"comment": "the write that this row belongs to"}
)
# Nullable: tables of earlier versions get it, and their rows stay without.
_TRACE = T.StructField(
    TRACE, T.StringType(), True, {"comment": "the trace of the run that wrote it"}
)
_REASONS = T.StructField(
    REASONS,
    T.ArrayType(T.StringType()),
    True,
    {"comment": "every rule that the row breaks"},
)
_NAMED = T.StructField(
    NAMED,
    T.StringType(),
    True,
    {"comment": "the partition that the row names, where it is rejected for that"},
)
_REPEATS = (
    T.StructField(
        REPEATS_OBJECT, T.StringType(), True, {"comment": "object of the row it repeats"}
    ),
    T.StructField(REPEATS_ROW, T.LongType(), True, {"comment": "row number of that row"}),
)


def tables_written(table: Table) -> dict[Outcome, TableId]:
    """The tables that a write of `table` goes to, by outcome."""
    beside = {o: table.id.sibling(REJECTED_LAYERS[o]) for o in table.outcomes if o != DATA}
    return {DATA: table.id, **beside}


def ensure_tables(table: Table, lake: Lake) -> dict[Outcome, LakeTable]:
    """The `tables_written`, created or evolved as declared."""
    properties = {
        "owner": table.owner,
        KEEP_SNAPSHOTS: str(table.retention.snapshots),
        KEEP_DAYS: str(table.retention.days),
        **as_property(times_of(table.partitions, table.partition_by)),
    }
    comments = {
        DATA: table.description.splitlines()[0],
        QUARANTINE: f"rows that {table.id} rejects, with their reasons",
        DUPLICATES: f"rows of {table.id} that repeat a published one",
    }
    return {
        outcome: lake.ensure(
            name,
            _schema(table, outcome, lake),
            table.partition_by,
            {
                **properties,
                "comment": comments[outcome],
                **({} if outcome == DATA else {REJECTED_BY: str(table.id)}),
            },
        )
        for outcome, name in tables_written(table).items()
    }


def _schema(table: Table, outcome: Outcome, lake: Lake) -> T.StructType:
    """The schema of rows with this outcome; a table with lineage rejects rows as received."""
    schema = schema_of_rows(table)
    if outcome == DATA:
        return schema
    if table.lineage:
        (upstream,) = table.inputs.values()
        schema = columns_of(lake.load(upstream))
    if outcome == DUPLICATES:
        return _with(schema, table.partition_by, *_REPEATS, _ATTEMPT, _TRACE)
    named = [_NAMED] if table.partition_by else []
    return _with(schema, table.partition_by, _REASONS, *named, _ATTEMPT, _TRACE)


def schema_of_rows(table: Table) -> T.StructType:
    """The schema of published rows."""
    match table:
        case BronzeTable():
            return bronze_schema(table.source, table.partitioning)
        case JudgedTable():
            return schema_of(table.contract)
    raise TypeError(f"{table.id}: no schema is known for a {type(table).__name__}")


def _with(schema: T.StructType, required: tuple[str, ...], *more: T.StructField) -> T.StructType:
    """The schema of rejected rows, which may lack anything except their partition."""
    fields = [T.StructField(f.name, f.dataType, f.name not in required, f.metadata) for f in schema]
    return T.StructType([*fields, *more])
