"""S3ParquetIOManager: between Dagster's assets and the lake.

It publishes what the platform's own steps staged and audited, and gives ordinary assets the same
guarantees: a Spark, pandas, Polars or Arrow table that an `@dg.asset` returns is staged, audited
and published at one stroke; an input is one table, whatever the number of its partitions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from textwrap import shorten
from typing import Any

import dagster as dg
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from data_platform.build.counting import count
from data_platform.build.events import Log
from data_platform.build.failures import failures_explained, held_back
from data_platform.build.result import StepResult
from data_platform.engine.sail.agreement import agreed
from data_platform.engine.sail.difference import EngineDifference
from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake, LakeTable
from data_platform.lake.files import files_by_partition, some, versions
from data_platform.lake.reads import ReadPlan
from data_platform.lake.schema import arrow_columns_of
from data_platform.lake.upkeep.browse import first_row
from data_platform.lake.writing.publish import Published, StagedWrite, publish
from data_platform.lake.writing.staging import (
    Staged,
    new_attempt,
    plain_layout,
    stage,
    stage_arrow,
    with_empty_partitions,
)
from data_platform.landing.ledger.ledger import Ledger
from data_platform.platform_defs.asset_tables import table_read, table_written
from data_platform.platform_defs.frames import arrow_of, converted, fitted, spark_schema_of
from data_platform.platform_defs.partition_expr import Dimension, dimensions, is_stored, partitioned
from data_platform.platform_defs.step import published, said_of
from data_platform.storage.errors import LakeError
from data_platform.storage.files import Storage
from data_platform.tables.identity import WHOLE_TABLE, TableId, TableSlice
from data_platform.tables.outcomes import DATA
from data_platform.tables.partition_times import as_property, times_of
from data_platform.telemetry.wording import counted

_SHOWN, _LONGEST = 6, 60  # columns of a row, in a message, and characters of a value
_NONE = str(None)  # the key of rows whose expression gives none of the wanted partitions


@dataclass(frozen=True)
class S3ParquetIOManager(dg.IOManager):
    """Tables as Parquet files published through Iceberg metadata.

    `spark` gives the run's session; it is only asked for where Spark has to read or write.
    """

    lake: Lake
    builds: Builds
    ledger: Ledger
    storage: Storage
    spark: Callable[[], SparkSession]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Publish a step's staged write, or stage, audit and publish an asset's table."""
        if obj is None:
            return  # nothing was due
        if isinstance(obj, StepResult):
            self._publish_step(context, obj)
            return
        with failures_explained():
            publication = publish(self.lake, self.builds, self._staged(context, obj))
            count(self.builds, publication, {})
            context.log.info(said_of(publication))
        context.add_output_metadata(_totals(publication.partitions))
        if publication.write.held_back:
            raise held_back(publication.write)

    def _publish_step(self, context: dg.OutputContext, result: StepResult) -> None:
        log = Log(context.step_context.instance, context.asset_key, context.step_context)
        published(self.lake, self.builds, self.ledger, result, log, context.log.info)

    def load_input(self, context: dg.InputContext) -> Any:
        """The input's partitions as one table of the annotated type, a Spark DataFrame if none."""
        table_id = table_read(context)
        keys = context.asset_partition_keys if context.has_asset_partitions else None
        with failures_explained():
            frame = self._read(table_id, keys)
            frame = frame.drop(*filter(is_stored, frame.columns))
            return converted(table_id, frame, context.dagster_type.typing_type)

    def _read(self, table_id: TableId, keys: Sequence[str] | None) -> DataFrame:
        """The rows of these partitions (None: of all); none where the mapping gives no partition,
        as for the first day of an asset that reads its own day before."""
        found = self.lake.find(table_id) if keys == [] else self.lake.load(table_id)
        if found is None:
            return self.spark().createDataFrame([], T.StructType([]))
        files = files_by_partition(found, keys)
        if not files and keys != []:  # as no rows it would empty what was built from it before
            wanted = f"partitions {some(list(keys))}" if keys else "rows"
            raise LakeError(f"{table_id} has no {wanted}: nothing was published yet; build it")
        plan = ReadPlan.of(found, chain.from_iterable(files.values()))
        return plan.dataframe(self.spark(), self.storage)

    def _staged(self, context: dg.OutputContext, obj: Any) -> StagedWrite:
        table_id = table_written(context)
        asked = dimensions(context)
        keys = tuple(context.asset_partition_keys) if asked else (WHOLE_TABLE,)
        if not isinstance(obj, DataFrame):
            found = self.lake.find(table_id)
            present = arrow_columns_of(found) if found else None
            obj = fitted(table_id, arrow_of(table_id, obj), present)
        data, columns = partitioned(table_id, obj, asked, self.spark)
        if isinstance(data, DataFrame):
            try:
                data = agreed(data)
            except EngineDifference as error:
                raise LakeError(f"{table_id}: {error}") from error
        schema = data.schema if isinstance(data, DataFrame) else spark_schema_of(data)
        times = as_property(times_of(context.asset_partitions_def, columns)) if asked else {}
        table = self.lake.ensure(table_id, _nullable(schema), columns, times)
        base = versions(files_by_partition(table, keys))
        attempt = new_attempt(context.run_id)
        layout = plain_layout(table, attempt, self.storage, context.run_id)
        stage_data = stage if isinstance(data, DataFrame) else stage_arrow
        staged = with_empty_partitions(stage_data(data, layout), table, layout, keys)
        _require_asked(table_id, keys, asked, staged, table)
        return StagedWrite(TableSlice(table_id, keys, base), attempt, context.run_id, staged)


def _nullable(schema: T.StructType) -> T.StructType:
    """Without a contract nothing promises that a column has no nulls."""
    return T.StructType([T.StructField(f.name, f.dataType, True, f.metadata) for f in schema])


def _require_asked(
    table: TableId,
    keys: tuple[str, ...],
    asked: tuple[Dimension, ...],
    staged: Staged,
    into: LakeTable,
) -> None:
    strangers = [file for file in staged.files.get(DATA, ()) if file.key not in keys]
    if not strangers:
        return
    named = sorted({file.key for file in strangers if _NONE not in file.key.split("|")})
    first = first_row(into, strangers[0].path)
    expressions = [dimension.expression for dimension in asked]
    text = ", ".join(expressions)
    own = (name for name in first if not is_stored(name))
    shown = sorted(own, key=lambda name: name.lower() not in text.lower())[:_SHOWN]
    read = ", ".join(f"{name}={shorten(str(first[name]), _LONGEST)}" for name in shown)
    alone = (
        ". Nothing was published, since nothing says which of these lack the rows: with "
        "backfill_policy=dg.BackfillPolicy.multi_run() each is built, and fails, by itself"
    )
    raise LakeError(
        f"{table}: the asset's result has {counted(sum(f.rows for f in strangers), 'row')} "
        f"of partitions that were not asked for: {some(named) or 'others'} (partition_expr "
        f"{text}; the first has {read}); the run is of {some(list(keys))}, so return the rows of "
        f"these alone{alone if len(keys) > 1 else ''}"
    )


def _totals(published: Mapping[str, Published]) -> dict[str, Any]:
    values = published.values()
    return {
        "rows": sum(p.rows for p in values),
        "files": sum(p.files for p in values),
        "bytes": sum(p.bytes for p in values),
        "snapshot_id": ", ".join({str(p.snapshot_id) for p in values}),
    }
