"""What is wrong with what lands: objects, and notifications of them."""

import shlex
from collections.abc import Iterator, Sequence

from data_platform.assets import Table
from data_platform.build.kinds import landed
from data_platform.build.platform import Platform
from data_platform.landing.arrivals.queue import QueueIntake
from data_platform.landing.ledger.tables import Entry
from data_platform.telemetry.incidents import Cause, Kind, Severity
from data_platform.telemetry.wording import counted

PLATFORM = "team:platform"
"""The owner of what belongs to no table."""


def objects(platform: Platform, tables: Sequence[Table]) -> Iterator[Cause]:
    """Landed objects that cannot be read, or belong to no source."""
    owners = {table.source.name: table.owner for table in landed(tables)}
    for entry in platform.ledger.failed():
        yield _of_object(
            entry,
            rule="unreadable",
            severity=Severity.ERROR,
            owner=owners.get(entry.source or "", PLATFORM),
            said=f"of source {entry.source} cannot be read",
            mend="correct the object and land it again under the same key, or do without it: "
            f"`data-platform landing --forget {shlex.quote(entry.key)}`",
        )
    for entry in platform.ledger.unknown():
        yield _of_object(
            entry,
            rule="unknown",
            severity=Severity.WARNING,
            owner=PLATFORM,
            said="belongs to no source",
            mend="declare a source for it, rename it, or do without it: "
            f"`data-platform landing --forget {shlex.quote(entry.key)}`",
        )


def dead_letters(platform: Platform) -> Iterator[Cause]:
    """Notifications in the dead letter queue. Raises QueueError."""
    if not isinstance(queue := platform.intake, QueueIntake):
        return
    url, count = queue.dead_letters()
    if count:
        yield Cause(
            kind=Kind.DEAD_LETTERS,
            subject=url,
            rule="not understood",
            severity=Severity.WARNING,
            owner=PLATFORM,
            title=f"{counted(count, 'notification')} of {queue.url} could not be recorded",
            look=f"aws sqs receive-message --queue-url {url}",
            mend="what they name is found by the nightly reconciliation, or `data-platform run`; "
            f"correct who sends them, then `aws sqs purge-queue --queue-url {url}`",
        )


def _of_object(
    entry: Entry, *, rule: str, severity: Severity, owner: str, said: str, mend: str
) -> Cause:
    return Cause(
        kind=Kind.OBJECT,
        subject=f"{entry.bucket}/{entry.key}",
        rule=rule,
        severity=severity,
        owner=owner,
        title=f"the landed object {entry.key} {said}",
        partitions=entry.partition or "",
        look="data-platform landing",
        mend=mend,
        run=entry.run_id or "",
    )
