"""The audit against a real S3 API: each rule fails alone, and its command fixes it."""

from dataclasses import replace

import pytest

from data_platform.buckets.audit import EXISTS, UNEXPECTED, rules_of
from data_platform.buckets.errors import permission
from data_platform.buckets.roles import AUDITED, AUDITED_QUEUES
from data_platform.buckets.standard import LIFECYCLE_ID, Purpose, QueuePurpose, TableTiers
from data_platform.settings.model import Environment
from data_platform_tests.support.bucket_breaks import add_rule
from data_platform_tests.support.cloud import REGION, Cloud


def test_the_commands_of_one_audit_can_be_run_one_after_the_other(cloud: Cloud) -> None:
    """Policy and lifecycle are replaced as a whole, and two rules are about each."""
    cloud.apply()
    name = cloud.name(Purpose.LOGS)
    cloud.client.delete_bucket_policy(Bucket=name)
    warehouse = cloud.name(Purpose.WAREHOUSE)
    cloud.client.delete_bucket_lifecycle(Bucket=warehouse)
    add_rule(Expiration={"Days": 1})(cloud, warehouse)
    assert cloud.broken() == {
        (name, "tls_only"),
        (name, "log_delivery"),
        (warehouse, "lifecycle"),
        (warehouse, "current_objects"),
    }

    for failure in cloud.audit().failures:
        cloud.run(failure.command)

    assert cloud.audit().failures == ()


def test_a_rule_that_is_switched_off_takes_nothing_away(cloud: Cloud) -> None:
    cloud.apply()
    add_rule(Expiration={"Days": 1}, Status="Disabled")(cloud, cloud.name(Purpose.WAREHOUSE))

    assert cloud.audit().failures == ()


def test_a_missing_bucket_is_listed_and_nothing_else_is_said_of_it(cloud: Cloud) -> None:
    cloud.apply()
    name = cloud.name(Purpose.ARTIFACTS)
    cloud.client.delete_bucket(Bucket=name)

    [failure] = cloud.audit().failures

    assert (failure.name, failure.rule) == (name, EXISTS)
    assert failure.command == (
        "DATA_PLATFORM_ENV=test DATA_PLATFORM_PROJECT=acme DATA_PLATFORM_AWS_REGION=eu-west-1 "
        f"DATA_PLATFORM_AWS_ENDPOINT={cloud.account.endpoint} data-platform buckets apply"
    )
    assert name in cloud.audit().buckets


def test_a_missing_queue_is_listed_and_apply_makes_it(cloud: Cloud) -> None:
    cloud.apply()
    url = cloud.queue(QueuePurpose.DEAD).url
    cloud.sqs.delete_queue(QueueUrl=url)

    [failure] = cloud.audit().failures

    assert (failure.name, failure.rule) == (cloud.name(QueuePurpose.DEAD), EXISTS)
    assert failure.command.endswith("data-platform buckets apply")
    assert failure.name in cloud.audit().queues
    [done] = cloud.apply()
    assert done.operation == "create_queue"
    assert cloud.audit().failures == ()


def test_the_queue_of_another_environment_is_that_environments(cloud: Cloud) -> None:
    """It may be in another region."""
    cloud.apply()
    theirs = replace(cloud, settings=replace(cloud.settings, environment=Environment.STAGING))
    theirs.apply()
    cloud.sqs.delete_queue(QueueUrl=theirs.queue(QueuePurpose.ARRIVALS).url)

    assert cloud.audit().failures == ()
    assert [failure.rule for failure in theirs.audit().failures] == [EXISTS]


def test_an_empty_account_misses_five_buckets_and_two_queues(cloud: Cloud) -> None:
    missing = {(spec.name, EXISTS) for spec in (*cloud.specs, *cloud.queues)}

    assert cloud.broken() == missing and len(missing) == 7


def test_a_bucket_with_the_prefix_that_the_standard_does_not_know_is_listed(cloud: Cloud) -> None:
    cloud.apply()
    for name in ("acme-scratch", "acmetemp", "zebra"):
        cloud.client.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    [failure] = cloud.audit().failures

    assert (failure.name, failure.rule, failure.purpose) == ("acme-scratch", UNEXPECTED, None)
    assert failure.loosens
    assert not {"acmetemp", "zebra"} & set(cloud.audit().buckets)
    cloud.run(failure.command)
    assert cloud.audit().failures == ()


def test_an_unexpected_bucket_with_an_object_survives_its_command(cloud: Cloud) -> None:
    cloud.apply()
    cloud.client.create_bucket(
        Bucket="acme-scratch", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    cloud.client.put_object(Bucket="acme-scratch", Key="kept", Body=b"x")
    [failure] = cloud.audit().failures

    with pytest.raises(cloud.client.exceptions.ClientError, match="BucketNotEmpty"):
        cloud.run(failure.command)


def test_buckets_of_other_environments_are_held_to_the_same_rules(cloud: Cloud) -> None:
    cloud.apply()
    name = f"acme-temp-{Environment.STAGING}"
    cloud.client.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )

    broken = cloud.broken()

    assert (name, "tls_only") in broken
    assert {bucket for bucket, _ in broken} == {name}  # and those not there are not missed


def test_rules_of_another_environments_tables_are_that_environments(cloud: Cloud) -> None:
    """Its code may declare other tables, or the same with other storage classes."""
    cloud.apply()
    tiers = {"GLACIER_IR": 50}
    theirs = replace(
        cloud,
        settings=replace(cloud.settings, environment=Environment.STAGING),
        tables=(TableTiers("gold/shop/new", "gold/shop/new/data/", tiers),),
    )
    theirs.apply()
    assert cloud.audit().failures == theirs.audit().failures == ()

    name = theirs.name(Purpose.WAREHOUSE)
    before = theirs.state(name).lifecycle
    rules = [rule for rule in before if rule["ID"] != LIFECYCLE_ID]
    cloud.client.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": rules}
    )
    [failure] = cloud.audit().failures
    assert (failure.name, failure.rule) == (name, "lifecycle")
    cloud.run(failure.command)
    assert sorted(theirs.state(name).lifecycle, key=str) == sorted(before, key=str)


def test_every_rule_says_what_it_is_about() -> None:
    for purpose in (*Purpose, *QueuePurpose):
        assert all(rules_of(purpose).values())
    assert "log_delivery" not in rules_of(Purpose.TEMP)
    assert "current_objects" not in rules_of(Purpose.TEMP)


def test_the_audit_asks_for_what_its_role_is_allowed_and_no_more(cloud: Cloud) -> None:
    """HEAD aside: of a bucket that is not the account's, its answer is all there is to know."""
    asked: set[str] = set()
    cloud.apply()
    for service, client in (("s3", cloud.client), ("sqs", cloud.sqs)):
        client.meta.events.register(
            f"before-call.{service}",
            lambda model, service=service, **_: asked.add(permission(model.name, service)),
        )

    cloud.audit()

    assert asked == {
        *(permission(name) for name in (*AUDITED, "ListBuckets")),
        *(permission(name, "sqs") for name in AUDITED_QUEUES),
    }
