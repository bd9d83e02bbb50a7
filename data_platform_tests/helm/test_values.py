"""What the chart is given: each environment's values are allowed, and what is not is refused."""

import json
from typing import Any

import pytest

from data_platform.settings.variables import NAMES
from data_platform_tests.support.chart import CHART, ENVIRONMENTS, Chart, Refused

# What a pod has from the chart, or from a secret; or from the image.
NOT_GIVEN = {"HOME", "DAGSTER_CONFIG", "SPARK_JARS", "VIRTUAL_ENVIRONMENT", "ACTOR"}
NOT_GIVEN |= {"PROXY_SECRET", "OPERATORS", "VIEWERS"}  # the webserver has them from `proxy`
NOT_GIVEN |= {"ALERTS"}  # the file of `alerts`
NOT_GIVEN |= {"UNPROTECTED_HOSTS"}  # for a webserver that is reached without a proxy


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_chart_has_no_lint_with_the_values_of_each_environment(
    helm: Chart, environment: str
) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm.lint(environment)


def test_the_settings_of_the_chart_are_those_of_the_platform() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))

    assert set(schema["properties"]["settings"]["properties"]) == set(NAMES) - NOT_GIVEN


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"settings": {"WAREHOUSES": "s3://x"}}, "WAREHOUSES"),
        ({"settings": {"ENV": "production"}}, "settings/ENV"),
        ({"settings": {"DATABASE": "postgresql://me:hunter2@db/x"}}, "settings/DATABASE"),
        ({"settings": {"DATABASE": "postgresql://me@db/x?password=hunter2"}}, "settings/DATABASE"),
        ({"settings": {"LEDGER": "postgresql://me:hunter2@db/x"}}, "settings/LEDGER"),
        ({"settings": {"CATALOG": "postgresql://me:hunter2@db/x"}}, "settings/CATALOG"),
        ({"settings": {"DATABASE_PASSWORD": "hunter2"}}, "DATABASE_PASSWORD"),
        (
            {"settings": {"DATABASE_PASSWORD": "secretsmanager:acme/db#password"}},
            "serviceAccounts/daemon/role",
        ),
        ({"settings": {"DATABASE_PASSWORD": "secretsmanager:acme/db"}}, "secrets/0/variable"),
        ({"secrets": [{"variable": "A", "secret": "b", "value": "hunter2"}]}, "value"),
        ({"webserver": {"replicas": 0}}, "replicas"),
        ({"webserver": {"resources": {"limits": {"memory": None}}}}, "memory"),
        ({"runs": {"resources": {"limits": {"memory": "lots"}}}}, "memory"),
        ({"serviceAccounts": {"runs": {"role": "runs"}}}, "role"),
        ({"networkPolicy": {"database": {"cidrs": []}}}, "networkPolicy/database"),
        ({"networkPolicy": {"kubernetes": {"cidrs": []}}}, "networkPolicy/kubernetes"),
        ({"proxy": {"enabled": False}}, "proxy/enabled"),
        ({"proxy": {"enabled": False}, "ingress": {"enabled": False}}, "proxy/enabled"),
        ({"proxy": {"issuer": "http://login"}}, "proxy/issuer"),
        ({"proxy": {"operators": []}}, "proxy/operators"),
        ({"proxy": {"operators": ["*"]}}, "proxy/operators/0"),
        ({"proxy": {"viewers": ["a,b"]}}, "proxy/viewers/0"),
        ({"ingress": {"tlsSecret": ""}}, "tlsSecret"),
        ({"image": {"digest": "", "tag": "latest"}}, "image/digest"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_values_that_are_not_allowed_are_refused(
    helm: Chart, values: dict[str, Any], why: str
) -> None:
    with pytest.raises(Refused) as caught:
        helm.text("prod", values)

    assert "values don't meet the specifications of the schema" in str(caught.value)
    assert why in str(caught.value)
