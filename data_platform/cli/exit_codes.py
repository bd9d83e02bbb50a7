"""What the command line's exit codes mean; docs/reference/commands.md lists them."""

import signal
from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended. The first three are click's own as well, the last two the shell's."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    NEEDS_DECISION = 3  # held back partitions, objects that are unreadable or of no source
    INTERRUPTED = 128 + signal.SIGINT
    TERMINATED = 128 + signal.SIGTERM
