"""How the commands of `make` end: errors that say what to do are printed without a traceback."""

import sys
from collections.abc import Callable


def reported(work: Callable[[], object], *errors: type[Exception]) -> int:
    """Do the work; the exit code is 0, or 1 after one of these errors, whose message is printed."""
    try:
        work()
    except errors as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
