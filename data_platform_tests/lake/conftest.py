from pathlib import Path

import pytest

from data_platform_tests.lake.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty lake."""
    return Home(tmp_path)


@pytest.fixture
def any_home(tmp_path: Path, server_url: str) -> Home:
    """An empty lake, with each kind of database."""
    return Home(tmp_path, database=server_url)
