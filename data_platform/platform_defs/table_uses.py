"""What building each table reads and writes, from which the roles' permissions are derived."""

from collections.abc import Iterable, Sequence

import dagster as dg

from data_platform.assets import Table
from data_platform.buckets.tables import TableUse
from data_platform.build.tables import tables_written
from data_platform.lake.rejected import REJECTED_LAYERS
from data_platform.platform_defs.asset_tables import is_table, table_of
from data_platform.tables.identity import TableId


def table_uses(
    tables: Sequence[Table], others: Iterable[dg.AssetsDefinition] = ()
) -> list[TableUse]:
    """The uses of declared tables, and of ordinary assets that are tables."""
    specs = (spec for asset in others for spec in asset.specs if is_table(spec.key))
    return [*map(_declared, tables), *map(_ordinary, specs)]


def _declared(table: Table) -> TableUse:
    return TableUse(
        writes=tuple(tables_written(table).values()),
        reads=tuple(table.inputs.values()),
        looks_up=_beside(table.id),
        landing=table.source.prefix if table.source else None,
        tiers=table.retention.tiers,
    )


def _ordinary(spec: dg.AssetSpec) -> TableUse:
    own = table_of(spec.key)
    inputs = [table_of(dep.asset_key) for dep in spec.deps if is_table(dep.asset_key)]
    return TableUse(writes=(own,), reads=tuple(inputs), looks_up=_beside(own))


def _beside(table: TableId) -> tuple[TableId, ...]:
    """The tables for rejected rows of this name, which publishing looks up."""
    return tuple(table.sibling(layer) for layer in REJECTED_LAYERS.values())
