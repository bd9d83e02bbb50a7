"""Describe a held back partition, for its checks, the run's failure and its own page."""

import datetime as dt
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from data_platform.lake.writing.publish import WRITTEN
from data_platform.quality.findings import CONSERVATION, READABLE, RULES
from data_platform.tables.identity import TableId


@dataclass(frozen=True)
class Held:
    """A partition whose newest attempt was not published.

    `failed` names the checks that held it back, `published` says whether readers see an older
    version, `since` is when the first attempt was held back (UTC). `expired` says why it cannot be
    rebuilt if a version of a dimension that it reads has expired.
    """

    table: TableId
    partition: str
    why: str
    failed: Sequence[str]
    published: bool
    since: dt.datetime | None = None
    expired: str = ""

    @property
    def rows(self) -> str:
        """The command that shows the rejected rows; empty if they are not the reason."""
        return see_rejected(self.table, self.partition) if RULES in self.failed else ""

    @property
    def way_out(self) -> str:
        """What to do to get it published."""
        if self.expired:
            return f"it cannot be built again as things are: {self.expired}"
        if WRITTEN in self.failed:
            return (
                "the next run writes it again: `data-platform run`, or the sensor; where each one "
                "fails so, something changes or removes files in the warehouse"
            )
        if READABLE in self.failed:
            return (
                "landed objects that can be read release it; `data-platform landing` says which "
                "cannot, and why"
            )
        if not releasable(self.failed):
            return (
                "only a corrected input, function or contract releases it: otherwise rows would be "
                "lost or counted twice"
            )
        command = f'data-platform release {named(self.table, self.partition)} --reason "..."'
        return f"a corrected input or contract releases it, and `{command}` publishes it as it is"

    @property
    def stands(self) -> str:
        """What readers see meanwhile."""
        if self.published:
            return "its last good version stays published"
        return "no version of it was published yet, so it reads as empty"

    @property
    def text(self) -> str:
        """Why and since when it is held back, what readers see, and what releases it."""
        since = f" since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        said = [f"Held back{since}; {self.stands}."]
        if self.rows:
            said.append(f"Its rejected rows: `{self.rows}`.")
        way_out = self.way_out
        return " ".join([*said, f"{way_out[0].upper()}{way_out[1:]}."])

    @property
    def said(self) -> dict[str, str]:
        """What the partition's own page says, by name."""
        since = {"held_back_since": f"{self.since:%Y-%m-%d %H:%M} UTC"} if self.since else {}
        rows = {"rejected_rows": self.rows} if self.rows else {}
        return {
            **since,
            "held_back_for": self.why,
            "meanwhile": self.stands,
            **rows,
            "released_by": self.way_out,
        }


def see_rejected(table: TableId, partition: str) -> str:
    """The command that shows which rows of a partition were rejected, and why."""
    return f"data-platform quarantine {named(table, partition)}"


def named(table: TableId, partition: str) -> str:
    """The table and partition as arguments of a command."""
    of = f" --partition {shlex.quote(partition)}" if partition else ""
    return f"{table}{of}"


def releasable(failed: Sequence[str]) -> bool:
    """Whether a person may publish it as it is: not if rows would be lost, if none could be read,
    or if its files are not what was written."""
    return bool(failed) and not {CONSERVATION, READABLE, WRITTEN}.intersection(failed)
