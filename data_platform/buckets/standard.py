"""The bucket standard: which five buckets a project has in an environment, as data.

The queue that raw-landing tells of its objects is in `queue_standard.py`.

What it leaves open, and why it is as it is: `docs/decisions/0012-buckets.md`. How a bucket is
compared with it: `rules.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from data_platform.settings.model import Environment

# What carries these names in a bucket or queue is the platform's; all else is somebody else's. A
# notification is the platform's by whom it tells: an entry of that name that tells another is not.
LIFECYCLE_ID = "data-platform"
NOTIFICATION_ID = "data-platform"
TABLE_LIFECYCLE_ID = "data-platform/"  # followed by the table
TLS_ONLY_SID = "DataPlatformTlsOnly"
LOG_DELIVERY_SID = "DataPlatformLogDelivery"
ARRIVALS_SID = "DataPlatformArrivals"
OWN_SIDS = frozenset({TLS_ONLY_SID, LOG_DELIVERY_SID, ARRIVALS_SID})

ACCESS_LOGS = "access/"
"""Where access logs lie in the logs bucket; application logs lie elsewhere."""


class Purpose(StrEnum):
    RAW_LANDING = "raw-landing"
    WAREHOUSE = "warehouse"
    TEMP = "temp"
    ARTIFACTS = "artifacts"
    LOGS = "logs"


class QueuePurpose(StrEnum):
    ARRIVALS = "arrivals"
    DEAD = "arrivals-dead"


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """When objects go, or move to cheaper storage, in days.

    `expire` counts from an object's creation and None keeps it for good; `expire_noncurrent` counts
    from the day a version was replaced or deleted. The tiers are storage classes with the day of
    the move.
    """

    expire: int | None = None
    expire_noncurrent: int
    abort_uploads: int = 7
    tiers: Mapping[str, int] = field(default_factory=dict)
    noncurrent_tiers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BucketStandard:
    """One line of the standard. `kms` says whether SSE-KMS may stand in for SSE-S3."""

    purpose: Purpose
    holds: str
    versioned: bool
    lifecycle: Lifecycle
    kms: bool = True


STANDARD = (
    # First: the others can only log to a bucket that is there.
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
        # Glacier's instant retrieval: a rebuild reads objects of any age.
        lifecycle=Lifecycle(expire_noncurrent=90, tiers={"STANDARD_IA": 30, "GLACIER_IR": 90}),
    ),
    BucketStandard(
        purpose=Purpose.WAREHOUSE,
        holds="tables",
        versioned=True,
        # Tables move by themselves: see LAYER_TIERS.
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


# Storage classes of a table's files by its layer, where its declaration names none: with the days
# after which a file moves. Gold is read every day, and reading from a cheaper class is paid for.
LAYER_TIERS: Mapping[str, Mapping[str, int]] = {
    "bronze": {"STANDARD_IA": 30, "GLACIER_IR": 120},
    "quarantine": {"STANDARD_IA": 30, "GLACIER_IR": 120},
    "duplicates": {"STANDARD_IA": 30, "GLACIER_IR": 120},
    "silver": {"STANDARD_IA": 90},
}

OWNER = "team:platform"


def name_of(project: str, purpose: Purpose | QueuePurpose, environment: Environment) -> str:
    return f"{project}-{purpose}-{environment}"


def cost_tags(
    project: str, purpose: Purpose | QueuePurpose, environment: Environment
) -> dict[str, str]:
    """Cost allocation tags: what a bill is split by."""
    return {
        "project": project,
        "environment": str(environment),
        "purpose": str(purpose),
        "owner": OWNER,
        "managed-by": "data-platform",
    }


@dataclass(frozen=True)
class TableTiers:
    """The storage classes of a table: all of its files have keys that begin with `prefix`."""

    table: str
    prefix: str
    tiers: Mapping[str, int]


@dataclass(frozen=True)
class BucketSpec:
    """What the standard asks of one bucket of a project in an environment.

    `tables` are those that lie in it and move between storage classes; None where nobody here
    knows them, so that their rules are somebody else's. `tells` is the queue that it tells of its
    objects; empty where it tells none, or nobody here knows which.
    """

    project: str
    environment: Environment
    standard: BucketStandard
    tables: tuple[TableTiers, ...] | None = ()
    tells: str = ""

    @property
    def purpose(self) -> Purpose:
        return self.standard.purpose

    @property
    def name(self) -> str:
        return name_of(self.project, self.purpose, self.environment)

    @property
    def logs(self) -> str:
        """The bucket that its access logs go to."""
        return name_of(self.project, Purpose.LOGS, self.environment)

    @property
    def tags(self) -> dict[str, str]:
        return cost_tags(self.project, self.purpose, self.environment)


def bucket_specs(
    project: str,
    environment: Environment,
    tables: tuple[TableTiers, ...] | None = (),
    *,
    tells: bool = True,
) -> list[BucketSpec]:
    """The five buckets, in the order in which they can be made; the warehouse holds `tables`.

    Of an environment that is not the present one `tables` is None and `tells` is false: its tables,
    and its queue, which may be in another region, are its own deployment's to know.
    """
    queue = name_of(project, QueuePurpose.ARRIVALS, environment) if tells else ""
    return [
        BucketSpec(
            project,
            environment,
            standard,
            tables=tables if standard.purpose is Purpose.WAREHOUSE else (),
            tells=queue if standard.purpose is Purpose.RAW_LANDING else "",
        )
        for standard in STANDARD
    ]
