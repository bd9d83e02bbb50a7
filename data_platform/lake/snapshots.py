"""A table's snapshots, for code outside `lake`, which does not use PyIceberg's API."""

from collections.abc import Iterator, Mapping

from pyiceberg.table import Table

from data_platform.lake.origin import RUN


def current_snapshot_id(table: Table) -> int | None:
    """The current snapshot's id; None if nothing was ever written."""
    current = table.current_snapshot()
    return current.snapshot_id if current else None


def has_snapshot(table: Table, snapshot_id: int) -> bool:
    """Whether the table still has the snapshot, which may have expired."""
    return table.snapshot_by_id(snapshot_id) is not None


def summaries(table: Table) -> Iterator[Mapping[str, str | None]]:
    """The summaries of the table's snapshots, with the properties set by their commits."""
    for snapshot in table.snapshots():
        if summary := snapshot.summary:
            yield summary.additional_properties


def run_of(table: Table, snapshot_id: int) -> str | None:
    """The run that committed a snapshot; None if the table has no such snapshot."""
    snapshot = table.snapshot_by_id(snapshot_id)
    summary = snapshot.summary if snapshot else None
    return summary.additional_properties.get(RUN) if summary else None
