"""Which places of the settings are said to be none of the standard's."""

from dataclasses import replace
from pathlib import Path

import pytest

from data_platform.buckets.account import Account
from data_platform.buckets.unmanaged import unmanaged_places
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Settings

AWS = Account("123456789012", "aws", "eu-west-1")
US = replace(AWS, region="us-east-1")
MOTO = replace(AWS, endpoint="http://127.0.0.1:5000")
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/acme-arrivals-test"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(settings_at(tmp_path), project="acme")


@pytest.mark.parametrize(
    ("account", "url"),
    [
        (AWS, ""),
        (AWS, QUEUE),
        (AWS, QUEUE.replace("https://", "https://vpce-0a1b.").replace("amazon", "vpce.amazon")),
        (US, QUEUE.replace("eu-west-1", "us-east-1")),
        (US, QUEUE.replace("sqs.eu-west-1", "queue")),
        (MOTO, "http://127.0.0.1:5000/123456789012/acme-arrivals-test"),
    ],
)
def test_nothing_is_said_of_the_standards_queue(
    settings: Settings, account: Account, url: str
) -> None:
    assert unmanaged_places(replace(settings, queue_url=url), account) == {}


@pytest.mark.parametrize(
    ("account", "url"),
    [
        (AWS, QUEUE.replace("acme-arrivals-test", "uploads")),
        (AWS, QUEUE.replace("acme-arrivals-test", "acme-arrivals-prod")),
        (AWS, QUEUE.replace("123456789012", "222222222222")),
        (AWS, QUEUE.replace("eu-west-1", "eu-west-2")),
        (MOTO, "http://127.0.0.1:5000/222222222222/acme-arrivals-test"),
    ],
    ids=["name", "environment", "account", "region", "account of an emulator"],
)
def test_a_queue_that_is_not_the_standards_is_said_to_be_left_out(
    settings: Settings, account: Account, url: str
) -> None:
    said = unmanaged_places(replace(settings, queue_url=url), account)

    assert set(said) == {"queue"}
    assert f"{url}, which is not the standard's acme-arrivals-test of account" in said["queue"]
    assert f"123456789012 in {account.region}" in said["queue"]


@pytest.mark.parametrize("what", ["landing", "warehouse"])
def test_a_bucket_that_is_not_the_standards_is_said_to_be_left_out(
    settings: Settings, what: str
) -> None:
    name = {"landing": "acme-raw-landing-test", "warehouse": "acme-warehouse-test"}[what]

    def at(uri: str) -> dict[str, str]:
        return unmanaged_places(replace(settings, **{f"{what}_uri": uri}), AWS)

    assert at(f"s3://{name}") == at(f"s3://{name}/below") == at("file:///here") == {}
    assert set(at("s3://drop/in")) == {what}
    assert f"in drop, which is not the standard's {name}" in at("s3://drop/in")[what]
