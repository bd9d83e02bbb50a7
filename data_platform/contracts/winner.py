"""Which of several valid rows with one key is published: columns to compare, with a direction."""

from collections.abc import Iterable
from dataclasses import dataclass

from data_platform.tables.columns import INGESTED_AT, LINEAGE


@dataclass(frozen=True)
class Preference:
    """A column by which rows of one key are compared; a null loses to any value, either way."""

    column: str
    greatest: bool


def greatest(column: str) -> Preference:
    """The row with the greatest value wins."""
    return Preference(column, greatest=True)


def least(column: str) -> Preference:
    """The row with the least value wins."""
    return Preference(column, greatest=False)


ARRIVAL = tuple(map(greatest, (INGESTED_AT, *LINEAGE)))
"""The last arrived: the object that the ledger recorded last, and its last row.

The ledger records what it finds at once in the order of its modification, a moment for each.
"""


def preferences(declared: Iterable[str | Preference]) -> tuple[Preference, ...]:
    """As declared; of a plain column name the greatest value wins."""
    return tuple(one if isinstance(one, Preference) else greatest(one) for one in declared)


def total(winner: tuple[Preference, ...]) -> tuple[Preference, ...]:
    """The order in full: no two rows of landed objects tie in it, so every run chooses alike."""
    named = {preference.column for preference in winner}
    return (*winner, *(one for one in ARRIVAL if one.column not in named))


def sentence(winner: tuple[Preference, ...], last: str) -> str:
    """What a person is told of the order; `last` decides between those that still tie."""
    said = [f"the {'greatest' if one.greatest else 'least'} {one.column}" for one in winner]
    return ", then ".join([*said, last])
