"""Published tables in SQL."""

import itertools

import click
import pyarrow as pa

from data_platform.cli import printing as out
from data_platform.cli.options import JSON, open_platform
from data_platform.cli.reporting import reporting
from data_platform.telemetry.wording import counted

_SHOWN = 100  # rows of a table on a terminal, where nobody says how many


@click.command()
@click.argument("query")
@click.option("--csv", "as_csv", is_flag=True, help="print CSV with a header")
@click.option("--limit", type=click.IntRange(min=1), help=f"rows at most; {_SHOWN} for people")
@JSON
@reporting
def sql(query: str, as_csv: bool, limit: int | None, as_json: bool) -> None:
    """Query the published tables in SQL, read only: "SELECT * FROM silver_retail.order_lines".

    A table is named {layer}_{domain}.{name}. DuckDB runs the query in this process.
    """
    from data_platform.lake.upkeep import sql as lake_sql

    if as_csv and as_json:
        raise click.UsageError("--csv or --json: say one of them")
    platform = open_platform()
    people = not (as_csv or as_json)
    most = limit or (_SHOWN if people else None)
    with lake_sql.query(platform.lake, platform.storage, query) as reader:
        if as_csv:
            out.csv(reader, most)
            return
        rows = list(itertools.islice(_rows(reader), most and most + 1))
    shown = rows[:most]
    if as_json:
        out.as_json(shown)
        return
    more = f"the first {counted(len(shown), 'row')}; --limit for more"
    title = more if len(rows) > len(shown) else counted(len(shown), "row")
    out.records(title, shown, columns=reader.schema.names, exact=True)


def _rows(reader: pa.RecordBatchReader):
    from data_platform.lake.upkeep.browse import as_python

    for batch in reader:
        yield from as_python(pa.Table.from_batches([batch]))
