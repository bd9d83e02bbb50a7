"""The paths of held back attempts' files in the register, for files that are elsewhere now."""

from collections.abc import Callable

import sqlalchemy as sa

from data_platform.lake.builds import BUILDS


def move_staged_paths(connection: sa.Connection, moved: Callable[[str], str]) -> None:
    """Write the new paths of files that may still be released."""
    query = sa.select(BUILDS.c.sequence, BUILDS.c.staged).where(BUILDS.c.state == "held_back")
    for sequence, staged in connection.execute(query).all():
        paths = [[moved(path), rows, size] for path, rows, size in staged]
        if paths != staged:
            of_build = BUILDS.c.sequence == sequence
            connection.execute(sa.update(BUILDS).where(of_build).values(staged=paths))
