"""From landed files to gold in processes that have their role's permissions and no others."""

import json
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from data_platform.buckets.account import Account
from data_platform.buckets.grants import site
from data_platform.buckets.roles import Role
from data_platform.build.platform import Platform
from data_platform.lake.upkeep.browse import partition_rows
from data_platform.operations.doctor_services import examine_services
from data_platform.platform_defs.table_uses import table_uses
from data_platform.settings.environment import settings_at
from data_platform.tables.identity import TableId
from data_platform_tests.support.homes import (
    BRONZE,
    DEMAND,
    SALES,
    SEGMENTS,
    SILVER,
    csv,
    key_of,
    shop_lines,
)
from data_platform_tests.support.minio_users import acting_as, role_users
from data_platform_tests.support.tables import TABLES
from tools.servers import Key, S3Server

DAYS = ("2011-03-04", "2011-03-07")


@dataclass(frozen=True)
class Roles:
    """Empty buckets of the standard's names but for what landed, and a user for each role."""

    home: Path
    place: dict[str, str]
    keys: dict[Role, Key]

    def run(self, role: Role, *tables: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "data_platform_tests.support.processes.loading"]
        return subprocess.run(
            [*command, str(self.home), json.dumps(self.place), *tables],
            input="load\n",
            env={**os.environ, **self.keys[role].environment},
            capture_output=True,
            text=True,
            timeout=280,
        )

    def rows(self, table: str) -> dict[str, int]:
        """By partition, as the stores' root sees it."""
        lake = Platform(settings_at(self.home, **self.place)).lake
        return partition_rows(lake, TableId.parse(table))


@pytest.fixture
def roles(minio: S3Server, tmp_path: Path) -> Roles:
    project = f"acme-{uuid.uuid4().hex[:8]}"
    place = {
        "project": project,
        "aws_region": minio.region,
        "aws_endpoint": minio.endpoint,
        "landing_uri": f"s3://{project}-raw-landing-test",
        "warehouse_uri": f"s3://{project}-warehouse-test",
    }
    settings = settings_at(tmp_path / "home", **place)
    where = site(settings, Account("123456789012", "aws", minio.region), table_uses(TABLES))
    for spec in where.specs:
        minio.client().create_bucket(Bucket=spec.name)
    for day in DAYS:
        bad = [f"{line},extra" for line in shop_lines(day, 1, first=200)]
        body = csv([*shop_lines(day, 120), *shop_lines(day, 1), *bad])  # a duplicate, a bad row
        minio.client().put_object(Bucket=where.landing, Key=key_of(day), Body=body)
    return Roles(tmp_path / "home", place, role_users(minio, where))


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param((SILVER, SALES), id="a table of each layer"),
        pytest.param((SILVER, SALES, DEMAND, SEGMENTS), id="all", marks=pytest.mark.soak),
    ],
)
def test_a_run_needs_no_more_than_its_roles_have(roles: Roles, tables: tuple[str, ...]) -> None:
    ingest = roles.run(Role.INGEST, BRONZE)
    assert ingest.returncode == 0, ingest.stderr[-4000:]
    assert roles.rows(BRONZE) == dict.fromkeys(DAYS, 122)

    transform = roles.run(Role.TRANSFORM, *tables)
    assert transform.returncode == 0, transform.stderr[-4000:]
    assert roles.rows(SILVER) == dict.fromkeys(DAYS, 120)
    assert roles.rows("quarantine/retail/order_lines") == dict.fromkeys(DAYS, 1)
    assert set(roles.rows(SALES)) == set(DAYS)
    assert all(roles.rows(table) for table in tables)


@pytest.mark.parametrize(
    ("role", "table", "ok"),
    [
        (Role.INGEST, BRONZE, True),
        (Role.TRANSFORM, SILVER, True),
        (Role.SERVE, SALES, False),  # which may read it
    ],
)
def test_the_doctor_says_who_may_write_a_table_and_leaves_nothing_there(
    roles: Roles, minio: S3Server, role: Role, table: str, ok: bool
) -> None:
    platform = Platform(settings_at(roles.home, **roles.place))
    with acting_as(roles.keys[role]):
        found = {e.what: e for e in examine_services(platform, [TableId.parse(table)])}

    warehouse = found["warehouse"]
    assert warehouse.ok is ok, warehouse
    if not ok:
        assert "access denied" in warehouse.said and "s3:PutObject" in warehouse.said
    bucket = roles.place["warehouse_uri"].removeprefix("s3://")
    assert not minio.client().list_object_versions(Bucket=bucket).get("Versions")
    assert not minio.client().list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_a_run_under_another_role_says_what_it_lacks(roles: Roles) -> None:
    serve = {**roles.keys, Role.INGEST: roles.keys[Role.SERVE]}
    denied = Roles(roles.home, roles.place, serve).run(Role.INGEST, BRONZE)

    assert denied.returncode != 0
    assert "access denied" in denied.stderr and "s3:ListBucket" in denied.stderr
