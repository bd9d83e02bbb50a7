"""List what needs a human decision: unreadable objects, objects without a source, held back
partitions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.landing.ledger.tables import Entry
from data_platform.operations.repair import held_partitions
from data_platform.tables.identity import TableId
from data_platform.telemetry.wording import counted

_WAYS_OUT = {
    "unreadable": (
        "  data-platform landing: which, and why",
        "  data-platform landing --reopen KEY: try it again, once the cause is fixed (new content "
        "under the same key is tried by itself)",
        "  data-platform landing --forget KEY: do without it",
    ),
    "unknown": (
        "  data-platform landing: which, and why; declare a source for it, or rename it",
        "  data-platform landing --forget KEY: do without it",
    ),
}


@dataclass(frozen=True)
class Attention:
    """What no run can fix. `held` are the rows of `held_partitions`."""

    unreadable: Sequence[Entry]
    unknown: Sequence[Entry]
    held: Sequence[Mapping[str, object]]

    def __bool__(self) -> bool:
        return bool(self.unreadable or self.unknown or self.held)

    @property
    def lines(self) -> list[str]:
        """For each kind: how many, an example with its reason, and, indented, what to do."""
        found: list[str] = []
        if self.unreadable:
            found += [
                f"{counted(len(self.unreadable), 'landed object')} could not be read, as "
                f"{_first(self.unreadable)}",
                *_WAYS_OUT["unreadable"],
            ]
        if self.unknown:
            found += [
                f"{counted(len(self.unknown), 'landed object')} of no source, as "
                f"{_first(self.unknown)}",
                *_WAYS_OUT["unknown"],
            ]
        if self.held:
            judged = [row for row in self.held if _is_judged(row)]
            one = (judged or self.held)[0]
            chosen = f" --partition {one['partition']}" if one["partition"] else ""
            found += [
                f"{counted(len(self.held), 'partition')} held back, as "
                f"{one['table']} {one['partition']}".rstrip()
                + f": {one['why']}",
                "  data-platform held: which, since when and why",
            ]
        if self.held and judged:
            found += [
                f"  data-platform quarantine {one['table']}{chosen}: the rows and their reasons",
                f"  {one['released_by']}",
            ]
        return found


def attention(platform: Platform, tables: Sequence[Table]) -> Attention:
    """What needs attention now; costs a few queries of the ledger's database."""
    ledger = platform.ledger
    return Attention(ledger.failed(), ledger.unknown(), held_partitions(platform, tables))


def _is_judged(row: Mapping[str, object]) -> bool:
    """Whether the table of a partition has a quarantine; bronze tables have none."""
    return TableId.parse(str(row["table"])).layer != "bronze"


def _first(entries: Sequence[Entry]) -> str:
    return f"{entries[0].key}: {entries[0].error}"
