"""The quarantine and duplicates of a table: rows it rejects, and rows that repeat a published one.

Every row there names its attempt. Only rows of the published version count; the others belong to
attempts that were held back.
"""

from collections.abc import Mapping

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from data_platform.lake.catalog import Lake
from data_platform.lake.files import attempt_of, files_by_partition, snapshots_in_order
from data_platform.tables.identity import TableId
from data_platform.tables.outcomes import DUPLICATES, QUARANTINE

REJECTED_LAYERS = {QUARANTINE: "quarantine", DUPLICATES: "duplicates"}
# A property of a quarantine or duplicates table: whose rejected rows it holds. Bronze and silver
# tables often share a name, and publishing the one must not touch what the other rejected.
REJECTED_BY = "data_platform.rejected-by"


def rejected_by(lake: Lake, table_id: TableId, layer: str) -> Table | None:
    """The table of the rows that `table_id` rejects into `layer`; None if it has none."""
    table = lake.find(table_id.sibling(layer))
    return table if table and table.properties.get(REJECTED_BY) == str(table_id) else None


def files_of_attempts(table: Table, attempts: Mapping[str, str]) -> dict[str, list[DataFile]]:
    """By partition, the rejected rows of its attempt, from the newest snapshot that lists them."""
    found: dict[str, list[DataFile]] = {}
    wanted = dict(attempts)
    for snapshot in reversed(snapshots_in_order(table)):
        if not wanted:
            break
        listed = files_by_partition(table, wanted, snapshot.snapshot_id)
        for key, files in listed.items():
            own = [file for file in files if attempt_of(file.file_path) == wanted[key]]
            if own:
                found[key] = own
        wanted = {key: attempt for key, attempt in wanted.items() if key not in found}
    return found
