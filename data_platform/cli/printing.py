"""Output of the command line: tables for people, JSON for scripts."""

import datetime as dt
import errno
import json
import math
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.csv import CSVWriter

Record = Mapping[str, object]

_WIDE = 200  # the width for files and pipes
_BREAKS_AT = 30  # text of several words is broken into lines of so many characters at least


def records(
    title: str,
    rows: Sequence[Record],
    json_too: bool = False,
    *,
    columns: Sequence[str] = (),
    counts: Collection[str] = (),
    exact: bool = False,
) -> None:
    """A table with a column for each field, or a JSON list.

    Where a table is too narrow for the terminal, a block of lines for each row: a word, such as
    an id that a person copies, is never broken. `counts` names the columns that get thousands
    separators: a number of a table may be a year or a customer's. Moments are printed to the
    second, unless they are `exact`; all else as it is.
    """
    if json_too:
        as_json(rows)
        return
    names = list(columns) or list(rows[0] if rows else ())
    if not rows:
        click.echo(f"{title}: none")
        return
    click.echo(title)
    cells = [
        [_text(row.get(name), counted=name in counts, exact=exact) for name in names]
        for row in rows
    ]
    numeric = [all(_is_number(row.get(name)) for row in rows) for name in names]
    room = terminal_width() - 3 * len(names) - 1  # a frame and a blank on each side
    if widths := column_widths([names, *cells], room):
        _print_table(names, cells, widths, numeric)
    else:
        _print_blocks(names, cells)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal | None) and not isinstance(value, bool)


def terminal_width() -> int:
    """The width of the terminal, or of COLUMNS if set, in characters."""
    return shutil.get_terminal_size((_WIDE, 24)).columns


def column_widths(lines: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """The widths at which all columns fit into `room` with no word broken; None if they cannot."""
    from rich.cells import cell_len

    def widest(column: Sequence[str], least: bool) -> int:
        full = max((cell_len(line) for text in column for line in text.split("\n")), default=0)
        if not least:
            return full
        word = max((cell_len(word) for text in column for word in text.split()), default=0)
        return max(word, min(full, _BREAKS_AT))

    columns = list(zip(*lines, strict=True))
    found = [widest(column, least=True) for column in columns]
    spare = room - sum(found)
    if spare < 0:
        return None
    wanted = [
        widest(column, least=False) - have for column, have in zip(columns, found, strict=True)
    ]
    # Columns that need less leave more for the others.
    for left, position in enumerate(sorted(range(len(found)), key=wanted.__getitem__)):
        given = min(wanted[position], spare // (len(found) - left))
        found[position] += given
        spare -= given
    return found


def _print_table(
    names: Sequence[str],
    cells: Sequence[Sequence[str]],
    widths: Sequence[int],
    numeric: Sequence[bool],
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=terminal_width(), markup=False, emoji=False, highlight=False)
    table = Table(header_style="bold")
    for name, width, right in zip(names, widths, numeric, strict=True):
        table.add_column(name, width=width, justify="right" if right else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _print_blocks(names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    label = max(map(len, names)) + 2
    for row in cells:
        click.echo()
        for name, text in zip(names, row, strict=True):
            first, *more = list(_lines(text, terminal_width() - label)) or [""]
            click.echo((click.style(name, bold=True) + " " * (label - len(name)) + first).rstrip())
            for line in more:
                click.echo(" " * label + line)


def _lines(text: str, width: int) -> Iterator[str]:
    for line in text.split("\n"):
        yield from textwrap.wrap(
            line,
            max(width, _BREAKS_AT),
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
            expand_tabs=False,
        ) or [""]


STOPPING = "stopping: what is being published is finished first; Ctrl-C again ends at once"


def paragraph(text: str) -> None:
    """Print a line of text, wrapped between words; following lines are indented one step more."""
    indent = " " * (len(text) - len(text.lstrip()))
    width = terminal_width() - len(indent) - 4
    first, *more = list(_lines(text.strip(), width)) or [""]
    click.echo(indent + first)
    for line in more:
        click.echo(f"{indent}    {line}")


def waiting() -> None:
    """Say that another command is building the tables."""
    click.echo("another command is building these tables; this one goes on after it", err=True)


def as_json(value: object) -> None:
    """Print one value as JSON."""
    click.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def _plain(value: object) -> object:
    """The value as JSON can express it: times in ISO format, NaN and infinities as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case dt.date() | dt.datetime():
            return value.isoformat()
        case bytes():
            return value.hex()
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    return str(value)


def _text(value: object, *, counted: bool, exact: bool) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() if counted:
            return f"{value:,}"
        case dt.datetime():
            return _moment(value, exact)
        case bytes():
            return value.hex()
        case list():
            return ", ".join(map(str, value))
    # Control characters are escaped, so that a terminal does not interpret them.
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in str(value))


def _moment(value: dt.datetime, exact: bool) -> str:
    """The moment as text, with its time zone if it has one."""
    text = value.isoformat(" ", "microseconds" if exact and value.microsecond else "seconds")
    return text.removesuffix("+00:00") + " UTC" if text.endswith("+00:00") else text


def csv(reader: pa.RecordBatchReader, most: int | None) -> None:
    """The first `most` rows (None: all) with a header on standard output, a batch at a time."""
    with CSVWriter(sys.stdout.buffer, reader.schema) as writer:
        left = most
        for batch in reader:
            writer.write_batch(batch.slice(0, left))
            left = None if left is None else left - batch.num_rows
            if left is not None and left <= 0:
                return


def write_parquet(reader: pa.RecordBatchReader, file: Path) -> int:
    """Write one zstd Parquet file atomically; returns its rows. Raises OSError naming the place."""
    if not file.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(file.parent))
    unfinished, count = file.with_name(f".{file.name}.part"), 0
    try:
        with (
            unfinished.open("wb") as sink,
            pq.ParquetWriter(sink, reader.schema, compression="zstd") as writer,
        ):
            for batch in reader:
                writer.write_batch(batch)
                count += batch.num_rows
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    return count
