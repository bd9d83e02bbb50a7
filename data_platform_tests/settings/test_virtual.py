"""The settings of a virtual environment: what it has of its own, and what it shares."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from data_platform.settings.environment import settings_at, settings_from_env
from data_platform.settings.values import SettingsError
from data_platform.settings.virtual import inside

SERVER = "postgresql://me@db:5432/platform"


def test_all_that_is_written_has_a_place_of_its_own(tmp_path: Path) -> None:
    production = settings_at(tmp_path)
    found = inside(production, "pr_42")
    home = tmp_path / "environments" / "pr_42"
    assert (found.home, found.dagster_home) == (home, home / "dagster")
    assert found.warehouse_uri == f"{production.warehouse_uri}/_environments/pr_42"
    assert found.catalog_uri == f"sqlite:///{home}/catalog.db"
    assert found.ledger_uri == f"sqlite:///{home}/ledger.db"
    assert found.landing_uri == production.landing_uri


def test_on_a_server_names_are_looked_up_in_its_schema_alone(tmp_path: Path) -> None:
    options = "?sslmode=require&options=-cstatement_timeout%3D9000"
    production = settings_at(
        tmp_path, catalog_uri=SERVER, ledger_uri=SERVER + options, dagster_database=SERVER
    )
    found = inside(production, "pr_42")
    path = "-csearch_path=environment_pr_42"
    for url in (found.catalog_uri, found.dagster_database):
        assert make_url(url).query == {"options": path}
    ledger = make_url(found.ledger_uri)
    assert ledger.query == {"sslmode": "require", "options": f"-cstatement_timeout=9000 {path}"}
    assert ledger.host == "db" and ledger.database == "platform"


def test_on_servers_all_of_their_hosts_and_options_are_kept(tmp_path: Path) -> None:
    query = "?host=one:5432&host=two:5432&options=-cone%3D1&options=-ctwo%3D2"
    url = "postgresql://me:a%40b@/platform" + query
    found = make_url(inside(settings_at(tmp_path, ledger_uri=url), "pr_42").ledger_uri)
    assert found.query == {
        "host": ("one:5432", "two:5432"),
        "options": "-cone=1 -ctwo=2 -csearch_path=environment_pr_42",
    }
    assert (found.password, found.database) == ("a@b", "platform")


def test_it_reads_no_message_of_the_queue(tmp_path: Path) -> None:
    production = settings_at(
        tmp_path,
        landing_uri="s3://landing",
        aws_region="eu-west-1",
        queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/landing",
        inventory_uri="s3://inventory/a/landing/daily",
    )
    found = inside(production, "pr_42")
    assert (found.queue_url, found.inventory_uri) == ("", "")


def test_from_within_one_leads_to_another_and_back(tmp_path: Path) -> None:
    production = settings_at(tmp_path)
    one, other = inside(production, "one"), inside(production, "other")
    assert inside(one, "other") == other and inside(one, "") == inside(production, "")
    assert inside(one, "") == production


def test_one_variable_chooses_it(tmp_path: Path) -> None:
    variables = {"DATA_PLATFORM_ENV": "test", "DATA_PLATFORM_HOME": str(tmp_path)}
    production = settings_from_env(variables)
    within = settings_from_env({**variables, "DATA_PLATFORM_VIRTUAL_ENVIRONMENT": "pr_42"})
    assert within == inside(production, "pr_42") != production


@pytest.mark.parametrize("name", ["PR_42", "42", "feature/x", "a-b", "_x", "x" * 41])
def test_a_name_that_no_schema_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be the name of an environment; write"):
        inside(settings_at(tmp_path), name)


@pytest.mark.parametrize("ledger", ["a file", SERVER])
def test_beside_glue_the_catalog_of_an_environment_is_with_its_ledger(
    tmp_path: Path, ledger: str
) -> None:
    given = {"ledger_uri": ledger} if ledger == SERVER else {}
    glue = {"catalog_uri": "glue", "warehouse_uri": "s3://lake", "aws_region": "eu-west-1"}
    production = settings_at(tmp_path, **glue, **given)

    found = inside(production, "pr_42")

    own = found.ledger_uri if given else f"sqlite:///{found.home}/catalog.db"
    assert found.catalog_uri == own != production.ledger_uri
    assert found.catalog_properties["type"] == "sql"
    assert found.catalog_properties["warehouse"] == "s3://lake/_environments/pr_42"
    assert inside(found, "").catalog_uri == "glue"
