"""The account behind the credentials, and an endpoint that is an S3 store and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from data_platform.buckets.account import connect
from data_platform.buckets.errors import BucketError
from data_platform.settings.environment import settings_at
from data_platform_tests.support.cloud import Cloud
from tools.servers import S3Server


def test_the_clients_are_of_the_account_of_the_credentials(cloud: Cloud) -> None:
    account, clients = connect(cloud.settings)

    url = clients.sqs.create_queue(QueueName="q")["QueueUrl"]
    asked = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    assert asked["Attributes"]["QueueArn"] == account.regional_arn("sqs", "q")
    assert clients.s3.list_buckets()["Buckets"] == []


def test_aws_takes_a_moment_to_know_a_new_queue_and_an_emulator_none(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, emulated = connect(cloud.settings)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", cloud.account.endpoint)
    _, aws = connect(replace(cloud.settings, aws_endpoint=""))

    assert (emulated.settling, aws.settling) == (0, 1)


@pytest.mark.parametrize("server", ["versitygw", "minio"])
def test_a_store_that_is_no_cloud_is_said_to_lack_what_else_is_needed(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """MinIO has an STS, which does not know whose a key is."""
    store: S3Server = request.getfixturevalue(server)
    at = {"aws_region": store.region, "aws_endpoint": store.endpoint}

    with pytest.raises(BucketError, match=r"have STS's GetCallerIdentity\? .* at one address"):
        connect(replace(settings_at(tmp_path), **at))
