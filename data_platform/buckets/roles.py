"""Which role may do what: each a list of grants, from the standard and the declared tables.

A role has what the code does under it and no more. Whoever gives it more, or sees it refused,
changes it here: `docs/decisions/0015-least-privilege.md` says why the lines are where they are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from data_platform.buckets.errors import permission
from data_platform.buckets.grants import (
    TLS,
    Grant,
    Site,
    TableUse,
    glue,
    listing,
    objects,
)
from data_platform.buckets.standard import Purpose
from data_platform.lake.table import TableId


class Role(StrEnum):
    INGEST = "ingest"
    TRANSFORM = "transform"
    SERVE = "serve"
    PERSON = "person"
    AUDIT = "audit"
    UPKEEP = "upkeep"


DESCRIPTIONS: Mapping[Role, str] = {
    Role.INGEST: "reads what landed, writes bronze",
    Role.TRANSFORM: "reads bronze, writes silver, gold and what these reject",
    Role.SERVE: "reads gold",
    Role.PERSON: "reads every table, not what landed",
    Role.AUDIT: "reads the buckets' configuration and the tables' metadata",
    Role.UPKEEP: "forgets old snapshots and deletes the files that none refers to",
}

# What the audit of a bucket asks S3 for, by boto3's names.
AUDITED = (
    "GetBucketEncryption",
    "GetBucketLifecycleConfiguration",
    "GetBucketLogging",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetPublicAccessBlock",
)
_LANDED = "landed objects belong to no table yet: below a source's prefix"
_UNKNOWN_KEYS = "a key that no source claims is only seen where everything is listed"
_NAMED_KEYS = (
    "the queue names keys that no source claims, and asking S3 for one needs leave to read it"
)
_SCRATCH = "intermediate work belongs to no table: below the role's own prefix"
_FOREIGN = "the audit covers buckets that nobody foresaw: all with the project's prefix"
_NO_RESOURCE = "AWS has no resource-level permission for it"
_UPLOADS = "AWS has no condition on a prefix for it"
_SUFFIX = "Secrets Manager ends a secret's ARN with six characters of its own"


def grants(role: Role, site: Site) -> list[Grant]:
    """Everything that a role is allowed, in the order of its policy's statements."""
    return _ROLES[role](site)


def _ingest(site: Site) -> list[Grant]:
    uses = [use for use in site.uses if use.landing is not None]
    prefixes = sorted({use.landing or "" for use in uses})
    paths = [(f"{site.landing}/{prefix}*", _LANDED) for prefix in prefixes]
    if site.queue:
        paths = [(f"{site.landing}/*", _NAMED_KEYS)]
    return [
        listing(site, site.landing, why=_UNKNOWN_KEYS),
        *(objects(site, "ReadLanding", ["GetObject"], path, why=why) for path, why in paths),
        *_building(site, Role.INGEST, uses),
        *_queue(site),
        *_secret(site),
        *_key(site, writes=True),
    ]


def _transform(site: Site) -> list[Grant]:
    uses = [use for use in site.uses if use.landing is None]
    return [
        *_building(site, Role.TRANSFORM, uses),
        *_secret(site),
        *_key(site, writes=True),
    ]


def _serve(site: Site) -> list[Grant]:
    gold = [table for table in site.tables if table.layer == "gold"]
    return [*_reading(site, gold), *_browsing(site, gold), *_key(site)]


def _person(site: Site) -> list[Grant]:
    return [*_reading(site, site.tables), *_browsing(site, site.tables), *_key(site)]


def _audit(site: Site) -> list[Grant]:
    project = site.specs[0].project
    configuration = Grant(
        sid="ReadConfiguration",
        actions=tuple(sorted(map(permission, AUDITED))),
        resources=(site.account.arn(f"{project}-*"),),
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
    return [
        names,
        configuration,
        *_metadata(site, site.tables),
        *_browsing(site, site.tables),
        *_secret(site),
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
    deleting = ["DeleteObject", "AbortMultipartUpload"]
    return [
        *_metadata(site, site.tables),
        *_listing(site, site.tables),
        *(objects(site, "DeleteFiles", deleting, f"{at}/*") for at in places),
        *(objects(site, "ForgetSnapshots", ["PutObject"], f"{at}/metadata/*") for at in places),
        *glue(site, "CommitToGlue", ["GetTable", "UpdateTable"], site.tables),
        uploads,
        *_browsing(site, site.tables),
        *_secret(site),
        *_key(site, writes=True),
    ]


_ROLES: Mapping[Role, Callable[[Site], list[Grant]]] = {
    Role.INGEST: _ingest,
    Role.TRANSFORM: _transform,
    Role.SERVE: _serve,
    Role.PERSON: _person,
    Role.AUDIT: _audit,
    Role.UPKEEP: _upkeep,
}


# --- what roles have in common --------------------------------------------------------------


def _building(site: Site, role: Role, uses: Sequence[TableUse]) -> Iterator[Grant]:
    """Reading inputs, writing tables, and room for intermediate work."""
    written = _sorted(table for use in uses for table in use.writes)
    read = _sorted(table for use in uses for table in (*use.reads, *use.writes))
    known = _sorted(table for use in uses for table in use.looks_up)
    yield from _reading(site, read)
    # Of what nobody writes there are no files, only the question whether there is such a table.
    there = [table for table in known if table in site.tables and table not in read]
    yield from _metadata(site, there)
    yield from _writing(site, written)
    others = [table for table in _sorted([*read, *known]) if table not in written]
    yield from glue(site, "LookUpInGlue", ["GetTable"], others)
    scratch = f"{site.bucket(Purpose.TEMP)}/{role}"
    yield listing(site, scratch, why=_SCRATCH)
    actions = ["GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload"]
    yield objects(site, "UseTemp", actions, f"{scratch}/*", why=_SCRATCH)


def _reading(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    for place in _places(site, tables):
        yield objects(site, "ReadTables", ["GetObject"], f"{place}/*")
    yield from _listing(site, tables)


def _metadata(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    """What a table is, without its rows."""
    for place in _places(site, tables):
        yield objects(site, "ReadMetadata", ["GetObject"], f"{place}/metadata/*")


def _writing(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    """Data files are only ever added: what deletes them is upkeep."""
    for place in _places(site, tables):
        yield objects(site, "AddFiles", ["PutObject", "AbortMultipartUpload"], f"{place}/*")
    yield from _deleting_metadata(site, tables)
    making = ["GetDatabase", "CreateDatabase", "GetTable", "CreateTable", "UpdateTable"]
    yield from glue(site, "WriteInGlue", making, tables)


def _deleting_metadata(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    """A commit deletes the metadata of old commits, and its own where it failed."""
    for place in _places(site, tables):
        yield objects(site, "DeleteMetadata", ["DeleteObject"], f"{place}/metadata/*")


def _browsing(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    """Which tables there are; Glue shows only those that may be seen."""
    seeing = ["GetDatabase", "GetDatabases", "GetTable", "GetTables"]
    yield from glue(site, "BrowseGlue", seeing, tables)


def _listing(site: Site, tables: Sequence[TableId]) -> Iterator[Grant]:
    yield from (listing(site, place) for place in _places(site, tables))


def _places(site: Site, tables: Sequence[TableId]) -> list[str]:
    """`bucket/prefix` of each table; the files lie below, in `data` and `metadata`."""
    return ["/".join([site.warehouse, *table.path]) for table in tables]


def _queue(site: Site) -> Iterator[Grant]:
    if site.queue:
        yield Grant(
            sid="TakeArrivals",
            actions=("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
            resources=(site.queue_arn,),
            conditions=TLS,
        )


def _secret(site: Site) -> Iterator[Grant]:
    if site.secret:
        yield Grant(
            sid="ReadSecret",
            actions=("secretsmanager:GetSecretValue",),
            resources=(site.arn("secretsmanager", f"secret:{site.secret}-??????"),),
            conditions=TLS,
            why=_SUFFIX,
        )


def _key(site: Site, *, writes: bool = False) -> Iterator[Grant]:
    """S3 asks for the key on the caller's behalf, so TLS is S3's condition, not this one's."""
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
