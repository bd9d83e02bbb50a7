"""Orphans: files below a table's location that no snapshot refers to, and unfinished uploads.

A file may be in use by several lakes: a virtual environment's tables refer to production's files,
and production's to those that were promoted.

Killed runs, held back attempts and expired snapshots leave them. Files younger than the grace
period may belong to a run under way and are kept; so are files of attempts held back now, which a
person may release.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator

from pyiceberg.table import Table

from data_platform.lake.catalog import Lake
from data_platform.lake.refusals import Guard, strict
from data_platform.storage.files import Storage, StoredFile
from data_platform.tables.identity import TableId

GRACE = dt.timedelta(hours=24)


def orphans(
    lake: Lake,
    storage: Storage,
    now: dt.datetime,
    grace: dt.timedelta = GRACE,
    guard: Guard = strict,
    spared: Callable[[TableId], Collection[str]] = lambda table: (),
    beside: Callable[[], Collection[Lake]] = tuple,
    left: Callable[[], Collection[str]] = tuple,
) -> Iterator[tuple[TableId, StoredFile]]:
    """Orphans of every table of the catalog, each with its table; `spared` gives paths that may
    still be published. Files that a lake `beside` refers to are none; `left` are warehouses that
    nobody else cleans any more. Both are asked for each table: environments come and go meanwhile.

    A folder of no known table is never touched: if the catalog lost a table, its data must not be
    lost as well.
    """
    for table_id in lake.tables():
        with guard(table_id):
            found = list(_below(lake, storage, table_id, beside, left))
            kept = spared(table_id)  # after the listing: an attempt may have been held back since
            for file in found:
                if now - file.modified >= grace and file.path not in kept:
                    yield table_id, file


def _below(
    lake: Lake,
    storage: Storage,
    table_id: TableId,
    beside: Callable[[], Collection[Lake]],
    left: Callable[[], Collection[str]],
) -> Iterator[StoredFile]:
    """Files that no snapshot refers to, and unfinished uploads."""
    others = ("/".join([each, *table_id.path]) for each in left())
    places = [lake.load(table_id).location(), *others]
    listed = [file for place in places for file in storage.files(place)]
    referenced = referenced_by(table_id, [lake, *beside()])  # after the listing: it may be newer
    yield from (file for file in listed if file.path not in referenced)
    for place in places:
        yield from storage.uploads(place)


def referenced_by(table_id: TableId, lakes: Collection[Lake]) -> set[str]:
    """Every file that a snapshot of the table needs in one of the lakes."""
    found = (each.own(table_id) for each in lakes)
    return set().union(*(referenced_files(table) for table in found if table))


def referenced_files(table: Table) -> set[str]:
    """Every file that some snapshot of the table needs: metadata, manifests, data."""
    found = {table.metadata_location}
    found.update(entry.metadata_file for entry in table.metadata.metadata_log)
    seen: set[str] = set()
    for snapshot in table.snapshots():
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            found.update(entry.data_file.file_path for entry in entries)
    return found | seen


def clean(
    lake: Lake,
    storage: Storage,
    now: dt.datetime,
    grace: dt.timedelta = GRACE,
    guard: Guard = strict,
    spared: Callable[[TableId], Collection[str]] = lambda table: (),
    beside: Callable[[], Collection[Lake]] = tuple,
    left: Callable[[], Collection[str]] = tuple,
) -> list[tuple[TableId, StoredFile]]:
    """Delete the orphans; returns what was deleted.

    Each is deleted as soon as it is found: a rollback or a long run may make an orphan live again.
    """
    deleted = []
    for table_id, file in orphans(lake, storage, now, grace, guard, spared, beside, left):
        if file.upload:
            storage.abort(file)
        else:
            storage.delete(file.path)
        deleted.append((table_id, file))
    return deleted
