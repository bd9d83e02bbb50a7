"""Provisioning where permissions are missing or another account has a name."""

import json

import boto3
import pytest

from data_platform.buckets.account import connect
from data_platform.buckets.errors import BucketError, ForeignBucketError
from data_platform.buckets.provision import apply
from data_platform.buckets.standard import Purpose
from data_platform_tests.support.cloud import REGION, Cloud, other_account, post


def allow_all_but(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, *actions: str) -> Cloud:
    """The same account as a user to whom `actions` are denied."""
    iam = boto3.client("iam", endpoint_url=cloud.account.endpoint, region_name=REGION)
    iam.create_user(UserName="half")
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": list(actions), "Resource": "*"},
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    iam.put_user_policy(UserName="half", PolicyName="p", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName="half")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    post(f"{cloud.account.endpoint}/moto-api/reset-auth", "0")
    return Cloud(cloud.settings, *connect(cloud.settings))


def test_a_queue_that_may_not_be_made_keeps_no_bucket_from_being_made(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = cloud.plan()
    half = allow_all_but(cloud, monkeypatch, "sqs:CreateQueue")

    with pytest.raises(BucketError, match=r"queue acme-arrivals-test: CreateQueue needs sqs:"):
        apply(half.clients, planned)

    assert half.names() == sorted(spec.name for spec in cloud.specs)


def test_a_bucket_of_another_account_is_named_with_the_way_out(cloud: Cloud) -> None:
    taken = cloud.name(Purpose.WAREHOUSE)
    other_account(cloud).create_bucket(
        Bucket=taken, CreateBucketConfiguration={"LocationConstraint": REGION}
    )

    for attempt in (cloud.plan, cloud.apply, cloud.audit):
        with pytest.raises(ForeignBucketError, match=f"{taken} belongs to another account") as e:
            attempt()
        assert "DATA_PLATFORM_PROJECT" in str(e.value)
    assert cloud.names() == []


def test_a_bucket_that_refuses_to_be_looked_at_is_of_another_account(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on AWS: 403, and no word of whose it is."""
    monkeypatch.setenv("MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS", "false")
    taken = cloud.name(Purpose.WAREHOUSE)
    other_account(cloud).create_bucket(
        Bucket=taken, CreateBucketConfiguration={"LocationConstraint": REGION}
    )

    with pytest.raises(ForeignBucketError, match=taken):
        cloud.plan()


def test_a_missing_permission_is_named_and_keeps_nothing_else_from_being_done(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = allow_all_but(cloud, monkeypatch, "s3:PutLifecycleConfiguration")

    with pytest.raises(BucketError) as raised:
        half.apply()

    lines = str(raised.value).splitlines()
    assert len(lines) == 5
    for spec in cloud.specs:
        assert any(
            f"bucket {spec.name}: " in line and "s3:PutLifecycleConfiguration" in line
            for line in lines
        )
    assert half.broken() == {(spec.name, "lifecycle") for spec in cloud.specs}


def test_what_may_not_be_read_is_an_error_and_not_a_deviation(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.apply()
    half = allow_all_but(cloud, monkeypatch, "s3:GetBucketTagging")

    with pytest.raises(BucketError, match=r"bucket acme-.* needs s3:GetBucketTagging"):
        half.audit()


def test_nothing_more_is_asked_of_a_bucket_that_could_not_be_made(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = cloud.plan()
    half = allow_all_but(cloud, monkeypatch, "s3:CreateBucket")

    with pytest.raises(BucketError) as raised:
        apply(half.clients, planned)

    lines = str(raised.value).splitlines()
    assert len(lines) == 5
    assert all("CreateBucket needs s3:CreateBucket" in line for line in lines)


def test_every_request_to_a_bucket_that_is_there_is_for_this_account_alone(cloud: Cloud) -> None:
    """A name that was given up and taken by somebody else must be refused, not configured."""
    for action in cloud.plan():
        if action.service == "s3" and action.operation != "create_bucket":
            assert action.request["ExpectedBucketOwner"] == cloud.account.id, action
