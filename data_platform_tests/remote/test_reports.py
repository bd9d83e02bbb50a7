"""What a job sends, and what becomes of it."""

import inspect
import json

import dagster as dg
import pytest
from dagster_aws.pipes import PipesEMRServerlessClient

from data_platform.build.reports import JobError, Message, NoResult, Sent, repeat
from data_platform.platform_defs.dagster_aws_internals import EMRServerlessClient
from data_platform.quality.findings import Finding
from data_platform.settings.environment import passed_on, settings_from_env
from data_platform.settings.values import SettingsError


class _Heard:
    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def published(self, attempt, figures) -> None:
        self.calls.append(("published", attempt, figures))

    def held_back(self, held) -> None:
        self.calls.append(("held_back", held))

    def findings(self, findings) -> None:
        self.calls.append(("findings", [*findings]))


def _sent() -> tuple[Sent, list[Message]]:
    messages: list[Message] = []
    return Sent(lambda message: messages.append(json.loads(json.dumps(message)))), messages


def test_what_is_reported_is_repeated_in_its_order() -> None:
    sent, messages = _sent()
    found = Finding("rules", False, True, "2 of 3", {"rules": [{"rule": "a", "rows": 2}]}, "k")
    said = [
        ("published", "a1", {"k": {"rows": 3, "note": "x"}}),
        ("held_back", {"k": {"why": "rules"}}),
        ("findings", [found]),
    ]
    for name, *values in said:
        getattr(sent, name)(*values)
    sent.done()
    heard = _Heard()
    repeat(messages, heard)

    assert heard.calls == said


def test_failures_and_retries_are_raised_as_they_were() -> None:
    sent, messages = _sent()
    sent.failed(dg.Failure("held back", metadata={"held_back": "k"}, allow_retries=False))
    with pytest.raises(dg.Failure) as failure:
        repeat(messages, _Heard())
    assert failure.value.description == "held back"
    assert failure.value.metadata == {"held_back": dg.MetadataValue.text("k")}
    assert failure.value.allow_retries is False

    sent, messages = _sent()
    sent.failed(dg.RetryRequested(max_retries=2, seconds_to_wait=3))
    with pytest.raises(dg.RetryRequested) as again:
        repeat(messages, _Heard())
    assert (again.value.max_retries, again.value.seconds_to_wait) == (2, 3)


def test_a_job_without_a_result_and_an_unknown_message_are_errors() -> None:
    with pytest.raises(NoResult, match="without reporting a result"):
        repeat([], _Heard())
    with pytest.raises(JobError, match="another version"):
        repeat([{"report": "something new"}], _Heard())


def test_what_is_overridden_of_dagster_aws_is_there() -> None:
    theirs, ours = (
        inspect.signature(each._read_messages).parameters
        for each in (PipesEMRServerlessClient, EMRServerlessClient)
    )
    assert [*theirs] == [*ours]
    assert "self._read_messages(" in inspect.getsource(PipesEMRServerlessClient.run)


_SETTINGS = {
    "DATA_PLATFORM_ENV": "test",
    "DATA_PLATFORM_HOME": "/home/platform",
    "DATA_PLATFORM_LANDING": "s3://landing",
    "DATA_PLATFORM_WAREHOUSE": "s3://warehouse",
    "DATA_PLATFORM_DATABASE": "postgresql://platform@db/acme",
    "DATA_PLATFORM_AWS_REGION": "eu-west-1",
    "DATA_PLATFORM_SPARK": "emr-serverless:00abc",
    "DATA_PLATFORM_REMOTE_ROLE": "arn:aws:iam::123456789012:role/transform",
    "DATA_PLATFORM_REMOTE_PACKAGE": "s3://artifacts/packages/one",
}


def test_a_job_is_given_the_settings_without_a_secret_and_without_this_machines_own() -> None:
    given = passed_on({**_SETTINGS, "DATA_PLATFORM_DATABASE_PASSWORD": "hunter2"})
    job = settings_from_env({**given, "DATA_PLATFORM_HOME": "/tmp/job"})
    here = settings_from_env(_SETTINGS)

    assert not any("hunter2" in value for value in given.values())
    assert (job.warehouse_uri, job.ledger_uri, job.spark) == (
        here.warehouse_uri,
        here.ledger_uri,
        here.spark,
    )
    assert "DATA_PLATFORM_HOME" not in given
    reference = {"DATA_PLATFORM_DATABASE_PASSWORD": "secretsmanager:db#password"}
    assert reference.items() <= passed_on({**_SETTINGS, **reference}).items()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"SPARK": "emr-serverless"}, "emr-containers:VIRTUAL_CLUSTER or glue:JOB"),
        ({"REMOTE_ROLE": ""}, "DATA_PLATFORM_REMOTE_ROLE must be set"),
        ({"SPARK": "emr-containers:abc"}, "DATA_PLATFORM_REMOTE_RELEASE must be set"),
        ({"SPARK": "glue:job", "REMOTE_PACKAGE": ""}, "DATA_PLATFORM_REMOTE_PACKAGE must be set"),
        ({"REMOTE_ROLE": "transform"}, "write it like arn:aws:iam::"),
        ({"WAREHOUSE": "/srv/warehouse"}, "set DATA_PLATFORM_WAREHOUSE to s3://bucket"),
        ({"DATABASE": ""}, "cannot reach this machine's files"),
        ({"DATABASE_PASSWORD": "hunter2"}, "secretsmanager:NAME#KEY"),
    ],
)
def test_a_setting_that_jobs_need_is_named(changed: dict[str, str], named: str) -> None:
    variables = {**_SETTINGS, **{f"DATA_PLATFORM_{k}": v for k, v in changed.items()}}
    with pytest.raises(SettingsError) as error:
        settings_from_env(variables)

    assert named in str(error.value)
    assert "hunter2" not in str(error.value)
