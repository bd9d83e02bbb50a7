from collections.abc import Callable
from pathlib import Path

import pytest

from data_platform.landing.ledger.ledger import Ledger
from data_platform_tests.support.memory_bucket import NOW, MemoryBucket

IMPATIENT = 0.05


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def reopened(migrated_url: str) -> Callable[[], Ledger]:
    """The same ledger as another process would open it."""
    return lambda: Ledger(migrated_url, clock=lambda: NOW)


@pytest.fixture
def ledger(reopened: Callable[[], Ledger]) -> Ledger:
    return reopened()


@pytest.fixture
def sqlite_ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.db", busy_timeout=IMPATIENT, clock=lambda: NOW)
