"""Homes whose steps may run as jobs, with their files on the store of all tests."""

from collections.abc import Callable

import pytest

from data_platform_tests.support.remote_jobs import RemoteJobs
from tools.servers import S3Server


@pytest.fixture
def remote(remote_on: Callable[[S3Server], RemoteJobs], versitygw: S3Server) -> RemoteJobs:
    return remote_on(versitygw)
