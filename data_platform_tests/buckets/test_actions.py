"""Actions as data, where the server of the tests has no say."""

import datetime as dt
import json
import shlex

import pytest

from data_platform.buckets import actions
from data_platform.buckets.account import Account
from data_platform.buckets.standard import BucketSpec, Purpose, bucket_specs
from data_platform.buckets.state import BucketState
from data_platform.settings.model import Environment

AWS = Account("123456789012", "aws", "eu-west-1")
CHINA = Account("123456789012", "aws-cn", "cn-north-1")


def spec_of(purpose: Purpose) -> BucketSpec:
    return next(s for s in bucket_specs("acme", Environment.PROD) if s.purpose is purpose)


def test_a_command_for_aws_names_the_region_and_no_endpoint() -> None:
    words = shlex.split(actions.public_access(spec_of(Purpose.TEMP), AWS).command(AWS))

    assert words[:5] == ["aws", "s3api", "put-public-access-block", "--region", "eu-west-1"]
    assert words[5] == "--cli-input-json" and len(words) == 7
    request = json.loads(words[6])
    assert (request["Bucket"], request["ExpectedBucketOwner"]) == ("acme-temp-prod", AWS.id)


@pytest.mark.parametrize(
    ("region", "constraint"), [("us-east-1", None), ("eu-west-1", "eu-west-1")]
)
def test_only_us_east_1_is_made_without_a_location(region: str, constraint: str | None) -> None:
    account = Account(AWS.id, "aws", region)

    request = actions.creation(spec_of(Purpose.TEMP), account).request

    location = request.get("CreateBucketConfiguration", {}).get("LocationConstraint")
    assert location == constraint


def test_a_rule_that_ends_on_a_date_can_be_written_into_a_command() -> None:
    until = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    other = {"ID": "x", "Filter": {"Prefix": "x"}, "Status": "Enabled"}
    state = BucketState(lifecycle=({**other, "Expiration": {"Date": until}},))

    command = actions.lifecycle(spec_of(Purpose.TEMP), state, AWS).command(AWS)

    [kept, own] = json.loads(shlex.split(command)[-1])["LifecycleConfiguration"]["Rules"]
    assert kept["Expiration"] == {"Date": "2030-01-01T00:00:00+00:00"}
    assert own["ID"] == "data-platform"


def test_which_objects_are_too_small_to_move_stays_as_somebody_chose_it() -> None:
    spec = spec_of(Purpose.TEMP)
    chosen = BucketState(minimum_size="varies_by_storage_class")

    request = actions.lifecycle(spec, chosen, AWS).request

    assert request["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    unset = actions.lifecycle(spec, BucketState(), AWS).request
    assert "TransitionDefaultMinimumObjectSize" not in unset


def test_names_in_policies_are_of_the_cloud_that_the_account_is_in() -> None:
    statements = actions.policy_statements(spec_of(Purpose.LOGS), CHINA)

    assert "arn:aws:" not in json.dumps(statements)
    assert "arn:aws-cn:s3:::acme-logs-prod/access/*" in json.dumps(statements)
