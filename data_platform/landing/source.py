"""What lands where: a source's keys, its partitions and the format of its objects, as data."""

import codecs
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from data_platform.contracts.names import indistinct


@dataclass(frozen=True)
class Csv:
    """A CSV format: RFC 4180 with a header line that names exactly `columns`, in any order."""

    columns: tuple[str, ...]
    encoding: str = "utf-8"
    delimiter: str = ","

    def __post_init__(self) -> None:
        repeated = [name for name, count in Counter(self.columns).items() if count > 1]
        reserved = [name for name in self.columns if name.startswith("_")]
        if not self.columns or repeated or reserved:
            raise ValueError(
                f"Csv(columns={self.columns}): name each column once; names that begin with an "
                f"underscore are the platform's own (repeated {repeated}, reserved {reserved})"
            )
        if same := indistinct(self.columns):
            raise ValueError(
                f"Csv(columns={self.columns}): Spark does not tell upper case from lower, nor an "
                f"i from one with or without a dot (equal: {same}); have the files' header name "
                "these columns otherwise"
            )
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n':
            raise ValueError(
                f"Csv(delimiter={self.delimiter!r}): one ASCII character, no quote or line break"
            )
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(
                f"Csv(encoding={self.encoding!r}): Python knows no such encoding; "
                "try 'utf-8', 'latin-1', 'cp1252' or 'utf-16'"
            ) from None


def day(text: str) -> str:
    """The key of a daily partition, `2011-03-04`. ValueError if there is no such day."""
    return date.fromisoformat(text).isoformat()


@dataclass(frozen=True)
class Source:
    """A kind of object: where it lands, how its key names the partition, what it holds.

    `pattern` must match the whole key, and its first group is what `partition` turns into
    Dagster's partition key; `partition` raises ValueError for a text that names none, and the key
    is then unknown. `table` is the table id the rows go to. Where the pattern is `prefix`
    followed by the group, and that is an ISO date, intake lists only the newest dates.
    """

    name: str
    prefix: str
    pattern: str
    table: str
    format: Csv
    partition: Callable[[str], str] = day

    def __post_init__(self) -> None:
        if self._regex.groups < 1:
            raise ValueError(
                f"Source {self.name!r}: the pattern {self.pattern!r} needs a group, such as "
                r"(\d{4}-\d{2}-\d{2}), that names the partition"
            )

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
        match = self._regex.fullmatch(key) if key.startswith(self.prefix) else None
        if match is None or match.group(1) is None:
            return None
        try:
            return self.partition(match.group(1))
        except ValueError:
            return None
