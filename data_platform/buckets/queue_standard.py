"""The queue of arrivals, and where its dead letters go, as data: part of the bucket standard.

Why it is as it is: `docs/decisions/0014-arrivals-by-queue.md`. How a queue is compared with it:
`queue_rules.py`.
"""

from dataclasses import dataclass

from data_platform.buckets.standard import Purpose, QueuePurpose, cost_tags, name_of
from data_platform.settings.model import Environment

DAY = 24 * 60 * 60


@dataclass(frozen=True, kw_only=True)
class QueueStandard:
    """One line of the standard. `retention` in seconds is how long a message waits, SQS's longest.

    `visibility` is the least, in seconds, that a message in work is kept from other consumers, and
    `max_receives` how often it is received before it is a dead letter; None where nobody says.
    """

    purpose: QueuePurpose
    holds: str
    retention: int = 14 * DAY
    visibility: int | None = None
    max_receives: int | None = None


QUEUES = (
    # First: a queue can only give its dead letters to one that is there.
    QueueStandard(purpose=QueuePurpose.DEAD, holds="messages that nobody understood"),
    QueueStandard(
        purpose=QueuePurpose.ARRIVALS,
        holds="what S3 tells of raw-landing",
        visibility=120,
        max_receives=10,
    ),
)


@dataclass(frozen=True)
class QueueSpec:
    """What the standard asks of one queue of a project in an environment."""

    project: str
    environment: Environment
    standard: QueueStandard

    @property
    def purpose(self) -> QueuePurpose:
        return self.standard.purpose

    @property
    def name(self) -> str:
        return self.named(self.purpose)

    @property
    def tags(self) -> dict[str, str]:
        return cost_tags(self.project, self.purpose, self.environment)

    def named(self, purpose: Purpose | QueuePurpose) -> str:
        """A bucket or queue of the same project and environment."""
        return name_of(self.project, purpose, self.environment)


def queue_specs(project: str, environment: Environment) -> list[QueueSpec]:
    """Both queues, in the order in which they can be made."""
    return [QueueSpec(project, environment, standard) for standard in QUEUES]
