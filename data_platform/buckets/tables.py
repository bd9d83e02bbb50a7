"""Declared tables as the buckets see them: what each reads and writes, where its files are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from data_platform.buckets.standard import LAYER_TIERS, TableTiers
from data_platform.buckets.unmanaged import unmanaged_warehouse
from data_platform.settings.model import Settings
from data_platform.tables.identity import TableId


@dataclass(frozen=True, kw_only=True)
class TableUse:
    """What building one table reads and writes, besides the ledger.

    `writes` are the table and those of its rejected rows, `reads` its inputs; of `looks_up` only
    the metadata is read, if it exists. `landing` is the prefix of the objects it is made from, None
    for a table made from tables. `tiers` are the declared storage classes of the first of `writes`,
    None if it has those of its layer.
    """

    writes: tuple[TableId, ...]
    reads: tuple[TableId, ...] = ()
    looks_up: tuple[TableId, ...] = ()
    landing: str | None = None
    tiers: Mapping[str, int] | None = None


def standard_tiers(settings: Settings, uses: Iterable[TableUse]) -> tuple[TableTiers, ...]:
    """Storage classes of the tables in the standard's warehouse; empty if they are elsewhere."""
    return () if unmanaged_warehouse(settings) else table_tiers(uses, settings.warehouse_uri)


def table_tiers(uses: Iterable[TableUse], warehouse: str = "") -> tuple[TableTiers, ...]:
    """The storage classes of each table's data files, for tables whose files ever move.

    `warehouse` is where the tables are, `s3://bucket/prefix`. Metadata is never moved: it is small,
    and each commit reads it.
    """
    _, _, prefix = warehouse.removeprefix("s3://").partition("/")
    above = f"{prefix}/" if prefix and warehouse.startswith("s3://") else ""
    declared = {use.writes[0]: use.tiers for use in uses if use.tiers is not None}
    written = sorted({table for use in uses for table in use.writes})
    found = ((t, declared.get(t, LAYER_TIERS.get(t.layer, {}))) for t in written)
    return tuple(
        TableTiers(str(table), f"{above}{table}/data/", tiers) for table, tiers in found if tiers
    )
