"""Declare a source: its keys, its partitions and the format of its objects."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal

from data_platform.contracts.meaning import digest_of, meaning_of
from data_platform.landing.formats.format import Format
from data_platform.landing.patterns import always_has_group

# Why a key has no source, in the order below: an object that cannot be opened at all; no pattern
# matches; several sources claim it; `partition` refuses the text; the day does not exist; the
# table does not have the partition.
Cause = Literal[
    "unusable", "no source", "several sources", "no partition", "no such day", "outside"
]


class NoSuchDay(ValueError):
    """A well-formed date that does not exist."""


class OutsideTable(ValueError):
    """A partition that the table does not have (yet, or any more)."""


@dataclass(frozen=True)
class Unplaced:
    """Why a key that matches a source's pattern has no partition; `why` says it in words."""

    cause: Cause
    why: str


def day(text: str) -> str:
    """The key of a daily partition, `2011-03-04`. ValueError if there is no such day."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise NoSuchDay(f"{text} is not a day: {error}") from error


@dataclass(frozen=True)
class Source:
    """A kind of object: where it lands, how its key names the partition, what it holds.

    `pattern` must match the whole key; `partition` turns its first group into Dagster's partition
    key, or raises ValueError for a text that names none, and the key is then unknown. `table` is
    the id of the table the rows go to. If the pattern is `prefix` followed by the group, and that
    is an ISO date, intake lists only the newest dates. Raise `version` when something changes that
    the fingerprint cannot see: what `partition` calls or closes over, or the code of `format`.
    `meaning` is the source of `partition` itself, see `contracts.meaning`.
    """

    name: str
    prefix: str
    pattern: str
    table: str
    format: Format
    partition: Callable[[str], str] = day
    version: str = "1"
    meaning: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Computed now: if the file is edited later, its source is no longer the loaded code.
        object.__setattr__(self, "meaning", meaning_of(self.partition))
        if self._regex.groups < 1:
            raise ValueError(
                f"Source {self.name!r}: the pattern {self.pattern!r} needs a group, such as "
                r"(\d{4}-\d{2}-\d{2}), that names the partition"
            )
        if not always_has_group(self._regex, 1):
            raise ValueError(
                f"Source {self.name!r}: the first group of the pattern {self.pattern!r} names the "
                "partition, and a key can match without it; leave out the ?, * or | that makes it "
                "optional, write (?:...) around what only belongs together, or declare a source "
                "for each kind of key"
            )

    @property
    def fingerprint(self) -> str:
        """Changes when the same objects could give other rows, or rows in other partitions."""
        keys = [self.prefix, self.pattern, self.meaning, self.version]
        return digest_of([keys, self.format])

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    @cached_property
    def date_ordered(self) -> bool:
        """Whether the keys sort like the partitions: nothing varies before the group."""
        pattern = self.pattern.removeprefix("^")
        return pattern.startswith((f"{self.prefix}(", f"{re.escape(self.prefix)}("))

    def partition_of(self, key: str) -> str | None:
        """The partition the key belongs to, or None if it is not a key of this source."""
        found = self.claim(key)
        return found if isinstance(found, str) else None

    def claim(self, key: str) -> str | Unplaced | None:
        """The partition of a key, or why it has none; None if the pattern does not match."""
        match = self._regex.fullmatch(key) if key.startswith(self.prefix) else None
        if match is None:
            return None
        try:
            return self.partition(match.group(1))
        except NoSuchDay as error:
            return Unplaced("no such day", f"source {self.name}: {error}; rename it")
        except OutsideTable as error:
            return Unplaced("outside", f"source {self.name}: {error}")
        except Exception as error:  # the domain's own function: one key must not stop the others
            said = str(error) if isinstance(error, ValueError) else repr(error)
            why = f"source {self.name}: its partition function refuses {match.group(1)!r}: {said}"
            return Unplaced("no partition", why)
