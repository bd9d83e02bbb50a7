"""Each environment's manifests are the committed ones, so that a change shows in the diff.

After a wanted change: `python -m data_platform_tests.helm.test_golden` writes the files again.
"""

from pathlib import Path

import pytest

from data_platform_tests.support.chart import ENVIRONMENTS, Chart, installed_helm

GOLDEN = Path(__file__).with_name("golden")


def golden(environment: str) -> Path:
    return GOLDEN / f"{environment}.yaml"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_manifests_of_each_environment_are_the_committed_ones(
    helm: Chart, environment: str
) -> None:
    assert helm.text(environment) == golden(environment).read_text("utf-8")


def main() -> None:
    for environment in ENVIRONMENTS:
        golden(environment).write_text(Chart(installed_helm()).text(environment), "utf-8")


if __name__ == "__main__":
    main()
