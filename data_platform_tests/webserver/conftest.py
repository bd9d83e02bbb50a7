from collections.abc import Iterator
from pathlib import Path

import pytest

from data_platform_tests.support.web_pages import Pages, web_pages


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    """A webserver behind a proxy, with a home of its own."""
    with web_pages(tmp_path) as found:
        yield found
