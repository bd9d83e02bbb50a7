"""The roles' policies where they are enforced: users of MinIO, at work on tables that are there.

Not seen here, for MinIO has none of it: conditions on TLS and on the account; Glue, SQS, secrets.
"""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from data_platform.buckets.account import Account
from data_platform.buckets.grants import Site, site
from data_platform.buckets.roles import Role
from data_platform.buckets.standard import Purpose
from data_platform.lake.expiry import expire
from data_platform.lake.sizes import sizes
from data_platform.lake.upkeep.browse import rows
from data_platform.lake.upkeep.clean import clean
from data_platform.landing.places.s3_bucket import S3Bucket
from data_platform.platform_defs.table_uses import table_uses
from data_platform.settings.environment import settings_at
from data_platform.storage.object_store import ObjectStore
from data_platform.tables.identity import TableId
from data_platform_tests.support.lake_home import MONDAY, TUESDAY, LakeHome
from data_platform_tests.support.minio_users import acting_as, role_users
from data_platform_tests.support.places import Place
from data_platform_tests.support.tables import TABLES
from tools.servers import Key, S3Server

BRONZE, SILVER, GOLD = (
    TableId.parse(name)
    for name in (
        "bronze/retail/order_lines",
        "silver/retail/order_lines",
        "gold/retail/daily_sales",
    )
)
TABLE_OF = {
    "bronze": BRONZE,
    "silver": SILVER,
    "quarantine": SILVER.sibling("quarantine"),
    "duplicates": SILVER.sibling("duplicates"),
    "gold": GOLD,
}
LAYERS = set(TABLE_OF)
LANDED, UNCLAIMED = "online_retail/2011-03-07.csv", "somewhere/else.csv"

# What the roles are for, in words of their own: nothing here is taken from the policies.
READ_ROWS = {
    Role.INGEST: {"bronze"},
    Role.TRANSFORM: LAYERS,
    Role.SERVE: {"gold"},
    Role.PERSON: LAYERS,
}
READ_METADATA = {
    Role.INGEST: {"bronze", "quarantine", "duplicates"},
    Role.TRANSFORM: LAYERS,
    Role.SERVE: {"gold"},
    Role.PERSON: LAYERS,
    Role.AUDIT: LAYERS,
    Role.UPKEEP: LAYERS,
}
LIST = {
    Role.INGEST: {"bronze"},
    Role.TRANSFORM: LAYERS,
    Role.SERVE: {"gold"},
    Role.PERSON: LAYERS,
    Role.UPKEEP: LAYERS,
}
WRITE_ROWS = {Role.INGEST: {"bronze"}, Role.TRANSFORM: LAYERS - {"bronze"}}
WRITE_METADATA = {**WRITE_ROWS, Role.UPKEEP: LAYERS}
DELETE_ROWS = {Role.UPKEEP: LAYERS}


@dataclass(frozen=True)
class Deployment:
    """Buckets with tables in them, and a user for each role."""

    server: S3Server
    site: Site
    folder: Path
    keys: dict[Role, Key]

    @property
    def warehouse(self) -> str:
        return self.site.bucket(Purpose.WAREHOUSE)

    def home(self) -> LakeHome:
        """Opened anew, by whoever acts now."""
        store = ObjectStore(self.server.region, self.server.endpoint)
        return LakeHome(self.folder, Place(f"s3://{self.warehouse}", store))

    def client(self, role: Role) -> Any:
        key = self.keys[role]
        return self.server.client(aws_access_key_id=key.id, aws_secret_access_key=key.secret)

    def file(self, layer: str, folder: str) -> str:
        """The key of some file of the layer's table, in `data` or `metadata`."""
        prefix = f"warehouse/{TABLE_OF[layer]}/{folder}/"
        found = self.server.client().list_objects_v2(Bucket=self.warehouse, Prefix=prefix)
        return found["Contents"][0]["Key"]


@pytest.fixture(scope="module")
def deployment(minio: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Landing to gold, built under the roles: what each must do works."""
    folder, project = tmp_path_factory.mktemp("roles"), f"acme-{uuid.uuid4().hex[:8]}"
    names = {p: f"s3://{project}-{p}-test" for p in (Purpose.RAW_LANDING, Purpose.WAREHOUSE)}
    settings = settings_at(
        folder,
        project=project,
        aws_region=minio.region,
        aws_endpoint=minio.endpoint,
        landing_uri=names[Purpose.RAW_LANDING],
        warehouse_uri=f"{names[Purpose.WAREHOUSE]}/warehouse",
    )
    account = Account("123456789012", "aws", minio.region)
    where = site(settings, account, table_uses(TABLES))
    for spec in where.specs:
        minio.client().create_bucket(Bucket=spec.name)
    for key in (LANDED, UNCLAIMED):
        minio.client().put_object(Bucket=where.landing, Key=key, Body=b"n\n1\n")
    made = Deployment(minio, where, folder, role_users(minio, where))
    with acting_as(made.keys[Role.INGEST]):
        _build_bronze(made)
    with acting_as(made.keys[Role.TRANSFORM]):
        _build_the_rest(made)
    return made


def _build_bronze(deployment: Deployment) -> None:
    landing = S3Bucket(f"s3://{deployment.site.landing}", deployment.home().place.store)
    assert [landed.key for landed in landing.list()] == [LANDED, UNCLAIMED]
    assert landing.head(LANDED) and landing.content_hash(LANDED)
    home = deployment.home()
    # A commit deletes the metadata file of the one before the last.
    home.make(BRONZE, properties={"write.metadata.previous-versions-max": "1"})
    for _ in range(3):
        home.write({MONDAY: [1, 2], TUESDAY: [3]}, table=BRONZE)


def _build_the_rest(deployment: Deployment) -> None:
    home = deployment.home()
    read = rows(home.lake.load(BRONZE)).read_all()
    assert read.num_rows == 3
    home.make_rejecting(SILVER)
    home.judge({MONDAY: [1]}, {MONDAY: [2]}, {TUESDAY: [3]}, table=SILVER)
    home.judge({MONDAY: [1, 4]}, {MONDAY: [2]}, {TUESDAY: [3]}, table=SILVER)
    home.make(GOLD)
    home.write({MONDAY: [1]}, table=GOLD)
    home.write({MONDAY: [5]}, table=GOLD)


def allowed(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, error
        return False
    return True


def _get(client: Any, bucket: str, key: str) -> Callable[[], Any]:
    return lambda: client.get_object(Bucket=bucket, Key=key)


def _put(client: Any, bucket: str, key: str) -> Callable[[], Any]:
    return lambda: client.put_object(Bucket=bucket, Key=key, Body=b"")


@pytest.fixture(params=[role for role in Role if role is not Role.LAUNCH])  # it has none here
def role(request: pytest.FixtureRequest) -> Role:
    return request.param


@pytest.fixture
def client(deployment: Deployment, role: Role) -> Any:
    return deployment.client(role)


def test_rows_and_metadata_are_read_by_those_who_are_to(
    deployment: Deployment, role: Role, client: Any
) -> None:
    def read(folder: str) -> set[str]:
        bucket = deployment.warehouse
        keys = {layer: deployment.file(layer, folder) for layer in LAYERS}
        return {layer for layer, key in keys.items() if allowed(_get(client, bucket, key))}

    assert read("data") == READ_ROWS.get(role, set())
    assert read("metadata") == READ_METADATA.get(role, set())


def test_tables_are_listed_by_those_who_are_to_and_nobody_lists_the_bucket(
    deployment: Deployment, role: Role, client: Any
) -> None:
    def listed(prefix: str) -> bool:
        bucket = deployment.warehouse
        return allowed(lambda: client.list_objects_v2(Bucket=bucket, Prefix=prefix))

    seen = {layer for layer, table in TABLE_OF.items() if listed(f"warehouse/{table}/")}
    assert seen == LIST.get(role, set())
    assert not listed("") and not listed("warehouse/") and not listed("warehouse/gold/")


def test_files_are_written_by_those_who_are_to(
    deployment: Deployment, role: Role, client: Any
) -> None:
    def written(folder: str) -> set[str]:
        bucket = deployment.warehouse
        keys = {layer: f"warehouse/{table}/{folder}/new" for layer, table in TABLE_OF.items()}
        return {layer for layer, key in keys.items() if allowed(_put(client, bucket, key))}

    assert written("data") == WRITE_ROWS.get(role, set())
    assert written("metadata") == WRITE_METADATA.get(role, set())


def test_files_are_deleted_by_those_who_are_to(
    deployment: Deployment, role: Role, client: Any
) -> None:
    def deleted(folder: str) -> set[str]:
        bucket = deployment.warehouse
        keys = {layer: f"warehouse/{table}/{folder}/nothing" for layer, table in TABLE_OF.items()}
        return {
            layer
            for layer, key in keys.items()
            if allowed(lambda key=key: client.delete_object(Bucket=bucket, Key=key))
        }

    assert deleted("data") == DELETE_ROWS.get(role, set())
    assert deleted("metadata") == WRITE_METADATA.get(role, set())


def test_what_landed_is_read_by_ingest_alone_and_written_by_no_role(
    deployment: Deployment, role: Role, client: Any
) -> None:
    bucket = deployment.site.landing

    seen = {key for key in (LANDED, UNCLAIMED) if allowed(_get(client, bucket, key))}

    assert seen == ({LANDED} if role is Role.INGEST else set())
    assert allowed(lambda: client.list_objects_v2(Bucket=bucket)) == (role is Role.INGEST)
    assert not allowed(_put(client, bucket, LANDED))
    assert not allowed(lambda: client.delete_object(Bucket=bucket, Key=LANDED))


def test_intermediate_work_is_the_roles_own(
    deployment: Deployment, role: Role, client: Any
) -> None:
    bucket = deployment.site.bucket(Purpose.TEMP)

    used = {each for each in Role if allowed(_put(client, bucket, f"{each}/x"))}

    assert used == ({role} & {Role.INGEST})


def test_no_role_uses_artifacts_and_logs_or_changes_a_bucket(
    deployment: Deployment, role: Role, client: Any
) -> None:
    for name in map(deployment.site.bucket, (Purpose.ARTIFACTS, Purpose.LOGS)):
        assert not allowed(_put(client, name, "x"))
        assert not allowed(lambda name=name: client.list_objects_v2(Bucket=name))
    bucket = deployment.warehouse
    suspended = {"Status": "Suspended"}
    assert not allowed(
        lambda: client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=suspended)
    )
    assert not allowed(lambda: client.delete_bucket_policy(Bucket=bucket))
    assert not allowed(lambda: client.delete_bucket(Bucket=bucket))
    assert allowed(lambda: client.get_bucket_versioning(Bucket=bucket)) == (role is Role.AUDIT)


def test_uploads_are_begun_by_writers_and_seen_and_ended_by_upkeep(
    deployment: Deployment, role: Role, client: Any
) -> None:
    bucket, writer = deployment.warehouse, deployment.client(Role.TRANSFORM)
    place = {"Bucket": bucket, "Key": f"warehouse/{GOLD}/data/unfinished"}
    upload = {**place, "UploadId": writer.create_multipart_upload(**place)["UploadId"]}

    seen = allowed(lambda: client.list_multipart_uploads(Bucket=bucket))
    ended = allowed(lambda: client.abort_multipart_upload(**upload))

    assert seen == (role is Role.UPKEEP)
    assert ended == (role in (Role.UPKEEP, Role.TRANSFORM))


@pytest.mark.parametrize("role", [Role.PERSON, Role.SERVE], indirect=True)
def test_readers_read_rows(deployment: Deployment, role: Role) -> None:
    there = {"bronze": 3, "silver": 2, "quarantine": 1, "duplicates": 1, "gold": 1}
    with acting_as(deployment.keys[role]):
        lake = deployment.home().lake
        for layer in READ_ROWS[role]:
            assert rows(lake.load(TABLE_OF[layer])).read_all().num_rows == there[layer]


def test_the_audit_measures_every_table(deployment: Deployment) -> None:
    with acting_as(deployment.keys[Role.AUDIT]):
        found = {each.table: each.total for each in sizes(deployment.home().lake)}

    assert set(found) == set(TABLE_OF.values())
    assert all(found.values())


def test_upkeep_forgets_and_cleans(deployment: Deployment) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=365)
    with acting_as(deployment.keys[Role.UPKEEP]):
        home = deployment.home()
        forgotten = expire(home.lake, GOLD, later)
        deleted = clean(home.lake, home.storage, later)

    assert forgotten[GOLD] == 1
    assert {table for table, _ in deleted} >= {GOLD}
    with acting_as(deployment.keys[Role.SERVE]):
        assert rows(deployment.home().lake.load(GOLD)).read_all()["n"].to_pylist() == [5]
