"""Make the site of a platform."""

import datetime as dt
from collections.abc import Collection, Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from data_platform.assets import Table
from data_platform.build.platform import Platform
from data_platform.operations.lineage import Lineage
from data_platform.operations.site.facts import Gathering
from data_platform.operations.site.pages import Pages
from data_platform.operations.site.publishing import put, require_site
from data_platform.operations.status import status


def make_site(
    platform: Platform,
    tables: Sequence[Table],
    spark: SparkSession,
    directory: Path,
    now: dt.datetime,
    *,
    rows: int,
    without: Collection[str] = (),
) -> int:
    """Make the site in a directory, and return its number of files. `rows` are examples for each
    table, of those `without` none. Raises NotASite for a directory with other files."""
    require_site(directory.resolve())
    lineage = Lineage.of(platform, tables, spark)
    gathering = Gathering(platform, tables, lineage, rows, without)
    facts = gathering.facts(status(platform, tables, now))
    files = Pages(facts, platform.settings).files()
    put(files, directory)
    return len(files)
