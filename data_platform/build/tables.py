"""A declared table in the lake: the table itself, its quarantine and its duplicates."""

from pyspark.sql import types as T

from data_platform.assets import BronzeTable, JudgedTable, Table
from data_platform.contracts.schema import schema_of
from data_platform.lake.catalog import Lake, LakeTable
from data_platform.lake.expiry import KEEP_DAYS, KEEP_SNAPSHOTS
from data_platform.lake.reads import spark_schema
from data_platform.lake.rejected import REJECTED_BY, REJECTED_LAYERS
from data_platform.landing.bronze_schema import bronze_schema
from data_platform.tables.columns import (
    ATTEMPT,
    REPEATS_OBJECT,
    REPEATS_ROW,
)
from data_platform.tables.outcomes import DATA, DUPLICATES, NAMED, QUARANTINE, REASONS
from data_platform.tables.partition_times import as_property, times_of

_ATTEMPT = T.StructField(
    ATTEMPT, T.StringType(), False, {"comment": "the write that this row belongs to"}
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


def ensure_tables(table: Table, lake: Lake) -> dict[int, LakeTable]:
    """The tables that a write of `table` goes to, by outcome; created or evolved as declared."""
    properties = {
        "comment": table.description.splitlines()[0],
        "owner": table.owner,
        KEEP_SNAPSHOTS: str(table.retention.snapshots),
        KEEP_DAYS: str(table.retention.days),
        **as_property(times_of(table.partitions, table.partition_by)),
    }
    if isinstance(table, BronzeTable):
        schema = bronze_schema(table.source, table.scheme)
        return {DATA: lake.ensure(table.id, schema, table.partition_by, properties)}
    assert isinstance(table, JudgedTable)
    schema = schema_of(table.contract)
    found = {DATA: lake.ensure(table.id, schema, table.partition_by, properties)}
    rejected = schema
    properties[REJECTED_BY] = str(table.id)
    if table.lineage:
        (upstream,) = table.inputs.values()
        rejected = spark_schema(lake.load(upstream).schema())
        found[DUPLICATES] = lake.ensure(
            table.id.sibling(REJECTED_LAYERS[DUPLICATES]),
            _with(rejected, table.partition_by, *_REPEATS, _ATTEMPT),
            table.partition_by,
            {**properties, "comment": f"rows of {table.id} that repeat a published one"},
        )
    named = [_NAMED] if table.partition_by else []
    found[QUARANTINE] = lake.ensure(
        table.id.sibling(REJECTED_LAYERS[QUARANTINE]),
        _with(rejected, table.partition_by, _REASONS, *named, _ATTEMPT),
        table.partition_by,
        {**properties, "comment": f"rows that {table.id} rejects, with their reasons"},
    )
    return found


def _with(schema: T.StructType, required: tuple[str, ...], *more: T.StructField) -> T.StructType:
    """The schema of rejected rows, which may lack anything except their partition."""
    fields = [T.StructField(f.name, f.dataType, f.name not in required, f.metadata) for f in schema]
    return T.StructType([*fields, *more])
