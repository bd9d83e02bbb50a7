"""Add what a publication has done to the totals of its table, which metrics are read from."""

import logging
from collections.abc import Mapping

from data_platform.engine.memory import peak_bytes
from data_platform.lake import totals
from data_platform.lake.builds import Builds
from data_platform.lake.writing.publish import Publication
from data_platform.tables.outcomes import DUPLICATES, QUARANTINE

_LOG = logging.getLogger(__name__)
PUBLISHED_ROWS, QUARANTINED_ROWS, DUPLICATE_ROWS = "rows", "quarantined_rows", "duplicate_rows"
BYTES, PARTITIONS, HELD_BACK = "bytes", "partitions", "held_back_partitions"
MEMORY = "memory"
"""The most memory of the process and those that it started, in bytes, until this publication."""
PHASES = ("plan", "parse", "compute", "audit", "commit")


def seconds_of(phase: str) -> str:
    """The name of the seconds that a phase took."""
    return f"seconds of {phase}"


def count_of(phase: str) -> str:
    """The name of how often a phase was run."""
    return f"number of {phase}"


def count(builds: Builds, publication: Publication, seconds: Mapping[str, float]) -> None:
    """Add a publication, and the seconds of its step's phases, to the totals of its table.

    The table is published by now: what cannot be counted makes a warning, and nothing fails.
    """
    staged = publication.write
    try:
        totals.add(builds.database, staged.table, _values(publication, seconds))
    except Exception as error:
        _LOG.warning("%s: its totals lack this publication: %s", staged.table, type(error).__name__)


def _values(publication: Publication, seconds: Mapping[str, float]) -> dict[str, float]:
    partitions, write = publication.partitions, publication.write
    return {
        PUBLISHED_ROWS: sum(each.rows for each in partitions.values()),
        QUARANTINED_ROWS: sum(write.staged.rows(QUARANTINE).values()),
        DUPLICATE_ROWS: sum(write.staged.rows(DUPLICATES).values()),
        BYTES: sum(each.bytes for each in partitions.values()),
        PARTITIONS: len(partitions),
        HELD_BACK: len(write.held_back),
        MEMORY: peak_bytes(),
        **{seconds_of(phase): took for phase, took in seconds.items()},
        **{count_of(phase): 1 for phase in seconds},
    }
