"""Name the damaged file of an input when the engine's error does not: Sail's do not."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.engine.connect import on_sail
from data_platform.lake.reads import first_damaged

# A footer, a page, or a reader that ended without a word.
_READING = re.compile("Parquet error|Parquet argument error|RST_STREAM")


@contextmanager
def damaged_input_named(plan: Plan, platform: Platform, spark: SparkSession) -> Iterator[None]:
    """Raises UnreadableFile, with the first damaged file, in place of Sail's error about one. All
    files of the inputs are read for it."""
    try:
        yield
    except PySparkException as error:
        if not on_sail(spark) or not _READING.search(str(error)):
            raise
        files = chain.from_iterable(
            chain.from_iterable(one.files.values()) for one in plan.inputs.values()
        )
        found = first_damaged(files, platform.storage)
        if found is None:
            raise
        raise found from error
