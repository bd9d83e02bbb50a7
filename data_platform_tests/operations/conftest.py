"""What the tests of environments and of promotions share."""

import pytest


@pytest.fixture
def metadata() -> str:
    """Where production's metadata is, unless a test says otherwise."""
    return "in_files"
