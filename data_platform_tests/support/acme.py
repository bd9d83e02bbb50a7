"""Acme's account, with everything that a role may need."""

import re
from typing import Any

from data_platform.buckets.account import Account
from data_platform.buckets.grants import Site, site
from data_platform.buckets.tables import TableUse
from data_platform.platform_defs.table_uses import table_uses
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform.tables.identity import TableId
from data_platform_tests.support.tables import TABLES

ACCOUNT = Account("123456789012", "aws", "eu-west-1")
KEY = "arn:aws:kms:eu-west-1:123456789012:key/0a1b"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/landing"
PROVIDER = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
JOBS = {
    "spark": Engine("emr-serverless:00abc"),
    "remote_role": "arn:aws:iam::123456789012:role/acme-transform",
    "remote_package": "s3://acme-artifacts-test/packages/one",
    "remote_messages": "s3://acme-temp-test/pipes",
    "ledger_uri": "postgresql://platform@db/acme",
}
WAREHOUSE = "arn:aws:s3:::acme-warehouse-test"
TABLE = re.compile(rf"{WAREHOUSE}/(?P<table>[a-z0-9_]+/[a-z0-9_]+/[a-z0-9_]+)/.*")


def acme(
    uses: list[TableUse] | None = None,
    *,
    key: str = KEY,
    queue: str = QUEUE,
    jobs: bool = True,
    **other: Any,
) -> Site:
    """Everything there is, so that every kind of grant is: Glue, a queue, a secret, a key, jobs."""
    default = {
        "landing_uri": "s3://acme-raw-landing-test",
        "warehouse_uri": "s3://acme-warehouse-test",
        "catalog_uri": "glue",
        "inventory_uri": "s3://acme-reports/daily",
        "database_secret": "acme/database",
        **(JOBS if jobs else {}),
    }
    settings = settings_at(
        "/home/acme",
        project="acme",
        aws_region="eu-west-1",
        queue_url=queue,
        **{**default, **other},
    )
    return site(settings, ACCOUNT, table_uses(TABLES) if uses is None else uses, key=key)


def many_tables(count: int) -> list[TableUse]:
    names = [TableId("gold", "acme", f"table_{number}") for number in range(count)]
    return [TableUse(writes=(name,), reads=(TableId("silver", "acme", "t"),)) for name in names]
