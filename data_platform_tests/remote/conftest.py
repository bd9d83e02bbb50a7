"""Homes whose steps may run as jobs, with their files on the store of all tests."""

from collections.abc import Callable

import pytest

from data_platform_tests.support.elsewhere import Elsewhere
from tools.servers import S3Server


@pytest.fixture
def elsewhere(elsewhere_on: Callable[[S3Server], Elsewhere], versitygw: S3Server) -> Elsewhere:
    return elsewhere_on(versitygw)
