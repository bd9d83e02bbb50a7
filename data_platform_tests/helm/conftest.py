"""Helm, and what validates and audits manifests, of `make services`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data_platform_tests.support.chart import Chart, installed_helm
from data_platform_tests.support.servers import not_there
from tools.environments import MANIFESTS, PackagesError
from tools.servers import NotInstalled


@pytest.fixture(scope="session")
def helm() -> Chart:
    """The chart, rendered by Helm."""
    try:
        return Chart(installed_helm())
    except NotInstalled as missing:
        not_there(str(missing))


@pytest.fixture(scope="session")
def validator() -> Callable[[str], Path]:
    """The programs of the environment that judges manifests, by name."""
    try:
        MANIFESTS.program("python")
    except PackagesError as missing:
        not_there(str(missing))
    return MANIFESTS.program
