"""The outcomes of a row, and the columns that carry them to the writing tasks."""

from enum import IntEnum


class Outcome(IntEnum):
    """What becomes of a row: a number, since it travels in a column of every row."""

    DATA = 0
    QUARANTINE = 1
    DUPLICATES = 2
    # Counted, but not written:
    CONTEXT = 3  # of another partition, that the build also read
    SUPERSEDED = 4  # of a merged table: another row of its key is newer
    CHANGES = 5  # no row's own: counts the rows with a CHANGE


DATA, QUARANTINE, DUPLICATES, CONTEXT, SUPERSEDED, CHANGES = Outcome
COUNTED = (CONTEXT, SUPERSEDED, CHANGES)

OUTCOME = "_outcome"
REASONS = "_reasons"
WARNINGS = "_warnings"
CHANGE = "_change"  # of a merged table: whether the row is new, not one that was there before
NAMED = "_named_partition"  # the partition that a rejected row names; null if none
OUTSIDE = "partition.outside"  # the last reason of a row that belongs to another partition
SEPARATOR = "\x1f"  # between the names in a row's reasons on their way to the task
