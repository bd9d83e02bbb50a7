"""Make a platform work whose home or warehouse was moved."""

from dataclasses import dataclass

from data_platform.build.platform import Platform
from data_platform.lake.staged_paths import move_staged_paths
from data_platform.lake.upkeep.relocate import adopt, rewrite
from data_platform.runs.instance import open_instance
from data_platform.runs.liveness import at_work, driving
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
        done.append("earlier backups refer to the old metadata, which `clean` deletes: make one")
        return done


def relocate(platform: Platform) -> Relocated:
    """Rewrite what names the old place of the warehouse; what is there already stays as it is.

    The register comes before the catalog: if it is interrupted in between, the next time moves
    what the catalog still names, and finds the paths in the register moved. Raises LakeError if
    runs are at work, or as `rewrite` does.
    """
    with open_instance(platform.settings) as instance, driving(instance, platform, waiting=_busy):
        if at_work(platform)[1]:
            _busy()
        rewritten = rewrite(platform.lake, platform.storage)
        with platform.builds.database.write() as connection:
            for move in rewritten.moves:
                move_staged_paths(connection, move)
        adopt(platform.lake, rewritten)
    forgotten = rewritten.forgotten
    return Relocated(platform.lake.warehouse, len(forgotten), sum(forgotten.values()))


def _busy() -> None:
    raise LakeError("runs are at work; stop them, and the daemon, and relocate again")
