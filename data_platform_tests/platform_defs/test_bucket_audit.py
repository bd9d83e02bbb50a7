"""The audit as Dagster has it: its partitions, its checks, and when it is there at all."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from data_platform.buckets.audit import UNEXPECTED, rules_of
from data_platform.buckets.standard import Purpose, QueuePurpose
from data_platform.platform_defs.assembly import definitions
from data_platform.platform_defs.bucket_audit import (
    JOB,
    KEY,
    MONTHS,
    PURPOSES,
    bucket_audit,
    bucket_audit_job,
    bucket_audit_schedule,
    check_name,
)
from data_platform.settings.environment import settings_at
from data_platform.settings.model import Environment
from data_platform_tests.support.cloud import REGION, Cloud, other_account

MONTH = f"{dt.datetime.now(dt.UTC):%Y-%m}-01"


def audited(cloud: Cloud, month: str = MONTH) -> dg.ExecuteInProcessResult:
    asset = bucket_audit(cloud.settings)
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize([asset], partition_key=month, instance=instance, raise_on_error=False)


def results(run: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {found.check_name: found for found in run.get_asset_check_evaluations()}


def test_there_is_a_check_for_each_rule_and_purpose_and_one_for_the_rest() -> None:
    names = {key.name for key in bucket_audit(settings_at("/nowhere")).check_keys}

    rules = {check_name(rule, purpose) for purpose in PURPOSES for rule in rules_of(purpose)}
    assert names == {*rules, UNEXPECTED}
    assert {"tls_only__raw_landing", "exists__logs", "log_delivery__logs"} <= names
    assert {"notifications__raw_landing", "redrive__arrivals", "exists__arrivals_dead"} <= names


def test_buckets_of_the_standard_pass_every_check(cloud: Cloud) -> None:
    cloud.apply()

    run = audited(cloud)

    assert run.success
    found = results(run)
    assert len(found) == len(list(bucket_audit(cloud.settings).check_keys))
    assert all(result.passed for result in found.values())
    [event] = run.get_asset_materialization_events()
    assert event.partition == MONTH


def test_a_failed_check_carries_the_command_that_fixes_it(cloud: Cloud) -> None:
    cloud.apply()
    name = cloud.name(Purpose.TEMP)
    cloud.client.delete_bucket_tagging(Bucket=name)
    cloud.client.create_bucket(
        Bucket="acme-scratch", CreateBucketConfiguration={"LocationConstraint": REGION}
    )

    run = audited(cloud)

    assert run.success  # the audit was done; what it found is its checks'
    failed = {check: result for check, result in results(run).items() if not result.passed}
    assert set(failed) == {"tags__temp", UNEXPECTED}
    command = failed["tags__temp"].metadata[name].value
    assert isinstance(command, str) and command in (failed["tags__temp"].description or "")
    cloud.run(command)
    assert set(results(audited(cloud))) >= {"tags__temp"}
    assert results(audited(cloud))["tags__temp"].passed


def test_no_check_of_a_missing_bucket_passes_for_there_was_nothing_to_look_at(cloud: Cloud) -> None:
    cloud.apply()
    name = cloud.name(Purpose.TEMP)
    cloud.client.delete_bucket(Bucket=name)

    found = results(audited(cloud))

    failed = {check for check, result in found.items() if not result.passed}
    assert failed == {check_name(rule, Purpose.TEMP) for rule in rules_of(Purpose.TEMP)}
    assert found["tls_only__temp"].description == f"{name} is not there: nothing to look at"
    assert found["tls_only__logs"].description is None


def test_no_check_of_a_missing_queue_passes(cloud: Cloud) -> None:
    cloud.apply()
    cloud.sqs.delete_queue(QueueUrl=cloud.queue(QueuePurpose.ARRIVALS).url)

    found = results(audited(cloud))

    failed = {check for check, result in found.items() if not result.passed}
    arrivals = QueuePurpose.ARRIVALS
    assert failed == {check_name(rule, arrivals) for rule in rules_of(arrivals)}


def test_a_queue_that_is_not_the_standards_is_said_to_be_left_out(cloud: Cloud) -> None:
    cloud.apply()
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/uploads"
    elsewhere = replace(cloud, settings=replace(cloud.settings, queue_url=url))

    [event] = audited(elsewhere).get_asset_materialization_events()

    said = event.materialization.metadata["queue"].value
    assert isinstance(said, str) and "the standard's acme-arrivals-test" in said


def test_an_account_that_cannot_be_read_fails_the_run_and_no_check(
    cloud: Cloud,
) -> None:
    location = {"LocationConstraint": REGION}
    taken = cloud.name(Purpose.TEMP)
    other_account(cloud).create_bucket(Bucket=taken, CreateBucketConfiguration=location)

    run = audited(cloud)

    assert not run.success
    assert results(run) == {}


def test_a_month_that_is_over_cannot_be_audited_any_more(cloud: Cloud) -> None:
    run = audited(cloud, "2026-01-01")

    assert not run.success
    assert results(run) == {}


def test_the_schedule_audits_the_month_that_begins() -> None:
    job = bucket_audit_job()
    asset = bucket_audit(settings_at("/nowhere"))
    schedule = bucket_audit_schedule(job)
    defs = dg.Definitions(assets=[asset], jobs=[job], schedules=[schedule])
    time = dt.datetime(2026, 5, 1, 4, 30, tzinfo=dt.UTC)
    context = dg.build_schedule_context(
        scheduled_execution_time=time, repository_def=defs.get_repository_def()
    )

    request = schedule.evaluate_tick(context).run_requests

    assert request is not None and [r.partition_key for r in request] == ["2026-05-01"]
    assert MONTH in MONTHS.get_partition_keys()


@pytest.mark.parametrize(
    ("environment", "region", "endpoint", "there"),
    [
        (Environment.LOCAL, "", "", False),
        (Environment.LOCAL, REGION, "", False),
        (Environment.LOCAL, REGION, "http://localhost:9000", True),
        (Environment.PROD, REGION, "", True),
        (Environment.PROD, "", "", False),  # a deployment on directories
    ],
)
def test_the_audit_is_there_where_there_is_a_cloud(
    tmp_path: Path, environment: Environment, region: str, endpoint: str, there: bool
) -> None:
    settings = replace(
        settings_at(tmp_path), environment=environment, aws_region=region, aws_endpoint=endpoint
    )

    repository = definitions((), settings).get_repository_def()

    assert (KEY in repository.asset_graph.get_all_asset_keys()) is there
    assert repository.has_job(JOB) is there
    names = [schedule.name for schedule in repository.schedule_defs]
    assert ("buckets_audit_monthly" in names) is there


def test_a_warehouse_that_is_no_bucket_of_the_standard_is_said_to_be_left_out(cloud: Cloud) -> None:
    cloud.apply()
    elsewhere = replace(cloud, settings=replace(cloud.settings, warehouse_uri="s3://lake/tables"))

    [event] = audited(elsewhere).get_asset_materialization_events()

    said = event.materialization.metadata["warehouse"].value
    assert isinstance(said, str) and "the tables are in lake" in said


def test_the_audit_is_an_asset_like_the_others(tmp_path: Path) -> None:
    """Described, owned, tagged, and a backfill of it is one run."""
    [spec] = bucket_audit(settings_at(tmp_path)).specs

    assert spec.description and spec.owners
    assert {"domain", "layer"} <= set(spec.tags)
    assert bucket_audit(settings_at(tmp_path)).backfill_policy == dg.BackfillPolicy.single_run()
