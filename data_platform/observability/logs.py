"""What the platform says while it works: one readable line per event, libraries quiet."""

import logging
import sys
from typing import TextIO

# These report their own bookkeeping at INFO or WARNING; their errors arrive as exceptions.
QUIET = {
    "alembic": logging.WARNING,
    "botocore": logging.WARNING,
    "py4j": logging.ERROR,
    "pyiceberg": logging.ERROR,
    "pyspark": logging.WARNING,
    "matplotlib": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "urllib3": logging.WARNING,
}

_HANDLER = "data_platform"


def configure_logging(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send log records to `stream` (standard error), the platform's own from `level` on.

    Calling it again replaces the handler, so the last call decides. Handlers that others have
    put on the root logger, such as Dagster's, stay.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.name = _HANDLER
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    for present in [present for present in root.handlers if present.name == _HANDLER]:
        root.removeHandler(present)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("data_platform").setLevel(level)
    quiet_libraries()


def quiet_libraries() -> None:
    """Silence the libraries alone, where somebody else (Dagster) owns the handlers."""
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)


class _Lines(logging.Formatter):
    """`12:30:05 message`, with the level where it is not INFO and the cause before the stack."""

    def __init__(self) -> None:
        super().__init__(datefmt="%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        cause = ""
        if record.exc_info and (error := record.exc_info[1]):
            lines = str(error).strip().splitlines()
            cause = f": {lines[0] if lines else type(error).__name__}"
        return f"{self.formatTime(record, self.datefmt)} {level}{record.message}{cause}"

    def usesTime(self) -> bool:
        return True
