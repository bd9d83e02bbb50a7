"""Work on many tables that goes on if one may not be read.

A table that the code no longer declares is still in the catalog, and no role may read it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from data_platform.storage.s3_errors import StoreError, explanation

if TYPE_CHECKING:
    from data_platform.tables.identity import TableId  # imports Spark, which takes a second

Guard = Callable[["TableId"], AbstractContextManager[None]]
"""A context manager around the work on a table."""


def strict(table: "TableId") -> AbstractContextManager[None]:
    """A guard that lets errors pass: the first table that may not be read ends the work."""
    return nullcontext()


@contextmanager
def passing_over() -> Iterator[Guard]:
    """A guard that skips tables that may not be read; any other error is raised.

    Raises StoreError at the end, naming the tables that were skipped.
    """
    refused: list[str] = []

    @contextmanager
    def guard(table: "TableId") -> Iterator[None]:
        try:
            yield
        except Exception as error:  # PyArrow's, boto3's, our own: no common base
            if not (why := _refusal(error)):
                raise
            refused.append(f"{table}: {why}")

    yield guard
    if refused:
        raise StoreError(
            "\n".join(refused) + "\nThe other tables were seen to. A role may read those that the "
            "code declares: keep a table declared, or have an administrator drop it from the "
            "catalog"
        )


def _refusal(error: Exception) -> str | None:
    if isinstance(error, (StoreError, PermissionError)):
        return str(error)
    text = str(error)
    return explanation(text) or (text if "(AccessDeniedException)" in text else None)  # Glue's
