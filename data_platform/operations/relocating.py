"""Make a platform work whose home or warehouse was moved."""

from dataclasses import dataclass

from data_platform.build.platform import Platform
from data_platform.lake.staged_paths import move_staged_paths
from data_platform.lake.upkeep.relocate import relocate as relocate_tables
from data_platform.runs.liveness import at_work
from data_platform.storage.errors import LakeError
from data_platform.telemetry.wording import counted


@dataclass(frozen=True)
class Relocated:
    """How many tables are at their new place now, and how many snapshots were left out of their
    histories since files are not there."""

    warehouse: str
    tables: int
    forgotten: int

    @property
    def lines(self) -> list[str]:
        """What was done, as lines to print."""
        if not self.tables:
            return [f"all tables are in {self.warehouse} already"]
        done = [f"{counted(self.tables, 'table')} relocated to {self.warehouse}"]
        if self.forgotten:
            done.append(f"{counted(self.forgotten, 'snapshot')} left out, whose files are gone")
        return done


def relocate(platform: Platform) -> Relocated:
    """Rewrite what names the old place of the warehouse; what is there already stays as it is.

    Raises LakeError if runs are at work, or as `relocate_tables` does.
    """
    driven, live, _ = at_work(platform)
    if driven or live:
        raise LakeError("runs are at work; stop them, and the daemon, and relocate again")
    moved = relocate_tables(platform.lake, platform.storage)
    with platform.builds.database.write() as connection:
        for move in moved:
            move_staged_paths(connection, move)
    return Relocated(platform.lake.warehouse, len(moved), sum(moved.values()))
