"""What becomes of a row, and the columns that say so on its way to the files. Imports nothing."""

DATA, QUARANTINE, DUPLICATES = 0, 1, 2
CONTEXT = 3  # the outcome of a row that is counted and not written
OUTCOME = "_outcome"
REASONS = "_reasons"
WARNINGS = "_warnings"
NAMED = "_named_partition"  # of a row that is rejected for it; null where it names none
OUTSIDE = "partition.outside"  # the last reason of a row that is of another partition
SEPARATOR = "\x1f"  # between the names in a row's reasons on their way to the task
