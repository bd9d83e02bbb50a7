"""S3ParquetIOManager: between Dagster's assets and the lake.

It publishes what the platform's own steps staged and audited, and gives ordinary assets the same
guarantees: a Spark, pandas, Polars or Arrow table that an `@dg.asset` returns is staged, audited
and published at one stroke; an input is one table, whatever the number of its partitions.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from data_platform.lake.builds import Builds
from data_platform.lake.catalog import Lake
from data_platform.lake.errors import LakeError
from data_platform.lake.files import files_by_partition, some, versions
from data_platform.lake.frames import arrow_of, converted, fitted, spark_schema_of
from data_platform.lake.parquet import DATA
from data_platform.lake.partition_times import as_property, times_of
from data_platform.lake.publish import Published, StagedWrite, publish
from data_platform.lake.reads import ReadPlan
from data_platform.lake.schema import arrow_schema
from data_platform.lake.staging import (
    Staged,
    new_attempt,
    plain_layout,
    stage,
    stage_arrow,
    with_empty_partitions,
)
from data_platform.lake.storage import Storage
from data_platform.lake.table import WHOLE_TABLE, TableId, TableSlice
from data_platform.observability.events import log_published
from data_platform.observability.failures import failures_explained

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
PARTITION_EXPR = "partition_expr"  # Dagster's own name for "the column of the partition"


@dataclass(frozen=True)
class S3ParquetIOManager(dg.IOManager):
    """Tables as Parquet files published through Iceberg metadata.

    `spark` gives the run's session; it is only asked for where Spark has to read or write.
    """

    lake: Lake
    builds: Builds
    storage: Storage
    spark: Callable[[], SparkSession]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        if obj is None:
            return  # nothing was due
        own_step = isinstance(obj, StagedWrite)
        with failures_explained():
            write = obj if own_step else self._staged(context, obj)
            published = publish(self.lake, self.builds, write)
        rows = sum(figures.rows for figures in published.values())
        context.log.info(f"{write.table}: {len(published)} partitions published, {rows:,} rows")
        if own_step:
            log_published(context.step_context, context.asset_key, write, published)
        else:
            context.add_output_metadata(_totals(published))
        if write.held_back:
            raise _held_back(write)

    def load_input(self, context: dg.InputContext) -> Any:
        """The input's partitions as one table of the annotated type, a Spark DataFrame if none."""
        table_id = table_of(context.asset_key)
        keys = context.asset_partition_keys if context.has_asset_partitions else None
        with failures_explained():
            loaded = self.lake.load(table_id)
            files = files_by_partition(loaded, keys)
            if not files:  # as no rows it would empty what was built from it before
                wanted = f"partitions {some(list(keys))}" if keys else "rows"
                raise LakeError(f"{table_id} has no {wanted}: nothing was published yet; build it")
            plan = ReadPlan.of(loaded.schema(), (f for group in files.values() for f in group))
            frame = plan.dataframe(self.spark(), self.storage)
            return converted(frame, context.dagster_type.typing_type)

    def _staged(self, context: dg.OutputContext, obj: Any) -> StagedWrite:
        table_id = table_of(context.asset_key)
        keys = tuple(context.asset_partition_keys) if context.has_asset_partitions else ()
        columns = _partition_columns(context) if keys else ()
        keys = keys or (WHOLE_TABLE,)
        if isinstance(obj, DataFrame):
            data, schema = obj, obj.schema
        else:
            found = self.lake.find(table_id)
            present = arrow_schema(found.schema()) if found else None
            data = fitted(table_id, arrow_of(table_id, obj), present, _dates(columns, keys[0]))
            schema = spark_schema_of(data)
        if missing := [name for name in columns if name not in schema.names]:
            raise LakeError(
                f"{table_id}: partition_expr names {', '.join(missing)}, which the asset's result "
                f"has no column for; it has {', '.join(schema.names)}"
            )
        times = as_property(times_of(context.asset_partitions_def, columns)) if columns else {}
        table = self.lake.ensure(table_id, _nullable(schema), columns, times)
        base = versions(files_by_partition(table, keys))
        attempt = new_attempt(context.run_id)
        layout = plain_layout(table, attempt, self.storage)
        stage_data = stage if isinstance(data, DataFrame) else stage_arrow
        staged = with_empty_partitions(stage_data(data, layout), table, layout, keys)
        _require_asked(table_id, keys, staged)
        return StagedWrite(TableSlice(table_id, keys, base), attempt, context.run_id, staged)


def table_of(key: dg.AssetKey) -> TableId:
    """The table of an asset; raises LakeError where the key is no `layer/domain/name`."""
    try:
        return TableId.parse("/".join(key.path))
    except ValueError as error:
        raise LakeError(
            f"asset {key.to_user_string()}: {error}; give it key_prefix=[layer, domain]"
        ) from error


def _partition_columns(context: dg.OutputContext) -> tuple[str, ...]:
    expression = (context.definition_metadata or {}).get(PARTITION_EXPR)
    if isinstance(expression, str):
        return (expression,)
    if isinstance(expression, dict):  # by dimension; Dagster joins their keys in this order
        return tuple(expression[name] for name in sorted(expression))
    raise LakeError(
        f"asset {context.asset_key.to_user_string()} is partitioned but does not say which column "
        'holds the partition: @dg.asset(metadata={"partition_expr": "day"}), or a dictionary of '
        "a column for each dimension"
    )


def _dates(columns: tuple[str, ...], key: str) -> list[str]:
    """The partition columns that hold dates, as a key like `2011-03-04|leeds` shows."""
    parts = key.split("|") if len(columns) > 1 else [key]
    return [name for name, part in zip(columns, parts, strict=False) if _DATE.fullmatch(part)]


def _nullable(schema: T.StructType) -> T.StructType:
    """Without a contract nothing promises that a column has no nulls."""
    return T.StructType([T.StructField(f.name, f.dataType, True, f.metadata) for f in schema])


def _require_asked(table: TableId, keys: tuple[str, ...], staged: Staged) -> None:
    if strangers := {f.key for f in staged.files.get(DATA, ())} - set(keys):
        raise LakeError(
            f"{table}: the asset's result has rows of partitions that were not asked for: "
            f"{', '.join(sorted(strangers)[:5])}"
        )


def _totals(published: dict[str, Published]) -> dict[str, Any]:
    values = published.values()
    return {
        "rows": sum(p.rows for p in values),
        "files": sum(p.files for p in values),
        "bytes": sum(p.bytes for p in values),
        "snapshot_id": str(next(iter(values)).snapshot_id),
    }


def _held_back(write: StagedWrite) -> dg.Failure:
    """The run fails, naming the partitions; a retry would judge the same rows the same way."""
    lines = [f"{key}: {why}" for key, why in sorted(write.held_back.items())]
    text = f"{write.table}: {len(lines)} of {len(write.slice.keys)} partitions were held back"
    return dg.Failure(
        description=f"{text}; their last good version stays published.\n" + "\n".join(lines[:20]),
        metadata={"held_back": ", ".join(sorted(write.held_back))},
        allow_retries=False,
    )
