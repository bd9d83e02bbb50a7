"""Taking a table, or one partition of it, out of the catalog, with the rows that it rejected.

Readers see it as it was until then. The files stay: `clean` deletes only those of tables in the
catalog, so that a table lost from the catalog does not lose its data.
"""

from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from data_platform.lake.catalog import Lake
from data_platform.lake.errors import NotThere
from data_platform.lake.files import files_by_partition, partitioning_of
from data_platform.lake.rejected import REJECTED_LAYERS, rejected_by
from data_platform.lake.upkeep.browse import require_partition
from data_platform.lake.writing.commit import replace_partitions
from data_platform.tables.identity import TableId

_PROPERTIES = {"data_platform.run": "drop", "data_platform.partitions": "1"}


def tables_of(lake: Lake, table_id: TableId) -> list[tuple[TableId, Table]]:
    """The tables to drop with a table: its quarantine and duplicates first, itself last."""
    beside = ((table_id.sibling(layer), layer) for layer in REJECTED_LAYERS.values())
    found = [(name, rejected_by(lake, table_id, layer)) for name, layer in beside]
    return [(name, table) for name, table in [*found, (table_id, lake.find(table_id))] if table]


def partition_of(lake: Lake, table_id: TableId, partition: str) -> str:
    """The key as the table writes it. Raises NotThere if the table has no such partition."""
    table = lake.load(table_id)
    if not partitioning_of(table).columns:
        raise NotThere(f"{table_id} has no partitions; drop it whole, without --partition")
    return partitioning_of(table).key(require_partition(table, partition))


def drop(lake: Lake, table_id: TableId, partition: str | None) -> None:
    """Drop the table or the partition, with its rejected rows. Idempotent."""
    for name, table in tables_of(lake, table_id):
        if partition is None:
            try:
                lake.catalog.drop_table(name.identifier)
            except NoSuchTableError:
                continue  # another process dropped it first
        elif files_by_partition(table, [partition]):
            replace_partitions(table, keys=[partition], add=[], base=None, properties=_PROPERTIES)
