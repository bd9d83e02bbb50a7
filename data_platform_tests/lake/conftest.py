from pathlib import Path

import pytest

from data_platform_tests.support.lake_home import LakeHome
from data_platform_tests.support.places import Place


@pytest.fixture
def home(tmp_path: Path, place: Place) -> LakeHome:
    """An empty lake, in every kind of place."""
    return LakeHome(tmp_path, place)
