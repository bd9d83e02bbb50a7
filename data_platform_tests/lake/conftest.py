from pathlib import Path

import pytest

from data_platform_tests.lake.home import Home
from data_platform_tests.places import Place


@pytest.fixture
def home(tmp_path: Path, place: Place) -> Home:
    """An empty lake, in every kind of place."""
    return Home(tmp_path, place)
