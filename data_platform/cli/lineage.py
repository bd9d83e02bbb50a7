"""What columns are made from, and what is made from them: lineage."""

from dataclasses import asdict

import click

from data_platform.cli import printing as out
from data_platform.cli.options import JSON, declarations, open_platform, table_named
from data_platform.cli.reporting import reporting


@click.command()
@click.argument("name", metavar="TABLE[.COLUMN]")
@click.option("--up", "direction", flag_value="up", default="up", help="what it is made from")
@click.option("--down", "direction", flag_value="down", help="what is made from it")
@JSON
@reporting
def lineage(name: str, direction: str, as_json: bool) -> None:
    """What a column, or each column of a table, is made from; with --down, what is made from it.

    It is told by the plans of the tables' functions, which are called with inputs that have no
    rows: nothing is read. Where it cannot be known, it says so.
    """
    platform = open_platform()
    tables, _ = declarations()
    from data_platform.engine.session import start_session
    from data_platform.operations.lineage import Column, Direction, Lineage

    table, _, column = name.partition(".")
    start = Column(str(table_named(platform, tables, table)), column)
    found = Lineage.of(platform, tables, start_session(platform.settings))
    towards: Direction = "down" if direction == "down" else "up"
    edges = list(found.walk(start, towards))
    unknown = found.unknown_along(start, towards)
    hidden = {str(of): why for of, why in unknown.items()}
    if as_json:
        out.as_json(
            {
                "edges": [{"depth": depth, **asdict(edge)} for depth, edge in edges],
                "unknown": hidden,
            }
        )
        return
    for depth, edge in edges:
        line = (
            f"{edge.made} <- {edge.source}" if towards == "up" else f"{edge.source} -> {edge.made}"
        )
        out.paragraph(f"{'  ' * (depth - 1)}{line} ({edge.how})")
    if not edges:
        out.paragraph(f"{start}: nothing that is known")
    for of, why in hidden.items():
        out.paragraph(f"{of} is not known, or not all of it: {why}")
