"""Decide how many tasks share the rows of a write.

This depends on rows, not on the bytes of the input files: a column of numbers or repeated texts
takes ten times its size on disk to sort. A partition of ordinary size goes to one task and so to
one file; a large one is split by a hash of the key over a number of tasks proportional to its rows.
A large partition that is the only one is written by the tasks that read it if possible (see
`repeats`), by at most as many.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

TASK_ROWS = 1_000_000  # about what one task sorts in memory, and writes to a file of 20 MB or more
LEAST_ROWS = 250_000  # per task: fewer are not worth starting a task and writing a file
_LARGE = 4  # a partition is large if it has at least a task's share of all rows, divided by this


@dataclass(frozen=True)
class Spread:
    """`tasks` is the number for all rows. `shared` has the large partitions by the number of tasks
    that each is split over; every other partition goes to one task. `alone`: there is only one
    partition, and it is large. `grouped`: the inputs' rows of each partition are stored together.
    """

    tasks: int = 1
    shared: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    alone: bool = False
    grouped: bool = False

    @staticmethod
    def of(rows: Mapping[str, int], cores: int, *, grouped: bool = False) -> "Spread":
        """The spread for these rows per partition, so that all cores have about the same work."""
        total = sum(rows.values())
        abreast = min(cores, max(1, total // LEAST_ROWS))
        tasks = abreast * max(1, math.ceil(total / TASK_ROWS / abreast))
        if tasks == 1:
            return Spread(grouped=grouped)
        shared: dict[int, list[str]] = defaultdict(list)
        for key, count in rows.items():
            wanted = min(_LARGE * count * tasks // total, count // LEAST_ROWS)
            if wanted > 1:  # a power of two: each distinct number is a condition evaluated per row
                shared[min(tasks, 2 ** (wanted.bit_length() - 1))].append(key)
        found = {number: tuple(keys) for number, keys in sorted(shared.items())}
        return Spread(tasks, found, alone=bool(shared) and len(rows) == 1, grouped=grouped)
