"""The CSV format, as data."""

from collections import Counter
from dataclasses import dataclass

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
            "a".encode(self.encoding)  # Python has codecs that are of no text, such as zlib
        except (LookupError, UnicodeError):
            raise ValueError(
                f"Csv(encoding={self.encoding!r}): Python knows no such encoding of text; "
                "try 'utf-8', 'latin-1', 'cp1252' or 'utf-16'"
            ) from None
