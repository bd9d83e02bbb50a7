"""What a step reports, and its exchange between processes as JSON.

A step publishes in the process that has the session. If that is a remote job, it sends its reports
and failures as messages, and Dagster's process turns them into the step's events and errors.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import dagster as dg

from data_platform.quality.findings import Finding

Figures = Mapping[str, Mapping[str, object]]
"""By partition, the metadata of its materialization: numbers, texts, lists of records."""
Message = dict[str, Any]


class Reports(Protocol):
    """Where a step reports its results; `events.Log` logs them for Dagster."""

    def published(self, attempt: str, figures: Figures) -> None:
        """Partitions that an attempt published."""
        ...

    def held_back(self, held: Mapping[str, Mapping[str, str]]) -> None:
        """Partitions that their checks held back, with the reasons."""
        ...

    def findings(self, findings: Iterable[Finding]) -> None:
        """What the checks found."""
        ...


class JobError(Exception):
    """An error in a remote job."""


class NoResult(JobError):
    """The job ended without reporting that its step is done or why it failed."""


@dataclass(frozen=True)
class Sent:
    """Sends what is reported as messages."""

    send: Callable[[Message], None]

    def published(self, attempt: str, figures: Figures) -> None:
        """See `Reports`."""
        self._report("published", attempt=attempt, figures=dict(figures))

    def held_back(self, held: Mapping[str, Mapping[str, str]]) -> None:
        """See `Reports`."""
        self._report("held_back", held={key: dict(said) for key, said in held.items()})

    def findings(self, findings: Iterable[Finding]) -> None:
        """See `Reports`."""
        self._report("findings", findings=[asdict(each) for each in findings])

    def failed(self, error: BaseException) -> None:
        """The step failed with this error, after the reports before."""
        self.send({"failure": _of_error(error)})

    def done(self) -> None:
        """The step ended without an error."""
        self.send({"done": True})

    def _report(self, what: str, **values: Any) -> None:
        self.send({"report": what, **values})


def repeat(messages: Iterable[Message], reports: Reports) -> None:
    """Report what was sent. Raises the error that the sender's step raised, NoResult if there is
    neither one nor the message that the step is done, and JobError after an unknown message."""
    failure: Message | None = None
    ended = False
    for message in messages:
        match message:
            case {"report": "published", "attempt": attempt, "figures": figures}:
                reports.published(attempt, figures)
            case {"report": "held_back", "held": held}:
                reports.held_back(held)
            case {"report": "findings", "findings": found}:
                reports.findings(Finding(**each) for each in found)
            case {"failure": failure}:
                pass
            case {"done": True}:
                ended = True
            case _:
                raise JobError(
                    f"the job sent a message that is not known here: {sorted(message)}; its "
                    "package is of another version: make and upload it again"
                )
    if failure is not None:
        error, cause = _to_error(failure)
        raise error from cause
    if not ended:
        raise NoResult("the job ended without reporting a result")


def _of_error(error: BaseException) -> Message:
    said = f"{type(error).__name__}: {error}"
    match error:
        case dg.Failure():
            return {
                "kind": "failure",
                "said": error.description or "",
                "metadata": {name: each.value for name, each in error.metadata.items()},
                "allow_retries": error.allow_retries,
            }
        case dg.RetryRequested():
            cause = error.__cause__
            return {
                "kind": "retry",
                "said": f"{type(cause).__name__}: {cause}" if cause else said,
                "max_retries": error.max_retries,
                "seconds_to_wait": error.seconds_to_wait,
            }
    return {"kind": "error", "said": said}


def _to_error(message: Message) -> tuple[Exception, Exception | None]:
    """The error to raise, and its cause."""
    said = message["said"]
    match message["kind"]:
        case "failure":
            failure = dg.Failure(
                description=said,
                metadata=message["metadata"],
                allow_retries=message["allow_retries"],
            )
            return failure, None
        case "retry":
            again = dg.RetryRequested(
                max_retries=message["max_retries"], seconds_to_wait=message["seconds_to_wait"]
            )
            return again, JobError(said)
    return JobError(said), None
