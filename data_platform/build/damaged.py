"""Name the damaged file of an input when the engine's error does not, as Sail's does not."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from data_platform.build.planning import Plan
from data_platform.build.platform import Platform
from data_platform.engine.connect import on_sail
from data_platform.lake.files import DataFile
from data_platform.lake.reads import first_damaged

_logger = logging.getLogger(__name__)
# About a footer, a page, or a stream that was reset.
_READING = re.compile("Parquet error|Parquet argument error|RST_STREAM")


@contextmanager
def damaged_input_named(plan: Plan, platform: Platform, spark: SparkSession) -> Iterator[None]:
    """Raises UnreadableFile, with the first damaged file, in place of Sail's error about one. All
    files that the plan reads are read for it."""
    try:
        yield
    except PySparkException as error:
        if not on_sail(spark) or not _READING.search(str(error)):
            raise
        _logger.info("looking for a damaged file among the inputs")
        found = first_damaged(_files(plan), platform.storage)
        if found is None:
            raise
        raise found from error


def _files(plan: Plan) -> Iterator[DataFile]:
    for name, one in plan.inputs.items():
        read = {upstream for key in plan.keys for upstream in plan.reads[name][key]}
        yield from chain.from_iterable(one.files.get(upstream, ()) for upstream in sorted(read))
