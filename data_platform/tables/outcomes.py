"""The outcomes of a row, and the columns that carry them to the writing tasks. Imports nothing."""

DATA, QUARANTINE, DUPLICATES = 0, 1, 2
CONTEXT = 3  # the outcome of a row that is counted but not written
OUTCOME = "_outcome"
REASONS = "_reasons"
WARNINGS = "_warnings"
NAMED = "_named_partition"  # the partition that a rejected row names; null if none
OUTSIDE = "partition.outside"  # the last reason of a row that belongs to another partition
SEPARATOR = "\x1f"  # between the names in a row's reasons on their way to the task
