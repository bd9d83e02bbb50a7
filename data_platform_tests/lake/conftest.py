from pathlib import Path

import pytest

from data_platform_tests.databases.server import DATABASES
from data_platform_tests.lake.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty lake."""
    return Home(tmp_path)


@pytest.fixture(params=DATABASES)
def any_home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """An empty lake, with each kind of database."""
    if request.param == "sqlite":
        return Home(tmp_path)
    return Home(tmp_path, database=request.getfixturevalue("postgres_url"))
