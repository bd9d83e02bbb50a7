"""The standard itself: what it must say whoever edits it."""

from itertools import pairwise

import pytest

from data_platform.buckets.actions import lifecycle_rule, lifecycle_rules
from data_platform.buckets.standard import (
    LAYER_TIERS,
    STANDARD,
    BucketSpec,
    Purpose,
    bucket_specs,
)
from data_platform.buckets.tables import TableUse, table_tiers
from data_platform.contracts.contract import Retention
from data_platform.settings.model import Environment
from data_platform.settings.values import LONGEST_PROJECT
from data_platform.tables.identity import TableId

IA_DAYS = 30  # S3 refuses an earlier move, and bills a month at least
READ_AT_ONCE = {"STANDARD_IA", "GLACIER_IR"}
TABLES = (Purpose.RAW_LANDING, Purpose.WAREHOUSE)


@pytest.fixture(params=STANDARD, ids=lambda line: str(line.purpose))
def spec(request: pytest.FixtureRequest) -> BucketSpec:
    return BucketSpec("acme", Environment.PROD, request.param)


def test_there_are_five_buckets_named_by_project_purpose_and_environment() -> None:
    assert {spec.name for spec in bucket_specs("acme", Environment.PROD)} == {
        "acme-raw-landing-prod",
        "acme-warehouse-prod",
        "acme-temp-prod",
        "acme-artifacts-prod",
        "acme-logs-prod",
    }


def test_the_logs_bucket_is_made_before_those_that_log_to_it() -> None:
    assert bucket_specs("acme", Environment.PROD)[0].purpose is Purpose.LOGS


@pytest.mark.parametrize("environment", Environment)
def test_the_longest_project_still_gives_names_that_s3_takes(environment: Environment) -> None:
    names = [spec.name for spec in bucket_specs("p" * LONGEST_PROJECT, environment)]

    assert max(map(len, names)) <= 63


def test_the_longest_project_could_not_be_longer() -> None:
    longest = [s.name for e in Environment for s in bucket_specs("p" * LONGEST_PROJECT, e)]

    assert max(map(len, longest)) == 63


def test_the_days_are_the_standards() -> None:
    days = {
        line.purpose: (line.versioned, line.lifecycle.expire, line.lifecycle.expire_noncurrent)
        for line in STANDARD
    }

    assert days == {
        Purpose.RAW_LANDING: (True, None, 90),
        Purpose.WAREHOUSE: (True, None, 30),
        Purpose.TEMP: (False, 7, 1),
        Purpose.ARTIFACTS: (True, None, 365),
        Purpose.LOGS: (False, 90, 1),
    }


def test_nothing_that_is_versioned_loses_a_current_object(spec: BucketSpec) -> None:
    expiration = lifecycle_rule(spec)["Expiration"]

    assert spec.standard.versioned == (expiration == {"ExpiredObjectDeleteMarker": True})


def test_what_tables_refer_to_can_be_read_at_any_age(spec: BucketSpec) -> None:
    if spec.purpose in TABLES:
        moves = lifecycle_rule(spec).get("Transitions", [])
        assert {move["StorageClass"] for move in moves} <= READ_AT_ONCE


@pytest.mark.parametrize("layer", LAYER_TIERS)
def test_a_layers_tiers_are_such_as_a_table_may_declare(layer: str) -> None:
    assert Retention(tiers=LAYER_TIERS[layer]).tiers


def test_a_tables_rule_moves_its_data_files_and_deletes_nothing() -> None:
    bronze, *_ = table_tiers([TableUse(writes=(TableId.parse("bronze/shop/sales"),))])
    specs = bucket_specs("acme", Environment.PROD, (bronze,))
    warehouse = next(spec for spec in specs if spec.purpose is Purpose.WAREHOUSE)

    _, rule = lifecycle_rules(warehouse)

    assert rule["Filter"] == {"Prefix": "bronze/shop/sales/data/"}
    assert set(rule) == {"ID", "Filter", "Status", "Transitions"}
    assert rule["Transitions"][0] == {"Days": 30, "StorageClass": "STANDARD_IA"}
    assert [len(lifecycle_rules(spec)) for spec in specs if spec is not warehouse] == [1] * 4


def test_a_table_has_the_tiers_of_its_layer_unless_it_declares_its_own() -> None:
    names = ("bronze/shop/a", "bronze/shop/b", "bronze/shop/c", "gold/shop/d", "gold/shop/e")
    a, b, c, d, e = map(TableId.parse, names)
    late = {"GLACIER_IR": 365}

    found = table_tiers(
        [
            TableUse(writes=(a,)),
            TableUse(writes=(b,), tiers=late),
            TableUse(writes=(c,), tiers={}),
            TableUse(writes=(d,)),
            TableUse(writes=(e, e.sibling("quarantine")), tiers=late),
        ]
    )

    assert {each.table: each.tiers for each in found} == {
        str(a): LAYER_TIERS["bronze"],
        str(b): late,
        str(e): late,
        "quarantine/shop/e": LAYER_TIERS["quarantine"],
    }


def test_tables_below_a_prefix_of_the_bucket_move_there() -> None:
    use = TableUse(writes=(TableId.parse("silver/shop/sales"),))

    [below] = table_tiers([use], "s3://acme-warehouse-prod/lake")
    [local] = table_tiers([use], "file:///home/warehouse")

    assert below.prefix == "lake/silver/shop/sales/data/"
    assert local.prefix == "silver/shop/sales/data/"


def test_old_versions_and_unfinished_uploads_go_everywhere(spec: BucketSpec) -> None:
    rule = lifecycle_rule(spec)

    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] >= 1
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert (rule["Filter"], rule["Status"]) == ({"Prefix": ""}, "Enabled")


def test_moves_are_such_as_s3_accepts(spec: BucketSpec) -> None:
    """In their order, a month apart, and before the object goes."""
    days = spec.standard.lifecycle
    for tiers, end in ((days.tiers, days.expire), (days.noncurrent_tiers, days.expire_noncurrent)):
        moves = [0, *tiers.values()]
        gaps = [after - before for before, after in pairwise(moves)]
        assert all(gap >= IA_DAYS for gap in gaps)
        assert not tiers or end is None or max(moves) < end


def test_every_bucket_is_tagged_for_the_bill(spec: BucketSpec) -> None:
    assert spec.tags == {
        "project": "acme",
        "environment": "prod",
        "purpose": str(spec.purpose),
        "owner": "team:platform",
        "managed-by": "data-platform",
    }
