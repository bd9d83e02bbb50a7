"""Which run brought a landed object to gold, by what a webserver says of builds."""

import pytest

from tools.dagster_api import Built, run_with

KEY, OURS, BEFORE = "online_retail/2011-03-04.csv", "512-b", "512-a"


def load(run: str, at: float, *versions: str) -> Built:
    """A build of bronze from these versions of the object and of another."""
    return Built(run, at - 5, at, frozenset({("other.csv", OURS), *((KEY, v) for v in versions)}))


def gold(run: str, begun: float) -> Built:
    return Built(run, begun, begun + 60)


LOADED = [load("ours", 100, OURS), load("earlier", 50, BEFORE)]


@pytest.mark.parametrize(
    ("bronze", "found", "wanted"),
    [
        (LOADED, [gold("ours", 95), gold("earlier", 45)], "ours"),
        # It had begun before the file was loaded, so that it may have read the one before.
        (LOADED, [gold("another", 99), gold("earlier", 45)], None),
        # The run that loaded it failed, and the work was asked for again.
        (LOADED, [gold("again", 130), gold("another", 99)], "again"),
        # Another file of the day came meanwhile: ours is in its build, too.
        ([load("next", 120, OURS), *LOADED], [gold("next", 115), gold("another", 99)], "next"),
        # A new version has not been loaded yet, whatever was built.
        (LOADED[1:], [gold("another", 200)], None),
        ([], [], None),
    ],
)
def test_only_a_run_that_has_read_the_object_counts(
    bronze: list[Built], found: list[Built], wanted: str | None
) -> None:
    assert run_with(KEY, OURS, bronze, found) == wanted
