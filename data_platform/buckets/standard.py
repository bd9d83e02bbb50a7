"""The bucket standard as data: the five buckets of a project in an environment.

The queue that raw-landing notifies is in `queue_standard.py`. The reasons, and what the standard
leaves open, are in `docs/decisions/0012-buckets.md`; `rules.py` compares a bucket with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from data_platform.settings.model import Environment

# Configuration with these names is the platform's; everything else belongs to others. But a
# notification is the platform's by its target: one of this name with another target is not.
LIFECYCLE_ID = "data-platform"
NOTIFICATION_ID = "data-platform"
TABLE_LIFECYCLE_ID = "data-platform/"  # followed by the table
TLS_ONLY_SID = "DataPlatformTlsOnly"
LOG_DELIVERY_SID = "DataPlatformLogDelivery"
ARRIVALS_SID = "DataPlatformArrivals"
OWN_SIDS = frozenset({TLS_ONLY_SID, LOG_DELIVERY_SID, ARRIVALS_SID})

ACCESS_LOGS = "access/"
"""The prefix of access logs in the logs bucket."""


class Purpose(StrEnum):
    """What a bucket is for; part of its name."""

    RAW_LANDING = "raw-landing"
    WAREHOUSE = "warehouse"
    TEMP = "temp"
    ARTIFACTS = "artifacts"
    LOGS = "logs"


class QueuePurpose(StrEnum):
    """What a queue is for; part of its name."""

    ARRIVALS = "arrivals"
    DEAD = "arrivals-dead"


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """When objects are deleted or moved to cheaper storage, in days.

    `expire` counts from an object's creation, None keeps it for ever; `expire_noncurrent` counts
    from the day a version was replaced or deleted. `tiers` maps storage classes to the day of the
    move.
    """

    expire: int | None = None
    expire_noncurrent: int
    abort_uploads: int = 7
    tiers: Mapping[str, int] = field(default_factory=dict)
    noncurrent_tiers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BucketStandard:
    """One line of the standard. `kms` says whether SSE-KMS is accepted in place of SSE-S3."""

    purpose: Purpose
    holds: str
    versioned: bool
    lifecycle: Lifecycle
    kms: bool = True


STANDARD = (
    # First: the others can only log to an existing bucket.
    BucketStandard(
        purpose=Purpose.LOGS,
        holds="application and access logs",
        versioned=False,
        lifecycle=Lifecycle(expire=90, expire_noncurrent=1, tiers={"STANDARD_IA": 30}),
        kms=False,  # log delivery cannot write to SSE-KMS
    ),
    BucketStandard(
        purpose=Purpose.RAW_LANDING,
        holds="incoming uploads",
        versioned=True,
        # Instant retrieval, since a rebuild reads objects of any age.
        lifecycle=Lifecycle(expire_noncurrent=90, tiers={"STANDARD_IA": 30, "GLACIER_IR": 90}),
    ),
    BucketStandard(
        purpose=Purpose.WAREHOUSE,
        holds="tables",
        versioned=True,
        # Tables have rules of their own: see LAYER_TIERS.
        lifecycle=Lifecycle(expire_noncurrent=30),
    ),
    BucketStandard(
        purpose=Purpose.TEMP,
        holds="intermediate work",
        versioned=False,
        lifecycle=Lifecycle(expire=7, expire_noncurrent=1),
    ),
    BucketStandard(
        purpose=Purpose.ARTIFACTS,
        holds="models, configuration, outputs",
        versioned=True,
        lifecycle=Lifecycle(
            expire_noncurrent=365, tiers={"STANDARD_IA": 90}, noncurrent_tiers={"GLACIER": 30}
        ),
    ),
)


# Storage classes of a table's files, with the days after which a file moves, by layer; for tables
# that declare none. Gold is read every day, and reading from a cheaper class costs money.
LAYER_TIERS: Mapping[str, Mapping[str, int]] = {
    "bronze": {"STANDARD_IA": 30, "GLACIER_IR": 120},
    "quarantine": {"STANDARD_IA": 30, "GLACIER_IR": 120},
    "duplicates": {"STANDARD_IA": 30, "GLACIER_IR": 120},
    "silver": {"STANDARD_IA": 90},
}

OWNER = "team:platform"


def name_of(project: str, purpose: Purpose | QueuePurpose, environment: Environment) -> str:
    """The name of a bucket or queue: `PROJECT-PURPOSE-ENVIRONMENT`."""
    return f"{project}-{purpose}-{environment}"


def cost_tags(
    project: str, purpose: Purpose | QueuePurpose, environment: Environment
) -> dict[str, str]:
    """The cost allocation tags, by which a bill can be split."""
    return {
        "project": project,
        "environment": str(environment),
        "purpose": str(purpose),
        "owner": OWNER,
        "managed-by": "data-platform",
    }


@dataclass(frozen=True)
class TableTiers:
    """The storage classes of a table, whose files all have keys that start with `prefix`."""

    table: str
    prefix: str
    tiers: Mapping[str, int]


@dataclass(frozen=True)
class BucketSpec:
    """The standard for one bucket of a project in an environment.

    `tables` are the tables in it that move between storage classes; None if they are not known
    here, and their rules are then left alone. `notifies` is the queue that is notified of its
    objects; empty if there is none, or it is not known here.
    """

    project: str
    environment: Environment
    standard: BucketStandard
    tables: tuple[TableTiers, ...] | None = ()
    notifies: str = ""

    @property
    def purpose(self) -> Purpose:
        """What the bucket is for."""
        return self.standard.purpose

    @property
    def name(self) -> str:
        """The bucket's name: project, purpose and environment."""
        return name_of(self.project, self.purpose, self.environment)

    @property
    def logs(self) -> str:
        """The bucket that its access logs go to."""
        return name_of(self.project, Purpose.LOGS, self.environment)

    @property
    def tags(self) -> dict[str, str]:
        """Its cost allocation tags."""
        return cost_tags(self.project, self.purpose, self.environment)


def bucket_specs(
    project: str,
    environment: Environment,
    tables: tuple[TableTiers, ...] | None = (),
    *,
    notifies: bool = True,
) -> list[BucketSpec]:
    """The specs of the five buckets, in the order of creation; the warehouse holds `tables`.

    For another environment than the present one, pass None as `tables` and False as `notifies`:
    only its own deployment knows its tables and its queue, which may be in another region.
    """
    queue = name_of(project, QueuePurpose.ARRIVALS, environment) if notifies else ""
    return [
        BucketSpec(
            project,
            environment,
            standard,
            tables=tables if standard.purpose is Purpose.WAREHOUSE else (),
            notifies=queue if standard.purpose is Purpose.RAW_LANDING else "",
        )
        for standard in STANDARD
    ]
