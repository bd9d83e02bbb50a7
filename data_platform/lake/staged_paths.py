"""The files of held back attempts, which no snapshot has: as the register lists them, in a backup,
and where they are now."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from data_platform.lake.builds import BUILDS


@dataclass(frozen=True)
class HeldFile:
    """A file of an attempt that is held back and may be released."""

    table: str
    partition: str
    path: str
    bytes: int

    def to_json(self) -> str:
        """The file as one line."""
        return json.dumps(asdict(self))


def held_files(connection: sa.Connection) -> list[HeldFile]:
    """The files of the partitions whose last attempts are held back."""
    newest = sa.select(sa.func.max(BUILDS.c.sequence)).group_by(
        BUILDS.c.table_id, BUILDS.c.partition
    )
    query = (
        sa.select(BUILDS.c.table_id, BUILDS.c.partition, BUILDS.c.staged)
        .where(BUILDS.c.state == "held_back", BUILDS.c.sequence.in_(newest))
        .order_by(BUILDS.c.table_id, BUILDS.c.partition)
    )
    return [
        HeldFile(table, partition, path, size)
        for table, partition, staged in connection.execute(query)
        for path, _, size in staged
    ]


def move_staged_paths(connection: sa.Connection, moved: Callable[[str], str]) -> None:
    """Write the new paths of files that may still be released."""
    query = sa.select(BUILDS.c.sequence, BUILDS.c.staged).where(BUILDS.c.state == "held_back")
    for sequence, staged in connection.execute(query).all():
        paths = [[moved(path), rows, size] for path, rows, size in staged]
        if paths != staged:
            of_build = BUILDS.c.sequence == sequence
            connection.execute(sa.update(BUILDS).where(of_build).values(staged=paths))
