"""The arrivals queue and its dead letter queue as data: part of the bucket standard.

The reasons are in `docs/decisions/0014-arrivals-by-queue.md`; `queue_rules.py` compares a queue
with it.
"""

from dataclasses import dataclass

from data_platform.buckets.standard import Purpose, QueuePurpose, cost_tags, name_of
from data_platform.settings.model import Environment

DAY = 24 * 60 * 60


@dataclass(frozen=True, kw_only=True)
class QueueStandard:
    """One line of the standard. Messages are kept for `retention` seconds, the most SQS allows.

    `visibility` is the shortest visibility timeout in seconds, `max_receives` how often a message
    is received before it becomes a dead letter; None if the standard does not say.
    """

    purpose: QueuePurpose
    holds: str
    retention: int = 14 * DAY
    visibility: int | None = None
    max_receives: int | None = None


QUEUES = (
    # First: a dead letter queue must exist before a queue can name it.
    QueueStandard(purpose=QueuePurpose.DEAD, holds="messages that nobody understood"),
    QueueStandard(
        purpose=QueuePurpose.ARRIVALS,
        holds="S3 notifications of raw-landing",
        visibility=120,
        max_receives=10,
    ),
)


@dataclass(frozen=True)
class QueueSpec:
    """The standard for one queue of a project in an environment."""

    project: str
    environment: Environment
    standard: QueueStandard

    @property
    def purpose(self) -> QueuePurpose:
        """What the queue is for."""
        return self.standard.purpose

    @property
    def name(self) -> str:
        """The queue's name: project, purpose and environment."""
        return self.named(self.purpose)

    @property
    def tags(self) -> dict[str, str]:
        """Its cost allocation tags."""
        return cost_tags(self.project, self.purpose, self.environment)

    def named(self, purpose: Purpose | QueuePurpose) -> str:
        """The name of a bucket or queue of the same project and environment."""
        return name_of(self.project, purpose, self.environment)


def queue_specs(project: str, environment: Environment) -> list[QueueSpec]:
    """The specs of both queues, in the order of creation."""
    return [QueueSpec(project, environment, standard) for standard in QUEUES]
