"""What lands where: a source's keys, its partitions and the format of its objects, as data."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal

from data_platform.contracts.meaning import digest_of, meaning_of
from data_platform.landing.formats.format import Format
from data_platform.landing.patterns import always_has_group

# Why a key is of no source: an object that cannot be read at all, whatever it is called; no
# pattern that matches; several sources that claim it; a text that `partition` takes for none, or
# for a day that does not exist; a partition that the table does not have.
Cause = Literal[
    "unusable", "no source", "several sources", "no partition", "no such day", "outside"
]


class NoSuchDay(ValueError):
    """A date that is written as one and does not exist."""


class OutsideTable(ValueError):
    """A partition that the table does not have: not yet, or not any more."""


@dataclass(frozen=True)
class Unplaced:
    """Why a key that matches a source's pattern is of no partition; `why` is for people."""

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

    `pattern` must match the whole key, and its first group is what `partition` turns into
    Dagster's partition key; `partition` raises ValueError for a text that names none, and the key
    is then unknown. `table` is the table id the rows go to. Where the pattern is `prefix`
    followed by the group, and that is an ISO date, intake lists only the newest dates. `version`
    is to be raised when what cannot be seen changes: what `partition` calls or closes over, and how
    the code of `format` reads. `meaning` is what `partition` says itself.
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
        # Now, while the file says what was loaded: an edit under a running server is not its code.
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
        """Changes where the same objects could give other rows, or rows of other partitions."""
        keys = [self.prefix, self.pattern, self.meaning, self.version]
        return digest_of([keys, self.format])

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    @cached_property
    def date_ordered(self) -> bool:
        """Whether the keys sort as the partitions do: nothing varies before the group."""
        pattern = self.pattern.removeprefix("^")
        return pattern.startswith((f"{self.prefix}(", f"{re.escape(self.prefix)}("))

    def partition_of(self, key: str) -> str | None:
        """The partition the key belongs to, or None if it is none of this source's keys."""
        found = self.claim(key)
        return found if isinstance(found, str) else None

    def claim(self, key: str) -> str | Unplaced | None:
        """The partition of a key, or why it has none; None where the pattern does not match."""
        match = self._regex.fullmatch(key) if key.startswith(self.prefix) else None
        if match is None:
            return None
        try:
            return self.partition(match.group(1))
        except NoSuchDay as error:
            return Unplaced("no such day", f"source {self.name}: {error}; rename it")
        except OutsideTable as error:
            return Unplaced("outside", f"source {self.name}: {error}")
        except Exception as error:  # a function of the domain's: one key must not stop the others
            said = str(error) if isinstance(error, ValueError) else repr(error)
            why = f"source {self.name}: its partition function refuses {match.group(1)!r}: {said}"
            return Unplaced("no partition", why)
