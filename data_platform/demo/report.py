"""The demo's report: what landed, the outcome of every row, and the sales."""

from dataclasses import dataclass
from pathlib import Path

import click
import pyarrow as pa

from data_platform.build.planning import current_versions
from data_platform.build.platform import Platform
from data_platform.cli import printing as out
from data_platform.lake.catalog import Lake
from data_platform.lake.upkeep.browse import keyed, partition_rows, rows
from data_platform.operations.repair import quarantined
from data_platform.settings.model import Settings
from data_platform.storage.object_store import is_object
from data_platform.tables.columns import ATTEMPT
from data_platform.tables.identity import TableId

BRONZE = TableId("bronze", "retail", "order_lines")
SILVER = TableId("silver", "retail", "order_lines")
SALES = TableId("gold", "retail", "daily_sales")


@dataclass(frozen=True)
class Balance:
    """Rows received and their outcomes, counted on disk."""

    received: int
    published: int
    quarantined: int
    duplicates: int
    held_back: int

    @property
    def difference(self) -> int:
        """Rows received that are unaccounted for."""
        ended = self.published + self.quarantined + self.duplicates + self.held_back
        return self.received - ended

    def __str__(self) -> str:
        sign = "=" if self.difference == 0 else "!="
        text = f"{self.received:,} received {sign} {self.published:,} published"
        text += f" + {self.quarantined:,} quarantined + {self.duplicates:,} duplicates"
        return text + (f" + {self.held_back:,} in held back days" if self.held_back else "")


def print_report(settings: Settings) -> bool:
    """Print the report; returns False if nothing was loaded or a row is unaccounted for."""
    platform = Platform(settings)
    click.echo()
    _print_landing(platform)
    _print_tables(platform)
    balance = balance_of(platform)
    _print_rejected(platform)
    click.echo()
    good = balance.received > 0 and not balance.difference
    text = f"Conservation: {balance}" if balance.received else "Nothing was loaded"
    click.secho(text, bold=True, fg="green" if good else "red")
    _print_sales(platform, settings.home)
    _print_commands(settings)
    return good


def balance_of(platform: Platform) -> Balance:
    """The balance of all bronze rows: each is published, quarantined, a duplicate, or in a day
    whose published version was not built from it (held back or rolled back)."""
    lake = platform.lake
    received = partition_rows(lake, BRONZE)
    held = {key for key, build in platform.builds.latest(SILVER).items() if build.detail}
    live = current_versions(platform, SILVER, None)
    published = partition_rows(lake, SILVER)
    return Balance(
        received=sum(received.values()),
        published=sum(count for key, count in published.items() if key not in held),
        quarantined=_rejected(lake, "quarantine", live, held),
        duplicates=_rejected(lake, "duplicates", live, held),
        held_back=sum(count for key, count in received.items() if key in held),
    )


def _rejected(lake: Lake, layer: str, live: dict[str, str], held: set[str]) -> int:
    """Rejected rows of the published versions, of days that are not held back."""
    table_id = SILVER.sibling(layer)
    if not lake.exists(table_id):
        return 0
    loaded = lake.load(table_id)
    found = rows(loaded).read_all().select(["day", ATTEMPT]).to_pylist()
    return sum(
        live.get(key) == row[ATTEMPT] and key not in held for key, row in keyed(loaded, found)
    )


def _print_landing(platform: Platform) -> None:
    ledger = platform.ledger
    states = {**ledger.summary()}
    out.records("Landed objects by state", [states], counts=states)
    unread = [*ledger.failed(), *ledger.unknown()]
    if unread:
        out.records(
            "Objects that could not be read",
            [{"key": e.key, "state": e.state, "why": e.error} for e in unread],
        )


def _print_tables(platform: Platform) -> None:
    from data_platform.lake.upkeep.browse import figures

    found = [f for f in figures(platform.lake) if f.committed]
    out.records(
        "Tables",
        [
            {"table": f.table, "rows": f.rows, "partitions": f.partitions, "bytes": f.bytes}
            for f in found
        ],
        counts=("rows", "partitions", "bytes"),
    )


def _print_rejected(platform: Platform) -> None:
    if platform.lake.exists(SILVER.sibling("quarantine")):
        reasons, _ = quarantined(platform, SILVER, partition=None, limit=0)
        title = "Why rows are quarantined (held back days included; a row may have several reasons)"
        out.records(title, reasons, counts=["rows"])
    held = platform.builds.held_back(SILVER)
    if held:
        out.records(
            "Days held back (their last good version, if any, stays published)",
            [{"day": key, "why": build.detail} for key, build in sorted(held.items())],
        )


def _print_sales(platform: Platform, home: Path) -> None:
    if not platform.lake.exists(SALES):
        return
    sales = rows(platform.lake.load(SALES)).read_all()
    top = sales.sort_by([("net_sales", "descending")]).slice(0, 5)
    out.records("The top of gold/retail/daily_sales", top.to_pylist())
    picture = draw_sales(sales, home / "sales_per_day.png")
    click.echo(f"Sales per day: {picture}")


def draw_sales(sales: pa.Table, target: Path) -> Path:
    """A PNG of net sales per day over all countries."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    days = sales.group_by("day").aggregate([("net_sales", "sum")]).sort_by("day")
    figure, axes = pyplot.subplots(figsize=(11, 4), layout="constrained")
    values = [float(v) for v in days["net_sales_sum"].to_pylist()]
    axes.bar(days["day"].to_pylist(), values, width=0.9, color="#3b6ea8")
    axes.set_title("Net sales per day")
    axes.set_ylabel("pounds sterling")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    figure.savefig(target, dpi=110)
    pyplot.close(figure)
    return target


def _print_commands(settings: Settings) -> None:
    landing = settings.landing_uri
    copy = "aws s3 cp" if is_object(landing) else "cp"
    click.echo()
    click.secho("Go on with", bold=True)
    for command, what in (
        ("make dev", "the Dagster UI on this state"),
        (".venv/bin/data-platform tables", "every table"),
        (".venv/bin/data-platform quarantine silver/retail/order_lines", "rejected rows"),
        (".venv/bin/data-platform landing", "objects that could not be read"),
        (f"{copy} FILE {landing.removeprefix('file://')}/online_retail/", "land another file"),
    ):
        click.echo(f"  {command:<66} {what}")
