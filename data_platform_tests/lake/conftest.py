from pathlib import Path

import pytest

from data_platform_tests.lake.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty lake."""
    return Home(tmp_path)
