"""What each role may do, by the tables and settings there are: nothing here asks a service."""

import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from data_platform.assets import BronzeTable
from data_platform.buckets.grants import Site, site
from data_platform.buckets.policies import exemptions, role_policies
from data_platform.buckets.roles import Role, grants
from data_platform.buckets.standard import Purpose
from data_platform.buckets.tables import TableUse
from data_platform.platform_defs.table_uses import table_uses
from data_platform.settings.engine import Engine
from data_platform.settings.environment import settings_at
from data_platform.tables.identity import TableId
from data_platform_tests.support.acme import ACCOUNT, JOBS, TABLE, WAREHOUSE, acme
from data_platform_tests.support.tables import TABLES

NAMES = {  # of a table in each layer
    "bronze": "order_lines",
    "silver": "order_lines",
    "gold": "daily_sales",
    "quarantine": "order_lines",
}


def allowed(role: Role, action: str, at: Site | None = None) -> set[str]:
    """The resources of every statement that has the action."""
    return {
        resource
        for policy in role_policies(role, at or acme())
        for statement in policy["Statement"]
        if action in statement["Action"]
        for resource in statement["Resource"]
    }


def tables_of(role: Role, action: str) -> set[str]:
    """The tables whose files a role may do something with."""
    found = (TABLE.fullmatch(resource) for resource in allowed(role, action))
    return {match["table"] for match in found if match}


def test_ingest_writes_bronze_and_nothing_else() -> None:
    bronze = {str(table.id) for table in TABLES if isinstance(table, BronzeTable)}

    assert tables_of(Role.INGEST, "s3:PutObject") == bronze != set()


def test_ingest_reads_what_sources_claim_and_with_a_queue_or_inventory_what_that_names() -> None:
    landing = "arn:aws:s3:::acme-raw-landing-test"

    def read(at: Site) -> set[str]:
        return {r for r in allowed(Role.INGEST, "s3:GetObject", at) if r.startswith(landing)}

    assert read(acme(queue="", inventory_uri="")) == {f"{landing}/online_retail/*"}
    assert read(acme(inventory_uri="")) == {f"{landing}/*"}
    assert read(acme(queue="")) == {f"{landing}/*"}


def test_ingest_reads_the_inventory_of_the_landing_bucket() -> None:
    reports = "arn:aws:s3:::acme-reports"

    assert f"{reports}/daily/*" in allowed(Role.INGEST, "s3:GetObject")
    assert reports in allowed(Role.INGEST, "s3:ListBucket")
    assert reports not in allowed(Role.INGEST, "s3:ListBucket", acme(inventory_uri=""))


def test_transform_reads_bronze_and_writes_all_else_with_what_it_rejects() -> None:
    built = {str(table.id) for table in TABLES if not isinstance(table, BronzeTable)}
    written = tables_of(Role.TRANSFORM, "s3:PutObject")

    assert {t for t in written if t.startswith(("silver/", "gold/"))} == built
    assert {t for t in written if t.startswith("duplicates/")} == {"duplicates/retail/order_lines"}
    assert {t.removeprefix("quarantine/") for t in written if t.startswith("quarantine/")} == {
        table.partition("/")[2] for table in built
    }
    read = {r for r in allowed(Role.TRANSFORM, "s3:GetObject") if not r.endswith("/metadata/*")}
    assert {m["table"] for m in map(TABLE.fullmatch, read) if m} - written == {
        "bronze/retail/order_lines"
    }


def test_publishing_asks_whether_there_are_tables_of_rejected_rows() -> None:
    """Bronze and silver tables often share a name; whose rejected rows these are says their
    metadata."""
    metadata = {r for r in allowed(Role.INGEST, "s3:GetObject") if r.endswith("/metadata/*")}
    asked = allowed(Role.TRANSFORM, "glue:GetTable")

    assert metadata == {
        f"{WAREHOUSE}/{layer}/retail/order_lines/metadata/*"
        for layer in ("quarantine", "duplicates")
    }
    assert "arn:aws:glue:eu-west-1:123456789012:table/duplicates_retail/daily_sales" in asked


def test_rejected_rows_of_a_table_that_the_code_has_no_more_are_looked_up_all_the_same() -> None:
    """The catalog may have their tables yet."""
    bronze = TableId("bronze", "acme", "t")
    beside = tuple(map(bronze.sibling, ("quarantine", "duplicates")))
    at = acme([TableUse(writes=(bronze,), looks_up=beside, landing="t/")])

    for role in (Role.INGEST, Role.PERSON, Role.UPKEEP):
        for table in beside:
            database, name = table.identifier
            glue = f"arn:aws:glue:eu-west-1:123456789012:table/{database}/{name}"
            assert glue in allowed(role, "glue:GetTable", at)
            assert f"{WAREHOUSE}/{table}/metadata/*" in allowed(role, "s3:GetObject", at)
            assert glue not in allowed(role, "glue:UpdateTable", at)
    assert tables_of(Role.INGEST, "s3:PutObject") == {"bronze/retail/order_lines"}


def test_only_ingest_and_who_launches_its_jobs_see_what_landed() -> None:
    landing = "arn:aws:s3:::acme-raw-landing-test"
    roles = {
        role
        for role in Role
        for policy in role_policies(role, acme())
        if landing in json.dumps(policy)
    }

    assert roles == {Role.INGEST, Role.LAUNCH}
    assert not any(
        landing in r for r in allowed(Role.LAUNCH, "s3:GetObject", acme(queue="", inventory_uri=""))
    )


def test_jobs_read_their_package_and_exchange_messages_and_no_others_do() -> None:
    package, messages = (
        "arn:aws:s3:::acme-artifacts-test/packages/one/*",
        "arn:aws:s3:::acme-temp-test/pipes/*",
    )
    reading = {role for role in Role if package in allowed(role, "s3:GetObject")}
    writing = {role for role in Role if messages in allowed(role, "s3:PutObject")}

    assert reading == {Role.INGEST, Role.TRANSFORM}
    assert writing == {Role.INGEST, Role.TRANSFORM, Role.LAUNCH}
    assert {role for role in Role if messages in allowed(role, "s3:DeleteObject")} == {Role.LAUNCH}
    for role in Role:
        assert package not in allowed(role, "s3:GetObject", acme(jobs=False))
        assert messages not in allowed(role, "s3:GetObject", acme(jobs=False))


SERVICES = {
    "emr-serverless:00abc": ("emr-serverless", "/applications/00abc", "GetJobRun"),
    "emr-containers:0abc": ("emr-containers", "/virtualclusters/0abc", "DescribeJobRun"),
}


@pytest.mark.parametrize("spark", SERVICES)
def test_who_launches_starts_follows_and_cancels_jobs_of_one_application(spark: str) -> None:
    service, place, asking = SERVICES[spark]
    at = acme(spark=Engine(spark), remote_release="emr-8.0.0-latest")
    arn = f"arn:aws:{service}:eu-west-1:123456789012:{place}"

    assert allowed(Role.LAUNCH, f"{service}:StartJobRun", at) == {arn}
    for action in (asking, "CancelJobRun", "TagResource"):
        assert allowed(Role.LAUNCH, f"{service}:{action}", at) == {f"{arn}/jobruns/*"}
    passed = allowed(Role.LAUNCH, "iam:PassRole", at)
    assert passed == ({JOBS["remote_role"]} if service == "emr-serverless" else set())


def test_who_launches_runs_one_job_of_glue() -> None:
    at = acme(spark=Engine("glue:acme-tables"))
    arn = "arn:aws:glue:eu-west-1:123456789012:job/acme-tables"

    for action in ("StartJobRun", "GetJobRun", "BatchStopJobRun"):
        assert allowed(Role.LAUNCH, f"glue:{action}", at) == {arn}
    assert not allowed(Role.LAUNCH, "iam:PassRole", at)


def test_who_launches_reads_metadata_and_no_rows() -> None:
    assert tables_of(Role.LAUNCH, "s3:PutObject") == set()
    for resource in allowed(Role.LAUNCH, "s3:GetObject"):
        assert not resource.startswith(WAREHOUSE) or resource.endswith("/metadata/*")
    assert not role_policies(Role.LAUNCH, acme(jobs=False))


def test_serve_reads_gold_and_writes_nothing() -> None:
    assert {table.split("/")[0] for table in tables_of(Role.SERVE, "s3:GetObject")} == {"gold"}
    for role in (Role.SERVE, Role.PERSON, Role.AUDIT):
        for policy in role_policies(role, acme()):
            for statement in policy["Statement"]:
                verbs = {re.split("[A-Z]", a.partition(":")[2][1:])[0] for a in statement["Action"]}
                assert verbs <= {"et", "ist", "ecrypt"}, statement  # Get, List, Decrypt


def test_a_person_reads_every_table_and_the_audit_no_rows() -> None:
    every = {str(table) for table in acme().tables}

    rows = {r for r in allowed(Role.PERSON, "s3:GetObject") if not r.endswith("/metadata/*")}
    assert {match["table"] for match in map(TABLE.fullmatch, rows) if match} == every
    assert tables_of(Role.AUDIT, "s3:GetObject") == every
    for resource in allowed(Role.AUDIT, "s3:GetObject"):
        assert resource.endswith("/metadata/*")


def test_the_audit_sees_the_configuration_of_the_standards_queues_and_no_message() -> None:
    queues = {
        f"arn:aws:sqs:eu-west-1:123456789012:acme-{name}-test"
        for name in ("arrivals", "arrivals-dead")
    }

    for action in ("GetQueueAttributes", "GetQueueUrl", "ListQueueTags"):
        assert allowed(Role.AUDIT, f"sqs:{action}") == queues
    assert allowed(Role.AUDIT, "sqs:ReceiveMessage") == set()


def test_only_upkeep_deletes_data_files() -> None:
    for role in Role:
        deletes = allowed(role, "s3:DeleteObject")
        data = {r for r in deletes if TABLE.fullmatch(r) and not r.endswith("/metadata/*")}
        assert bool(data) == (role is Role.UPKEEP)


@pytest.mark.parametrize("catalog", ["glue", "postgresql://platform@db/acme"])
def test_what_was_promoted_is_read_where_it_lies_and_deleted_by_upkeep_alone(catalog: str) -> None:
    at = acme(catalog_uri=catalog)

    def may(role: Role, action: str, layer: str, what: str = "data") -> bool:
        file = f"{WAREHOUSE}/_environments/pr_42/{layer}/retail/{NAMES[layer]}/{what}/a/0.parquet"
        return any(fnmatchcase(file, resource) for resource in allowed(role, action, at))

    def may_list(role: Role, layer: str) -> bool:
        folder = f"_environments/pr_42/{layer}/retail/{NAMES[layer]}/data/a/"
        prefixes = (prefix for grant in grants(role, at) for prefix in grant.prefixes)
        return any(fnmatchcase(folder, prefix) for prefix in prefixes)

    for role, layers in {
        Role.INGEST: {"bronze"},
        Role.TRANSFORM: {*NAMES},
        Role.SERVE: {"gold"},
        Role.PERSON: {*NAMES},
        Role.AUDIT: set[str](),
        Role.UPKEEP: set[str](),
        Role.LAUNCH: set[str](),
    }.items():
        assert {layer for layer in NAMES if may(role, "s3:GetObject", layer)} == layers, role
        listed = {layer for layer in NAMES if may_list(role, layer)}
        assert listed == ({*NAMES} if role is Role.UPKEEP else layers), role
        deletes = {layer for layer in NAMES if may(role, "s3:DeleteObject", layer)}
        assert deletes == ({*NAMES} if role is Role.UPKEEP else set())
        assert not any(may(role, "s3:PutObject", layer) for layer in NAMES)
        assert not may(role, "s3:DeleteObject", "gold", "metadata")
    assert may(Role.UPKEEP, "s3:GetObject", "gold", "metadata")


def test_what_is_not_there_is_not_granted() -> None:
    bare = settings_at("/home/acme", project="acme", aws_region="eu-west-1")
    at = site(bare, ACCOUNT, table_uses(TABLES))
    services = {
        role: {action.partition(":")[0] for grant in grants(role, at) for action in grant.actions}
        for role in Role
    }

    assert services.pop(Role.AUDIT) == {"s3", "sqs"}  # it looks for the queue all the same
    assert services.pop(Role.LAUNCH) == set()
    assert all(used == {"s3"} for used in services.values())
    assert at.warehouse == "acme-warehouse-test"


def test_buckets_and_prefixes_are_those_of_the_settings() -> None:
    at = replace(acme(queue="", inventory_uri=""), warehouse="lake/tables", landing="drop/acme")

    assert "arn:aws:s3:::lake/tables/gold/retail/daily_sales/*" in allowed(
        Role.SERVE, "s3:GetObject", at
    )
    assert allowed(Role.SERVE, "s3:ListBucket", at) == {"arn:aws:s3:::lake"}
    assert "arn:aws:s3:::drop/acme/online_retail/*" in allowed(Role.INGEST, "s3:GetObject", at)
    [listed] = [g for g in grants(Role.INGEST, at) if g.resources == ("arn:aws:s3:::drop",)]
    assert listed.prefixes == ("acme/*",)


def test_queue_and_secret_are_the_named_ones() -> None:
    assert allowed(Role.INGEST, "sqs:DeleteMessage") == {
        "arn:aws:sqs:eu-west-1:123456789012:landing"
    }
    secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:acme/database-??????"
    assert allowed(Role.TRANSFORM, "secretsmanager:GetSecretValue") == {secret}
    assert allowed(Role.SERVE, "secretsmanager:GetSecretValue") == set()
    arn = secret.replace("??????", "a1B2c3")
    by_arn = replace(acme(), secret=arn)
    assert allowed(Role.TRANSFORM, "secretsmanager:GetSecretValue", by_arn) == {arn}
    for cut in (arn.removesuffix("-a1B2c3"), arn.removesuffix("c3")):  # no secret has this ARN
        by_part = replace(acme(), secret=cut)
        [granted] = allowed(Role.TRANSFORM, "secretsmanager:GetSecretValue", by_part)
        assert granted == f"{cut}-??????"
        assert granted in {row.resource for row in exemptions(by_part)}


def test_ingest_has_intermediate_work_of_its_own_and_no_other_role_has() -> None:
    temp = acme().bucket(Purpose.TEMP)

    for role in Role:
        found = {r for r in allowed(role, "s3:PutObject", acme(jobs=False)) if temp in r}
        expected = {f"arn:aws:s3:::{temp}/ingest/*"} if role is Role.INGEST else set()
        assert found == expected
