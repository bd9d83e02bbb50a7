"""A job whose state cannot be asked for: it does not go on unseen. No job is run here, so its state
stays what it was when it was started."""

import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from data_platform.build.remote_jobs import job_name
from data_platform.storage import services
from data_platform.storage.services import JobClient, StartUnknown
from data_platform.tables.identity import TableId
from data_platform_tests.support.corner_shop.tables import TABLES
from data_platform_tests.support.remote_jobs import ROLE, RemoteJobs
from tools.faulty import ACCESS_DENIED, Cut, Effect, FaultyStore, Refused, Rule, faulty

pytestmark = [pytest.mark.system, pytest.mark.integration]

THROTTLED = Refused(429, "ThrottlingException", "Rate exceeded")
BROKEN = Refused(500, "InternalServerException", "Try again")


def _asked(effect: Effect, *, first: int = 1, times: int | None = None) -> Rule:
    """What happens when a job's state is asked for."""
    return Rule(effect=effect, first=first, times=times, method="GET", key=".*/jobruns/.*")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services are asked again at short intervals, not by boto3 too."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(services, "PAUSE", 0.05)
    monkeypatch.setattr(services, "PATIENCE", 2.0)


@pytest.fixture
def proxy(remote: RemoteJobs, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStore]:
    """In front of EMR Serverless."""
    with faulty(remote.moto) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EMR_SERVERLESS", proxy.endpoint)
        yield proxy


@pytest.mark.parametrize("effect", [THROTTLED, BROKEN, Cut("answer")], ids=lambda each: str(each))
def test_a_service_that_does_not_answer_for_a_while_is_asked_again(
    remote: RemoteJobs, proxy: FaultyStore, effect: Effect
) -> None:
    application = remote.application().partition(":")[2]
    client = JobClient("emr-serverless", remote.region, lambda: None)
    started = client.start_job_run(applicationId=application, executionRoleArn=ROLE)
    rule = proxy.add(_asked(effect, times=3))
    job = {"applicationId": application, "jobRunId": started["jobRunId"]}

    assert client.get_job_run(**job)["jobRun"]["state"] == "SUBMITTED"
    assert rule.hits == 3


@pytest.mark.parametrize("effect", [THROTTLED, ACCESS_DENIED], ids=["for good", "refused"])
def test_a_job_that_cannot_be_followed_is_canceled(
    remote: RemoteJobs, proxy: FaultyStore, effect: Effect
) -> None:
    with remote.home("there", TABLES[:1], **remote.serverless()) as home:
        rule = proxy.add(_asked(effect, first=3))
        (ran,) = home.run()

        assert ran.state == "failed"
        (why,) = ran.failures
        assert "bronze/corner/sales: its job cannot be followed and was canceled" in why
        assert "GetJobRun" in why
        assert (rule.hits == 1) == (effect is ACCESS_DENIED)
        application = home.settings.spark.text.partition(":")[2]
        listed = remote.client("emr-serverless").list_job_runs(applicationId=application)
        assert [job["state"] for job in listed["jobRuns"]] == ["CANCELLED"]


def test_a_job_that_cannot_even_be_canceled_is_left_to_a_person(
    remote: RemoteJobs, proxy: FaultyStore
) -> None:
    with remote.home("there", TABLES[:1], **remote.serverless()) as home:
        proxy.add(_asked(THROTTLED, first=3))
        proxy.add(Rule(effect=THROTTLED, method="DELETE"))
        (ran,) = home.run()

        (why,) = ran.failures
        assert "bronze/corner/sales: its job cannot be followed and cannot be canceled" in why
        assert "CancelJobRun" in why


def test_a_job_of_emr_on_eks_is_canceled(remote: RemoteJobs) -> None:
    target = remote.cluster().partition(":")[2]
    client = JobClient("emr-containers", remote.region, lambda: None)
    started = client.start_job_run(
        virtualClusterId=target,
        name="job",
        jobDriver={},
        executionRoleArn=ROLE,
        releaseLabel="emr-6.3.0-latest",
    )

    assert client.cancel()
    job = client.describe_job_run(virtualClusterId=target, id=started["id"])["jobRun"]
    assert job["state"] == "CANCELLED"
    assert not client.cancel()  # there is none any more


@pytest.fixture
def glue(remote: RemoteJobs) -> Iterator[tuple[JobClient, Stubber]]:
    """A client that has started a job of Glue, and what answers next: moto cannot stop a job."""
    client = JobClient("glue", remote.region, lambda: None)
    client.start_job_run(JobName=remote.glue_job().partition(":")[2])
    with Stubber(client) as answers:
        yield client, answers
        answers.assert_no_pending_responses()


def _stopping(answers: Stubber, **answer: Any) -> None:
    job = {"JobName": "data-platform", "JobRunIds": [ANY]}
    answers.add_response("batch_stop_job_run", {"Errors": [], **answer}, job)


def test_a_job_of_glue_is_canceled(glue: tuple[JobClient, Stubber]) -> None:
    client, answers = glue
    _stopping(answers, SuccessfulSubmissions=[{"JobName": "data-platform", "JobRunId": "jr_1"}])

    assert client.cancel()
    assert not client.cancel()


def test_a_job_that_glue_does_not_cancel_is_an_error(glue: tuple[JobClient, Stubber]) -> None:
    client, answers = glue
    detail = {"ErrorCode": "InvalidInputException", "ErrorMessage": "the job run is not known"}
    _stopping(answers, Errors=[{"JobRunId": "jr_1", "ErrorDetail": detail}])

    with pytest.raises(RuntimeError, match="the job run is not known"):
        client.cancel()


def test_a_job_of_glue_that_expires_has_ended(glue: tuple[JobClient, Stubber]) -> None:
    """Dagster's client waits for states among which this is not."""
    client, answers = glue
    answers.add_response("get_job_run", {"JobRun": {"JobRunState": "EXPIRED"}})

    with pytest.raises(RuntimeError, match="expired before it started"):
        client.get_job_run(JobName="data-platform", RunId="jr_1")
    assert not client.cancel()


@pytest.mark.parametrize("effect", [Cut("answer"), BROKEN], ids=lambda each: str(each))
def test_a_job_of_glue_is_not_started_again_if_it_may_have_been(
    remote: RemoteJobs, monkeypatch: pytest.MonkeyPatch, effect: Effect
) -> None:
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    name = remote.glue_job().partition(":")[2]
    with faulty(remote.moto) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", proxy.endpoint)
        starting = proxy.add(Rule(effect=effect, method="POST", times=1))
        with pytest.raises(StartUnknown, match="look in the service's console"):
            JobClient("glue", remote.region, lambda: None).start_job_run(JobName=name)
        assert starting.matched == 1


def test_a_service_that_throttles_all_the_time_has_started_no_job(
    remote: RemoteJobs, proxy: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "PATIENCE", 0.0)
    client = JobClient("emr-serverless", remote.region, lambda: None)
    application = remote.application().partition(":")[2]
    proxy.add(Rule(effect=THROTTLED, method="POST"))
    with pytest.raises(ClientError):
        client.start_job_run(applicationId=application, executionRoleArn=ROLE)


def test_a_run_whose_job_may_have_been_started_fails_and_says_so(
    remote: RemoteJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    with (
        remote.home("there", TABLES[:1], SPARK=remote.glue_job()) as home,
        faulty(remote.moto) as proxy,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", proxy.endpoint)
        starting = proxy.add(Rule(effect=Cut("answer"), method="POST", times=1))
        (ran,) = home.run()

        (why,) = ran.failures
        assert "bronze/corner/sales: the answer to the request to start its job was lost" in why
        assert "look in the service's console" in why
        assert starting.matched == 1


def test_a_job_of_glue_is_started_once_glue_throttles_no_more(
    remote: RemoteJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = remote.glue_job().partition(":")[2]
    with faulty(remote.moto) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", proxy.endpoint)
        proxy.add(Rule(effect=THROTTLED, times=3))
        JobClient("glue", remote.region, lambda: None).start_job_run(JobName=name)

    assert len(remote.client("glue").get_job_runs(JobName=name)["JobRuns"]) == 1


def test_a_start_of_emr_that_is_repeated_has_the_same_token(
    remote: RemoteJobs, proxy: FaultyStore
) -> None:
    """By which the service knows that it is to start one job."""
    client = JobClient("emr-serverless", remote.region, lambda: None)
    tokens: list[str] = []
    client.meta.events.register(
        "before-parameter-build.emr-serverless.StartJobRun",
        lambda params, **_: tokens.append(params.get("clientToken")),
    )
    proxy.add(Rule(effect=Cut("answer"), method="POST", times=1))
    client.start_job_run(
        applicationId=remote.application().partition(":")[2], executionRoleArn=ROLE
    )

    assert len(tokens) == 2 and tokens[0] and len({*tokens}) == 1


@pytest.mark.parametrize("service", ["emr-serverless", "emr-containers"])
def test_the_name_of_a_job_is_one_that_the_service_accepts(service: Any) -> None:
    shape = boto3.Session().client(service, region_name="eu-west-1").meta.service_model
    accepted = shape.operation_model("StartJobRun").input_shape.members["name"].metadata
    for name in ("sales", "sales_" * 30):
        job = job_name(TableId("silver", "corner", name), "0123456789abcdef")

        assert len(job) <= accepted["max"]
        assert re.fullmatch(accepted["pattern"], job)
        assert job.startswith("silver-corner-sales") and job.endswith("-01234567")
