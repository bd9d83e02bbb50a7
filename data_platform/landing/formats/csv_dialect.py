"""How a CSV file is written, as data."""

from dataclasses import dataclass

import pyarrow as pa

from data_platform.landing.formats.format import refuse_columns


@dataclass(frozen=True)
class Dialect:
    """RFC 4180 with a header line that names exactly `columns`, in any order."""

    columns: tuple[str, ...]
    encoding: str = "utf-8"
    delimiter: str = ","

    def __post_init__(self) -> None:
        refuse_columns(f"Csv(columns={self.columns})", self.columns)
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n':
            raise ValueError(
                f"Csv(delimiter={self.delimiter!r}): one ASCII character, no quote or line break"
            )
        try:
            "a".encode(self.encoding)  # Python has codecs that do not encode text, such as zlib
        except (LookupError, UnicodeError):
            raise ValueError(
                f"Csv(encoding={self.encoding!r}): Python knows no such encoding of text; "
                "try 'utf-8', 'latin-1', 'cp1252' or 'utf-16'"
            ) from None

    @property
    def schema(self) -> pa.Schema:
        """The columns, each of text."""
        return pa.schema([pa.field(name, pa.string()) for name in self.columns])
