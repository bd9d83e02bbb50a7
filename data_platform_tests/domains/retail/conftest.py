"""Two months of the generated shop, and what the oracle makes of them."""

from pathlib import Path

import pytest

from data_platform.demo.generator import Manifest, generate
from data_platform_tests.support.retail import oracle


@pytest.fixture(scope="package")
def landed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    target = tmp_path_factory.mktemp("landing")
    return target, generate(target, seed=1)


@pytest.fixture(scope="package")
def received(landed: tuple[Path, Manifest]) -> list[oracle.Received]:
    target, manifest = landed
    return [row for row in oracle.read(target) if row.object not in manifest.failed]


@pytest.fixture(scope="package")
def expected(received: list[oracle.Received]) -> oracle.Silver:
    return oracle.silver(received)


@pytest.fixture(scope="package")
def lines(landed: tuple[Path, Manifest], expected: oracle.Silver) -> list[oracle.Line]:
    """What gold sees: the published lines but those of the days held back."""
    _, manifest = landed
    return [line for line in expected.published if line.day not in manifest.held_back]
