"""`data-platform buckets` as a shell has it."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from data_platform.buckets.standard import Purpose, QueuePurpose
from data_platform.cli.main import main
from data_platform.settings.values import LONGEST_PROJECT
from data_platform_tests.support.bucket_breaks import add_rule, set_versioning, tell
from data_platform_tests.support.cloud import Cloud
from data_platform_tests.support.queue_breaks import untag

Run = Callable[..., Result]

AS_IT_SHOULD_BE = "5 buckets and 2 queues meet the standard\n"


@pytest.fixture
def run(cloud: Cloud) -> Run:
    def invoke(*arguments: str, code: int = 0, **settings: str) -> Result:
        given = {
            "ENV": "test",
            "HOME": str(cloud.settings.home),
            "PROJECT": cloud.settings.project,
            "AWS_REGION": cloud.settings.aws_region,
            "AWS_ENDPOINT": cloud.settings.aws_endpoint,
            "DATABASE": "postgresql://app@db/data_platform",
            **settings,
        }
        env = {f"DATA_PLATFORM_{name}": value for name, value in given.items()}
        result = CliRunner().invoke(main, ["buckets", *arguments], env=env)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return invoke


def test_plan_prints_what_apply_then_does(run: Run, cloud: Cloud) -> None:
    planned = run("plan").output.splitlines()
    assert cloud.names() == []

    *done, last = run("apply").output.splitlines()

    assert done == [f"{line}: done" for line in planned]
    url = last.removeprefix("notifications of acme-raw-landing-test go to DATA_PLATFORM_QUEUE=")
    assert url == cloud.queue(QueuePurpose.ARRIVALS).url
    given = {"QUEUE": url, "LANDING": "s3://acme-raw-landing-test"}
    assert run("plan").output == run("apply", **given).output == "nothing to do\n"
    assert run("audit", **given).output == AS_IT_SHOULD_BE


def test_the_commands_of_the_plan_are_what_apply_does(run: Run, cloud: Cloud) -> None:
    for row in json.loads(run("plan", "--json").stdout):
        cloud.run(row["command"])

    assert run("audit").output == AS_IT_SHOULD_BE


def test_audit_fails_with_the_command_that_fixes_each_deviation(run: Run, cloud: Cloud) -> None:
    run("apply")
    name = cloud.specs[1].name
    cloud.client.delete_bucket_tagging(Bucket=name)

    output = run("audit", code=1).output

    assert f"{name}: tags: " in output
    [command] = [line for line in output.splitlines() if line.startswith("  aws s3api ")]
    assert "1 deviation in 5 buckets and 2 queues" in output
    cloud.run(command)
    run("audit")


def test_audit_says_what_a_fix_would_take_away(run: Run, cloud: Cloud) -> None:
    run("apply")
    set_versioning("Enabled")(cloud, "acme-temp-test")
    add_rule(Expiration={"Days": 1})(cloud, "acme-warehouse-test")

    output = run("audit", code=1).output

    assert "needs a human decision: objects deleted from now on are gone at once" in output
    assert "needs a human decision: a lifecycle rule that somebody wrote is removed" in output
    assert "done" not in run("apply").output


def test_tables_in_another_bucket_have_no_rules_in_the_standards(run: Run, cloud: Cloud) -> None:
    at = {"WAREHOUSE": "s3://lake/tables"}
    for command in ("plan", "apply", "audit"):
        said = run(command, **at)
        assert "the tables are in lake, which is not the standard's acme-warehouse-test" in (
            said.stderr
        )
    ids = [rule["ID"] for rule in cloud.state("acme-warehouse-test").lifecycle]
    assert ids == ["data-platform"]

    standard = run("apply", WAREHOUSE="s3://acme-warehouse-test/tables")
    assert standard.stderr == ""
    rules = cloud.state("acme-warehouse-test").lifecycle
    assert {"tables"} == {rule["Filter"]["Prefix"].split("/")[0] for rule in rules} - {""}


def test_a_queue_that_is_not_the_standards_is_said_to_be_left_out(run: Run) -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/uploads"
    at = {"QUEUE": url, "LANDING": "s3://acme-raw-landing-test"}

    for command in ("plan", "apply", "audit"):
        said = run(command, **at)
        assert f"{url}, which is not the standard's acme-arrivals-test" in said.stderr


def test_a_queue_is_not_named_if_another_is_notified_instead(run: Run, cloud: Cloud) -> None:
    """Who read from it would see nothing land any more."""
    run("apply")
    tell("somebody-elses")(cloud, cloud.name(Purpose.RAW_LANDING))

    nothing, said = run("apply").output.splitlines()

    assert nothing == "nothing to do"
    assert said.startswith("acme-raw-landing-test does not notify acme-arrivals-test yet")
    assert "buckets audit" in said
    assert "somebody-elses is notified" in run("audit", code=1).output


def test_no_queue_is_named_where_objects_land_in_another_bucket(run: Run) -> None:
    said = run("apply", LANDING="s3://drop")

    assert "what lands is in drop" in said.stderr
    assert "DATA_PLATFORM_QUEUE" not in said.stdout


def test_a_queues_deviation_is_fixed_by_its_command(run: Run, cloud: Cloud) -> None:
    run("apply")
    untag(cloud, QueuePurpose.ARRIVALS)

    output = run("audit", code=1).output

    assert "acme-arrivals-test: tags: " in output
    [command] = [line for line in output.splitlines() if line.startswith("  aws sqs ")]
    cloud.run(command)
    run("audit")


def test_no_password_is_fetched(run: Run) -> None:
    run("plan", DATABASE_PASSWORD="secretsmanager:nowhere#password")


def test_a_script_gets_the_failures_as_json(run: Run) -> None:
    found = json.loads(run("audit", "--json", code=1).stdout)

    assert (len(found["buckets"]), len(found["queues"]), len(found["failures"])) == (5, 2, 7)
    assert {failure["rule"] for failure in found["failures"]} == {"exists"}


def test_a_laptop_without_an_endpoint_has_no_buckets(run: Run) -> None:
    output = run("plan", code=1, ENV="local", AWS_ENDPOINT="").output

    assert "directories are the buckets" in output
    assert "DATA_PLATFORM_AWS_ENDPOINT" in output


def test_a_region_that_is_not_told_is_asked_for(run: Run) -> None:
    assert "DATA_PLATFORM_AWS_REGION must be set" in run("plan", code=1, AWS_REGION="").output


def test_missing_credentials_are_one_clear_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    output = run("audit", code=1).output

    assert "there are no AWS credentials that work" in output
    assert len(output.splitlines()) == 1


def test_a_project_of_the_longest_name_gets_its_buckets(run: Run, cloud: Cloud) -> None:
    project = "p" * LONGEST_PROJECT
    run("apply", PROJECT=project, ENV="staging")

    assert f"{project}-raw-landing-staging" in cloud.names()


def test_a_mistyped_command_is_answered_with_the_nearest(run: Run) -> None:
    assert "did you mean audit?" in run("audti", code=2).output
