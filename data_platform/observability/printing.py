"""How the command line prints: tables for people, JSON for scripts."""

import datetime as dt
import errno
import json
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

Record = Mapping[str, object]


def records(
    title: str,
    rows: Sequence[Record],
    json_too: bool = False,
    *,
    columns: Sequence[str] = (),
    counts: Collection[str] = (),
) -> None:
    """A table with a column for each field, or a JSON list.

    `counts` names the columns that get thousands separators: a number of a table may be a year or
    a customer's. What the cells say is printed as it is.
    """
    if json_too:
        as_json(rows)
        return
    width = None if Console().is_terminal else 200
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    names = list(columns) or list(rows[0] if rows else ())
    if not rows:
        console.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in names:
        numeric = all(isinstance(row.get(name), int | float | Decimal | None) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(row.get(name), counted=name in counts) for name in names))
    console.print(table)


def waiting() -> None:
    """Why nothing happens."""
    click.echo("another command is building these tables; this one goes on after it", err=True)


def as_json(value: object) -> None:
    click.echo(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def _plain(value: object) -> object:
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    return str(value)


def _text(value: object, *, counted: bool) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() if counted:
            return f"{value:,}"
        case dt.datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case float():
            return f"{value:.4g}"
        case list():
            return ", ".join(map(str, value))
    return str(value)


def write_parquet(reader: pa.RecordBatchReader, file: Path) -> int:
    """One zstd Parquet file, complete or not there; gives its rows. OSError names the place."""
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
