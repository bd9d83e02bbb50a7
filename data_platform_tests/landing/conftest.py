from collections.abc import Callable
from pathlib import Path

import pytest

from data_platform.landing.ledger import Ledger
from data_platform_tests.landing.fakes import NOW, MemoryBucket


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def reopened(tmp_path: Path) -> Callable[[], Ledger]:
    """The same ledger as another process would open it."""
    return lambda: Ledger(
        f"sqlite:///{tmp_path / 'ledger.db'}", busy_timeout=0.05, clock=lambda: NOW
    )


@pytest.fixture
def ledger(reopened: Callable[[], Ledger]) -> Ledger:
    return reopened()
