"""Each rule against a real S3 API: a bucket wrong in one respect fails it alone, and is fixed."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from data_platform.buckets.full_standard import judge
from data_platform.buckets.rules import RULES
from data_platform.buckets.standard import (
    LOG_DELIVERY_SID,
    STANDARD,
    TLS_ONLY_SID,
    BucketSpec,
    Purpose,
)
from data_platform.buckets.state import BucketState
from data_platform_tests.support.bucket_breaks import (
    Break,
    add_rule,
    change_own_rule,
    give_objects_to_writers,
    let_everybody_log,
    log_to,
    open_half,
    retag,
    set_encryption,
    set_versioning,
    tell,
    without_statement,
)
from data_platform_tests.support.cloud import Cloud

VERSIONED = {line.purpose for line in STANDARD if line.versioned}
TABLES = (Purpose.RAW_LANDING, Purpose.WAREHOUSE)
GLACIER = [{"Days": 1, "StorageClass": "GLACIER"}]


def breaks(rule: str, purpose: Purpose) -> Iterator[Break]:
    """Every way in which a bucket of that purpose is made wrong in one respect."""
    match rule:
        case "versioning":
            yield set_versioning("Suspended" if purpose in VERSIONED else "Enabled")
        case "encryption":
            yield lambda cloud, name: cloud.client.delete_bucket_encryption(Bucket=name)
            if purpose is Purpose.LOGS:
                yield set_encryption("aws:kms")
        case "tls_only":
            yield lambda cloud, name: without_statement(cloud, name, TLS_ONLY_SID)
        case "log_delivery":
            yield lambda cloud, name: without_statement(cloud, name, LOG_DELIVERY_SID)
            yield let_everybody_log
        case "public_access":
            yield lambda cloud, name: cloud.client.delete_public_access_block(Bucket=name)
            yield open_half
        case "owner_enforced":
            yield lambda cloud, name: cloud.client.delete_bucket_ownership_controls(Bucket=name)
            yield give_objects_to_writers
        case "lifecycle":
            yield lambda cloud, name: cloud.client.delete_bucket_lifecycle(Bucket=name)
            yield change_own_rule
        case "current_objects":
            yield add_rule(Expiration={"Days": 400})
            if purpose in TABLES:
                yield add_rule(Transitions=GLACIER)
        case "tags":
            yield lambda cloud, name: cloud.client.delete_bucket_tagging(Bucket=name)
            yield retag
        case "access_logging" if purpose is Purpose.LOGS:
            yield lambda cloud, name: log_to(name)(cloud, name)
        case "access_logging":
            yield lambda c, name: c.client.put_bucket_logging(Bucket=name, BucketLoggingStatus={})
        case "notifications":
            yield tell()
            yield tell("somebody-elses")


# What the others ask is the same of every bucket: one of them, and the logs bucket, are enough.
BY_PURPOSE = {"versioning", "encryption", "current_objects", "access_logging", "notifications"}
SAMPLE = (Purpose.WAREHOUSE, Purpose.LOGS)

CASES = [
    pytest.param(rule.name, purpose, wrong, id=f"{rule.name}-{purpose}-{number}")
    for rule in RULES
    for purpose in (Purpose if rule.name in BY_PURPOSE else SAMPLE)
    if purpose in rule.purposes
    for number, wrong in enumerate(breaks(rule.name, purpose))
]


def test_every_rule_has_a_case() -> None:
    assert {case.values[0] for case in CASES} == {rule.name for rule in RULES}


@pytest.mark.parametrize(("rule", "purpose", "wrong"), CASES)
def test_a_bucket_wrong_in_one_respect_fails_that_rule_and_is_fixed(
    standing: Cloud, rule: str, purpose: Purpose, wrong: Break
) -> None:
    """By the failure's command; and by apply, unless that would loosen something."""
    name = standing.name(purpose)
    before = standing.state(name)
    wrong(standing, name)

    [failure] = standing.audit().failures
    assert (failure.name, failure.rule) == (name, rule)
    standing.run(failure.command)
    if rule == "versioning":  # once on, it can be suspended, and no more switched off
        assert standing.audit().failures == ()
        before = standing.state(name)
    assert standing.state(name) == before

    wrong(standing, name)
    done = standing.apply()
    assert (failure.loosens == "") is bool(done)
    if failure.loosens:
        standing.run(failure.command)
    assert standing.state(name) == before


def test_rules_of_others_that_keep_current_objects_are_no_deviation(
    standing: Cloud,
) -> None:
    state, spec = _state(standing, Purpose.WAREHOUSE)
    for actions in (
        {"Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"Transitions": [{"Days": 30, "StorageClass": "GLACIER_IR"}]},
        {"Expiration": {"Days": 1}, "Status": "Disabled"},
    ):
        other = {"ID": "other", "Filter": {"Prefix": ""}, "Status": "Enabled", **actions}
        changed = replace(state, lifecycle=(*state.lifecycle, other))
        assert list(judge(spec, changed, standing.account)) == [], actions


def test_access_logs_under_another_prefix_are_brought_to_where_they_may_be_written(
    standing: Cloud,
) -> None:
    state, spec = _state(standing, Purpose.TEMP)
    changed = replace(state, logging={"TargetBucket": spec.logs, "TargetPrefix": "elsewhere/"})

    [(rule, deviation)] = judge(spec, changed, standing.account)

    assert rule.name == "access_logging"
    assert not deviation.loosens


def test_a_prefix_of_its_own_below_that_of_access_logs_is_no_deviation(
    standing: Cloud,
) -> None:
    state, spec = _state(standing, Purpose.TEMP)
    logging = {"TargetBucket": spec.logs, "TargetPrefix": "access/temp/"}

    assert list(judge(spec, replace(state, logging=logging), standing.account)) == []


def test_the_logs_bucket_may_log_its_own_access_elsewhere(standing: Cloud) -> None:
    state, spec = _state(standing, Purpose.LOGS)
    logging = {"TargetBucket": "central-logs", "TargetPrefix": ""}

    assert list(judge(spec, replace(state, logging=logging), standing.account)) == []


def _state(cloud: Cloud, purpose: Purpose) -> tuple[BucketState, BucketSpec]:
    [spec] = [spec for spec in cloud.specs if spec.purpose is purpose]
    return cloud.state(spec.name), spec
