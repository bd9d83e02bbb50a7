"""A job whose state cannot be asked for: it does not go on unseen. No job is run here, so its state
stays what it was when it was started."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from data_platform.storage import services
from data_platform.storage.services import JobClient
from data_platform_tests.support.corner_shop.tables import TABLES
from data_platform_tests.support.remote_jobs import ROLE, RemoteJobs
from tools.faulty import ACCESS_DENIED, Cut, Effect, FaultyStore, Refused, Rule, faulty

pytestmark = pytest.mark.integration

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
        assert "its job cannot be canceled" in why
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


def test_a_job_of_glue_is_canceled_by_a_call_that_boto3_accepts(remote: RemoteJobs) -> None:
    client = JobClient("glue", remote.region, lambda: None)
    client.start_job_run(JobName=remote.glue_job().partition(":")[2])

    with pytest.raises(ClientError) as error:  # moto has no such call
        client.cancel()
    assert error.value.operation_name == "BatchStopJobRun"
