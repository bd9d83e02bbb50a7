"""How many tasks share the rows of a write.

Rows decide, not the bytes of the files they come from: a column of numbers or of repeated texts is
stored in a tenth of what sorting it takes. A partition of a usual size is one task's, so that it
is one file; a large one is shared by all rows' hash of their key, over as many tasks as its part
of all rows asks for. One that is alone is written by the tasks that read it where it can be (see
`repeats`), by as many at most.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

TASK_ROWS = 1_000_000  # about what one task sorts in memory, and writes to a file of 20 MB or more
LEAST_ROWS = 250_000  # for a task of its own: fewer are no longer worth its start and its file
_LARGE = 4  # a partition is large from a task's share of all rows, divided by this


@dataclass(frozen=True)
class Spread:
    """`tasks` for all rows. `shared` has the large partitions, by the number of tasks that the
    rows of each go to; those of any other go to one. `alone`: there is one partition, a large
    one."""

    tasks: int = 1
    shared: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    alone: bool = False

    @staticmethod
    def of(rows: Mapping[str, int], cores: int) -> "Spread":
        """Of so many rows in each partition, on so many cores; all of them have as much to do."""
        total = sum(rows.values())
        abreast = min(cores, max(1, total // LEAST_ROWS))
        tasks = abreast * max(1, math.ceil(total / TASK_ROWS / abreast))
        if tasks == 1:
            return Spread()
        shared: dict[int, list[str]] = defaultdict(list)
        for key, count in rows.items():
            wanted = min(_LARGE * count * tasks // total, count // LEAST_ROWS)
            if wanted > 1:  # a power of two, since each number is a condition to test rows by
                shared[min(tasks, 2 ** (wanted.bit_length() - 1))].append(key)
        found = {number: tuple(keys) for number, keys in sorted(shared.items())}
        return Spread(tasks, found, alone=bool(shared) and len(rows) == 1)
