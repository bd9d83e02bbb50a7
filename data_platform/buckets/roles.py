"""The grants of each role, derived from the standard and the declared tables.

A role may do what the code does under it and no more; a permission is added or removed here.
`docs/decisions/0015-least-privilege.md` gives the reasons for how the roles are divided.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from data_platform.buckets.errors import permission
from data_platform.buckets.grants import (
    TLS,
    Grant,
    Site,
    TableUse,
    arrivals,
    glue,
    listing,
    listing_promoted,
    objects,
    promoted,
    reading_promoted,
    secret,
)
from data_platform.buckets.jobs import launching, running_as_job
from data_platform.buckets.queue_standard import queue_specs
from data_platform.buckets.standard import Purpose
from data_platform.tables.identity import TableId


class Role(StrEnum):
    """The roles that the platform runs under; each has its own policies. LAUNCH is Dagster's
    process where steps are jobs of a service; elsewhere it has none."""

    INGEST = "ingest"
    TRANSFORM = "transform"
    SERVE = "serve"
    PERSON = "person"
    AUDIT = "audit"
    UPKEEP = "upkeep"
    LAUNCH = "launch"


# The S3 operations of a bucket's audit, by boto3's names.
AUDITED = (
    "GetBucketEncryption",
    "GetBucketLifecycleConfiguration",
    "GetBucketLogging",
    "GetBucketNotificationConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetPublicAccessBlock",
)
# The SQS operations of a queue's audit.
AUDITED_QUEUES = ("GetQueueAttributes", "GetQueueUrl", "ListQueueTags")
_BROWSING = ("GetDatabase", "GetDatabases", "GetTable", "GetTables")
_LANDED = "landed objects belong to no table yet: below a source's prefix"
_UNKNOWN_KEYS = "a key that no source claims is only seen where everything is listed"
_NAMED_KEYS = (
    "queue and inventory name keys that no source claims, and asking S3 for one needs leave to "
    "read it"
)
_SCRATCH = "intermediate work belongs to no table: below the role's own prefix"
_REPORTS = "reports about the bucket belong to no table: below the inventory's own prefix"
_FOREIGN = "the audit covers buckets that nobody foresaw: all with the project's prefix"
_NO_RESOURCE = "AWS has no resource-level permission for it"
_UPLOADS = "AWS has no condition on a prefix for it"


def grants(role: Role, site: Site) -> list[Grant]:
    """All grants of a role, in the order of its policy's statements."""
    return _ROLES[role](site)


def _ingest(site: Site) -> list[Grant]:
    uses = [use for use in site.uses if use.landing is not None]
    prefixes = sorted({use.landing or "" for use in uses})
    paths = [(f"{site.landing}/{prefix}*", _LANDED) for prefix in prefixes]
    if site.queue or site.inventory:
        paths = [(f"{site.landing}/*", _NAMED_KEYS)]
    return [
        listing(site, site.landing, why=_UNKNOWN_KEYS),
        *(objects(site, "ReadLanding", ["GetObject"], path, why=why) for path, why in paths),
        *_building(site, uses),
        *reading_promoted(site, _written(uses)),
        *_scratch(site, Role.INGEST),
        *arrivals(site),
        *_inventory(site),
        *running_as_job(site),
        *secret(site),
        *_key(site, writes=True),
    ]


def _transform(site: Site) -> list[Grant]:
    uses = [use for use in site.uses if use.landing is None]
    return [
        *_building(site, uses),
        *reading_promoted(site),
        *running_as_job(site),
        *secret(site),
        *_key(site, writes=True),
    ]


def _serve(site: Site) -> list[Grant]:
    gold = [table for table in site.tables if table.layer == "gold"]
    return [
        *_reading(site, gold),
        *reading_promoted(site, gold),
        *_browsing(site, gold),
        *_key(site),
    ]


def _person(site: Site) -> list[Grant]:
    return [
        *_reading(site, site.tables),
        *reading_promoted(site),
        *_browsing(site, site.tables),
        *_looking_up(site, _looked_up(site.uses), site.tables),
        *_key(site),
    ]


def _audit(site: Site) -> list[Grant]:
    spec = site.specs[0]
    configuration = Grant(
        sid="ReadConfiguration",
        actions=tuple(sorted(map(permission, AUDITED))),
        resources=(site.account.arn(f"{spec.project}-*"),),
        conditions=TLS,
        why=_FOREIGN,
    )
    names = Grant(
        sid="ListBuckets",
        actions=(permission("ListBuckets"),),
        resources=("*",),
        conditions=TLS,
        why=_NO_RESOURCE,
    )
    queues = Grant(
        sid="ReadQueues",
        actions=tuple(permission(operation, "sqs") for operation in AUDITED_QUEUES),
        resources=tuple(
            site.arn("sqs", queue.name) for queue in queue_specs(spec.project, spec.environment)
        ),
        conditions=TLS,
    )
    return [
        names,
        configuration,
        queues,
        *_metadata(site, site.tables),
        *_browsing(site, site.tables),
        *secret(site),
        *_key(site),
    ]


def _upkeep(site: Site) -> list[Grant]:
    bucket = site.warehouse.partition("/")[0]
    uploads = Grant(
        sid="ListUploads",
        actions=("s3:ListBucketMultipartUploads",),
        resources=(site.account.arn(bucket),),
        conditions=TLS,
        why=_UPLOADS,
    )
    places = _places(site, site.tables)
    forgetting, deleting = ["GetObject", "PutObject"], ["DeleteObject", "AbortMultipartUpload"]
    return [
        *(objects(site, "ForgetSnapshots", forgetting, f"{at}/metadata/*") for at in places),
        *_listing(site, site.tables),
        *(objects(site, "DeleteFiles", deleting, f"{at}/*") for at in places),
        *promoted(site, "ReadEnvironments", ["GetObject"], "metadata"),
        *promoted(site, "DeletePromoted", deleting, "data"),
        *listing_promoted(site),
        uploads,
        *glue(site, "KeepInGlue", [*_BROWSING, "UpdateTable"], site.tables),
        *_looking_up(site, _looked_up(site.uses), site.tables),
        *secret(site),
        *_key(site, writes=True),
    ]


def _launch(site: Site) -> list[Grant]:
    """Dagster's process lists what landed and plans from metadata; jobs do all else."""
    if site.jobs is None:
        return []
    named = [f"{site.landing}/*"] if site.queue or site.inventory else []
    return [
        *launching(site),
        listing(site, site.landing, why=_UNKNOWN_KEYS),
        *(objects(site, "ReadLanding", ["GetObject"], at, why=_NAMED_KEYS) for at in named),
        *_metadata(site, site.tables),
        *_listing(site, site.tables),
        *glue(site, "LookUpInGlue", ["GetTable"], site.tables),
        *_looking_up(site, _looked_up(site.uses), site.tables),
        *arrivals(site),
        *_inventory(site),
        *secret(site),
        *_key(site, writes=True),
    ]


_ROLES: Mapping[Role, Callable[[Site], list[Grant]]] = {
    Role.INGEST: _ingest,
    Role.TRANSFORM: _transform,
    Role.SERVE: _serve,
    Role.PERSON: _person,
    Role.AUDIT: _audit,
    Role.UPKEEP: _upkeep,
    Role.LAUNCH: _launch,
}


# --- what roles have in common --------------------------------------------------------------


def _building(site: Site, uses: Sequence[TableUse]) -> Iterator[Grant]:
    """Reading inputs, writing tables."""
    written = _written(uses)
    inputs = _sorted({table for use in uses for table in use.reads} - {*written})
    yield from _reading(site, inputs)
    yield from glue(site, "LookUpInGlue", ["GetTable"], inputs)
    yield from _looking_up(site, _looked_up(uses), [*inputs, *written])
    yield from _writing(site, written)


def _written(uses: Iterable[TableUse]) -> list[TableId]:
    return _sorted(table for use in uses for table in use.writes)


def _looked_up(uses: Iterable[TableUse]) -> list[TableId]:
    return _sorted(table for use in uses for table in use.looks_up)


def _looking_up(site: Site, tables: Sequence[TableId], seen: Sequence[TableId]) -> Iterator[Grant]:
    """Reading the metadata of the tables not in `seen`. A table may exist that no declaration
    writes: the catalog keeps tables that the code no longer declares."""
    others = [table for table in tables if table not in seen]
    yield from _metadata(site, others)
    yield from glue(site, "LookUpInGlue", ["GetTable"], others)


def _scratch(site: Site, role: Role) -> Iterator[Grant]:
    """Room for intermediate work."""
    scratch = f"{site.bucket(Purpose.TEMP)}/{role}"
    yield listing(site, scratch, why=_SCRATCH)
    actions = ["GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload"]
    yield objects(site, "UseTemp", actions, f"{scratch}/*", why=_SCRATCH)


def _reading(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    for place in _places(site, tables):
        yield objects(site, "ReadTables", ["GetObject"], f"{place}/*")
    yield from _listing(site, tables)


def _metadata(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    """Reading tables' metadata, without their rows."""
    for place in _places(site, tables):
        yield objects(site, "ReadMetadata", ["GetObject"], f"{place}/metadata/*")


def _writing(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    """Writing tables and reading them: a commit reads its parent. Upkeep deletes data files."""
    writing = ["GetObject", "PutObject", "AbortMultipartUpload"]
    for place in _places(site, tables):
        yield objects(site, "WriteTables", writing, f"{place}/*")
    yield from _listing(site, tables)
    yield from _deleting_metadata(site, tables)
    making = ["GetDatabase", "CreateDatabase", "GetTable", "CreateTable", "UpdateTable"]
    yield from glue(site, "WriteInGlue", making, tables)


def _deleting_metadata(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    """A commit deletes the metadata of old commits, and its own if it fails."""
    for place in _places(site, tables):
        yield objects(site, "DeleteMetadata", ["DeleteObject"], f"{place}/metadata/*")


def _browsing(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    """Listing the tables; Glue shows only those that the role may see."""
    yield from glue(site, "BrowseGlue", _BROWSING, tables)


def _listing(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    yield from (listing(site, place) for place in _places(site, tables))


def _places(site: Site, tables: Sequence[TableId]) -> list[str]:
    """`bucket/prefix` of each table, with its `data` and `metadata` below."""
    return ["/".join([site.warehouse, *table.path]) for table in tables]


def _inventory(site: Site) -> Iterator[Grant]:
    if site.inventory:
        yield listing(site, site.inventory)
        reports = f"{site.inventory}/*"
        yield objects(site, "ReadInventory", ["GetObject"], reports, why=_REPORTS)


def _key(site: Site, *, writes: bool = False) -> Iterator[Grant]:
    """Use of the KMS key; S3 calls KMS for the caller, so the TLS condition is on S3's grants."""
    if site.key:
        suffix = ".cn" if site.account.partition == "aws-cn" else ""
        service = f"s3.{site.account.region}.amazonaws.com{suffix}"
        yield Grant(
            sid="UseKey",
            actions=("kms:Decrypt", *(["kms:GenerateDataKey"] if writes else [])),
            resources=(site.key,),
            conditions={"StringEquals": {"kms:ViaService": service}},
        )


def _sorted(tables: Iterable[TableId]) -> list[TableId]:
    return sorted(set(tables))
