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
    from data_platform.operations.lineage import Column, Lineage

    table, _, column = name.partition(".")
    start = Column(str(table_named(platform, tables, table)), column)
    found = Lineage.of(platform, tables, start_session(platform.settings))
    edges = list(found.walk(start, "down" if direction == "down" else "up"))
    met = {start, *(of for _, edge in edges for of in (edge.source, edge.made))}
    hidden = {str(of): why for of, why in found.unknown.items() if of in met}
    if as_json:
        out.as_json(
            {
                "edges": [{"depth": depth, **asdict(edge)} for depth, edge in edges],
                "unknown": hidden,
            }
        )
        return
    for depth, edge in edges:
        one, other = (edge.made, edge.source) if direction != "down" else (edge.source, edge.made)
        arrow = "<-" if direction != "down" else "->"
        out.paragraph(f"{'  ' * (depth - 1)}{one} {arrow} {other} ({edge.how})")
    if not edges:
        out.paragraph(f"{start}: nothing that is known")
    for of, why in hidden.items():
        out.paragraph(f"{of} is not known, or not all of it: {why}")
