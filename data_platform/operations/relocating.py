"""Make a platform work whose home or warehouse was moved."""

from dataclasses import dataclass

from data_platform.build.platform import Platform
from data_platform.lake.staged_paths import move_staged_paths
from data_platform.lake.upkeep.relocate import plan_relocation
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

    Raises LakeError if runs are at work, or as `plan_relocation` does.
    """
    driven, live, _ = at_work(platform)
    if driven or live:
        raise LakeError("runs are at work; stop them, and the daemon, and relocate again")
    moved = plan_relocation(platform.lake, platform.storage)
    forgotten = sum(
        len(each.metadata.snapshots) - len(each.kept()) for each in moved.tables.values()
    )
    moved.apply()
    with platform.builds.database.write() as connection:
        for each in moved.tables.values():
            move_staged_paths(connection, each.move)
    return Relocated(platform.lake.warehouse, len(moved.tables), forgotten)
