"""Turn a step's errors into failures that state the cause first; retry only transient ones."""

import re
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

import dagster as dg
from pyspark.errors import PySparkException

from data_platform.contracts.errors import ContractError
from data_platform.databases.errors import DatabaseError, DatabaseUnavailable
from data_platform.engine.connect import drop, lost
from data_platform.engine.warm.attach import EngineLost
from data_platform.lake.errors import PartitionConflict, UnreadableFile
from data_platform.lake.writing.publish import StagedWrite
from data_platform.quality.held import Held
from data_platform.settings.values import PREFIX
from data_platform.storage import s3_errors
from data_platform.storage.errors import LakeError
from data_platform.storage.s3_errors import StoreError
from data_platform.telemetry.metadata import HELD_BACK
from data_platform.telemetry.wording import counted

# Another writer, a locked database, a network error. Not bad data, which would fail again.
TRANSIENT = (PartitionConflict, DatabaseUnavailable, ConnectionError, TimeoutError)
EXPLAINED = (ContractError, DatabaseError, LakeError)
# These errors' messages already name the place and what to do.
_SPEAKING = (
    *("Failure", "PartitionConflict", "EngineLost"),
    *("DatabaseUnavailable", "DatabaseTooNew", "DatabaseNotMigrated", "BeingRestored"),
)
_DAMAGED = re.compile(r"FAILED_READ_FILE.*?reading file (\S+\.parquet)", re.DOTALL)
_PYTHON_LINE = re.compile(r"\.py:\d+$")
_FRAME = re.compile(r'\s*File "([^"]+)", line (\d+)')
_WAYS_OUT = {
    r"memory pool: fair\(": f"raise {PREFIX}SPARK_MEMORY and run it again",  # Sail's
    "No space left on device|Disk quota exceeded": "free some space and run it again",
    "Read-only file system|Permission denied": "make the place writable and run it again",
}
MAX_RETRIES = 2
_MOST_NAMED = 20  # partitions named in a run's failure
WAIT_SECONDS = 3


@contextmanager
def failures_explained() -> Iterator[None]:
    """Retries after transient errors. Errors that say what to do, common disk and file errors, and
    Spark's errors about a table's function (with its line) become the run's failure message. Other
    errors propagate unchanged, with their stack trace."""
    try:
        yield
    except (dg.Failure, dg.RetryRequested):
        raise  # of a job, which has explained it
    except Exception as error:
        if engine_lost := lost():  # whatever else the error says
            drop()
            engine_lost.__cause__ = error
            raise _again() from engine_lost  # Dagster's UI shows the causes of a retry
        if _is_transient(error):
            raise _again() from error
        if why := _why(error):
            raise dg.Failure(description=why, allow_retries=False) from error
        raise


def _is_transient(error: Exception) -> bool:
    if isinstance(error, EXPLAINED) and not isinstance(error, StoreError):
        return isinstance(error, TRANSIENT)
    # Spark's errors, too, can only be told by their text.
    return isinstance(error, TRANSIENT) or s3_errors.is_passing(str(error))


def _why(error: Exception) -> str | None:
    """What a run's failure says; None if the error is unknown."""
    if isinstance(error, EXPLAINED):
        return str(error)
    return explanation(str(error)) or _refused(error)


def _refused(error: Exception) -> str | None:
    """Spark's message about a function's DataFrame, with the line that caused it."""
    if not isinstance(error, PySparkException) or not error.getCondition():
        return None
    said = error.getMessage().split(";\n")[0]  # without the plan, which the cause shows
    sites = [
        context.callSite()
        for context in error.getQueryContext()
        if context.contextType().name == "DataFrame"
    ]
    known = [site for site in sites if _PYTHON_LINE.search(site)] + _own_lines(error)
    return f"{known[0]}: {said}" if known else said


def _own_lines(error: Exception) -> list[str]:
    """The lines of the platform's and its users' code in the traceback, innermost first."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    return [f"{f.filename}:{f.lineno}" for f in frames if "site-packages" not in f.filename]


def cause(error) -> str:
    """The message of an error in Dagster's log: the first that says what to do, or the
    innermost."""
    error = _telling(error)
    return _text(error) if error else "unknown"


def cause_without_rows(failure: dg.DagsterEvent, error) -> str:
    """As `cause`, if it is of the platform's own, none of which quote rows; else its type, and the
    line of code that raised it."""
    if (error := _telling(error)) is None:
        return "unknown"
    if said := getattr(failure.event_specific_data, "user_failure_data", None):
        if HELD_BACK in said.metadata:
            return _text(error)
        error = error.cause or error  # which `failures_explained` has explained
    return _text(error) if error.cls_name in _without_rows() else f"{error.cls_name}{_line(error)}"


@cache
def _without_rows() -> frozenset[str]:
    """The names of the errors whose messages are the platform's words. LakeError itself is also
    raised for what libraries say."""
    found, left = set(), list(EXPLAINED)
    while left:
        left += (each := left.pop()).__subclasses__()
        found.add(each.__name__)
    return frozenset(found - {LakeError.__name__} | {EngineLost.__name__})


def _line(error) -> str:
    frames = (_FRAME.match(text) for text in reversed(error.stack) if "site-packages" not in text)
    return next((f" at {found[1]}:{found[2]}" for found in frames if found), "")


def _telling(error):
    while error is not None and error.cause is not None and error.cls_name not in _SPEAKING:
        error = error.cause
    return error


def _text(error) -> str:
    return re.sub(rf"^[\w.]*{error.cls_name}: ", "", error.message.strip())


def _again() -> dg.RetryRequested:
    return dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=WAIT_SECONDS)


def held_back(write: StagedWrite) -> dg.Failure:
    """The failure of a run that names the held back partitions; a retry would not help."""
    lines = []
    for key, why in sorted(write.held_back.items())[:_MOST_NAMED]:
        failed = write.failed.get(key, ())
        held = Held(write.table, key, why, failed, key in write.slice.base)
        rows = f"; its rejected rows: `{held.rows}`" if held.rows else ""
        lines.append(f"{key or 'the table'}: {why}\n  {held.stands}{rows}; {held.way_out}")
    of = counted(len(write.slice.keys), "partition")
    count = f"{len(write.held_back)} of {of} held back"
    text = f"{write.table}: {count}"
    return dg.Failure(
        description="\n".join([text, *lines]),
        metadata={HELD_BACK: ", ".join(sorted(write.held_back))},
        allow_retries=False,
    )


def are_held_back(failures: Iterable[dg.DagsterEvent]) -> bool:
    """Whether steps failed, and all of them by `held_back`."""
    failed = [event.step_failure_data.user_failure_data for event in failures]
    return bool(failed) and all(data and HELD_BACK in data.metadata for data in failed)


def error_type(event: dg.DagsterEvent) -> str:
    """The type of what a step failed with, of its cause where Dagster has wrapped it."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.cls_name if error else None) or "failure"


def explanation(text: str) -> str | None:
    """What an error with this text means and what to do; None if it is not a known one."""
    if refused := s3_errors.explanation(text):
        return f"{refused}. What was published before is as it was."
    if damaged := _DAMAGED.search(text):
        return str(UnreadableFile(damaged[1], "cannot be read: it is not a complete Parquet file"))
    for pattern, way_out in _WAYS_OUT.items():
        for line in reversed(text.splitlines()):
            if re.search(pattern, line):
                return f"{line.strip()}; {way_out}. What was published before is as it was."
    return None
