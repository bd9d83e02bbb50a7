"""The parts of a policy: where the platform's resources are, and permissions on them.

Values only: `roles.py` says which role gets which, `policies.py` writes them as IAM documents.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data_platform.buckets.account import Account
from data_platform.buckets.errors import BucketError
from data_platform.buckets.standard import (
    BucketSpec,
    Purpose,
    QueuePurpose,
    bucket_specs,
    name_of,
)
from data_platform.buckets.tables import TableUse
from data_platform.settings.engine import Service
from data_platform.settings.model import Settings
from data_platform.settings.virtual import FOLDER
from data_platform.tables.identity import TableId

TLS = {"Bool": {"aws:SecureTransport": "true"}}
_ENVIRONMENTS = "environments come and go: below the table's own prefix in each of them"
_EVERY_TABLE = "environments come and go, and the role is for the tables of all layers"

_WHOLE_ARN = re.compile(r"arn:.*-[A-Za-z0-9]{6}")  # an ARN without the suffix is accepted, too
_SUFFIX = "Secrets Manager ends a secret's ARN with six characters of its own"


@dataclass(frozen=True, kw_only=True)
class Site:
    """Everything that the roles' policies name.

    `landing`, `warehouse` and `inventory` (where S3 writes its inventory of the landing bucket) are
    `bucket` or `bucket/prefix`. `queue` is an SQS queue's URL, `secret` a secret's name or ARN,
    `key` the ARN of the buckets' KMS key; each is empty if there is none. `glue` says whether the
    catalog is Glue. `jobs` is None where steps run in Dagster's process.
    """

    account: Account
    specs: tuple[BucketSpec, ...]
    landing: str
    warehouse: str
    uses: tuple[TableUse, ...]
    glue: bool
    queue: str = ""
    inventory: str = ""
    secret: str = ""
    key: str = ""
    jobs: "Jobs | None" = None

    @property
    def tables(self) -> list[TableId]:
        """Every table that anything writes, sorted."""
        return sorted({table for use in self.uses for table in use.writes})

    def bucket(self, purpose: Purpose) -> str:
        """The name of the standard's bucket for a purpose."""
        return next(spec.name for spec in self.specs if spec.purpose is purpose)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in the account and region."""
        return self.account.regional_arn(service, resource)

    @property
    def queue_arn(self) -> str:
        """The ARN of `queue`, whose URL is `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`."""
        account, _, name = self.queue.partition("://")[2].partition("/")[2].partition("/")
        region = self.account.region
        return f"arn:{self.account.partition}:sqs:{region}:{account}:{name}"


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """A service that runs steps as jobs: `target` is the id of its application or virtual cluster,
    or the name of its job; `package` and `messages` are `bucket/prefix`, `role` is an ARN."""

    service: Service
    target: str
    package: str
    messages: str
    role: str


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One permission; grants of one `sid` become one statement.

    `prefixes` are those of the keys that may be listed. `why` gives the reason for a wildcard in
    `resources` that does not follow a table's prefix, or for a listing without a prefix.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, str]]
    prefixes: tuple[str, ...] = ()
    why: str = ""


def site(settings: Settings, account: Account, uses: Sequence[TableUse], *, key: str = "") -> Site:
    """The resources that the settings name, or the standard's buckets if they name none.

    Raises BucketError if `key` is not the ARN of a KMS key: an alias has no effect in a policy.
    """
    if key and not (key.startswith("arn:") and ":key/" in key):
        raise BucketError(
            f"{key!r} is not the ARN of a KMS key; write it like arn:aws:kms:...:key/..."
        )
    specs = tuple(bucket_specs(settings.project, settings.environment))
    named = {spec.purpose: spec.name for spec in specs}
    return Site(
        account=account,
        specs=specs,
        landing=_in_bucket(settings.landing_uri, named[Purpose.RAW_LANDING]),
        warehouse=_in_bucket(settings.warehouse_uri, named[Purpose.WAREHOUSE]),
        uses=tuple(uses),
        glue=settings.catalog_uri == "glue",
        queue=settings.queue_url,
        inventory=settings.inventory_uri.removeprefix("s3://"),
        secret=settings.database_secret,
        key=key,
        jobs=_jobs(settings),
    )


def _jobs(settings: Settings) -> Jobs | None:
    if settings.spark.service is None:
        return None
    service, target = settings.spark.service
    return Jobs(
        service=service,
        target=target,
        package=settings.remote_package.removeprefix("s3://"),
        messages=settings.remote_messages.removeprefix("s3://"),
        role=settings.remote_role,
    )


def _in_bucket(uri: str, otherwise: str) -> str:
    return uri.removeprefix("s3://") if uri.startswith("s3://") else otherwise


def objects(
    site: Site,
    sid: str,
    actions: Sequence[str],
    *paths: str,
    why: str = "",
) -> Grant:
    """A grant on the objects at `paths`: `bucket/key`, with wildcards."""
    return Grant(
        sid=sid,
        actions=tuple(f"s3:{action}" for action in actions),
        resources=tuple(map(site.account.arn, paths)),
        conditions=_owned(site),
        why=why,
    )


def listing(site: Site, place: str, *, why: str = "") -> Grant:
    """A grant to list a place: `bucket` or `bucket/prefix`, without a slash at the end.

    With it S3 answers "not found" for a missing key; without it "forbidden", which does not tell a
    missing file from one that may not be read.
    """
    bucket, _, prefix = place.partition("/")
    return Grant(
        sid=f"List{'' if prefix else 'All'}{_camel(bucket)}",
        actions=("s3:ListBucket",),
        resources=(site.account.arn(bucket),),
        conditions=_owned(site),
        prefixes=(f"{prefix}/*",) if prefix else (),
        why=why,
    )


def _owned(site: Site) -> dict[str, Mapping[str, str]]:
    # Bucket names are global: if another account takes one over, the grant must not apply to it.
    return {**TLS, "StringEquals": {"aws:ResourceAccount": site.account.id}}


def glue(site: Site, sid: str, actions: Sequence[str], tables: Sequence[TableId]) -> list[Grant]:
    """Grants on tables, and on the catalog and databases that Glue checks as well; empty if the
    catalog is not Glue."""
    if not site.glue:
        return []
    return [
        Grant(
            sid=sid,
            actions=tuple(f"glue:{action}" for action in actions),
            resources=(
                site.arn("glue", "catalog"),
                site.arn("glue", f"database/{database}"),
                site.arn("glue", f"table/{database}/{name}"),
            ),
            conditions=TLS,
        )
        for database, name in (table.identifier for table in tables)
    ]


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.replace(".", "-").split("-"))


def promoted(
    site: Site,
    sid: str,
    actions: Sequence[str],
    what: str,
    tables: Sequence[TableId] | None = None,
) -> Iterator[Grant]:
    """The files of tables in virtual environments (None: of all tables, which takes one resource):
    what was promoted stays where it was written, and production's tables refer to it."""
    why = _EVERY_TABLE if tables is None else _ENVIRONMENTS
    for place in _in_environments(site, tables):
        yield objects(site, sid, actions, f"{place}/{what}/*", why=why)


def listing_promoted(site: Site, tables: Sequence[TableId] | None = None) -> Iterator[Grant]:
    """Grants to list the same files."""
    for place in _in_environments(site, tables):
        yield listing(site, place.removesuffix("/*"))


def reading_promoted(site: Site, tables: Sequence[TableId] | None = None) -> Iterator[Grant]:
    """Grants to read their rows."""
    yield from promoted(site, "ReadPromoted", ["GetObject"], "data", tables)
    yield from listing_promoted(site, tables)


def _in_environments(site: Site, tables: Sequence[TableId] | None) -> list[str]:
    folder = f"{site.warehouse}/{FOLDER}/*"
    return [folder] if tables is None else ["/".join([folder, *table.path]) for table in tables]


def arrivals(site: Site) -> Iterator[Grant]:
    """Grants to take messages from the queue, if there is one, and to count the dead letters of the
    standard's."""
    if site.queue:
        spec = site.specs[0]
        dead = name_of(spec.project, QueuePurpose.DEAD, spec.environment)
        yield Grant(
            sid="TakeArrivals",
            actions=("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
            resources=(site.queue_arn,),
            conditions=TLS,
        )
        yield Grant(
            sid="CountDeadLetters",
            actions=("sqs:GetQueueAttributes",),
            resources=(site.arn("sqs", dead),),
            conditions=TLS,
        )


def secret(site: Site) -> Iterator[Grant]:
    """A grant to read the password of the database, if it is in Secrets Manager."""
    if site.secret:
        named = site.secret.startswith("arn:")
        arn = site.secret if named else site.arn("secretsmanager", f"secret:{site.secret}")
        whole = named and _WHOLE_ARN.fullmatch(arn)
        yield Grant(
            sid="ReadSecret",
            actions=("secretsmanager:GetSecretValue",),
            resources=(arn if whole else f"{arn}-??????",),
            conditions=TLS,
            why="" if whole else _SUFFIX,
        )
