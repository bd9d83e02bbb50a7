"""What a policy is made of: where the platform's things are, and one permission on some of them.

Values only: which role gets which of them is in `roles.py`, how they are written down for IAM in
`policies.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data_platform.buckets.account import Account
from data_platform.buckets.errors import BucketError
from data_platform.buckets.standard import BucketSpec, Purpose, bucket_specs
from data_platform.buckets.tables import TableUse
from data_platform.settings.model import Settings
from data_platform.tables.identity import TableId

TLS = {"Bool": {"aws:SecureTransport": "true"}}


@dataclass(frozen=True, kw_only=True)
class Site:
    """Everything that the roles' policies name.

    `landing` and `warehouse` are `bucket` or `bucket/prefix`, `inventory` is too: where S3 puts its
    inventory of the landing bucket. `queue` is an SQS queue's URL,
    `secret` the name or ARN of a secret, `key` the ARN of the KMS key of the buckets; each is empty
    where there is none. `glue` says whether the catalog is Glue.
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

    @property
    def tables(self) -> list[TableId]:
        """Every table that is ever written, sorted."""
        return sorted({table for use in self.uses for table in use.writes})

    def bucket(self, purpose: Purpose) -> str:
        return next(spec.name for spec in self.specs if spec.purpose is purpose)

    def arn(self, service: str, resource: str) -> str:
        return self.account.regional_arn(service, resource)

    @property
    def queue_arn(self) -> str:
        """Of a URL as SQS gives it: `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`."""
        account, _, name = self.queue.partition("://")[2].partition("/")[2].partition("/")
        region = self.account.region
        return f"arn:{self.account.partition}:sqs:{region}:{account}:{name}"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One permission; grants of one `sid` become one statement.

    `prefixes` are those of the keys that may be listed. `why` says what a wildcard in
    `resources` is for that does not follow a table's prefix, or why a listing has no prefix.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, str]]
    prefixes: tuple[str, ...] = ()
    why: str = ""


def site(settings: Settings, account: Account, uses: Sequence[TableUse], *, key: str = "") -> Site:
    """Where the settings have things; the standard's buckets where they name no bucket.

    Raises BucketError where `key` is no ARN of a KMS key: an alias means nothing in a policy.
    """
    if key and not (key.startswith("arn:") and ":key/" in key):
        raise BucketError(f"{key!r} is no ARN of a KMS key; write it like arn:aws:kms:...:key/...")
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
    """On the objects at `paths`: `bucket/key`, with wildcards."""
    return Grant(
        sid=sid,
        actions=tuple(f"s3:{action}" for action in actions),
        resources=tuple(map(site.account.arn, paths)),
        conditions=_owned(site),
        why=why,
    )


def listing(site: Site, place: str, *, why: str = "") -> Grant:
    """Listing what lies below a place: a `bucket` or `bucket/prefix`, which ends without a slash.

    It is also what makes S3 answer "not found" for a key that is not there: else it says
    "forbidden", and nobody can tell a file that is gone from one that may not be read.
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
    # Names are global: a bucket that was given up and taken by somebody else gets nothing.
    return {**TLS, "StringEquals": {"aws:ResourceAccount": site.account.id}}


def glue(site: Site, sid: str, actions: Sequence[str], tables: Sequence[TableId]) -> list[Grant]:
    """On tables, with the catalog and the database that Glue asks for as well; nothing where the
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
