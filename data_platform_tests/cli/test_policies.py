"""`data-platform policies` as a shell has it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from data_platform.buckets.roles import Role
from data_platform.cli.main import main
from data_platform_tests.support.acme import KEY, PROVIDER
from data_platform_tests.support.cloud import Cloud

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def invoke(*arguments: str, code: int = 0, **settings: str) -> Result:
        given = {
            "ENV": "prod",
            "HOME": str(tmp_path),
            "PROJECT": "acme",
            "AWS_REGION": "eu-west-1",
            "DATABASE": "postgresql://app@db/data_platform",
            **settings,
        }
        env = {f"DATA_PLATFORM_{name}": value for name, value in given.items()}
        result = CliRunner().invoke(main, ["policies", *arguments], env=env)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return invoke


def ours(*arguments: str) -> tuple[str, ...]:
    return (*arguments, "--account", "123456789012")


def test_show_prints_a_role_of_the_declared_tables(run: Run) -> None:
    found = json.loads(run(*ours("show", "serve")).stdout)

    assert "arn:aws:s3:::acme-warehouse-prod/gold/retail/daily_sales/*" in json.dumps(found)
    assert run(*ours("show", "serve")).stdout == run(*ours("show", "serve")).stdout


def test_show_has_the_endpoints_policy_too(run: Run) -> None:
    found = json.loads(run(*ours("show", "endpoint")).stdout)

    assert all(statement["Principal"] == "*" for statement in found["Statement"])


SERVICE = {
    "SPARK": "emr-serverless:00abc",
    "REMOTE_ROLE": "arn:aws:iam::123456789012:role/acme-transform",
    "REMOTE_PACKAGE": "s3://acme-artifacts-prod/packages/one",
}


def test_who_launches_jobs_has_a_policy_where_a_service_runs_them(run: Run, tmp_path: Path) -> None:
    found = run(*ours("show", "launch"), **SERVICE).stdout
    run(*ours("write", str(tmp_path)), **SERVICE)

    assert "emr-serverless:StartJobRun" in found
    assert (tmp_path / "launch.json").read_text() == found
    refused = run(*ours("show", "launch"), code=1).output
    assert "DATA_PLATFORM_SPARK names no service" in refused
    run(*ours("write", str(tmp_path)))
    assert not (tmp_path / "launch.json").exists()


def test_a_mistyped_role_is_answered_with_the_nearest(run: Run) -> None:
    output = run(*ours("show", "transfrom"), code=2).output

    assert "there is no role 'transfrom'; did you mean transform?" in output


def test_write_leaves_a_file_for_each_policy(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    said = run(*ours("write", str(folder))).output.splitlines()

    names = {path.name for path in folder.iterdir()}
    assert {str(folder / name) for name in names} == set(said)
    policies = {name.partition(".")[0].partition("-")[0] for name in names}
    assert policies == {*Role, "endpoint"} - {Role.LAUNCH}
    assert json.loads((folder / "serve.json").read_text()) == json.loads(
        run(*ours("show", "serve")).stdout
    )


def test_write_deletes_the_policies_of_another_number_of_parts_and_nothing_else(
    run: Run, tmp_path: Path
) -> None:
    """Who attaches what is there would attach them, too."""
    old = {"serve-1.json", "serve-12.json", "endpoint-2.json"}
    others = {"serve.trust.json", "serve-x.json", "notes.json", "person-1.json.bak"}
    for name in old | others:
        (tmp_path / name).write_text("{}")

    said = run(*ours("write", str(tmp_path))).output

    left = {path.name for path in tmp_path.iterdir()}
    assert not left & old and left > others | {"serve.json", "endpoint.json"}
    assert all(f"{tmp_path / name}: deleted" in said for name in old)


def test_no_secret_is_fetched_and_no_credentials_are_needed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    password = "secretsmanager:acme/db#password"

    found = run(*ours("show", "ingest"), DATABASE_PASSWORD=password).stdout
    run(*ours("write", str(tmp_path)), DATABASE_PASSWORD=password)

    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:acme/db-??????"
    assert arn in found and arn in (tmp_path / "transform.json").read_text()


def test_with_a_cluster_each_role_has_a_trust_policy(run: Run, tmp_path: Path) -> None:
    run(*ours("write", str(tmp_path), "--oidc-provider", PROVIDER, "--namespace", "data"))

    trusted = {path.name for path in tmp_path.glob("*.trust.json")}
    assert trusted == {f"{role}.trust.json" for role in Role if role is not Role.LAUNCH}
    assert "system:serviceaccount:data:acme-ingest" in (tmp_path / "ingest.trust.json").read_text()


def test_a_cluster_without_a_namespace_is_refused(run: Run, tmp_path: Path) -> None:
    output = run(*ours("write", str(tmp_path), "--oidc-provider", PROVIDER), code=2).output

    assert "go together" in output


def test_trust_is_of_one_service_account(run: Run) -> None:
    given = ("--oidc-provider", PROVIDER, "--namespace", "data")

    assert "serviceaccount:data:etl" in run("trust", "etl", *given).stdout
    assert "'e*' is not a service account" in run("trust", "e*", *given, code=1).output


def test_exceptions_are_listed_with_their_reasons(run: Run) -> None:
    found = json.loads(run(*ours("exceptions", "--json")).stdout)

    assert {"role": "audit", "resource": "*"}.items() <= next(
        row.items() for row in found if row["resource"] == "*"
    )
    assert all(row["why"] for row in found)
    assert "no resource-level permission" in run(*ours("exceptions")).output


def test_a_key_of_the_buckets_may_be_used_through_s3(run: Run) -> None:
    found = run(*ours("show", "transform", "--kms-key", KEY)).stdout

    assert KEY in found and "kms:GenerateDataKey" in found
    assert "kms:" not in run(*ours("show", "transform")).stdout


def test_the_account_is_that_of_the_credentials(run: Run, cloud: Cloud) -> None:
    found = run("show", "ingest", AWS_ENDPOINT=cloud.settings.aws_endpoint).stdout

    assert f'"aws:ResourceAccount": "{cloud.account.id}"' in found


def test_an_account_that_is_none_is_refused(run: Run) -> None:
    assert "twelve digits" in run("show", "ingest", "--account", "acme", code=1).output


def test_the_region_says_which_of_awss_clouds(run: Run) -> None:
    found = run(*ours("show", "ingest"), AWS_REGION="cn-north-1").stdout

    assert "arn:aws-cn:s3:::" in found and "arn:aws:" not in found
