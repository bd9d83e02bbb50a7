"""From which columns of its inputs each column of a table is made, told by its function's plan.

The function is called with inputs that have no rows, so that nothing is read and nothing runs.
"""

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from data_platform.assets import JudgedTable, Table
from data_platform.build.function import call_function
from data_platform.build.tables import schema_of_rows
from data_platform.engine.column_lineage import ColumnLineage, column_lineage
from data_platform.engine.logical_plan import marked
from data_platform.engine.plan_reading import analyzed
from data_platform.lake.catalog import Lake
from data_platform.lake.reads import columns_of
from data_platform.quality.judge import with_received
from data_platform.storage.errors import LakeError
from data_platform.tables.identity import WHOLE_TABLE, TableId


def lineage_of(
    table: JudgedTable, schemas: Mapping[TableId, T.StructType], spark: SparkSession
) -> ColumnLineage:
    """The lineage of a table's columns; inputs have the names of the function's parameters.

    Raises LakeError and SchemaConflict as a build does, if the function refuses inputs without
    rows.
    """
    frames = {name: _input(table, name, schemas[of], spark) for name, of in table.inputs.items()}
    keys = table.partitions.get_partition_keys()[:1] if table.partitions else [WHOLE_TABLE]
    try:
        plan = analyzed(call_function(table, keys, frames))
        if plan is None:
            raise LakeError(f"{table.id}: this engine does not tell the plan of a function")
        return column_lineage(plan)
    except RecursionError as error:
        raise LakeError(f"{table.id}: the plan of its function is too deep to be read") from error


def _input(table: JudgedTable, name: str, schema: T.StructType, spark: SparkSession) -> DataFrame:
    frame = marked(spark.createDataFrame([], schema), name)
    return with_received(frame) if table.contract.lineage else frame


def input_schemas(
    table: JudgedTable, declared: Mapping[TableId, Table], lake: Lake
) -> dict[TableId, T.StructType]:
    """The schemas of a table's inputs, as declared; of other code's tables as published. Raises
    LakeError for a table that is neither."""
    return {
        of: schema_of_rows(declared[of]) if of in declared else columns_of(lake.load(of))
        for of in table.inputs.values()
    }
