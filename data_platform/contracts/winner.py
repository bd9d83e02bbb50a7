"""Order valid rows with the same key, to choose the one that is published."""

from collections.abc import Iterable
from dataclasses import dataclass

from data_platform.tables.columns import INGESTED_AT, LINEAGE


@dataclass(frozen=True)
class Preference:
    """A column by which rows of one key are compared; null loses to any value in both
    directions."""

    column: str
    greatest: bool


def greatest(column: str) -> Preference:
    """The row with the greatest value wins."""
    return Preference(column, greatest=True)


def least(column: str) -> Preference:
    """The row with the least value wins."""
    return Preference(column, greatest=False)


ARRIVAL = tuple(map(greatest, (INGESTED_AT, *LINEAGE)))
"""Prefers the last arrival: the object that the ledger recorded last, and its last row.

Objects found together are recorded in order of modification time, each with its own arrival time.
"""


def preferences(declared: Iterable[str | Preference]) -> tuple[Preference, ...]:
    """The declared preferences; for a plain column name the greatest value wins."""
    return tuple(one if isinstance(one, Preference) else greatest(one) for one in declared)


def total(winner: tuple[Preference, ...]) -> tuple[Preference, ...]:
    """The preferences as a total order of landed rows, so that every run chooses the same one."""
    named = {preference.column for preference in winner}
    return (*winner, *(one for one in ARRIVAL if one.column not in named))


def sentence(winner: tuple[Preference, ...], last: str) -> str:
    """The order in words; `last` names what decides between rows that still tie."""
    said = [f"the {'greatest' if one.greatest else 'least'} {one.column}" for one in winner]
    return ", then ".join([*said, last])
