"""Plan and apply against a real S3 API."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.stub import Stubber

from data_platform.buckets.provision import apply, notified_queue
from data_platform.buckets.standard import Purpose, QueuePurpose, TableTiers
from data_platform.buckets.state import list_buckets
from data_platform_tests.support.bucket_breaks import (
    OWN_RULE,
    OWN_STATEMENT,
    add_lifecycle_rule,
    add_statement,
    log_to,
    set_encryption,
    set_versioning,
    tell,
    without_statement,
)
from data_platform_tests.support.cloud import PROJECT, REGION, Cloud, cloud_at
from data_platform_tests.support.queue_breaks import OWN_STATEMENT as QUEUE_STATEMENT


def test_what_apply_makes_passes_the_audit(cloud: Cloud) -> None:
    cloud.apply()

    assert cloud.names() == sorted(spec.name for spec in cloud.specs)
    assert cloud.audit().failures == ()


def test_a_plan_changes_nothing_and_a_second_apply_finds_nothing_to_do(cloud: Cloud) -> None:
    assert cloud.plan()
    assert cloud.names() == []

    planned = cloud.plan()
    assert all(planned.count(action) == 1 for action in planned)  # two rules share the policy
    assert cloud.apply() == planned
    assert cloud.plan() == []
    assert cloud.apply() == []


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_buckets_are_made_in_the_region_of_the_settings(
    cloud: Cloud, tmp_path: Path, region: str
) -> None:
    """The one without a LocationConstraint included."""
    there = cloud_at(cloud.account.endpoint, tmp_path, region=region)
    there.apply()

    for name in there.names():
        assert there.client.head_bucket(Bucket=name)["BucketRegion"] == region


def test_one_missing_bucket_is_all_that_is_planned(cloud: Cloud) -> None:
    cloud.apply()
    name = cloud.name(Purpose.TEMP)
    cloud.client.delete_bucket(Bucket=name)

    planned = cloud.plan()

    assert {action.name for action in planned} == {name}
    assert planned[0].operation == "create_bucket"
    cloud.apply()
    assert cloud.audit().failures == ()


def test_a_bucket_that_was_there_with_nothing_set_is_brought_to_the_standard(cloud: Cloud) -> None:
    for spec in cloud.specs:
        location = {"LocationConstraint": REGION}
        cloud.client.create_bucket(Bucket=spec.name, CreateBucketConfiguration=location)

    cloud.apply()

    assert cloud.audit().failures == ()


def test_a_queue_that_was_there_with_nothing_set_is_brought_to_the_standard(cloud: Cloud) -> None:
    """The way to it, too: what was told to it by hand is told to it still."""
    cloud.sqs.create_queue(QueueName=cloud.name(QueuePurpose.ARRIVALS))

    cloud.apply()

    assert cloud.audit().failures == ()
    assert cloud.apply() == []


def test_what_others_wrote_on_a_queue_stays_beside_the_standards_own(cloud: Cloud) -> None:
    name = cloud.name(QueuePurpose.ARRIVALS)
    url = cloud.sqs.create_queue(QueueName=name, tags={"cost-centre": "17"})["QueueUrl"]
    theirs = {"Version": "2012-10-17", "Statement": QUEUE_STATEMENT}
    attributes = {"Policy": json.dumps(theirs), "VisibilityTimeout": "900"}
    cloud.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)

    cloud.apply()

    state = cloud.queue(QueuePurpose.ARRIVALS)
    assert QUEUE_STATEMENT in state.policy["Statement"] and len(state.policy["Statement"]) == 3
    assert state.tags["cost-centre"] == "17" and len(state.tags) == 6
    assert state.visibility == 900
    assert cloud.audit().failures == ()


def test_whom_else_raw_landing_tells_of_other_things_it_tells_them_still(cloud: Cloud) -> None:
    cloud.apply()
    name = cloud.name(Purpose.RAW_LANDING)
    topic = cloud.account.regional_arn("sns", "restored")
    told = {"Id": "theirs", "TopicArn": topic, "Events": ["s3:ObjectRestore:*"]}
    cloud.client.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"TopicConfigurations": [told]}
    )

    [done] = cloud.apply()

    assert done.operation == "put_bucket_notification_configuration"
    notifications = cloud.state(name).notifications
    assert notifications["TopicConfigurations"] == [told]
    assert [entry["Id"] for entry in notifications["QueueConfigurations"]] == ["data-platform"]
    assert cloud.audit().failures == ()


def test_the_queue_that_is_told_is_one_that_is_there_and_is_told(cloud: Cloud) -> None:
    cloud.apply()
    [landing] = [spec for spec in cloud.specs if spec.notifies]
    url = cloud.queue(QueuePurpose.ARRIVALS).url

    assert notified_queue(cloud.clients, cloud.account, landing) == url
    tell("somebody-elses")(cloud, landing.name)
    assert notified_queue(cloud.clients, cloud.account, landing) == ""
    tell()(cloud, landing.name)
    cloud.apply()
    cloud.sqs.delete_queue(QueueUrl=url)
    assert notified_queue(cloud.clients, cloud.account, landing) == ""


def test_the_queue_is_there_with_its_policy_before_s3_asks_whether_it_may_send(
    cloud: Cloud,
) -> None:
    order = [(action.operation, action.name) for action in cloud.plan()]

    landing = cloud.name(Purpose.RAW_LANDING)
    steps = [
        ("create_queue", cloud.name(QueuePurpose.DEAD)),
        ("create_queue", cloud.name(QueuePurpose.ARRIVALS)),
        ("create_bucket", landing),
        ("put_bucket_notification_configuration", landing),
    ]
    assert [step for step in order if step in steps] == steps


def test_a_new_queue_is_used_only_when_sqs_knows_it(cloud: Cloud) -> None:
    """The second would be refused, whose dead letters go to the first."""
    steps: list[object] = []
    aws = replace(cloud.clients, settling=1.0)

    apply(aws, cloud.plan(), lambda done: steps.append(done.name), pause=steps.append)

    dead, arrivals = (spec.name for spec in cloud.queues)
    assert steps[:4] == [dead, 1.0, arrivals, 1.0]
    assert steps.count(1.0) == 2


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
def test_a_stronger_encryption_stays(cloud: Cloud, algorithm: str) -> None:
    cloud.apply()
    name = cloud.name(Purpose.WAREHOUSE)
    set_encryption(algorithm)(cloud, name)

    assert cloud.apply() == []
    assert cloud.state(name).encryption == algorithm
    assert cloud.audit().failures == ()


def test_what_others_wrote_stays_while_the_standards_own_comes_beside_it(cloud: Cloud) -> None:
    cloud.apply()
    name = cloud.name(Purpose.WAREHOUSE)
    cloud.client.delete_bucket_policy(Bucket=name)
    cloud.client.delete_bucket_lifecycle(Bucket=name)
    add_statement(cloud, name, OWN_STATEMENT)
    add_lifecycle_rule(cloud, name, OWN_RULE)
    tags = [{"Key": "cost-centre", "Value": "17"}]
    cloud.client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})

    cloud.apply()

    state = cloud.state(name)
    assert OWN_STATEMENT in state.policy["Statement"] and len(state.policy["Statement"]) == 2
    assert OWN_RULE in state.lifecycle and len(state.lifecycle) == 2
    assert state.tags["cost-centre"] == "17" and len(state.tags) == 6
    assert cloud.audit().failures == ()


def test_a_policy_of_one_statement_without_its_list_is_kept(cloud: Cloud) -> None:
    cloud.apply()
    name = cloud.name(Purpose.TEMP)
    alone = {"Version": "2012-10-17", "Statement": OWN_STATEMENT}
    cloud.client.put_bucket_policy(Bucket=name, Policy=json.dumps(alone))

    cloud.apply()

    assert OWN_STATEMENT in cloud.state(name).policy["Statement"]
    assert cloud.audit().failures == ()


def test_a_lifecycle_rule_of_the_old_form_is_kept_in_the_new_one(cloud: Cloud) -> None:
    cloud.apply()
    name = cloud.name(Purpose.TEMP)
    old = {"ID": "old", "Prefix": "x/", "Status": "Enabled", "Expiration": {"Days": 2}}
    cloud.client.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": [old]}
    )

    cloud.apply()

    rules = {rule["ID"]: rule for rule in cloud.state(name).lifecycle}
    assert rules["old"]["Filter"] == {"Prefix": "x/"}
    assert rules["old"]["Expiration"] == {"Days": 2}
    assert cloud.audit().failures == ()


@pytest.mark.parametrize(
    ("purpose", "choose"),
    [
        (Purpose.TEMP, set_versioning("Enabled")),
        (Purpose.LOGS, set_encryption("aws:kms")),
        (Purpose.WAREHOUSE, log_to("the-other-logs")),
    ],
    ids=["versioning", "encryption", "logging"],
)
def test_what_only_loosening_would_fix_is_left_to_a_person(
    cloud: Cloud, purpose: Purpose, choose
) -> None:
    cloud.apply()
    other = {"Service": "logging.s3.amazonaws.com"}
    cloud.client.create_bucket(
        Bucket="the-other-logs", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    grant = {**OWN_STATEMENT, "Effect": "Allow", "Principal": other, "Action": "s3:PutObject"}
    add_statement(cloud, "the-other-logs", {**grant, "Resource": "arn:aws:s3:::the-other-logs/*"})
    name = cloud.name(purpose)
    choose(cloud, name)
    before = cloud.state(name)

    assert cloud.apply() == []

    assert cloud.state(name) == before
    [failure] = cloud.audit().failures
    assert failure.name == name and failure.loosens


def test_every_page_of_the_listing_is_read(cloud: Cloud) -> None:
    pages = [
        ({"Prefix": "acme-"}, ["acme-b", "acme-c"], "more"),
        ({"Prefix": "acme-", "ContinuationToken": "more"}, ["acme-a", "other"], ""),
    ]
    with Stubber(cloud.client) as stubbed:
        for asked, names, token in pages:
            page = {"Buckets": [{"Name": name} for name in names]}
            more = {"ContinuationToken": token} if token else {}
            stubbed.add_response("list_buckets", {**page, **more}, asked)
        assert list_buckets(cloud.client, "acme-") == ["acme-a", "acme-b", "acme-c"]


def test_the_log_service_may_write_for_this_account_and_under_its_prefix_only(
    cloud: Cloud,
) -> None:
    cloud.apply()
    name = cloud.name(Purpose.LOGS)
    [grant] = [s for s in cloud.state(name).policy["Statement"] if s["Effect"] == "Allow"]

    assert grant["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert grant["Resource"] == f"arn:aws:s3:::{name}/access/*"
    assert grant["Condition"]["StringEquals"] == {"aws:SourceAccount": cloud.account.id}
    without_statement(cloud, name, grant["Sid"])
    assert cloud.apply() != []
    assert PROJECT in grant["Condition"]["ArnLike"]["aws:SourceArn"]


def test_a_tables_rule_follows_its_declaration(cloud: Cloud) -> None:
    """It comes, changes and goes with what is declared; apply repeated does nothing."""
    sales, stock = (
        TableTiers(f"bronze/shop/{name}", f"bronze/shop/{name}/data/", {"STANDARD_IA": 30})
        for name in ("sales", "stock")
    )
    later = replace(sales, tiers={"STANDARD_IA": 30, "GLACIER_IR": 180})
    name = cloud.name(Purpose.WAREHOUSE)
    for tables in ((sales,), (later, stock), (stock,)):
        declaring = replace(cloud, tables=tables)

        done = declaring.apply()

        assert name in {action.name for action in done}
        rules = {str(rule["ID"]): rule for rule in cloud.state(name).lifecycle}
        assert set(rules) == {"data-platform", *(f"data-platform/{t.table}" for t in tables)}
        for table in tables:
            moves = rules[f"data-platform/{table.table}"]["Transitions"]
            assert {m["StorageClass"]: m["Days"] for m in moves} == table.tiers
        assert declaring.apply() == [] and declaring.audit().failures == ()
    assert [f.found for f in cloud.audit().failures] == [
        "a rule data-platform/bronze/shop/stock, of no table that moves"
    ]
